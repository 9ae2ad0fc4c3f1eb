"""Process what the inbox holds: read its subject at PortOne, then write what became of each message."""

import logging
import random
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from sqlalchemy import literal_column, select

from app import clock, leases
from app.extensions import db
from app.portone.errors import PortOneRefused, PortOneUncertain
from app.portone.meanings import N_, meaning_of
from app.refunds import service as refunds
from app.refunds.models import Refund, RefundStatus
from app.webhooks.handlers import Outcome, Reading, Skip, Subject, read, subject_of, write
from app.webhooks.models import WebhookLog, WebhookStatus

#: Messages claimed at once.
CLAIM_SIZE = 64
#: Subjects written at once: on SQLite messages that come in wait for that long.
WRITE_SIZE = 16
#: From here on threads write rather than read on.
MOST_UNWRITTEN = 256

#: Waits after an error of our own or a refusal: eight tries within an hour.
TRY_WAITS_SECONDS = (5, 15, 60, 180, 420, 900, 1_800)
#: Waits while PortOne is out of reach; such a try does not count.
OUTAGE_WAIT_SECONDS = (2.0, 8.0)

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
    for log in _held(ids, holder):
        match subject_of(log):
            case Skip(reason):
                _settle(log, WebhookStatus.SKIPPED, Outcome(note=reason))
            case subject:
                by_subject.setdefault(subject, []).append(log.id)
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
    try:
        return read(batch.subject)
    except PortOneUncertain as uncertain:
        problem = THROTTLED if uncertain.reason == "throttled" else UNANSWERED
        _postpone(batch, holder, problem, retry_after=uncertain.retry_after or 0.0)
    except PortOneRefused as refusal:
        if refusal.is_about_us:  # an expired secret must not use up the tries of all that comes in meanwhile
            _postpone(batch, holder, meaning_of(refusal.type))
        else:
            _use_up_a_try(batch, holder, meaning_of(refusal.type))
    except Exception:
        logger.exception("The subject of webhooks %s could not be read", batch.log_ids)
        _use_up_a_try(batch, holder, UNPROCESSABLE)
    return None


def _write(done: Sequence[Done], holder: str) -> int:
    """Write what was read: all together, or each alone where one spoils the commit."""
    try:
        return _write_together(done, holder)
    except Exception:
        db.session.rollback()
        if len(done) > 1:
            return sum(_write([one], holder) for one in done)
        logger.exception("Webhooks %s could not be processed", done[0][0].log_ids)
        _use_up_a_try(done[0][0], holder, UNPROCESSABLE)
        return 0


def _write_together(done: Sequence[Done], holder: str) -> int:
    subjects = {log_id: batch.subject for batch, _ in done for log_id in batch.log_ids}
    held: dict[Subject, list[WebhookLog]] = {}
    for log in _held(list(subjects), holder):
        held.setdefault(subjects[log.id], []).append(log)
    outcomes = write([reading for batch, reading in done if batch.subject in held])
    for subject, logs in held.items():
        *earlier, newest = logs
        for log in earlier:  # what changed is told once
            _settle(log, WebhookStatus.PROCESSED, replace(outcomes[subject], changes={}))
        _settle(newest, WebhookStatus.PROCESSED, outcomes[subject])
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


def _settle(log: WebhookLog, status: WebhookStatus, outcome: Outcome) -> None:
    log.status = status.value
    log.attempts += 1
    log.processed_at = clock.now()
    log.changes = dict(outcome.changes)
    log.error_message = outcome.note
    log.payment_id = outcome.payment_row_id or log.payment_id
    log.release()


def _postpone(batch: Batch, holder: str, problem: str, *, retry_after: float = 0.0) -> None:
    """PortOne is out of reach, or shut to us: wait a little, without using up a try."""
    shortest, longest = OUTAGE_WAIT_SECONDS
    for log in _held(batch.log_ids, holder):
        wait = min(max(retry_after, _between(shortest, longest)), longest)
        log.error_message = problem
        log.release(next_attempt_at=clock.now() + timedelta(seconds=wait))
    db.session.commit()


def _use_up_a_try(batch: Batch, holder: str, problem: str) -> None:
    for log in _held(batch.log_ids, holder):
        log.attempts += 1
        log.error_message = problem
        if log.attempts > len(TRY_WAITS_SECONDS):
            log.status = WebhookStatus.FAILED.value
            log.processed_at = clock.now()
            log.release()
        else:
            wait = TRY_WAITS_SECONDS[log.attempts - 1] * _between(0.8, 1.2)
            log.release(next_attempt_at=clock.now() + timedelta(seconds=wait))
    db.session.commit()


def _between(least: float, most: float) -> float:
    return random.uniform(least, most)  # noqa: S311 - spreads load, guards nothing


def _held(log_ids: Sequence[UUID], holder: str) -> Sequence[WebhookLog]:
    """Those of the messages that this worker still holds, locked and read fresh, oldest first."""
    return db.session.scalars(
        select(WebhookLog)
        .where(WebhookLog.id.in_(log_ids), WebhookLog.claimed_by == holder, IS_WAITING)
        .order_by(WebhookLog.created_at, WebhookLog.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
