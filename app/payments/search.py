"""The text payments are found by: what it holds, how it is cut into tokens, and how it is kept.

One tokenizer serves both databases: lower-cased 3-grams of ASCII letters and digits, and 1- and 2-grams of
everything else, so that a Korean name of two syllables is found. `text_query` asks for what is kept here.
"""

import re
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Row,
    insert,
    select,
    update,
)
from sqlalchemy import text as sql

from app.extensions import db
from app.payments.models import Payment, PaymentSearch
from app.portone.payloads import PaymentSnapshot, UnreadableDocument

#: What each line of a searchable text holds.
FIELDS = (
    "payment_id",
    "transaction_id",
    "pg_tx_id",
    "order_name",
    "customer_name",
    "customer_email",
    "customer_phone",
    "customer_phone_digits",
    "approval_number",
    "account_number",
    "account_number_digits",
    "card_number",
    "reasons",
    "customer_id",
)

#: The clocks that tokens tell the time by.
CLOCK_LETTERS = {"changed_clock": "c", "requested_clock": "r"}

#: What the text of a stored payment is made of.
_SOURCES = (
    Payment.id,
    Payment.payment_id,
    Payment.transaction_id,
    Payment.pg_tx_id,
    Payment.order_name,
    Payment.customer_name,
    Payment.customer_email,
    Payment.customer_phone,
    Payment.snapshot,
)

RUNS = re.compile(r"[a-z0-9]+|[^\x00-\x7f\s]+")
_PARTING = re.compile(r"[\s-]+")
_NOT_DIGITS = re.compile(r"[^0-9]+")


def searchable_text(snapshot: PaymentSnapshot) -> str:
    """What a payment is found by: a line for each of `FIELDS`, normalised, empty where there is nothing."""
    customer = snapshot.customer
    methods = [method for method in (snapshot.method, snapshot.method and snapshot.method.inner) if method]
    card = next(filter(None, (method.any_card for method in methods)), None)
    return as_lines(
        {
            "payment_id": snapshot.payment_id,
            "transaction_id": snapshot.transaction_id,
            "pg_tx_id": snapshot.pg_tx_id,
            "order_name": snapshot.order_name,
            "customer_name": customer.name,
            "customer_email": customer.email,
            "customer_phone": customer.phone_number,
            "approval_number": next(filter(None, (method.approval_number for method in methods)), None),
            "account_number": next(filter(None, (method.account_number for method in methods)), None),
            "card_number": _PARTING.sub("", card.number or "") if card else None,
            "customer_id": customer.id,
            "reasons": " / ".join(dict.fromkeys(each.reason for each in snapshot.cancellations)),
        }
    )


def as_lines(values: Mapping[str, str | None]) -> str:
    """The lines of a searchable text; phone and account numbers stand there once more as digits only."""
    lines = {name: normalised(value) for name, value in values.items() if value and name in FIELDS}
    for name in ("customer_phone", "account_number"):
        lines[f"{name}_digits"] = _NOT_DIGITS.sub("", lines.get(name, ""))
    return "\n".join(lines.get(name, "") for name in FIELDS)


def normalised(typed: str) -> str:
    """Lower case, composed characters (NFC), and single spaces."""
    return " ".join(unicodedata.normalize("NFC", typed).lower().split())


def tokens_of(lines: str) -> list[str]:
    """The tokens a searchable text is indexed by, each once."""
    return list(dict.fromkeys(_grams(lines)))


def _grams(normal: str) -> Iterator[str]:
    for run in RUNS.findall(normal):
        if run.isascii():
            yield from slices(run, 3)
        else:
            yield from map(encoded, run)
            yield from map(encoded, slices(run, 2))


def slices(run: str, length: int) -> Iterator[str]:
    """Every stretch of a run that is so long."""
    return (run[start : start + length] for start in range(len(run) - length + 1))


def encoded(gram: str) -> str:
    """A gram that is not ASCII as hexadecimal digits: FTS5 would cut it by rules of its own otherwise."""
    return gram.encode().hex()


def is_sqlite() -> bool:
    """Whether the index is SQLite's: FTS5."""
    return db.engine.dialect.name == "sqlite"


