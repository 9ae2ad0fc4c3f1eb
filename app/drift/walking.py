"""Walk what PortOne has, a few pages and payments a round, and compare it with ours.

Three walks take turns: recent payments by cursor, moves of money by cursor whenever their payments were made,
and our own payments that are still open.
"""

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import and_, literal, select, tuple_

from app import clock
from app.drift import runs
from app.drift.models import DriftRun
from app.drift.recording import judge
from app.extensions import db, portone
from app.payments.models import Cancellation, Payment
from app.payments.service import sync_payment
from app.payments.snapshots import Change, store_snapshots
from app.portone.errors import PortOneError, PortOneRefused, PortOneUncertain
from app.portone.events import PaymentEvent
from app.portone.payloads import CursorPage, PaymentSnapshot
from app.refunds import service as refunds

#: How long a round may take.
LONGEST_ROUND = timedelta(minutes=2)
#: Payments of one page by cursor, events of one, and open payments read before their place is kept.
PAGE_SIZE, EVENTS_SIZE, OPEN_SIZE = 200, 50, 10

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Round:
    """How much may still be asked of PortOne now."""

    until: datetime
    calls: int
    payments: int = 0

    @property
    def is_over(self) -> bool:
        """Whether the rest is for the next round."""
        return self.calls <= 0 or clock.now() >= self.until

    def spend(self, calls: int = 1, *, payments: int = 0) -> None:
        """Note what was asked."""
        self.calls -= calls
        self.payments += payments


def go_on() -> int:
    """Take each walk a little further; answers how many payments were compared. Commits.

    Trouble with PortOne ends the round, and all walks rest for a while.
    """
    if runs.is_resting():
        return 0
    until = clock.now() + LONGEST_ROUND
    compared = 0
    for name, (step, calls) in _STEPS.items():
        run_id = runs.find_or_begin(name)
        if run_id is None:
            continue
        now = Round(until, calls)
        try:
            while not now.is_over and step(run_id, now):
                pass
        except PortOneError as problem:
            runs.rest(run_id, problem)
            break
        finally:
            compared += now.payments
    return compared


def compare_again(payment_id: str, *, seen_how: str) -> Change | None:
    """Read a payment from PortOne and compare it; None where it is not known there. Commits.

    Raises PortOneRefused and PortOneUncertain.
    """
    change = sync_payment(payment_id, seen_how=seen_how).change
    if change is not None and change.fields:
        refunds.settle_requested_refunds_of(change.row_id)
    return change


def _walk_payments(run_id: UUID, now: Round) -> bool:
    """A page of recent payments; whether more of them follow."""
    run = db.session.get_one(DriftRun, run_id)
    since, until, cursor = run.since, run.until, run.cursor
    db.session.rollback()  # no transaction is open while PortOne is asked
    read_at = clock.now()
    now.spend()
    try:
        page = portone.list_payments_by_cursor(since=since, until=until, cursor=cursor, size=PAGE_SIZE)
    except PortOneRefused as refusal:
        return runs.begin_again(run_id, refusal, cursor)
    now.spend(0, payments=len(page.items))
    reached = max((item.requested_at for item in page.items if item.requested_at), default=None)
    changes = _compare_page(page, read_at=read_at)
    runs.keep_place(run_id, page.next_cursor, reached, read=len(page.items), left_out=page.left_out)
    for change in changes:
        refunds.settle_requested_refunds_of(change.row_id)
    return page.next_cursor is not None


def _compare_page(page: CursorPage, *, read_at: datetime) -> list[Change]:
    """Store those of a page that are news, and judge the rest as they stand; in the caller's transaction.

    Answers what that changed.
    """
    known = _known([item.payment_id for item in page.items])
    news = [item for item in page.items if _is_news(item, known.get(item.payment_id))]
    changes = store_snapshots(news, read_at=read_at, seen_how="cursor") if news else []
    told = {item.payment_id for item in news}
    judge({known[item.payment_id].id: item for item in page.items if item.payment_id not in told}, "cursor")
    return [change for change in changes if change.fields]


def _known(payment_ids: Collection[str]) -> dict[str, Payment]:
    found = db.session.scalars(select(Payment).where(Payment.payment_id.in_(payment_ids)))
    return {payment.payment_id: payment for payment in found}


def _is_news(snapshot: PaymentSnapshot, payment: Payment | None) -> bool:
    """Whether a snapshot tells of status and money otherwise than our row does."""
    if payment is None or payment.snapshot is None:
        return True
    ours = (
        payment.store_id,
        payment.status,
        payment.currency,
        payment.amount,
        payment.cancelled_amount,
        payment.cancellable_amount,
        payment.has_pending_cancellation,
        payment.reported_at,
    )
    amount = snapshot.amount
    theirs = (
        snapshot.store_id,
        snapshot.status,
        snapshot.currency,
        amount.total,
        min(amount.cancelled, amount.total),
        amount.cancellable,
        bool(snapshot.open_cancellations),
        snapshot.updated_at,
    )
    return ours != theirs


