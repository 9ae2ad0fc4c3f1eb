"""Which messages a worker works on next: those about one payment together, and by nobody else meanwhile."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, Select, literal_column, or_, select, text

from app import clock, leases
from app.database import lock_name
from app.extensions import db
from app.webhooks import attempts, settling
from app.webhooks.attempts import Attempt
from app.webhooks.handlers import Outcome, Skip, Subject, subject_of
from app.webhooks.models import WebhookLog, WebhookStatus

#: Messages claimed at once.
CLAIM_SIZE = 64
#: Messages claimed beside them, because they are about the same subjects.
FELLOWS = 256

#: Spelled out, so that both databases see that the partial index of waiting messages serves.
IS_WAITING = WebhookLog.status == literal_column("'received'")


@dataclass(frozen=True, slots=True)
class Batch:
    """Claimed messages about one subject: one reading serves them all."""

    subject: Subject
    log_ids: tuple[UUID, ...]


def claim_batches(holder: str, *, seconds: float, limit: int = CLAIM_SIZE) -> list[Batch]:
    """Claim waiting messages for so long, the longest due first, and put those about one subject together.

    While a worker holds a message, no other is claimed that is about the same subject: what comes meanwhile
    waits for its end, and is then served by one reading. What there is nothing to do for is settled here.
    """
    if leases.is_idle(WebhookLog, IS_WAITING):
        return []
    ids = _claim(holder, seconds=seconds, limit=limit)
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


def _claim(holder: str, *, seconds: float, limit: int) -> Sequence[UUID]:
    """Claim messages whose subjects nobody works on, and with each what else is due about its subject.

    Workers do this one after the other: two at once would not see what the other is about to claim.
    """
    lock_name("webhook claims")
    free = leases.due(WebhookLog, IS_WAITING, *_is_free())
    ids = set(db.session.scalars(free.limit(limit).with_for_update(skip_locked=True)))
    if ids:
        ids |= set(db.session.scalars(_fellows(ids).limit(FELLOWS).with_for_update(skip_locked=True)))
    leases.mark(WebhookLog, ids, holder=holder, seconds=seconds)
    return list(ids)


def _is_free() -> list[ColumnElement[bool]]:
    """That a message is about no subject that somebody works on."""
    is_claimed = text("webhook_logs.status = 'received' AND webhook_logs.claimed_by IS NOT NULL")
    held = select(WebhookLog.named_payment_id, WebhookLog.billing_key_hash).where(
        is_claimed, WebhookLog.claimed_until >= clock.now()
    )
    found = db.session.execute(held).all()
    payments = {payment_id for payment_id, _ in found if payment_id}
    keys = {key for _, key in found if key}
    return [
        or_(column.is_(None), column.not_in(taken))
        for column, taken in ((WebhookLog.named_payment_id, payments), (WebhookLog.billing_key_hash, keys))
        if taken
    ]


def _fellows(ids: Collection[UUID]) -> Select[UUID]:
    """What is due about the subjects of messages; those that hold one were left out before."""
    of_these = WebhookLog.id.in_(ids)
    payments = select(WebhookLog.named_payment_id).where(of_these)
    keys = select(WebhookLog.billing_key_hash).where(of_these)
    return leases.due(
        WebhookLog,
        IS_WAITING,
        or_(WebhookLog.named_payment_id.in_(payments), WebhookLog.billing_key_hash.in_(keys)),
    )


def held_by(holder: str, log_ids: Sequence[UUID]) -> Sequence[WebhookLog]:
    """Those of the messages that this worker still holds, locked and read fresh, oldest first."""
    return db.session.scalars(
        select(WebhookLog)
        .where(WebhookLog.id.in_(log_ids), WebhookLog.claimed_by == holder, IS_WAITING)
        .order_by(WebhookLog.created_at, WebhookLog.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