def time_token(clock: str, year: int, month: int = 0, day: int = 0) -> str:
    """The token of all payments of a year, a month or a day (UTC) by one of `CLOCK_LETTERS`.

    No text has one: its ASCII tokens are three characters long, and its others hexadecimal.
    """
    digits = f"{year:04}{month:02}{day:02}"[: 8 if day else 6 if month else 4]
    return f"t{digits}{CLOCK_LETTERS[clock]}"


def time_tokens(row: Any) -> list[str]:
    """The tokens of when a payment was, by which the matches of a frequent word are met by time."""
    moments = [(clock, getattr(row, clock).astimezone(UTC)) for clock in CLOCK_LETTERS]
    return [
        time_token(clock, *parts)
        for clock, at in moments
        for parts in ((at.year,), (at.year, at.month), (at.year, at.month, at.day))
    ]


def store_texts(texts: Mapping[UUID, str]) -> int:
    """Keep the texts of payments (by row id) with their tokens; what did not change is left alone.

    Belongs to the caller's transaction, in which the payments are written. Answers how many were written.
    """
    known = _rows_of(texts)
    tokens = {row.id: tokens_of(texts[row.id]) + time_tokens(row) for row in _clocks_of(texts)}
    added = [
        {"payment_id": key, "text": texts[key], "tokens": tokens[key]} for key in texts if key not in known
    ]
    changed = [
        {"id": row.id, "text": texts[key], "tokens": tokens[key]}
        for key, row in known.items()
        if (row.text, row.tokens) != (texts[key], tokens[key])
    ]
    if added:
        db.session.execute(insert(PaymentSearch), added)
    if changed:
        db.session.execute(update(PaymentSearch), changed)
    return len(added) + len(changed)


def renew(row_ids: Collection[UUID]) -> None:
    """Bring the texts of payments (by row id) in line with their rows, in the caller's transaction."""
    rows = db.session.execute(select(*_SOURCES).where(Payment.id.in_(row_ids))).all()
    store_texts({row.id: _text_of(row) for row in rows})


def rebuild_search(*, on_progress: Callable[[int], None], batch: int = 1_000) -> int:
    """Write the text and tokens of payments anew where they differ; answer how many payments there are.

    Commits each batch and tells how many payments are done; after an interruption only what is left is
    written. On SQLite the full-text index is brought in line with its rows first, and other writers wait
    for that: the triggers that keep it afterwards cannot work on a broken one.
    """
    if is_sqlite():
        db.session.execute(sql("INSERT INTO payment_search_index(payment_search_index) VALUES ('rebuild')"))
        db.session.commit()
    done, last = 0, None
    while payments := _next_payments(last, batch):
        store_texts({payment.id: _text_of(payment) for payment in payments})
        db.session.commit()
        done, last = done + len(payments), payments[-1].id
        on_progress(done)
    return done


def _clocks_of(row_ids: Collection[UUID]) -> Sequence[Any]:
    if not row_ids:
        return ()
    columns = (Payment.id, Payment.changed_clock, Payment.requested_clock)
    return db.session.execute(select(*columns).where(Payment.id.in_(row_ids))).all()


def _next_payments(last: UUID | None, batch: int) -> Sequence[Row[Any]]:
    statement = select(*_SOURCES).order_by(Payment.id).limit(batch)
    return db.session.execute(statement if last is None else statement.where(Payment.id > last)).all()


def _text_of(payment: Row[Any]) -> str:
    """The text of a stored payment; one PortOne has not reported yet is found by its columns."""
    try:
        return searchable_text(PaymentSnapshot.from_raw(payment.snapshot or {}))
    except UnreadableDocument:
        return as_lines({name: value for name, value in payment._mapping.items() if name in FIELDS})


def _rows_of(row_ids: Collection[UUID]) -> dict[UUID, Row[Any]]:
    if not row_ids:
        return {}
    found = db.session.execute(select(PaymentSearch.__table__).where(PaymentSearch.payment_id.in_(row_ids)))
    return {row.payment_id: row for row in found}