def _walk_events(run_id: UUID, now: Round) -> bool:
    """A page of what moved money; payments of ours that do not show it are read. Whether more follows."""
    run = db.session.get_one(DriftRun, run_id)
    since, until, cursor = run.since, run.until, run.cursor
    db.session.rollback()
    now.spend()
    try:
        page = portone.list_payment_events_by_cursor(
            since=since, until=until, cursor=cursor, size=EVENTS_SIZE
        )
    except PortOneRefused as refusal:
        return runs.begin_again(run_id, refusal, cursor)
    reached = max((event.created_at for event in page.items if event.created_at), default=None)
    behind = _behind(page.items)
    db.session.rollback()
    left_out = page.left_out + _compare_each(behind, "events", now)
    named = {event.payment_id for event in page.items}
    runs.keep_place(run_id, page.next_cursor, reached, read=len(named), left_out=left_out)
    return page.next_cursor is not None


def _behind(events: Sequence[PaymentEvent]) -> list[str]:
    """The payments, in order, whose rows here do not show what the events tell of."""
    names = {event.payment_id for event in events}
    paid = set(
        db.session.scalars(
            select(Payment.payment_id).where(Payment.payment_id.in_(names), Payment.paid_at.is_not(None))
        )
    )
    cancelled = {
        (row.payment_id, row.cancellation_id)
        for row in db.session.execute(
            select(Payment.payment_id, Cancellation.cancellation_id)
            .join_from(Cancellation, Payment)
            .where(Payment.payment_id.in_(names), Cancellation.status == "SUCCEEDED")
        )
    }
    shown = {
        event.id
        for event in events
        if (event.type == "PAID" and event.payment_id in paid)
        or (event.cancellation_id and (event.payment_id, event.cancellation_id) in cancelled)
        or event.type not in {"PAID", "PARTIAL_CANCELLED", "CANCELLED"}
    }
    return list(dict.fromkeys(event.payment_id for event in events if event.id not in shown))


def _walk_open(run_id: UUID, now: Round) -> bool:
    """A few of our open payments, the oldest first; whether more of them follow."""
    run = db.session.get_one(DriftRun, run_id)
    since, until, place = run.since, run.until, run.cursor
    waiting = _open_payments(since, until, place)
    db.session.rollback()
    left_out = _compare_each([payment.payment_id for payment in waiting], "open", now)
    last = waiting[-1] if len(waiting) == OPEN_SIZE else None
    cursor = f"{last.changed_clock.isoformat()} {last.id}" if last else None
    reached = waiting[-1].changed_clock if waiting else None
    runs.keep_place(run_id, cursor, reached, read=len(waiting) - left_out, left_out=left_out)
    return last is not None


def _compare_each(payment_ids: Sequence[str], seen_how: str, now: Round) -> int:
    """Read payments one by one; answers how many could not be, since one such must not hold up all others."""
    left_out = 0
    for payment_id in payment_ids:
        now.spend(payments=1)
        try:
            compare_again(payment_id, seen_how=seen_how)
        except PortOneError as problem:
            if not _is_about_one(problem):
                raise
            logger.warning("A payment could not be compared: %s", problem)
            left_out += 1
    return left_out


def _is_about_one(problem: PortOneError) -> bool:
    """Whether the trouble is one payment's, and not that of PortOne or the way there."""
    if isinstance(problem, PortOneRefused):
        return not (problem.is_about_us or problem.is_wordless)
    return isinstance(problem, PortOneUncertain) and problem.reason == "unreadable"


@dataclass(frozen=True, slots=True)
class _Waiting:
    changed_clock: datetime
    id: UUID
    payment_id: str


def _open_payments(since: datetime, until: datetime, place: str | None) -> list[_Waiting]:
    """The next open payments after a place, by the clock of their last change; each kind by its own index.

    Those with a cancellation under way are read by a duty of their own, and more often.
    """
    within = [Payment.changed_clock >= since, Payment.changed_clock < until, Payment.snapshot.is_not(None)]
    is_recent = Payment.changed_clock >= until - runs.whole_window()
    if place:
        moment, row_id = place.split(" ")
        here = tuple_(
            literal(datetime.fromisoformat(moment), Payment.changed_clock.type),
            literal(UUID(row_id), Payment.id.type),
        )
        within.append(tuple_(Payment.changed_clock, Payment.id) > here)
    kinds = (
        and_(Payment.status == "READY", is_recent),
        Payment.status == "PAY_PENDING",
        Payment.status == "VIRTUAL_ACCOUNT_ISSUED",
    )
    columns = Payment.changed_clock, Payment.id, Payment.payment_id
    found = {
        row.id: _Waiting(*row)
        for kind in kinds
        for row in db.session.execute(
            select(*columns)
            .where(and_(kind, *within))
            .order_by(Payment.changed_clock, Payment.id)
            .limit(OPEN_SIZE)
        )
    }
    in_order = sorted(found.values(), key=lambda each: (each.changed_clock, str(each.id)))
    return in_order[:OPEN_SIZE]


#: How a step of each walk is done, and how often a round asks PortOne for it.
_STEPS: dict[str, tuple[Callable[[UUID, Round], bool], int]] = {
    runs.EVENTS: (_walk_events, 30),
    runs.OPEN: (_walk_open, 20),
    runs.PAYMENTS: (_walk_payments, 5),
}
