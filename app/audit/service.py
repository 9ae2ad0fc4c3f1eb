"""Keep the audit trail: an entry in the caller's transaction, and proof that none was touched since."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from flask import g, has_request_context, request
from sqlalchemy import RowMapping, func, select

from app import clock
from app.audit.models import AuditEntry
from app.columns import new_id
from app.extensions import db

#: What the first entry names as the hash before it.
GENESIS = "0" * 64

#: The name of an actor that is no person: a command, the worker, PortOne's webhook.
SYSTEM = "system"

#: The PostgreSQL advisory lock that writers of the trail queue for; on SQLite all writers queue anyway.
_CHAIN_LOCK = int.from_bytes(b"audit", "big")

#: How many entries `verify_chain` holds in memory.
_CHUNK = 500


class Actor(Protocol):
    """Whoever does something that is recorded: a `User`, or the proxy of the person signed in."""

    @property
    def id(self) -> UUID: ...
    @property
    def name(self) -> str: ...
    @property
    def email(self) -> str | None: ...


class Fault(StrEnum):
    """How an entry gives away that the trail was touched."""

    CHANGED = "changed"
    MISSING = "missing"
    OUT_OF_ORDER = "out_of_order"
    REWRITTEN = "rewritten"
    CUT_OFF = "cut_off"


@dataclass(frozen=True, slots=True)
class Anchor:
    """Where the trail stood at some moment: noted down elsewhere, it tells what the trail cannot."""

    sequence: int
    hash: str

    def __str__(self) -> str:
        return f"{self.sequence}:{self.hash}"

    @classmethod
    def read_all(cls, text: str) -> list["Anchor"]:
        """Every anchor that stands in a text, such as a log."""
        found = re.findall(r"\b([0-9]{1,18}):([0-9a-f]{64})\b", text)
        return [cls(int(sequence), digest) for sequence, digest in found]


@dataclass(frozen=True, slots=True)
class Broken:
    """The first place where the trail does not hold: the sequence number of the entry, and what is wrong."""

    sequence: int
    fault: Fault


def record(
    action: str,
    subject_type: str,
    subject_id: UUID | str,
    *,
    by: Actor | None = None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    facts: Mapping[str, Any] | None = None,
) -> AuditEntry:
    """Write one entry in the caller's transaction; without `by` the system did it.

    The documents may hold numbers, texts, moments, ids and enum members; they are kept as plain JSON,
    and what is no whole number is kept as text. Whoever records waits for the one before to commit:
    record last, after every lock that is needed.
    """
    values = {
        "id": new_id(),
        "at": clock.now(),
        "action": action,
        "subject_type": subject_type,
        "subject_id": _storable(str(subject_id)),
        "actor_id": by.id if by else None,
        "actor_name": _storable(by.name or by.email or str(by.id))[:200] if by else SYSTEM,
        **_circumstances(),
        "before": _plain(before),
        "after": _plain(after),
        "facts": _plain(facts),
        **_next_link(),
    }
    entry = AuditEntry(**values, hash=_seal(values))
    db.session.add(entry)
    db.session.flush()
    return entry


def newest_anchor() -> Anchor:
    """Where the trail stands now: to be noted down elsewhere."""
    newest = select(AuditEntry.sequence, AuditEntry.hash).order_by(AuditEntry.sequence.desc()).limit(1)
    sequence, digest = db.session.execute(newest).first() or (0, GENESIS)
    return Anchor(sequence, digest)


def verify_chain(anchors: Iterable[Anchor] = ()) -> Broken | None:
    """Walk the whole trail; None when every entry is as it was written.

    Entries cut off at the end leave a shorter trail that holds, and so does a trail rewritten from some
    entry to its end: only `anchors`, noted down elsewhere, tell. Ends the session's transaction.
    """
    expected: dict[int, set[str]] = {}
    for anchor in anchors:
        expected.setdefault(anchor.sequence, set()).add(anchor.hash)
    expected.pop(0, None)
    sequence, previous_hash, limit = 0, GENESIS, _CHUNK
    while True:
        try:
            entries = _read_after(sequence, limit)
        except ValueError:  # a value that does not even read as what its column holds
            if limit == 1:
                return Broken(sequence + 1, Fault.CHANGED)
            limit = 1
            continue
        if not entries:
            return Broken(sequence + 1, Fault.CUT_OFF) if any(key > sequence for key in expected) else None
        for entry in entries:
            if fault := _fault_of(dict(entry), sequence + 1, previous_hash):
                return Broken(sequence + 1, fault)
            sequence, previous_hash = entry["sequence"], entry["hash"]
            if expected.get(sequence, set()) - {previous_hash}:
                return Broken(sequence, Fault.REWRITTEN)


def _fault_of(entry: dict[str, Any], sequence: int, previous_hash: str) -> Fault | None:
    if entry["sequence"] != sequence:
        return Fault.MISSING
    if entry["hash"] != _seal(entry):
        return Fault.CHANGED
    if entry["previous_hash"] != previous_hash:
        return Fault.OUT_OF_ORDER
    return None


def _read_after(sequence: int, limit: int) -> Sequence[RowMapping]:
    """The next entries as plain rows, so that the session remembers none of them."""
    table = AuditEntry.__table__
    statement = select(table).where(table.c.sequence > sequence).order_by(table.c.sequence).limit(limit)
    try:
        return db.session.execute(statement).mappings().all()
    finally:
        db.session.rollback()


def _next_link() -> dict[str, Any]:
    """The place after the newest entry, held against other writers until the commit."""
    if db.engine.dialect.name == "postgresql":
        db.session.execute(select(func.pg_advisory_xact_lock(_CHAIN_LOCK)))
    newest = newest_anchor()
    return {"sequence": newest.sequence + 1, "previous_hash": newest.hash}


def _circumstances() -> dict[str, Any]:
    """From where, and in which signed-in session (`g.sign_in_id`), when a person's request is served."""
    if not has_request_context():
        return {"address": None, "sign_in_id": None}
    return {"address": (request.remote_addr or "")[:45] or None, "sign_in_id": g.get("sign_in_id")}


def _seal(values: Mapping[str, Any]) -> str:
    """SHA-256 over every column but the hash itself.

    Empty columns are left out: giving one a value shows all the same, and a column that is added to the
    table later leaves the seals of older entries as they are.
    """
    sealed = {name: value for name, value in values.items() if name != "hash" and value is not None}
    text = json.dumps(sealed, sort_keys=True, separators=(",", ":"), default=_as_text)
    return hashlib.sha256(text.encode()).hexdigest()


def _as_text(value: object) -> str:
    """A moment or an id in the one spelling that both databases give back."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    return str(value)


def _plain(value: Any) -> Any:
    """The value as JSON that reads back the same from either database (PostgreSQL rewrites fractions)."""
    match value:
        case None | bool():
            return value
        case int():
            return int(value)
        case Mapping():
            return {_storable(str(key)): _plain(member) for key, member in value.items()}
        case list() | tuple():
            return [_plain(member) for member in value]
        case _:
            return _storable(_as_text(value))


def _storable(text: str) -> str:
    """The text without what PostgreSQL cannot store: NUL and halves of surrogate pairs."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
