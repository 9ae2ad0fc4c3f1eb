"""Lists by filters, in pages; and what stands beside them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from app import clock
from app.errors import DomainError, NotFound
from app.extensions import db
from app.payments import queries
from app.payments.listing import PaymentFilters, count_without_period, list_payments
from app.payments.models import Payment, SyncRun
from app.payments.queries import RefundOutlook
from app.payments.text_query import TextQuery
from tests.payments.documents import MORNING, at, cancellation, snapshot, store, stored, virtual_account


def ids(after: str | None = None, **filters) -> list[str]:
    return [payment.payment_id for payment in list_payments(PaymentFilters(**filters), after=after).page.rows]


def test_payments_come_newest_first_by_the_clock_asked_for(app):
    store("first asked", requestedAt="2026-03-29T01:00:00Z", statusChangedAt="2026-03-29T09:00:00Z")
    store("last asked", requestedAt="2026-03-29T02:00:00Z", statusChangedAt="2026-03-29T03:00:00Z")
    assert ids() == ["first asked", "last asked"]
    assert ids(clock="requested") == ["last asked", "first asked"]


def test_pages_follow_one_another_while_payments_arrive(app):
    for minute in range(60):
        store(f"order-{minute:02}", **at(f"2026-03-29T01:{minute:02}:00Z"))
    first = list_payments(PaymentFilters(), after=None).page
    store("newcomer", **at("2026-03-29T05:00:00Z"))
    rest = ids(after=first.next_cursor)
    assert [first.rows[0].payment_id, first.rows[-1].payment_id, rest[0]] == [
        "order-59",
        "order-10",
        "order-09",
    ]


def test_payments_of_one_moment_are_neither_lost_nor_repeated(app):
    for number in range(120):
        store(f"order-{number}")
    seen, after = [], None
    while after or not seen:
        page = list_payments(PaymentFilters(), after=after).page
        seen += [payment.payment_id for payment in page.rows]
        after = page.next_cursor
    assert sorted(seen) == sorted(f"order-{number}" for number in range(120))


def test_a_cursor_that_is_none_is_refused(app):
    with pytest.raises(DomainError) as refusal:
        ids(after="not a cursor")
    assert refusal.value.status == 400


def test_filters_narrow_together(app):
    store("card")
    store("failed", status="FAILED")
    store("account", method=virtual_account(), channel={"type": "LIVE", "pgProvider": "KCP_V2"})
    assert ids(statuses=("FAILED",)) == ["failed"]
    assert ids(methods=("VIRTUAL_ACCOUNT",)) == ids(pg_providers=("KCP_V2",)) == ["account"]
    assert ids(statuses=("PAID", "FAILED"), methods=("CARD",)) == ["failed", "card"]


def test_a_period_holds_its_first_moment_and_not_its_last(app):
    store()
    hour = timedelta(hours=1)
    assert ids(since=MORNING, until=MORNING + hour) == ["order-1"]
    assert ids(since=MORNING - hour, until=MORNING) == []


def test_the_approval_clock_leaves_out_what_was_never_paid(app):
    store("paid")
    store("ready", status="READY", paidAt=None)
    assert ids(clock="paid") == ["paid"]


def test_the_cancellation_clock_asks_when_money_went_back(app):
    store("back", cancelled=1_000, cancellations=[cancellation()])
    store("failed", cancellations=[cancellation("FAILED")])
    store("untouched")
    three = datetime(2026, 3, 29, 3, tzinfo=UTC)
    assert ids(clock="cancelled") == ids(clock="cancelled", since=three) == ["back"]
    assert ids(clock="cancelled", until=three) == []


def test_amounts_are_compared_in_each_payments_own_currency(app):
    store("won", total=30)
    store("dollars", total=2_999, currency="USD")
    store("dinars", total=29_990, currency="KWD")
    assert set(ids(least=Decimal("29.99"), most=Decimal("29.99"))) == {"dollars", "dinars"}
    assert ids(least=Decimal(30)) == ["won"]
    assert ids(currency="USD") == ["dollars"]


def test_amounts_beyond_any_payment_find_nothing_and_break_nothing(app):
    store(total=2**63 - 1)
    assert ids(least=Decimal(2**63)) == []
    assert ids(most=Decimal(10**30)) == ids(least=Decimal(2**63 - 1)) == ["order-1"]


@pytest.mark.parametrize(
    ("flag", "values"),
    [
        ("pending_cancellation", {"cancellations": [cancellation("REQUESTED")]}),
        ("open_dispute", {"disputes": [{"status": "UNRESOLVED"}]}),
        ("account_refund_failed", {"method": virtual_account(refundStatus="PARTIAL_REFUND_FAILED")}),
        ("account_refund_pending", {"method": virtual_account(refundStatus="PENDING")}),
    ],
)
def test_a_flag_finds_what_is_unsettled(app, flag, values):
    store("settled")
    store("unsettled", **values)
    assert ids(flag=flag) == ["unsettled"]


def test_test_payments_can_be_left_out(app):
    store("live")
    store("test", channel={"type": "TEST", "pgProvider": "KCP_V2"})
    assert ids(is_real_only=True) == ["live"]


def test_payments_of_a_billing_key_are_found_by_its_hash(app):
    store("once")
    store("again", billingKey="billing-key-1")
    assert ids(billing_key_hash=queries.known_hash_of("billing-key-1")) == ["again"]


def test_the_list_counts_on_its_first_page_only(app):
    for number in range(51):
        store(f"order-{number}")
    first = list_payments(PaymentFilters(), after=None)
    assert first.total == 51
    assert list_payments(PaymentFilters(text=TextQuery.of("길동")), after=None).total == 51
    assert list_payments(PaymentFilters(), after=first.page.next_cursor).total is None


def test_an_empty_period_knows_what_there_is_at_any_time(app):
    store()
    later = MORNING + timedelta(days=30)
    assert count_without_period(PaymentFilters(since=later)) == 1
    assert count_without_period(PaymentFilters(since=later, text=TextQuery.of("길동"))) == 1
    assert count_without_period(PaymentFilters(since=later, text=TextQuery.of("없는말"))) == 0


def test_the_list_is_as_fresh_as_the_last_walk_or_reading(app):
    assert queries.last_synced_at() is None
    with clock.fixed_at(MORNING):
        store()
    assert queries.last_synced_at() == MORNING
    db.session.add(SyncRun(until=MORNING, finished_at=MORNING + timedelta(hours=1)))
    db.session.commit()
    assert queries.last_synced_at() == MORNING + timedelta(hours=1)


def test_what_portone_is_cancelling_cannot_be_given_back_again(app, monkeypatch):
    monkeypatch.setattr(queries, "_tell_outlook", lambda payment: RefundOutlook(0, 12_000, None))
    outlook = queries.outlook_of(stored(cancellations=[cancellation("REQUESTED", 5_000)]))
    assert (outlook.held, outlook.refundable) == (5_000, 7_000)


def test_our_refund_and_portones_record_of_it_count_once(app, monkeypatch):
    monkeypatch.setattr(queries, "_tell_outlook", lambda payment: RefundOutlook(5_000, 7_000, None))
    outlook = queries.outlook_of(stored(cancellations=[cancellation("REQUESTED", 5_000)]))
    assert (outlook.held, outlook.refundable) == (5_000, 7_000)


def test_an_unknown_payment_is_none_or_an_error(app):
    assert queries.find_payment("nobody") is None
    assert queries.find_payment("no\0body") is None
    with pytest.raises(NotFound):
        queries.get_payment("nobody")


def test_a_stored_document_nobody_can_read_is_no_snapshot(app):
    payment = stored()
    payment.snapshot = {"status": "PAID"}
    assert queries.snapshot_of(payment) is None
    assert queries.snapshot_of(Payment(payment_id="fresh", status="READY")) is None


def test_a_virtual_account_is_overdue_after_its_deadline(app):
    waiting = snapshot(
        status="VIRTUAL_ACCOUNT_ISSUED", method=virtual_account(expiredAt="2026-03-29T01:00:00Z")
    )
    with clock.fixed_at(MORNING - timedelta(minutes=1)):
        assert not queries.is_overdue(waiting)
    with clock.fixed_at(MORNING + timedelta(minutes=1)):
        assert queries.is_overdue(waiting)
