"""The history of a message: every attempt to process it, kept in the commit that holds its outcome."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, insert, select, update

from app import clock
from app.columns import new_id
from app.extensions import db
from app.webhooks.models import AttemptOutcome, WebhookAttempt, WebhookLog

#: The latest attempt of a message: id, message, number, outcome, and whether it was a replay.
_Last = Row[UUID, UUID, int, str, bool]

#: Of a longer history the first and the last attempts are kept.
FIRST_KEPT, LAST_KEPT = 5, 45


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt that is over; `problem` is a sentence (msgid)."""

    log_id: UUID
    is_replay: bool
    started_at: datetime
    outcome: AttemptOutcome
    problem: str | None = None


def attempts_of(log: WebhookLog) -> Sequence[WebhookAttempt]:
    """The attempts to process a message, the first one first; the middle of a very long history is gone."""
    return db.session.scalars(
        select(WebhookAttempt)
        .where(WebhookAttempt.webhook_log_id == log.id)
        .order_by(WebhookAttempt.number)
        .execution_options(populate_existing=True)
    ).all()


def record(ended: Collection[Attempt]) -> None:
    """Keep attempts that have just ended, at most one a message, in the caller's transaction.

    The caller holds the messages locked. An outage of hours does not lengthen the history: a postponement
    that follows another is added to it.
    """
    if not ended:
        return
    last = _last_of(attempt.log_id for attempt in ended)
    repeated = {attempt.log_id for attempt in ended if _goes_on(last.get(attempt.log_id), attempt)}
    for attempt in ended:
        if attempt.log_id in repeated:
            _lengthen(last[attempt.log_id], attempt)
    new = [attempt for attempt in ended if attempt.log_id not in repeated]
    rows = [_row_of(attempt, _number_after(last.get(attempt.log_id))) for attempt in new]
    if rows:
        db.session.execute(insert(WebhookAttempt), rows)
    for row in rows:
        if row["number"] > FIRST_KEPT + LAST_KEPT:
            _forget_middle(row["webhook_log_id"], row["number"])


def _last_of(log_ids: Iterable[UUID]) -> dict[UUID, _Last]:
    """The latest attempt of each message that has one."""
    rows = db.session.execute(
        select(
            WebhookAttempt.id,
            WebhookAttempt.webhook_log_id,
            WebhookAttempt.number,
            WebhookAttempt.outcome,
            WebhookAttempt.is_replay,
        )
        .where(WebhookAttempt.webhook_log_id.in_(list(log_ids)))
        .order_by(WebhookAttempt.number)
    )
    return {row.webhook_log_id: row for row in rows}


def _goes_on(last: _Last | None, attempt: Attempt) -> bool:
    if last is None or attempt.outcome != AttemptOutcome.POSTPONED:
        return False
    return (last.outcome, last.is_replay) == (AttemptOutcome.POSTPONED, attempt.is_replay)


def _lengthen(last: _Last, attempt: Attempt) -> None:
    db.session.execute(
        update(WebhookAttempt)
        .where(WebhookAttempt.id == last.id)
        .values(times=WebhookAttempt.times + 1, problem=attempt.problem, finished_at=clock.now())
        .execution_options(synchronize_session=False)
    )


def _number_after(last: _Last | None) -> int:
    return last.number + 1 if last else 1


def _row_of(attempt: Attempt, number: int) -> dict[str, Any]:
    return {
        "id": new_id(),
        "webhook_log_id": attempt.log_id,
        "number": number,
        "outcome": attempt.outcome.value,
        "problem": attempt.problem,
        "is_replay": attempt.is_replay,
        "started_at": attempt.started_at,
        "finished_at": clock.now(),
    }


def _forget_middle(log_id: UUID, newest: int) -> None:
    db.session.execute(
        delete(WebhookAttempt)
        .where(WebhookAttempt.webhook_log_id == log_id)
        .where(WebhookAttempt.number > FIRST_KEPT, WebhookAttempt.number <= newest - LAST_KEPT)
        .execution_options(synchronize_session=False)
    )
