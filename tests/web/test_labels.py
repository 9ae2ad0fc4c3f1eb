import pytest
from flask import Flask

from app.refunds.models import RefundStatus
from app.web.labels import choices_of, label_of
from app.webhooks.models import WebhookStatus


@pytest.fixture(autouse=True)
def english_page(plain_app: Flask):
    with plain_app.test_request_context(headers={"Accept-Language": "en"}):
        yield


@pytest.mark.parametrize(
    ("kind", "codes"), [("refund_status", RefundStatus), ("webhook_status", WebhookStatus)]
)
def test_each_of_our_own_statuses_has_a_label(kind, codes):
    assert {choice.value for choice in choices_of(kind)} == set(codes)


def test_money_that_came_is_green_and_money_that_went_back_is_not():
    assert label_of("payment_status", "PAID").tone == "good"
    assert label_of("payment_status", "CANCELLED").tone == "back"
    assert label_of("payment_status", "PARTIAL_CANCELLED").tone == "back"


def test_a_delivery_that_failed_is_never_green():
    failures = [choice.value for choice in choices_of("delivery_status") if choice.value != "SUCCEEDED"]
    assert {label_of("delivery_status", code).tone for code in failures} == {"bad"}


def test_a_status_added_since_is_a_plain_chip_with_its_raw_text():
    label = label_of("payment_status", "HELD_BY_AUNT")
    assert (label.text, label.tone) == ("HELD_BY_AUNT", "plain")
