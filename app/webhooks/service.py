"""Process what the inbox holds: read its subject at PortOne, then write what became of each message."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from time import monotonic, sleep
from uuid import UUID

from sqlalchemy import select

from app import clock
from app.database import give_way, reading
from app.extensions import db
from app.portone.errors import PortOneRefused, PortOneUncertain
from app.portone.meanings import N_, meaning_of
from app.refunds import service as refunds
from app.refunds.models import Refund, RefundStatus
from app.webhooks import attempts, settling
from app.webhooks.attempts import Attempt
from app.webhooks.claiming import Batch, held_by
from app.webhooks.handlers import Outcome, Reading, Subject, read, write
from app.webhooks.models import AttemptOutcome, WebhookLog, WebhookStatus

#: Subjects written at once: on SQLite messages that come in wait for that long.
WRITE_SIZE = 32
#: How long a writer waits for what others are about to read, and how often it looks: a commit costs about
#: the same for one subject as for many.
GATHER_SECONDS, GATHER_LOOK_SECONDS = 0.06, 0.005
#: From here on threads write rather than read on.
MOST_UNWRITTEN = 256

UNPROCESSABLE = N_("Portico could not process the message. The log of the worker says why.")
UNANSWERED = N_("PortOne gave no usable answer. Portico asks again within seconds.")
THROTTLED = N_("PortOne takes no more requests for the moment. Portico asks again within seconds.")

logger = logging.getLogger(__name__)


Done = tuple[Batch, Reading]


class Processor:
    """Processes what one worker has claimed; its threads share it.

    Reading PortOne takes long and is done by many threads at once. Writing is done for all of them together:
    the thread that finds nobody writing writes whatever has been read so far, in one commit.
    """

    def __init__(self, holder: str) -> None:
        self.holder = holder
        self._turn = threading.Lock()
        self._asking: set[Batch] = set()
        self._read: deque[Done] = deque()

    def process(self, batch: Batch) -> int:
        """Read the subject of a batch and see that it is written; answers how many messages this settled.

        Messages that another worker has taken up meanwhile are left to it.
        """
        self._asking.add(batch)
        try:
            reading = _read(batch, self.holder)
        finally:
            self._asking.discard(batch)
        if reading is None:
            return 0
        self._read.append((batch, reading))
        settled = 0
        while self._read and self._turn.acquire(blocking=len(self._read) > MOST_UNWRITTEN):
            try:
                self._gather()
                began = monotonic()
                settled += _write(self._take(), self.holder)
                give_way(monotonic() - began)
            finally:
                self._turn.release()
        return settled

    def _gather(self) -> None:
        deadline = monotonic() + GATHER_SECONDS
        while self._asking and len(self._read) < WRITE_SIZE and monotonic() < deadline:
            sleep(GATHER_LOOK_SECONDS)

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
    for log in held_by(holder, list(readings)):
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
    if not payment_row_ids:
        return
    is_waiting = Refund.payment_id.in_(payment_row_ids), Refund.status == RefundStatus.REQUESTED
    with reading():
        concerned = db.session.scalars(select(Refund.payment_id).where(*is_waiting)).all()
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
    held = held_by(holder, batch.log_ids)
    attempts.record([end(log) for log in held])
    settling.tell_failed(held)
    db.session.commit()
