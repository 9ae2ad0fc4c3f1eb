"""Process what the inbox holds: read its subject at PortOne, then write what became of each message."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from uuid import UUID

from sqlalchemy import literal_column, select

from app import clock, leases
from app.extensions import db
from app.portone.errors import PortOneRefused, PortOneUncertain
from app.portone.meanings import N_, meaning_of
from app.refunds import service as refunds
from app.refunds.models import Refund, RefundStatus
from app.webhooks import attempts, settling
from app.webhooks.attempts import Attempt
from app.webhooks.handlers import Outcome, Reading, Skip, Subject, read, subject_of, write
from app.webhooks.models import AttemptOutcome, WebhookLog, WebhookStatus

#: Messages claimed at once.
CLAIM_SIZE = 64
#: Subjects written at once: on SQLite messages that come in wait for that long.
WRITE_SIZE = 16
#: From here on threads write rather than read on.
MOST_UNWRITTEN = 256

UNPROCESSABLE = N_("Portico could not process the message. The log of the worker says why.")
UNANSWERED = N_("PortOne gave no usable answer. Portico asks again within seconds.")
THROTTLED = N_("PortOne takes no more requests for the moment. Portico asks again within seconds.")

#: Spelled out, so that both databases see that the partial index of waiting messages serves.
IS_WAITING = WebhookLog.status == literal_column("'received'")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Batch:
    """Claimed messages about one subject: one reading serves them all."""

    subject: Subject
    log_ids: tuple[UUID, ...]


Done = tuple[Batch, Reading]


def claim_batches(holder: str, *, seconds: float, limit: int = CLAIM_SIZE) -> list[Batch]:
    """Claim waiting messages for so long, the longest due first, and put those about one subject together.

    Messages there is nothing to do for are settled here.
    """
    ids = leases.claim(WebhookLog, IS_WAITING, holder=holder, limit=limit, seconds=seconds)
    by_subject: dict[Subject, list[UUID]] = {}
    skipped: list[Attempt] = []
    for log in _held(ids, holder):
        match subject_of(log):
            case Skip(reason):
                nothing = Outcome(note=reason)
                skipped.append(settling.settle(log, WebhookStatus.SKIPPED, nothing, started_at=clock.now()))
            case subject:
                by_subject.setdefault(subject, []).append(log.id)
    attempts.record(skipped)
    db.session.commit()
    return [Batch(subject, tuple(log_ids)) for subject, log_ids in by_subject.items()]


class Processor:
    """Processes what one worker has claimed; its threads share it.

    Reading PortOne takes long and is done by many threads at once. Writing is done for all of them together:
    the thread that finds nobody writing writes whatever has been read so far, in one commit.
    """

    def __init__(self, holder: str) -> None:
        self.holder = holder
        self._turn = threading.Lock()
        self._read: deque[Done] = deque()

    def process(self, batch: Batch) -> int:
        """Read the subject of a batch and see that it is written; answers how many messages this settled.

        Messages that another worker has taken up meanwhile are left to it.
        """
        reading = _read(batch, self.holder)
        if reading is None:
            return 0
        self._read.append((batch, reading))
        settled = 0
        while self._read and self._turn.acquire(blocking=len(self._read) > MOST_UNWRITTEN):
            try:
                settled += _write(self._take(), self.holder)
            finally:
                self._turn.release()
        return settled

    def _take(self) -> list[Done]:
        return [self._read.popleft() for _ in range(min(len(self._read), WRITE_SIZE))]


def process(batch: Batch, holder: str) -> int:
    """Read the subject of a batch, then write it and what became of each message, in one commit."""
    return Processor(holder).process(batch)


def _read(batch: Batch, holder: str) -> Reading | None:
    """What PortOne says of the subject; without an answer the messages are put off."""
    started_at = clock.now()
    try:
        return read(batch.subject)
    except PortOneUncertain as uncertain:
        problem = THROTTLED if uncertain.reason == "throttled" else UNANSWERED
        _postpone(batch, holder, problem, started_at, retry_after=uncertain.retry_after or 0.0)
    except PortOneRefused as refusal:
        problem = meaning_of(refusal.type)
        if refusal.is_about_us:  # an expired secret must not use up the tries of all that comes in meanwhile
            _postpone(batch, holder, problem, started_at)
        else:
            _use_up_a_try(batch, holder, problem, started_at, AttemptOutcome.REFUSED)
    except Exception:
        logger.exception("The subject of webhooks %s could not be read", batch.log_ids)
        _use_up_a_try(batch, holder, UNPROCESSABLE, started_at, AttemptOutcome.BROKEN)
    return None


def _write(done: Sequence[Done], holder: str) -> int:
    """Write what was read: all together, or each alone where one spoils the commit."""
    try:
        return _write_together(done, holder)
    except Exception:
        db.session.rollback()
        if len(done) > 1:
            return sum(_write([one], holder) for one in done)
        ((batch, reading),) = done
        logger.exception("Webhooks %s could not be processed", batch.log_ids)
        _use_up_a_try(batch, holder, UNPROCESSABLE, reading.read_at, AttemptOutcome.BROKEN)
        return 0


def _write_together(done: Sequence[Done], holder: str) -> int:
    readings = {log_id: reading for batch, reading in done for log_id in batch.log_ids}
    held: dict[Subject, list[WebhookLog]] = {}
    for log in _held(list(readings), holder):
        held.setdefault(readings[log.id].subject, []).append(log)
    outcomes = write([reading for _, reading in done if reading.subject in held])
    ended = [
        # What changed is told once, by the newest message.
        _settle(log, outcome if log is logs[-1] else replace(outcome, changes={}), readings[log.id].read_at)
        for logs, outcome in ((logs, outcomes[subject]) for subject, logs in held.items())
        for log in logs
    ]
    attempts.record(ended)
    db.session.commit()
    _settle_refunds({outcome.payment_row_id for outcome in outcomes.values() if outcome.payment_row_id})
    return sum(map(len, held.values()))


def _settle_refunds(payment_row_ids: set[UUID]) -> None:
    """Tell refunds that waited for PortOne that news of their payments have come."""
    is_waiting = Refund.payment_id.in_(payment_row_ids), Refund.status == RefundStatus.REQUESTED
    concerned = (
        db.session.scalars(select(Refund.payment_id).where(*is_waiting)).all() if payment_row_ids else []
    )
    for payment_row_id in concerned:
        refunds.settle_requested_refunds_of(payment_row_id)
    db.session.rollback()


def _settle(log: WebhookLog, outcome: Outcome, started_at: datetime) -> Attempt:
    return settling.settle(log, WebhookStatus.PROCESSED, outcome, started_at=started_at)


def _postpone(
    batch: Batch, holder: str, problem: str, started_at: datetime, *, retry_after: float = 0.0
) -> None:
    _put_off(
        batch,
        holder,
        partial(settling.postpone, problem=problem, started_at=started_at, retry_after=retry_after),
    )


def _use_up_a_try(
    batch: Batch, holder: str, problem: str, started_at: datetime, outcome: AttemptOutcome
) -> None:
    _put_off(
        batch,
        holder,
        partial(settling.use_up_a_try, problem=problem, started_at=started_at, outcome=outcome),
    )


def _put_off(batch: Batch, holder: str, end: Callable[[WebhookLog], Attempt]) -> None:
    """End an attempt that settled nothing, for all messages of a batch. Commits."""
    held = _held(batch.log_ids, holder)
    attempts.record([end(log) for log in held])
    settling.tell_failed(held)
    db.session.commit()


def _held(log_ids: Sequence[UUID], holder: str) -> Sequence[WebhookLog]:
    """Those of the messages that this worker still holds, locked and read fresh, oldest first."""
    return db.session.scalars(
        select(WebhookLog)
        .where(WebhookLog.id.in_(log_ids), WebhookLog.claimed_by == holder, IS_WAITING)
        .order_by(WebhookLog.created_at, WebhookLog.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
