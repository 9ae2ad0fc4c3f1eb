"""Keep what PortOne sends, each message once: the log is the worker's inbox."""

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from operator import itemgetter
from time import monotonic
from typing import Any, cast

from flask import current_app
from sqlalchemy import Delete, Table, case, delete, insert, literal_column, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from app import clock
from app.encryption import vault
from app.extensions import db
from app.portone.meanings import N_
from app.portone.webhooks import WebhookEvent
from app.webhooks.contents import beginning, kept_body, kept_headers, readable_part
from app.webhooks.models import WebhookLog, WebhookStatus

#: How many messages that failed verification are kept, so that strangers cannot fill the disk.
REJECTED_KEPT = 1_000
#: A process keeps so many of them at once and so many a second on; the rest is added to one that is kept.
REJECTED_AT_ONCE, REJECTED_PER_SECOND = 50, 5.0

#: Why a message is not authentic, or not readable, by the reason `portone.webhooks` gives.
REJECTIONS = {
    "MISSING_REQUIRED_HEADERS": N_("The headers that carry the signature are missing."),
    "INVALID_SIGNATURE": N_("The headers that carry the signature cannot be read."),
    "TIMESTAMP_TOO_OLD": N_("It was signed more than five minutes before it came."),
    "TIMESTAMP_TOO_NEW": N_("It was signed in the future. Check the clock of the machine Portico runs on."),
    "NO_MATCHING_SIGNATURE": N_("No webhook secret that Portico knows fits the signature."),
    "UNREADABLE_BODY": N_("The signature is right, but the body is neither JSON nor a form."),
}

#: PostgreSQL indexes no longer text than about 2,700 bytes, and no id of PortOne comes near.
_ID_BYTES = 2_000
_TABLE = cast(Table, WebhookLog.__table__)


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
        "request_headers": kept_headers(headers),
        "request_body": kept_body(event),
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
    """Keep a message that is not authentic or not readable, without its id; forget the oldest surplus.

    Of a flood only a few a second are written: each carries in `deliveries` how many came since the last.
    """
    door: Door = current_app.extensions.setdefault("webhook_door", Door())
    count = door.admit()
    if not count:
        return
    moment = clock.now()
    message = {
        "request_headers": beginning(kept_headers(headers)),
        "request_body": readable_part(body),
        "response_status": 400,
        "response_body": answer,
        "status": WebhookStatus.REJECTED.value,
        "error_message": REJECTIONS.get(reason, reason),
        "deliveries": count,
        "last_delivered_at": moment,
        "processed_at": moment,
        "created_at": moment,
    }
    with db.engine.begin() as connection:
        connection.execute(insert(_TABLE), message)
        connection.execute(_delete_surplus())


class Door:
    """Lets few of the messages that nobody vouches for into the log of a process, however many come."""

    def __init__(self, monotonic: Callable[[], float] = monotonic) -> None:
        self._monotonic = monotonic
        self._turn = threading.Lock()
        self._room = float(REJECTED_AT_ONCE)
        self._looked_at = monotonic()
        self._outside = 0

    def admit(self) -> int:
        """For how many messages the one at hand is to stand; 0 if it is only counted."""
        with self._turn:
            moment = self._monotonic()
            gained = (moment - self._looked_at) * REJECTED_PER_SECOND
            self._room, self._looked_at = min(self._room + gained, REJECTED_AT_ONCE), moment
            self._outside += 1
            if self._room < 1:
                return 0
            self._room -= 1
            count, self._outside = self._outside, 0
            return count


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


def _delete_surplus() -> Delete:
    """Forgets the oldest rejected messages beyond those kept, a few at a time."""
    rejected = select(_TABLE.c.id).where(_TABLE.c.status == literal_column("'rejected'"))
    newest_first = rejected.order_by(_TABLE.c.created_at.desc(), _TABLE.c.id.desc())
    surplus = newest_first.offset(REJECTED_KEPT).limit(100).with_for_update(skip_locked=True)
    return delete(_TABLE).where(_TABLE.c.id.in_(surplus))


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


def _indexable(name: str | None) -> str | None:
    """An id or a type, unless it is too long to be one."""
    return name if name and len(name.encode()) <= _ID_BYTES else None


def _believable(moment: datetime | None) -> datetime | None:
    """A moment that every database and calendar can show."""
    return moment if moment and 2000 <= moment.year < 9000 else None
