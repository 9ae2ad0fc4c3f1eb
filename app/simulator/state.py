"""Everything the simulator remembers, in one SQLite file that outlives it."""

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from app.simulator.documents import Document, moment_of

_SCHEMA = """
CREATE TABLE IF NOT EXISTS payments (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT, payment_id TEXT UNIQUE NOT NULL,
  requested_at INTEGER NOT NULL, status_changed_at INTEGER NOT NULL, document TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS payments_by_request ON payments (requested_at, sequence);
CREATE INDEX IF NOT EXISTS payments_by_change ON payments (status_changed_at, sequence);
CREATE TABLE IF NOT EXISTS attempts (
  sequence INTEGER PRIMARY KEY, payment_id TEXT NOT NULL, document TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS attempts_by_payment ON attempts (payment_id);
CREATE TABLE IF NOT EXISTS preregistrations (payment_id TEXT PRIMARY KEY, document TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS billing_keys (billing_key TEXT PRIMARY KEY, document TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS schedules (
  schedule_id TEXT PRIMARY KEY, billing_key TEXT NOT NULL, document TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS answers (
  idempotency_key TEXT PRIMARY KEY, request_digest TEXT NOT NULL, begun_at INTEGER NOT NULL,
  status INTEGER, body TEXT);
CREATE TABLE IF NOT EXISTS settlements (
  cancellation_id TEXT NOT NULL, kind TEXT NOT NULL, payment_id TEXT NOT NULL, outcome TEXT NOT NULL,
  skip_webhook INTEGER NOT NULL, due_at INTEGER NOT NULL, PRIMARY KEY (cancellation_id, kind));
CREATE TABLE IF NOT EXISTS deliveries (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT, webhook_id TEXT UNIQUE NOT NULL, payment_id TEXT,
  due_at INTEGER, document TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS deliveries_by_payment ON deliveries (payment_id);
"""

#: Which column a list of payments is ordered and bounded by.
CLOCKS = {"CREATED_AT": "requested_at", "STATUS_CHANGED_AT": "status_changed_at"}


def milliseconds(moment: datetime) -> int:
    """A moment as a whole number that sorts rightly."""
    return round(moment.timestamp() * 1000)


@dataclass(frozen=True)
class Settlement:
    """How a pending cancellation (`cancellation`) or a pay-out (`account`) will end by itself."""

    cancellation_id: str
    kind: str
    payment_id: str
    outcome: str
    skip_webhook: bool


