"""What needs a person, and the figures of a day."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event

from app import clock, leases
from app.billing_keys.models import BillingKey
from app.charges.models import Charge
from app.columns import new_id
from app.extensions import db
from app.money import Money
from app.overview import queries
from app.overview.queries import Figures
from app.payments.models import Cancellation, Payment
from app.refunds.models import Refund
from app.webhooks.models import WebhookLog

pytestmark = pytest.mark.usefixtures("app")

#: Wednesday 2026-04-01, 10:42 in Seoul.
MOMENT = datetime(2026, 4, 1, 1, 42, tzinfo=UTC)
TODAY = date(2026, 4, 1)


@pytest.fixture(autouse=True)
def wednesday_morning():
    with clock.fixed_at(MOMENT):
        yield


def add(row: Any) -> Any:
    db.session.add(row)
    db.session.commit()
    return row


def add_payment(amount: int = 10_000, **values: Any) -> Payment:
    defaults = {"status": "PAID", "currency": "KRW", "channel_type": "LIVE", "status_changed_at": MOMENT}
    return add(Payment(payment_id=f"order-{new_id()}", amount=amount, **(defaults | values)))


def add_cancellation(payment: Payment, amount: int, **values: Any) -> Cancellation:
    defaults = {"status": "SUCCEEDED", "cancelled_at": MOMENT, "cancellation_id": str(new_id())}
    return add(Cancellation(payment=payment, total_amount=amount, **(defaults | values)))


def add_refund(
    status: str, amount: int = 1_000, sent_at: datetime | None = None, **of_payment: Any
) -> Refund:
    return add(Refund(payment=add_payment(**of_payment), status=status, amount=amount, sent_at=sent_at))


def add_charge(status: str, amount: int = 1_000, channel_type: str = "LIVE", **values: Any) -> Charge:
    key = add(BillingKey(billing_key=str(new_id()), channel_type=channel_type))
    defaults = {"currency": "KRW", "order_name": "구독", "named_payment_id": str(new_id())}
    return add(Charge(billing_key_id=key.id, status=status, amount=amount, **(defaults | values)))


def add_webhook(status: str, age: timedelta = timedelta(0)) -> WebhookLog:
    webhook_id = None if status == "rejected" else str(new_id())
    return add(WebhookLog(webhook_id=webhook_id, status=status, created_at=MOMENT - age))


def concerns() -> dict[str, int]:
    return {concern.kind: concern.count for concern in queries.list_concerns()}


def test_nothing_needs_a_person_when_all_is_done():
    add_refund("succeeded")
    add_webhook("processed")
    add_payment(account_refund_status="COMPLETED")
    assert concerns() == {}


def test_refunds_with_an_unknown_outcome_come_first_with_their_money_by_currency():
    add_refund("uncertain", 1_000)
    add_refund("uncertain", 2_000)
    add_refund("uncertain", 999, currency="USD")
    add_refund("uncertain", 5_000, channel_type="TEST")
    add_webhook("failed")
    first = queries.list_concerns()[0]
    assert (first.kind, first.count) == ("uncertain_refunds", 4)
    assert set(first.amounts) == {Money(3_000, "KRW"), Money(999, "USD")}


@pytest.mark.parametrize(("seconds", "found"), [(59, {}), (61, {"stuck_refunds": 2})])
def test_refunds_being_sent_count_once_one_takes_longer_than_a_minute(seconds, found):
    add_refund("sending", sent_at=MOMENT - timedelta(seconds=seconds))
    add_refund("sending", sent_at=MOMENT)
    assert concerns() == found


@pytest.mark.parametrize(("seconds", "found"), [(59, {}), (61, {"waiting_webhooks": 2})])
def test_webhooks_waiting_count_once_one_waits_longer_than_a_minute(seconds, found):
    add_webhook("received", timedelta(seconds=seconds))
    add_webhook("received")
    assert concerns() == found


def test_webhooks_with_a_bad_signature_count_since_yesterday():
    since_yesterday = timedelta(hours=34, minutes=42)
    add_webhook("rejected", since_yesterday)
    add_webhook("rejected", since_yesterday + timedelta(seconds=1))
    [concern] = queries.list_concerns()
    assert (concern.count, concern.query) == (1, {"status": "rejected", "from": "2026-03-31"})


def test_payments_about_which_something_is_unsettled_count_unless_they_are_tests():
    add_payment(account_refund_status="FAILED")
    add_payment(account_refund_status="PARTIAL_REFUND_FAILED")
    add_payment(account_refund_status="FAILED", channel_type="TEST")
    add_payment(has_open_dispute=True)
    add_payment(has_pending_cancellation=True)
    assert concerns() == {"failed_transfers": 2, "open_disputes": 1, "pending_cancellations": 1}


def test_a_transfer_is_slow_after_two_business_days():
    add_payment(account_refund_status="PENDING", status_changed_at=datetime(2026, 3, 27, 14, 59, tzinfo=UTC))
    add_payment(account_refund_status="PENDING", status_changed_at=datetime(2026, 3, 27, 15, 0, tzinfo=UTC))
    [concern] = queries.list_concerns()
    assert (concern.count, concern.query["to"]) == (1, "2026-03-27")


@pytest.mark.parametrize(
    ("today", "last"),
    [("2026-04-02", "2026-03-30"), ("2026-04-03", "2026-03-31"), ("2026-04-04", "2026-04-01"),
     ("2026-04-05", "2026-04-01"), ("2026-04-06", "2026-04-01"), ("2026-04-08", "2026-04-03")],
)  # fmt: skip
def test_weekends_are_no_business_days(today, last):
    assert queries.last_slow_day(date.fromisoformat(today)) == date.fromisoformat(last)


def test_the_order_is_that_of_the_money_at_risk():
    add_refund("awaiting_approval")
    add_webhook("rejected")
    add_payment(account_refund_status="FAILED")
    add_webhook("failed")
    add_refund("uncertain")
    assert list(concerns()) == [
        "uncertain_refunds", "failed_webhooks", "failed_transfers", "rejected_webhooks", "refunds_to_approve"
    ]  # fmt: skip


def test_the_figures_of_a_day_count_what_was_approved_and_cancelled_on_it_in_seoul():
    paid = add_payment(30_000, paid_at=datetime(2026, 3, 31, 15, 0, tzinfo=UTC))
    add_payment(50_000, paid_at=datetime(2026, 3, 31, 14, 59, 59, tzinfo=UTC))
    add_cancellation(paid, 12_000)
    add_cancellation(paid, 3_000, status="REQUESTED", cancelled_at=None)
    add_cancellation(paid, 4_000, cancelled_at=datetime(2026, 3, 31, 14, 59, tzinfo=UTC))
    [figures] = queries.list_figures(TODAY)
    assert figures == Figures("KRW", paid=30_000, paid_count=1, cancelled=12_000, cancelled_count=1)
    assert figures.net == 18_000


def test_a_day_can_give_back_more_than_it_took():
    add_cancellation(add_payment(30_000, paid_at=MOMENT - timedelta(days=9)), 30_000)
    [figures] = queries.list_figures(TODAY)
    assert (figures.paid, figures.net) == (0, -30_000)


def test_figures_never_mix_currencies_and_leave_tests_out():
    add_payment(2_999, currency="USD", paid_at=MOMENT)
    add_payment(2**62, currency="JPY", paid_at=MOMENT)
    add_payment(70_000, channel_type="TEST", paid_at=MOMENT)
    assert queries.list_figures(TODAY) == [
        Figures("KRW"), Figures("JPY", paid=2**62, paid_count=1), Figures("USD", paid=2_999, paid_count=1)
    ]  # fmt: skip


def test_figures_that_no_integer_of_the_database_holds_are_told_exactly():
    most = 2**63 - 1
    for _ in range(2):
        add_payment(most, paid_at=MOMENT)
        add_charge("uncertain", most)
    assert queries.list_figures(TODAY)[0].paid == 2 * most
    assert Money(2 * most, "KRW") in [amount for each in queries.list_concerns() for amount in each.amounts]


def test_a_worker_lives_as_long_as_its_lease():
    leases.hold("worker:one", holder="one", seconds=15)
    assert queries.has_live_worker()
    with clock.fixed_at(MOMENT + timedelta(seconds=16)):
        assert not queries.has_live_worker()


def test_a_webhook_of_a_stranger_is_no_sign_that_webhooks_arrive():
    add_webhook("rejected")
    assert not queries.has_authentic_webhook()
    add_webhook("skipped")
    assert queries.has_authentic_webhook()


def test_the_number_of_questions_does_not_grow_with_what_there_is(app):
    for status in ("uncertain", "sending", "awaiting_approval"):
        add_refund(status)
    asked: list[str] = []
    listen = (db.engine, "before_cursor_execute", lambda *details: asked.append(details[2]))
    event.listen(*listen)
    queries.list_concerns()
    queries.list_figures(TODAY)
    event.remove(*listen)
    questions = [text for text in asked if text.startswith("SELECT") and "set_config" not in text]
    assert len(questions) == 2


def test_charges_without_an_outcome_and_those_that_wait_need_a_person():
    add_charge("uncertain", 1_000)
    add_charge("uncertain", 999, currency="USD")
    add_charge("uncertain", 5_000, channel_type="TEST")
    add_charge("sending", sent_at=MOMENT - timedelta(seconds=61))
    add_charge("awaiting_approval", 70_000)
    add_charge("succeeded")
    add_charge("failed")
    assert concerns() == {"uncertain_charges": 3, "stuck_charges": 1, "charges_to_approve": 1}
    first = queries.list_concerns()[0]
    assert set(first.amounts) == {Money(1_000, "KRW"), Money(999, "USD")}
    assert (first.endpoint, first.query) == ("charges.index", {"status": "uncertain"})


def test_a_charge_on_its_way_for_seconds_needs_nobody():
    add_charge("sending", sent_at=MOMENT - timedelta(seconds=50))
    assert concerns() == {}
