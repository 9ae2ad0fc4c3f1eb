"""Walk what PortOne has, a few pages and payments a round, and compare it with ours.

Three walks take turns: recent payments by cursor, moves of money by cursor whenever their payments were made,
and our own payments that are still open. Each keeps its place in the database, so that any worker goes on.
"""

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import and_, delete, literal, select, tuple_

from app import clock
from app.columns import new_id
from app.database import insert_into
from app.drift.lateness import Patience
from app.drift.models import Drift, DriftRun
from app.drift.recording import judge
from app.extensions import db, portone
from app.payments.models import Cancellation, Payment
from app.payments.service import sync_payment
from app.payments.snapshots import Change, store_snapshots
from app.portone.errors import PortOneError, PortOneRefused, PortOneUncertain
from app.portone.events import PaymentEvent
from app.portone.payloads import CursorPage, PaymentSnapshot
from app.refunds import service as refunds
from app.settings.service import value_of
from app.web.pagination import capped_count

#: How long a round may take.
LONGEST_ROUND = timedelta(minutes=2)
#: Payments of one page by cursor, events of one, and open payments read before their place is kept.
PAGE_SIZE, EVENTS_SIZE, OPEN_SIZE = 200, 50, 10
#: How often a walk begins anew.
PAYMENTS_EVERY, EVENTS_EVERY, OPEN_EVERY = timedelta(hours=6), timedelta(minutes=10), timedelta(hours=1)
#: Events are walked again this far back, since one may be told of a little late.
OVERLAP = timedelta(hours=1)
#: Older ones are hardly paid any more, and those that nobody began to pay stay open for ever.
OPEN_FOR = timedelta(days=90)
#: The wait after trouble, doubled with each further one, within these bounds.
SHORTEST_REST, LONGEST_REST = timedelta(minutes=1), timedelta(hours=1)
#: Runs that are over are kept so long.
KEPT_FOR = timedelta(days=7)

PAYMENTS, EVENTS, OPEN = "payments", "events", "open"

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
    if _is_resting():
        return 0
    until = clock.now() + LONGEST_ROUND
    compared = 0
    for name, walk in _WALKS.items():
        run_id = _find_or_begin(name)
        if run_id is None:
            continue
        now = Round(until, walk.calls)
        try:
            while not now.is_over and walk.step(run_id, now):
                pass
        except PortOneError as problem:
            _rest(run_id, problem)
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
        return _begin_again(run_id, refusal, cursor)
    now.spend(0, payments=len(page.items))
    reached = max((item.requested_at for item in page.items if item.requested_at), default=None)
    changes = _compare_page(page, read_at=read_at)
    _note(run_id, page.next_cursor, reached, read=len(page.items), left_out=page.left_out)
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
        return _begin_again(run_id, refusal, cursor)
    reached = max((event.created_at for event in page.items if event.created_at), default=None)
    behind = _behind(page.items)
    db.session.rollback()
    left_out = page.left_out + _compare_each(behind, "events", now)
    named = {event.payment_id for event in page.items}
    _note(run_id, page.next_cursor, reached, read=len(named), left_out=left_out)
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
    _note(run_id, cursor, reached, read=len(waiting) - left_out, left_out=left_out)
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
    is_recent = Payment.changed_clock >= until - _whole_window()
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


@dataclass(frozen=True, slots=True)
class _Walk:
    """A walk: how a step of it is done, how its differences are seen, and how much it asks in one round."""

    step: Callable[[UUID, Round], bool]
    seen_how: str
    every: timedelta
    calls: int


_WALKS = {
    EVENTS: _Walk(_walk_events, "events", EVENTS_EVERY, calls=30),
    OPEN: _Walk(_walk_open, "open", OPEN_EVERY, calls=20),
    PAYMENTS: _Walk(_walk_payments, "cursor", PAYMENTS_EVERY, calls=5),
}


def _is_resting() -> bool:
    """Whether PortOne is left in peace: it is one PortOne for all walks."""
    under_way = select(DriftRun.id).where(DriftRun.finished_at.is_(None))
    return db.session.scalar(under_way.where(DriftRun.next_at > clock.now()).limit(1)) is not None


