"""The webhook log in the browser: found by every filter, nothing secret on the page."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from app import clock
from app.extensions import db
from app.webhooks.models import WebhookLog
from tests.conftest import on_both_databases, pages_on_one_database
from tests.webhooks.messages import (
    NOON,
    FakePortOne,
    about_billing_key,
    about_payment,
    payment_document,
    signed,
)

pytestmark = pages_on_one_database

Receive = Callable[..., WebhookLog]
Work = Callable[..., int]

KEY = "billing-key-0193c6f0-2a9e-7c52-b0a4-6b1f0b0d9e77"


def shown(page: Any) -> list[str]:
    """The statuses of the rows on a page."""
    return re.findall(r'data-webhook-id="[^"]+" data-status="([a-z]+)"', page.text)


@pytest.fixture
def log_of_all_kinds(app: Any, portone: FakePortOne, receive: Receive, work: Work, client: Any) -> None:
    """A processed, a skipped, a waiting, a failed and a rejected message, in this order."""
    portone.knows(payment_document("order-1"))
    for number, event in enumerate(["Transaction.Paid", "Transaction.SomethingNew"]):
        with clock.fixed_at(NOON + timedelta(minutes=number)):
            receive(about_payment("order-1", event), f"webhook-{number}")
            work()
    with clock.fixed_at(NOON + timedelta(days=1)):
        receive(about_payment("주문/2", "Transaction.Cancelled"), "webhook-2")
        receive(about_billing_key(KEY), "webhook-3")
        db.session.execute(
            update(WebhookLog)
            .where(WebhookLog.webhook_id == "webhook-3")
            .values(status="failed", created_at=NOON + timedelta(days=1, minutes=1))
        )
    with clock.fixed_at(NOON + timedelta(days=1, minutes=2)):
        client.post("/webhooks/portone", data="{}")


@on_both_databases
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["rejected", "failed", "received", "skipped", "processed"]),
        ("?status=failed", ["failed"]),
        ("?status=failed&status=rejected", ["rejected", "failed"]),
        ("?type=Transaction.Paid", ["processed"]),
        ("?type=Transaction.SomethingNew", ["skipped"]),
        ("?q=order-1", ["skipped", "processed"]),
        ("?q=%EC%A3%BC%EB%AC%B8%2F2", ["received"]),
        ("?q=webhook-3", ["failed"]),
        ("?q=tx-1&status=received", ["received"]),
        ("?to=2026-03-29", ["skipped", "processed"]),
        ("?from=2026-03-30&to=2026-03-30", ["rejected", "failed", "received"]),
        ("?repeated=1", []),
        ("?q=%25", []),
    ],
)
@pytest.mark.usefixtures("log_of_all_kinds")
def test_each_filter_finds_its_messages(signed_in: Any, query: str, found: list[str]) -> None:
    page = signed_in.get(f"/webhooks{query}")
    assert page.status_code == 200
    assert shown(page) == found


@pytest.mark.parametrize(
    "query", ["?from=2026-02-30", "?from=2026-03-02&to=2026-03-01", "?status=odd", "?to=tomorrow", "?q=%0B"]
)
def test_filters_that_make_no_sense_get_a_sentence(signed_in: Any, query: str) -> None:
    page = signed_in.get(f"/webhooks{query}")
    assert page.status_code == 422
    assert "field-error" in page.text or "empty-text" in page.text


@on_both_databases
def test_repeated_deliveries_can_be_filtered(signed_in: Any) -> None:
    for _ in range(2):
        signed_in.post("/webhooks/portone", **signed(about_payment("order-1"), webhook_id="webhook-1"))
    signed_in.post("/webhooks/portone", **signed(about_payment("order-2"), webhook_id="webhook-2"))
    assert shown(signed_in.get("/webhooks?repeated=1")) == ["received"]


@on_both_databases
def test_more_than_a_page_is_led_on_by_a_link(signed_in: Any, receive: Receive) -> None:
    for number in range(52):
        receive(about_payment(f"order-{number}"), f"webhook-{number}")
    first = signed_in.get("/webhooks?status=received")
    address = re.search(r'rel="next"[^>]*href="([^"]+)"', first.text)
    assert address
    rest = signed_in.get(address[1].replace("&amp;", "&"), headers={"HX-Request": "true"})
    assert (len(shown(first)), len(shown(rest))) == (50, 2)
    assert "<html" not in rest.text


def test_a_billing_key_is_taken_out_of_the_address(signed_in: Any) -> None:
    answer = signed_in.get(f"/webhooks?q={KEY}")
    assert answer.status_code == 303
    assert KEY not in answer.headers["Location"]


@pytest.mark.usefixtures("log_of_all_kinds")
def test_every_kind_of_message_has_a_page(signed_in: Any) -> None:
    for log in db.session.query(WebhookLog).all():
        page = signed_in.get(f"/webhooks/{log.id}")
        assert page.status_code == 200
        assert KEY not in page.text


def test_a_page_tells_what_changed_and_hides_signatures(
    portone: FakePortOne, receive: Receive, work: Work, signed_in: Any
) -> None:
    portone.knows(payment_document("order-1"))
    log = receive(about_payment("order-1", customer={"name": "김하늘", "phoneNumber": "01012345678"}))
    work()
    page = signed_in.get(f"/webhooks/{log.id}").text
    assert "결제완료" in page or "Paid" in page
    assert log.request_headers["webhook-signature"] not in page
    assert "01012345678" not in page
    assert "/payments/order-1" in page


def test_an_answer_that_was_no_success_is_never_green(client: Any, signed_in: Any) -> None:
    client.post("/webhooks/portone", data="forged <b>body</b>")
    log = db.session.query(WebhookLog).one()
    page = signed_in.get(f"/webhooks/{log.id}").text
    assert "tone-good" not in page
    assert "forged &lt;b&gt;" in page


def test_a_message_that_does_not_exist_is_not_found(signed_in: Any) -> None:
    assert signed_in.get("/webhooks/0190f000-0000-7000-8000-000000000000").status_code == 404


def test_the_payment_tells_its_webhooks(
    portone: FakePortOne, receive: Receive, work: Work, signed_in: Any
) -> None:
    portone.knows(payment_document("order-1"))
    log = receive(about_payment("order-1"))
    work()
    assert f"/webhooks/{log.id}" in signed_in.get("/payments/order-1").text


@pytest.mark.parametrize("address", ["/webhooks", "/webhooks/0190f000-0000-7000-8000-000000000000"])
def test_nobody_sees_the_log_without_a_sign_in(client: Any, address: str) -> None:
    assert client.get(address).headers["Location"].startswith("/login")


@on_both_databases
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?answer=error", ["rejected"]),
        ("?answer=ok", ["failed", "received", "skipped", "processed"]),
        ("?attempts=0", ["failed", "skipped", "processed"]),
        ("?attempts=2", ["failed"]),
    ],
)
@pytest.mark.usefixtures("log_of_all_kinds")
def test_answers_and_attempts_can_be_filtered(signed_in: Any, query: str, found: list[str]) -> None:
    db.session.execute(update(WebhookLog).where(WebhookLog.status == "failed").values(attempts=3))
    assert shown(signed_in.get(f"/webhooks{query}")) == found


@on_both_databases
def test_one_press_processes_again_and_a_second_one_harms_nothing(
    portone: FakePortOne, receive: Receive, signed_in: Any
) -> None:
    portone.knows(payment_document("order-1"))
    log = receive(about_payment("order-1"))
    for _ in range(2):
        answer = signed_in.submit(f"/webhooks/{log.id}/replay")
        assert (answer.status_code, answer.location) == (303, f"/webhooks/{log.id}")
    page = signed_in.get(f"/webhooks/{log.id}").text
    assert page.count("data-attempt=") == 2
    assert "김서연" in page


def test_an_endless_reason_is_refused_and_kept(receive: Receive, signed_in: Any) -> None:
    log = receive(about_payment("order-1"))
    answer = signed_in.submit(f"/webhooks/{log.id}/replay", {"reason": "가" * 501})
    assert answer.status_code == 422
    assert "가" * 501 in answer.text


def test_a_forged_message_is_refused_in_words(client: Any, signed_in: Any) -> None:
    client.post("/webhooks/portone", data="{}")
    log = db.session.query(WebhookLog).one()
    page = signed_in.get(f"/webhooks/{log.id}").text
    assert "/replay" not in page
    assert signed_in.submit(f"/webhooks/{log.id}/replay").status_code == 409


@pytest.mark.parametrize("action", ["replay", "resend"])
def test_who_lacks_the_permission_can_neither_see_nor_press(
    receive: Receive, signed_in: Any, monkeypatch: Any, action: str
) -> None:
    from app.access import guards

    log = receive(about_payment("order-1"))
    monkeypatch.setattr(guards, "holds", lambda person, permission: permission == "webhook:read")
    assert f"/{action}" not in signed_in.get(f"/webhooks/{log.id}").text
    monkeypatch.setattr(guards, "holds", lambda person, permission: permission != f"webhook:{action}")
    assert signed_in.submit(f"/webhooks/{log.id}/{action}").status_code == 403
    assert signed_in.get(f"/webhooks/bulk/{action}").status_code == 403
