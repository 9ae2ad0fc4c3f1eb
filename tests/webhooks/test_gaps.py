"""PortOne's log of a payment's webhooks is held against ours."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from app import clock
from app.extensions import db
from app.payments.snapshots import store_snapshots
from app.portone.payloads import PaymentSnapshot
from app.webhooks import gaps
from app.webhooks.gaps import compare_all_stored, count_gaps
from app.webhooks.models import WebhookGap, WebhookLog
from tests.factories import make_user
from tests.webhooks.messages import NOON, FakePortOne, about_payment, payment_document

Receive = Callable[..., WebhookLog]
Work = Callable[..., int]

OURS = "http://127.0.0.1:8000/webhooks/portone"

pytestmark = pytest.mark.usefixtures("noon")


@pytest.fixture(autouse=True)
def staff(app: Any) -> None:
    """Somebody has run this shop for a month."""
    make_user(email="first@example.com", created_at=NOON - timedelta(days=30))


def sent(webhook_id: str = "webhook-1", *, minutes_ago: float = 5, **about: Any) -> dict[str, Any]:
    """An entry of `webhooks[]`."""
    triggered = (NOON - timedelta(minutes=minutes_ago)).isoformat()
    usual = {"url": OURS, "status": "SUCCEEDED", "paymentStatus": "PAID", "currentExecutionCount": 1}
    return {"id": webhook_id, "triggeredAt": triggered, **usual, **about}


def store(*deliveries: dict[str, Any], payment_id: str = "order-1") -> None:
    document = payment_document(payment_id, webhooks=list(deliveries))
    store_snapshots([PaymentSnapshot.from_raw(document)], read_at=clock.now())
    db.session.commit()


def kinds() -> dict[str, str]:
    db.session.expire_all()
    return {gap.webhook_id: gap.kind for gap in db.session.scalars(select(WebhookGap))}


@pytest.mark.parametrize(
    ("about", "kind"),
    [
        ({"status": "SUCCEEDED"}, "missed"),
        ({"status": None}, "missed"),
        ({"status": "FAILED_UNEXPECTED_ERROR"}, "missed"),
        ({"status": "FAILED_NOT_OK_RESPONSE", "response": {"code": "400"}}, "refused"),
        ({"url": "https://127.0.0.1:8000/api/portone/webhook/"}, "missed"),
        ({"url": "https://shop.example/webhooks/portone", "status": "FAILED_UNEXPECTED_ERROR"}, "elsewhere"),
    ],
)
def test_what_portone_sent_and_we_do_not_hold_is_kept(about: dict[str, Any], kind: str) -> None:
    store(sent(**about))
    assert kinds() == {"webhook-1": kind}


@pytest.mark.parametrize(
    "about",
    [
        {"url": "https://shop.example/webhooks/portone"},
        {"url": "http://127.0.0.1:8000/other"},
        {"url": "http://127.0.0.1:9000/webhooks/portone"},
        {"url": "http://[broken"},
        {"url": None},
        {"minutes_ago": 60 * 24 * 31},
        {"triggeredAt": None},
    ],
)
def test_what_is_another_systems_or_was_before_our_time_is_not_missing(about: dict[str, Any]) -> None:
    store(sent(**about))
    assert kinds() == {}


def test_what_we_hold_in_time_is_no_gap(receive: Receive) -> None:
    receive(about_payment("order-1"), "webhook-1")
    store(sent())
    assert kinds() == {}


def test_a_message_that_came_late_is_told_as_late(receive: Receive) -> None:
    receive(about_payment("order-1"), "webhook-1")
    store(sent(minutes_ago=11))
    assert kinds() == {"webhook-1": "late"}


@pytest.mark.parametrize("tries", [1, 3])
def test_a_message_sent_more_than_once_is_told_as_repeated(receive: Receive, tries: int) -> None:
    for _ in range(3 if tries == 1 else 1):
        receive(about_payment("order-1"), "webhook-1")
    store(sent(minutes_ago=0.5, currentExecutionCount=tries))
    assert kinds() == {"webhook-1": "repeated"}


def test_a_missing_message_that_comes_after_all_is_late_not_missing(
    portone: FakePortOne, receive: Receive, work: Work
) -> None:
    store(sent(minutes_ago=30))
    assert count_gaps("") == 1
    portone.knows(payment_document("order-1", webhooks=[sent(minutes_ago=30)]))
    receive(about_payment("order-1"), "webhook-1")
    work()
    assert kinds() == {"webhook-1": "late"}
    assert count_gaps("") == 0


def test_a_message_on_its_way_is_not_called_missing(receive: Receive) -> None:
    store(sent(minutes_ago=1))
    assert count_gaps("") == 0
    receive(about_payment("order-1"), "webhook-1")
    store(sent(minutes_ago=1))
    assert kinds() == {}


def test_comparing_twice_keeps_one_gap_and_hundreds_take_few_questions() -> None:
    many = [sent(f"webhook-{number}") for number in range(1_500)]
    store(*many)
    store(*many)
    assert len(kinds()) == 1_500


def test_an_id_no_database_could_index_is_left_out() -> None:
    store(sent("가" * 5_000))
    assert kinds() == {}


def test_snapshots_stored_before_the_log_was_filled_can_be_compared_again(receive: Receive) -> None:
    store(sent("webhook-1"), sent("webhook-2"))
    receive(about_payment("order-1"), "webhook-1")
    compare_all_stored()
    assert kinds() == {"webhook-2": "missed"}


def test_deleting_a_payment_deletes_what_is_missing_of_it(app: Any) -> None:
    store(sent())
    db.session.execute(db.text("DELETE FROM payments"))
    db.session.commit()
    assert kinds() == {}


def test_the_page_shows_exactly_what_is_counted(signed_in: Any) -> None:
    store(sent("webhook-1"), sent("webhook-2", status="FAILED_NOT_OK_RESPONSE"), payment_id="주문/1")
    page = signed_in.get("/webhooks/missing")
    assert page.text.count("data-gap-id") == gaps.count_gaps("") == 2
    assert "/payments/%EC%A3%BC%EB%AC%B8%2F1" in page.text
    assert signed_in.get("/webhooks/missing?kind=late").text.count("data-gap-id") == 0
    assert signed_in.get("/webhooks/missing?kind=refused").text.count("data-gap-id") == 1


@pytest.mark.parametrize("query", ["?kind=odd", "?from=2026-02-30", "?from=2026-03-02&to=2026-03-01"])
def test_filters_that_make_no_sense_get_a_sentence(signed_in: Any, query: str) -> None:
    assert signed_in.get(f"/webhooks/missing{query}").status_code == 422
