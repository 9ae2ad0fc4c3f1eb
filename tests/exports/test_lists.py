"""The lists besides payments and refunds, as files."""

import pytest
from sqlalchemy import select

from app.billing_keys.models import BillingKey
from app.charges.models import Charge
from app.exports.models import Export
from app.extensions import db
from app.webhooks.models import WebhookLog
from tests.exports.conftest import NOON, add_payments, lines_of, work

LISTS = ("payments", "refunds", "cancellations-elsewhere", "webhooks", "billing-keys", "charges", "drifts")
ASKED = {"format": "csv", "reason": "점검"}


def file_of(browser, list_name: str, query: str = "") -> list[dict[str, str]]:
    answer = browser.submit(f"/exports/new?list={list_name}&{query}", ASKED)
    assert answer.status_code == 303, answer.text
    work()
    return lines_of(db.session.scalars(select(Export)).one())


@pytest.mark.parametrize("name", LISTS)
def test_every_list_that_is_empty_is_a_file_too(signed_in, name):
    assert file_of(signed_in, name) == []


def test_the_webhook_log_without_bodies_and_headers(signed_in):
    for status in ("processed", "failed"):
        log = WebhookLog(
            webhook_id=f"webhook-{status}",
            webhook_type="Transaction.Paid",
            status=status,
            named_payment_id="-1+1",
            created_at=NOON,
            request_headers={"webhook-signature": "secret"},
        )
        db.session.add(log)
    [line] = file_of(signed_in, "webhooks", "status=failed")
    assert (line["웹훅 번호"], line["고객사 거래번호"]) == ("webhook-failed", "'-1+1")
    assert "secret" not in str(line)


def test_billing_keys_without_the_keys(signed_in):
    for number in ("one", "two"):
        key = BillingKey(
            billing_key=number,
            billing_key_encrypted="sealed",
            key_ending=number,
            customer_name="홍길동",
            card_number="1234-56**-****-7890",
            registered_at=NOON,
        )
        db.session.add(key)
    lines = file_of(signed_in, "billing-keys", "q=two")
    assert [(line["빌링키"], line["고객명"], line["번호"]) for line in lines] == [
        ("…two", "홍*동", "****7890")
    ]
    assert "sealed" not in str(lines)


def test_charges_with_their_customer_masked(signed_in):
    key = BillingKey(billing_key="hash", key_ending="0042", method="CARD", channel_type="LIVE")
    db.session.add(key)
    db.session.flush()
    for number, status in enumerate(("succeeded", "failed")):
        charge = Charge(
            billing_key_id=key.id,
            named_payment_id=f"charge{number}",
            status=status,
            amount=2_999,
            currency="USD",
            order_name="=구독",
            customer_name="홍길동",
            request_sealed="sealed",
            created_at=NOON,
        )
        db.session.add(charge)
    [line] = file_of(signed_in, "charges", "status=failed")
    assert (line["청구 금액"], line["통화"], line["주문명"]) == ("29.99", "USD", "'=구독")
    assert (line["고객명"], line["빌링키"], line["상태"]) == ("홍*동", "…0042", "청구 실패")
    assert "sealed" not in str(line)


def test_the_audit_trail_for_who_may_read_it(app, client, super_admin, signed_in):
    assert signed_in.get("/exports/new?list=audit").status_code == 403
    owner = app.test_client().sign_in(super_admin)
    [line] = file_of(owner, "audit", "action=export.requested")
    assert (line["무엇을"], line["누가"]) == ("목록 내보냄", super_admin.name)
    assert '"reason": "점검"' in line["자세히"]


def test_a_file_does_not_depend_on_how_a_row_came(signed_in):
    add_payments(1, customer_name=None, customer_email=None, customer_phone=None, order_name=None)
    [line] = file_of(signed_in, "payments")
    assert line["고객명"] == line["주문명"] == line["승인 시각"] == ""