def _find_or_begin(walk: str) -> UUID | None:
    """The run of a walk that is under way, or a new one where it is time. Commits."""
    under_way = select(DriftRun.id).where(DriftRun.walk == walk, DriftRun.finished_at.is_(None))
    last = (
        select(DriftRun)
        .where(DriftRun.walk == walk, DriftRun.finished_at.is_not(None))
        .order_by(DriftRun.finished_at.desc())
        .limit(1)
    )
    run_id = db.session.scalar(under_way)
    if run_id is None:
        window = _window_of(walk, db.session.scalar(last))
        run_id = _begin(walk, *window) if window else None
    db.session.commit()
    return run_id


def _window_of(walk: str, last: DriftRun | None) -> tuple[datetime, datetime] | None:
    """What a new run is to cover; None while the last one is young enough."""
    moment = clock.now()
    until = moment - Patience.grace()
    if last is not None and last.started_at > moment - _WALKS[walk].every:
        return None
    if walk == OPEN:
        return moment - OPEN_FOR, until
    if walk == EVENTS and last is not None:  # however long nobody walked: nothing is left out
        return last.until - OVERLAP, until
    return until - _whole_window(), until


def _whole_window() -> timedelta:
    return timedelta(days=int(value_of("drift_window_days")))


def _begin(walk: str, since: datetime, until: datetime) -> UUID | None:
    """Begin a run, unless another worker has; old ones are forgotten."""
    moment = clock.now()
    old = DriftRun.walk == walk, DriftRun.finished_at < moment - KEPT_FOR
    db.session.execute(delete(DriftRun).where(*old), execution_options={"synchronize_session": False})
    values = {
        "id": new_id(),
        "walk": walk,
        "since": since,
        "until": until,
        "started_at": moment,
        "touched_at": moment,
        "next_at": moment,
    }
    statement = insert_into(DriftRun).values(values).on_conflict_do_nothing().returning(DriftRun.id)
    begun: UUID | None = db.session.scalar(statement)
    return begun


def _note(
    run_id: UUID, cursor: str | None, reached_at: datetime | None, *, read: int, left_out: int = 0
) -> None:
    """Keep the place of a run, in the commit that ends the step; without a way on it is over."""
    run = db.session.get_one(DriftRun, run_id)
    run.cursor = cursor
    run.reached_at = reached_at or run.reached_at
    run.payments_read += read
    run.differences = _count_seen(run)
    run.left_out += left_out
    run.failures, run.problem = 0, None
    run.touched_at = clock.now()
    if cursor is None:
        run.finished_at = clock.now()
    db.session.commit()


def _count_seen(run: DriftRun) -> int:
    """How many differences the run has seen, those that were open before among them."""
    seen = Drift.seen_how == _WALKS[run.walk].seen_how, Drift.last_seen_at >= run.started_at
    return capped_count(select(Drift.id).where(*seen))


def _begin_again(run_id: UUID, refusal: PortOneRefused, cursor: str | None) -> bool:
    """A cursor may have grown too old for PortOne: the walk goes on from its beginning."""
    if cursor is None or refusal.is_about_us:
        raise refusal
    logger.warning("PortOne refused the cursor of a comparison (%s); it begins again", refusal)
    run = db.session.get_one(DriftRun, run_id)
    run.cursor = None
    db.session.commit()
    return True


def _rest(run_id: UUID, problem: PortOneError) -> None:
    """Leave PortOne in peace: as long as it asks for, and longer with each time in a row."""
    db.session.rollback()
    run = db.session.get_one(DriftRun, run_id)
    wait = min(SHORTEST_REST * 2 ** min(run.failures, 10), LONGEST_REST)
    if isinstance(problem, PortOneUncertain) and problem.retry_after:
        wait = max(wait, min(timedelta(seconds=problem.retry_after), LONGEST_REST))
    run.failures += 1
    run.problem = problem.reason if isinstance(problem, PortOneUncertain) else str(problem)
    run.next_at = clock.now() + wait
    db.session.commit()
    logger.info("Comparing with PortOne goes on in %s: %s", wait, problem)