class State:
    """The tables of one store, behind one connection and one lock: SQLite writes one at a time anyhow."""

    def __init__(self, path: str | Path, *, store_id: str) -> None:
        self.store_id = store_id
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=10000"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.executescript(_SCHEMA)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, one at a time; inside another transaction it joins that one."""
        with self._lock:
            if self._connection.in_transaction:
                yield
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def rows(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        """The rows that a statement answers."""
        with self._lock:
            return self._connection.execute(sql, values).fetchall()

    def execute(self, sql: str, *values: Any) -> int:
        """Run a statement; answers how many rows it changed."""
        with self._lock:
            return self._connection.execute(sql, values).rowcount

    def find_payment(self, payment_id: str) -> Document | None:
        """A fresh copy of the payment document."""
        return _first(self.rows("SELECT document FROM payments WHERE payment_id = ?", payment_id))

    def save_payment(self, payment: Document) -> None:
        """Store a payment, new or changed."""
        self.execute(
            "INSERT INTO payments (payment_id, requested_at, status_changed_at, document)"
            " VALUES (?, ?, ?, ?) ON CONFLICT (payment_id) DO UPDATE SET"
            " status_changed_at = excluded.status_changed_at, document = excluded.document",
            payment["id"],
            milliseconds(moment_of(payment["requestedAt"])),
            milliseconds(moment_of(payment["statusChangedAt"])),
            _text(payment),
        )

    def payments_between(
        self, clock: str, start: datetime, end: datetime, *, order_by: str, is_descending: bool
    ) -> Iterator[Document]:
        """Payments whose `clock` lies in [start, end], ordered by another clock or the same."""
        direction = "DESC" if is_descending else "ASC"
        rows = self.rows(
            f"SELECT document FROM payments WHERE {CLOCKS[clock]} BETWEEN ? AND ?"  # noqa: S608
            f" ORDER BY {CLOCKS[order_by]} {direction}, sequence {direction}",
            milliseconds(start),
            milliseconds(end),
        )
        return (json.loads(row["document"]) for row in rows)

    def payments_after(
        self, start: datetime, end: datetime, after: tuple[int, int], size: int
    ) -> list[tuple[Document, tuple[int, int]]]:
        """The next payments by creation time, each with its place in that order."""
        rows = self.rows(
            "SELECT requested_at, sequence, document FROM payments WHERE requested_at BETWEEN ? AND ?"
            " AND (requested_at, sequence) > (?, ?) ORDER BY requested_at, sequence LIMIT ?",
            milliseconds(start),
            milliseconds(end),
            *after,
            size,
        )
        return [(json.loads(row["document"]), (row["requested_at"], row["sequence"])) for row in rows]

    def keep_attempt(self, payment_id: str, attempt: Document) -> None:
        """Remember an attempt that a new one replaces."""
        self.execute("INSERT INTO attempts (payment_id, document) VALUES (?, ?)", payment_id, _text(attempt))

    def earlier_attempts(self, payment_id: str) -> list[Document]:
        """The attempts before the present one, oldest first."""
        return _all(
            self.rows("SELECT document FROM attempts WHERE payment_id = ? ORDER BY sequence", payment_id)
        )

    def save_preregistration(self, payment_id: str, expected: Document) -> None:
        """What the merchant's server expects of a payment to come."""
        self.execute("INSERT OR REPLACE INTO preregistrations VALUES (?, ?)", payment_id, _text(expected))

    def find_preregistration(self, payment_id: str) -> Document | None:
        """What was expected of this payment, if anything."""
        return _first(self.rows("SELECT document FROM preregistrations WHERE payment_id = ?", payment_id))

    def save_delivery(self, delivery: Document, *, payment_id: str | None, due_at: datetime | None) -> None:
        """Store a webhook, new or changed; it is to be sent at `due_at`, or not any more."""
        self.execute(
            "INSERT INTO deliveries (webhook_id, payment_id, due_at, document) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (webhook_id) DO UPDATE SET due_at = excluded.due_at, document = excluded.document",
            delivery["entry"]["id"],
            payment_id,
            None if due_at is None else milliseconds(due_at),
            _text(delivery),
        )

    def save_settlement(self, settlement: Settlement, *, due_at: datetime) -> None:
        """Plan the end of something pending."""
        self.execute(
            "INSERT INTO settlements (cancellation_id, kind, payment_id, outcome, skip_webhook, due_at)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            *astuple(settlement),
            milliseconds(due_at),
        )

    def due_settlements(self, now: datetime) -> list[Settlement]:
        """What is to end by now."""
        rows = self.rows("SELECT * FROM settlements WHERE due_at <= ? ORDER BY due_at", milliseconds(now))
        return [
            Settlement(
                row["cancellation_id"],
                row["kind"],
                row["payment_id"],
                row["outcome"],
                bool(row["skip_webhook"]),
            )
            for row in rows
        ]

    def drop_settlement(self, cancellation_id: str, kind: str) -> None:
        """It has ended."""
        self.execute("DELETE FROM settlements WHERE cancellation_id = ? AND kind = ?", cancellation_id, kind)

    def find_billing_key(self, billing_key: str) -> Document | None:
        """A fresh copy of the billing key document."""
        return _first(self.rows("SELECT document FROM billing_keys WHERE billing_key = ?", billing_key))

    def save_billing_key(self, document: Document) -> None:
        """Store a billing key, new or changed."""
        self.execute(
            "INSERT OR REPLACE INTO billing_keys VALUES (?, ?)", document["billingKey"], _text(document)
        )

    def billing_keys(self) -> list[Document]:
        """All billing keys, deleted ones too."""
        return _all(self.rows("SELECT document FROM billing_keys"))

    def save_schedule(self, document: Document) -> None:
        """Store a schedule, new or changed."""
        self.execute(
            "INSERT OR REPLACE INTO schedules VALUES (?, ?, ?)",
            document["id"],
            document["billingKey"],
            _text(document),
        )

    def find_schedule(self, schedule_id: str) -> Document | None:
        """A fresh copy of the schedule document."""
        return _first(self.rows("SELECT document FROM schedules WHERE schedule_id = ?", schedule_id))

    def schedules(self, billing_key: str | None = None) -> list[Document]:
        """All schedules, or those of one billing key."""
        if billing_key is None:
            return _all(self.rows("SELECT document FROM schedules"))
        return _all(self.rows("SELECT document FROM schedules WHERE billing_key = ?", billing_key))


def _text(document: Document) -> str:
    return json.dumps(document, separators=(",", ":"))


def _all(rows: Iterable[sqlite3.Row]) -> list[Document]:
    return [json.loads(row["document"]) for row in rows]


def _first(rows: list[sqlite3.Row]) -> Document | None:
    return _all(rows)[0] if rows else None
