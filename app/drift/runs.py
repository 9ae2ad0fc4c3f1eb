"""The runs of each walk: when one begins, what it covers, its place, and its rest after trouble.

The place is in the database, so that any worker goes on where another stopped.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, select

from app import clock
from app.columns import new_id
from app.database import insert_into
from app.drift.lateness import Patience
from app.drift.models import Drift, DriftRun
from app.extensions import db
from app.portone.errors import PortOneError, PortOneRefused, PortOneUncertain
from app.settings.service import value_of
from app.web.pagination import capped_count

#: Events are walked again this far back, since one may be told of a little late.
OVERLAP = timedelta(hours=1)
#: Older ones are hardly paid any more, and those that nobody began to pay stay open for ever.
OPEN_FOR = timedelta(days=90)
#: The wait after trouble, doubled with each further one, within these bounds.
SHORTEST_REST, LONGEST_REST = timedelta(minutes=1), timedelta(hours=1)
#: Runs that are over are kept so long.
KEPT_FOR = timedelta(days=7)

PAYMENTS, EVENTS, OPEN = "payments", "events", "open"


@dataclass(frozen=True, slots=True)
class Walk:
    """How often a walk begins anew, and how the differences it meets are said to be seen."""

    every: timedelta
    seen_how: str


WALKS = {
    EVENTS: Walk(timedelta(minutes=10), "events"),
    OPEN: Walk(timedelta(hours=1), "open"),
    PAYMENTS: Walk(timedelta(hours=6), "cursor"),
}

logger = logging.getLogger(__name__)


def is_resting() -> bool:
    """Whether PortOne is left in peace: it is one PortOne for all walks."""
    under_way = select(DriftRun.id).where(DriftRun.finished_at.is_(None))
    return db.session.scalar(under_way.where(DriftRun.next_at > clock.now()).limit(1)) is not None


def find_or_begin(walk: str) -> UUID | None:
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
    if last is not None and last.started_at > moment - WALKS[walk].every:
        return None
    if walk == OPEN:
        return moment - OPEN_FOR, until
    if walk == EVENTS and last is not None:  # however long nobody walked: nothing is left out
        return last.until - OVERLAP, until
    return until - whole_window(), until


def whole_window() -> timedelta:
    """How far back payments are compared as a rule."""
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


def keep_place(
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
    seen = Drift.seen_how == WALKS[run.walk].seen_how, Drift.last_seen_at >= run.started_at
    return capped_count(select(Drift.id).where(*seen))


def begin_again(run_id: UUID, refusal: PortOneRefused, cursor: str | None) -> bool:
    """A cursor may have grown too old for PortOne: the walk goes on from its beginning."""
    if cursor is None or refusal.is_about_us:
        raise refusal
    logger.warning("PortOne refused the cursor of a comparison (%s); it begins again", refusal)
    run = db.session.get_one(DriftRun, run_id)
    run.cursor = None
    db.session.commit()
    return True


def rest(run_id: UUID, problem: PortOneError) -> None:
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
