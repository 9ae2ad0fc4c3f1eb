"""Which messages a worker works on next: those about one payment together, and by nobody else meanwhile."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, literal_column, or_, select, text

from app import clock, leases
from app.database import lock_name, reading
from app.extensions import db
from app.webhooks import attempts, settling
from app.webhooks.attempts import Attempt
from app.webhooks.handlers import Outcome, Skip, Subject, subject_of
from app.webhooks.models import WebhookLog, WebhookStatus

#: Messages claimed at once.
CLAIM_SIZE = 64
#: Messages claimed beside them, because they are about the same subjects.
FELLOWS = 256

#: So many messages within so long are a flood ...
FLOOD_SIZE, FLOOD_LOOK = 50, timedelta(seconds=0.25)
#: ... and so long the one that is due longest waits for its end.
FLOOD_WAIT = timedelta(seconds=12)

#: Spelled out, so that both databases see that the partial index of waiting messages serves.
IS_WAITING = WebhookLog.status == literal_column("'received'")
#: The same where rows are found by other columns: no index knows this, and SQLite reads not all that wait.
IS_AMONG_THE_WAITING = func.coalesce(WebhookLog.status, "") == WebhookStatus.RECEIVED

#: What a message may be about.
_SUBJECTS = WebhookLog.named_payment_id, WebhookLog.billing_key_hash


@dataclass(frozen=True, slots=True)
class Batch:
    """Claimed messages about one subject: one reading serves them all."""

    subject: Subject
    log_ids: tuple[UUID, ...]


def claim_batches(holder: str, *, limit: int = CLAIM_SIZE) -> list[Batch]:
    """Claim waiting messages, the longest due first, and put those about one subject together.

    While a worker holds a message, no other is claimed that is about the same subject: what comes meanwhile
    waits for its end, and is then served by one reading. What there is nothing to do for is settled here.
    While messages flood in there is none: to store them comes first.
    """
    if leases.is_idle(WebhookLog, IS_WAITING) or is_flooded():
        return []
    ids = _claim(holder, limit=limit)
    by_subject: dict[Subject, list[UUID]] = {}
    skipped: list[Attempt] = []
    for log in held_by(holder, ids):
        match subject_of(log):
            case Skip(reason):
                nothing = Outcome(note=reason)
                skipped.append(settling.settle(log, WebhookStatus.SKIPPED, nothing, started_at=clock.now()))
            case subject:
                by_subject.setdefault(subject, []).append(log.id)
    attempts.record(skipped)
    db.session.commit()
    return [Batch(subject, tuple(log_ids)) for subject, log_ids in by_subject.items()]


def is_flooded() -> bool:
    """Whether messages pour in so fast that PortOne would wait for its answers if they were processed, too.

    Workers cannot keep up with a flood, but take processors from those who store it, and on SQLite turns at
    the lock. All of it is processed as soon when they begin at its end; one that does not end they work off
    beside it. What strangers send makes none, and what a worker still waits for at PortOne ends none.
    """
    moment = clock.now()
    in_a_moment = WebhookLog.created_at.between(moment - FLOOD_LOOK, moment)
    is_genuine = WebhookLog.status != WebhookStatus.REJECTED
    latest = select(WebhookLog.id).where(in_a_moment, is_genuine).limit(FLOOD_SIZE).subquery()
    overdue = leases.due(WebhookLog, IS_WAITING, WebhookLog.next_attempt_at <= moment - FLOOD_WAIT).limit(1)
    with nullcontext() if db.session().in_transaction() else reading():
        if (db.session.scalar(select(func.count()).select_from(latest)) or 0) < FLOOD_SIZE:
            return False
        return db.session.scalar(overdue) is None


def _claim(holder: str, *, limit: int) -> Sequence[UUID]:
    """Claim messages whose subjects nobody works on, and with each what else is due about its subject.

    Workers do this one after the other: two at once would not see what the other is about to claim.
    """
    lock_name("webhook claims")
    free = leases.due(WebhookLog, IS_WAITING, *_is_free()).add_columns(*_SUBJECTS).limit(limit)
    found = db.session.execute(free.with_for_update(skip_locked=True)).all()
    ids = {row.id for row in found}
    if subjects := _subjects_of(found):
        about_them = or_(*(column.in_(names) for column, names in subjects))
        fellows = leases.due(WebhookLog, IS_AMONG_THE_WAITING, about_them).limit(FELLOWS)
        ids |= set(db.session.scalars(fellows.with_for_update(skip_locked=True)))
    leases.mark(WebhookLog, ids, holder=holder)
    return list(ids)


def _is_free() -> list[ColumnElement[bool]]:
    """That a message is about no subject that somebody works on."""
    is_claimed = text("webhook_logs.status = 'received' AND webhook_logs.claimed_by IS NOT NULL")
    held = select(*_SUBJECTS).where(is_claimed, WebhookLog.claimed_until >= clock.now())
    return [
        or_(column.is_(None), column.not_in(names))
        for column, names in _subjects_of(db.session.execute(held).all())
    ]


def _subjects_of(rows: Sequence[Any]) -> list[tuple[Any, set[str]]]:
    """The columns that name what these messages are about, with the names in them; none that is empty."""
    named = [(column, {getattr(row, column.key) for row in rows} - {None}) for column in _SUBJECTS]
    return [(column, names) for column, names in named if names]


def held_by(holder: str, log_ids: Sequence[UUID]) -> Sequence[WebhookLog]:
    """Those of the messages that this worker still holds, locked and read fresh, oldest first."""
    return db.session.scalars(
        select(WebhookLog)
        .where(WebhookLog.id.in_(log_ids), WebhookLog.claimed_by == holder, IS_AMONG_THE_WAITING)
        .order_by(WebhookLog.created_at, WebhookLog.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
