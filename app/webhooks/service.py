"""Keep what PortOne sends, once a message; later read its subject at PortOne and write what became of it."""

import logging
import random
import re
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from operator import itemgetter
from typing import Any, cast
from uuid import UUID

from flask import current_app
from sqlalchemy import Delete, Table, case, delete, insert, literal_column, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from app import clock, leases
from app.billing_keys.service import mask_key, without_key
from app.encryption import vault
from app.extensions import db
from app.portone.errors import PortOneRefused, PortOneUncertain
from app.portone.meanings import N_, meaning_of
from app.portone.webhooks import WebhookEvent
from app.refunds import service as refunds
from app.refunds.models import Refund, RefundStatus
from app.webhooks.handlers import Outcome, Reading, Skip, Subject, read, subject_of, write
from app.webhooks.models import WebhookLog, WebhookStatus

#: Refusals that are about us: an expired secret must not use up the tries of all that comes in meanwhile.
_NO_TO_US = frozenset({"UNAUTHORIZED", "FORBIDDEN"})

#: How many messages that failed verification are kept, so that strangers cannot fill the disk.
REJECTED_KEPT = 1_000
#: How much of the body of such a message is kept, in bytes.
REJECTED_BODY_BYTES = 8 * 1024

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

#: Why a message is not authentic, or not readable, by the reason `portone.webhooks` gives.
REJECTIONS = {
    "MISSING_REQUIRED_HEADERS": N_("The headers that carry the signature are missing."),
    "INVALID_SIGNATURE": N_("The headers that carry the signature cannot be read."),
    "TIMESTAMP_TOO_OLD": N_("It was signed more than five minutes before it came."),
    "TIMESTAMP_TOO_NEW": N_("It was signed in the future. Check the clock of the machine Portico runs on."),
    "NO_MATCHING_SIGNATURE": N_("No webhook secret that Portico knows fits the signature."),
    "UNREADABLE_BODY": N_("The signature is right, but the body is neither JSON nor a form."),
}

_SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie"})
_HEADERS_KEPT, _HEADER_LENGTH = 40, 500
#: PostgreSQL indexes no longer text than about 2,700 bytes, and no id of PortOne comes near.
_ID_BYTES = 2_000
#: A document nested deeper is kept as text: not every reader would come to its end.
_DEPTH = 64
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_KEY_IN_TEXT = re.compile(r'(?P<before>"billingKey"\s*:\s*")(?P<key>[^"]+)|(?P<bare>billing-key-[\w-]+)')

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Batch:
    """Claimed messages about one subject: one reading serves them all."""

    subject: Subject
    log_ids: tuple[UUID, ...]


Done = tuple[Batch, Reading]


def store(event: WebhookEvent, headers: Mapping[str, str], *, answer: Any) -> None:
    """Keep a message that PortOne signed, for a worker to process; a repeat only adds to `deliveries`.

    A repeat of one that failed is tried again. `answer` is the body of the 200 that follows.
    """
    moment = clock.now()
    key = event.billing_key
    message = {
        "webhook_id": event.webhook_id,
        "webhook_type": _indexable(event.type),
        "named_payment_id": _indexable(event.payment_id),
        "provider_transaction_id": _indexable(event.transaction_id),
        "billing_key_sealed": vault().seal(key) if key else None,
        "billing_key_hash": vault().fingerprint(key) if key else None,
        "request_headers": _kept_headers(headers),
        "request_body": _kept_body(event),
        "response_status": 200,
        "response_body": answer,
        "status": WebhookStatus.RECEIVED.value,
        "occurred_at": _believable(event.occurred_at),
        "last_delivered_at": moment,
        "next_attempt_at": moment,
        "created_at": moment,
    }
    intake: Intake = current_app.extensions.setdefault("webhook_intake", Intake())
    intake.store(message)


def store_rejected(body: bytes, headers: Mapping[str, str], reason: str, *, answer: Any) -> None:
    """Keep a message that is not authentic or not readable, without its id; forget the oldest surplus."""
    moment = clock.now()
    message = {
        "request_headers": _kept_headers(headers),
        "request_body": _readable_part(body),
        "response_status": 400,
        "response_body": answer,
        "status": WebhookStatus.REJECTED.value,
        "error_message": REJECTIONS.get(reason, reason),
        "last_delivered_at": moment,
        "processed_at": moment,
        "created_at": moment,
    }
    with db.engine.begin() as connection:
        connection.execute(insert(_TABLE), message)
        connection.execute(_delete_surplus())


@dataclass(slots=True, eq=False)
class _Letter:
    """A message on its way into the log."""

    message: dict[str, Any]
    is_stored: bool = False


class Intake:
    """Stores the messages that the threads of a server receive; those that come at once share a commit.

    They would queue for the database one after the other otherwise, each waiting for the disk. No thread
    goes on before its own message is committed.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._waiting: deque[_Letter] = deque()

    def store(self, message: dict[str, Any]) -> None:
        """Store a message, once by its `webhook_id`; raises what the database raises."""
        letter = _Letter(message)
        self._waiting.append(letter)
        with self._turn:
            if letter.is_stored:
                return
            waiting = [self._waiting.popleft() for _ in range(len(self._waiting))]
            others = [other for other in waiting if other is not letter]
            try:
                self._write([letter, *others])
            except SQLAlchemyError:
                if not others:
                    raise
                self._write([letter])  # the others try again in their turns

    def _write(self, letters: Sequence[_Letter]) -> None:
        """Commit messages, in one order for all servers, so that none waits for another in a circle."""
        messages = sorted((letter.message for letter in letters), key=itemgetter("webhook_id"))
        with db.engine.begin() as connection:
            connection.execute(_insert_once(connection.dialect.name), messages)
        for letter in letters:
            letter.is_stored = True


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
        if refusal.type in _NO_TO_US:
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


def _delete_surplus() -> Delete:
    """Forgets the oldest rejected messages beyond those kept, a few at a time."""
    rejected = select(_TABLE.c.id).where(_TABLE.c.status == literal_column("'rejected'"))
    newest_first = rejected.order_by(_TABLE.c.created_at.desc(), _TABLE.c.id.desc())
    surplus = newest_first.offset(REJECTED_KEPT).limit(100).with_for_update(skip_locked=True)
    return delete(_TABLE).where(_TABLE.c.id.in_(surplus))


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


_TABLE = cast(Table, WebhookLog.__table__)

#: Spelled out, so that both databases see that the partial index of waiting messages serves.
IS_WAITING = WebhookLog.status == literal_column("'received'")


@cache
def _insert_once(dialect: str) -> Any:
    """The statement that stores a message once, by its `webhook_id`."""
    statement = postgresql.insert(_TABLE) if dialect == "postgresql" else sqlite.insert(_TABLE)
    has_failed = _TABLE.c.status == literal_column("'failed'")
    excluded = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=[_TABLE.c.webhook_id],
        set_={
            "deliveries": _TABLE.c.deliveries + 1,
            "last_delivered_at": excluded.last_delivered_at,
            "status": case((has_failed, excluded.status), else_=_TABLE.c.status),
            "attempts": case((has_failed, 0), else_=_TABLE.c.attempts),
            "next_attempt_at": case((has_failed, excluded.next_attempt_at), else_=_TABLE.c.next_attempt_at),
        },
    )


def _kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    kept = [(name, value) for name, value in headers.items() if name.lower() not in _SECRET_HEADERS]
    return {
        _UNSTORABLE.sub("\ufffd", name[:_HEADER_LENGTH]): _UNSTORABLE.sub("\ufffd", value[:_HEADER_LENGTH])
        for name, value in kept[:_HEADERS_KEPT]
    }


def _kept_body(event: WebhookEvent) -> Any:
    """The body as it came, but for a billing key."""
    if _is_deep(event.body):
        return _readable_part(event.raw_body.encode())
    return without_key(event.body, event.billing_key) if event.billing_key else event.body


def _readable_part(body: bytes) -> str:
    """The beginning of a body nobody vouches for, as text; a billing key in it may be a real one."""
    text = _UNSTORABLE.sub("\ufffd", body[:REJECTED_BODY_BYTES].decode(errors="replace"))
    return _KEY_IN_TEXT.sub(_masked_key, text)


def _masked_key(found: re.Match[str]) -> str:
    return (found["before"] or "") + mask_key(found["key"] or found["bare"])


def _is_deep(document: Any) -> bool:
    level = [document]
    for _ in range(_DEPTH):
        level = [inner for value in level for inner in _inside(value)]
        if not level:
            return False
    return True


def _inside(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    return value if isinstance(value, list) else []


def _indexable(name: str | None) -> str | None:
    """An id or a type, unless it is too long to be one."""
    return name if name and len(name.encode()) <= _ID_BYTES else None


def _believable(moment: datetime | None) -> datetime | None:
    """A moment that every database and calendar can show."""
    return moment if moment and 2000 <= moment.year < 9000 else None
