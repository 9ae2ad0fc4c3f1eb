"""The text payments are found by: what it holds, how it is cut into tokens, and how a query is matched.

One tokenizer serves both databases: lower-cased 3-grams of ASCII letters and digits, and 1- and 2-grams of
everything else, so that a Korean name of two syllables is found. Rows that hold all tokens of a query are
candidates; LIKE on the text confirms them.
"""

import re
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Integer,
    Row,
    Select,
    Text,
    column,
    insert,
    literal,
    literal_column,
    or_,
    select,
    table,
    type_coerce,
    update,
)
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import ARRAY

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
)

#: From so many candidates on it is cheaper to walk the payments by time than to fetch and sort them all.
FREQUENT = 5_000

_RUNS = re.compile(r"[a-z0-9]+|[^\x00-\x7f\s]+")
_NOT_DIGITS = re.compile(r"[^0-9]+")
_GROUPED_DIGITS = re.compile(r"[0-9][0-9-]*[0-9]")
_NUMBER = re.compile(r"[0-9][0-9-]{4,}[0-9]")

_INDEX = table("payment_search_index", column("rowid", Integer))


def searchable_text(snapshot: PaymentSnapshot) -> str:
    """What a payment is found by: a line for each of `FIELDS`, normalised, empty where there is nothing."""
    customer = snapshot.customer
    methods = [method for method in (snapshot.method, snapshot.method and snapshot.method.inner) if method]
    return _as_lines(
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
        }
    )


def _as_lines(values: Mapping[str, str | None]) -> str:
    """The lines of a searchable text; phone and account numbers stand there once more as digits only."""
    lines = {name: normalised(value) for name, value in values.items() if value}
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
    for run in _RUNS.findall(normal):
        if run.isascii():
            yield from _slices(run, 3)
        else:
            yield from map(_encoded, run)
            yield from map(_encoded, _slices(run, 2))


def _slices(run: str, length: int) -> Iterator[str]:
    return (run[start : start + length] for start in range(len(run) - length + 1))


def _encoded(gram: str) -> str:
    """A gram that is not ASCII as hexadecimal digits: FTS5 would cut it by rules of its own otherwise."""
    return gram.encode().hex()


@dataclass(frozen=True)
class TextQuery:
    """What was typed to search for: every word has to stand in the text, and wildcards mean themselves."""

    words: tuple[str, ...]

    @classmethod
    def of(cls, typed: str) -> "TextQuery":
        """The query somebody typed; `words` is empty when there is nothing to look for."""
        return cls(tuple(normalised(typed).split()))

    @cached_property
    def tokens(self) -> tuple[str, ...]:
        """The tokens every match holds; none for words of one or two ASCII letters."""
        grams = (gram for word in self.words for run in _RUNS.findall(word) for gram in _telling_grams(run))
        return tuple(dict.fromkeys(grams))

    def confirms(self) -> list[ColumnElement[bool]]:
        """Conditions that hold for the text of a match; a number typed with hyphens may stand without."""
        return [
            or_(*(PaymentSearch.text.contains(form, autoescape=True) for form in _forms(word)))
            for word in self.words
        ]

    @property
    def is_number(self) -> bool:
        """Whether one number was typed, long enough to be told from a price: digits, perhaps with hyphens."""
        return len(self.words) == 1 and bool(_NUMBER.fullmatch(self.words[0]))

    def fills_a_line(self) -> ColumnElement[bool]:
        """The condition that a field is the first word and nothing else."""
        text = literal("\n") + PaymentSearch.text + literal("\n")
        return or_(*(text.contains(f"\n{form}\n", autoescape=True) for form in _forms(self.words[0])))

    def has_tokens(self) -> ColumnElement[bool]:
        """The condition that a row of the search table holds all tokens, answered by the index."""
        if _is_sqlite():
            return PaymentSearch.id.in_(self._rows_with_tokens())
        return type_coerce(PaymentSearch.tokens, ARRAY(Text)).contains(list(self.tokens))

    @cached_property
    def candidates(self) -> list[int] | None:
        """Rows of the search table with all tokens; None without tokens, or for `FREQUENT` rows and more."""
        if not self.tokens:
            return None
        found = list(db.session.scalars(self._rows_with_tokens().limit(FREQUENT)))
        return found if len(found) < FREQUENT else None

    def fields_in(self, lines: str) -> list[str]:
        """The fields in which a searchable text holds any of the words."""
        forms = [form for word in self.words for form in _forms(word)]
        found = [
            name.removesuffix("_digits")
            for name, line in zip(FIELDS, lines.split("\n"), strict=False)
            if any(form in line for form in forms)
        ]
        return list(dict.fromkeys(found))

    def is_whole_number_in(self, lines: str) -> bool:
        """Whether the query is the whole approval or account number of a searchable text."""
        held = dict(zip(FIELDS, lines.split("\n"), strict=False))
        numbers = {held.get(name) for name in ("approval_number", "account_number", "account_number_digits")}
        return any(form in numbers for word in self.words for form in _forms(word))

    def _rows_with_tokens(self) -> Select[int]:
        if not _is_sqlite():
            return select(PaymentSearch.id).where(self.has_tokens())
        # Quoted tokens of letters and digits only: nothing typed can be an operator of FTS5.
        match = " ".join(f'"{token}"' for token in self.tokens)
        return select(_INDEX.c.rowid).where(literal_column("payment_search_index").op("MATCH")(match))


def _telling_grams(run: str) -> list[str]:
    """Of a run's grams those that narrow a search: 1-grams add nothing where there are 2-grams."""
    if run.isascii():
        return list(_slices(run, 3))
    return [_encoded(gram) for gram in (_slices(run, 2) if len(run) > 1 else run)]


def _forms(word: str) -> tuple[str, ...]:
    """How a word may stand in a text: as typed, and a number with hyphens as its digits too."""
    is_grouped = "-" in word and _GROUPED_DIGITS.fullmatch(word)
    return (word, _NOT_DIGITS.sub("", word)) if is_grouped else (word,)


def _is_sqlite() -> bool:
    return db.engine.dialect.name == "sqlite"


def store_texts(texts: Mapping[UUID, str]) -> int:
    """Keep the texts of payments (by row id) with their tokens; what did not change is left alone.

    Belongs to the caller's transaction. Answers how many were written.
    """
    known = _rows_of(texts)
    added = [(row_id, lines) for row_id, lines in texts.items() if row_id not in known]
    if added:
        db.session.execute(
            insert(PaymentSearch),
            [{"payment_id": row_id, "text": lines, "tokens": tokens_of(lines)} for row_id, lines in added],
        )
    changed = [(row.id, texts[row_id]) for row_id, row in known.items() if row.text != texts[row_id]]
    _rewrite(changed)
    return len(added) + len(changed)


def rebuild_search(*, on_progress: Callable[[int], None], batch: int = 1_000) -> int:
    """Write the text and tokens of payments anew where they differ; answer how many payments there are.

    Commits each batch and tells how many payments are done; after an interruption only what is left is
    written. On SQLite the full-text index is brought in line with its rows first, and other writers wait
    for that: the triggers that keep it afterwards cannot work on a broken one.
    """
    if _is_sqlite():
        db.session.execute(sql("INSERT INTO payment_search_index(payment_search_index) VALUES ('rebuild')"))
        db.session.commit()
    done, last = 0, None
    while payments := _next_payments(last, batch):
        texts = {payment.id: _text_of(payment) for payment in payments}
        store_texts(texts)
        known = _rows_of(texts)
        _rewrite([(row.id, row.text) for row in known.values() if row.tokens != tokens_of(row.text)])
        db.session.commit()
        done, last = done + len(payments), payments[-1].id
        on_progress(done)
    return done


def _next_payments(last: UUID | None, batch: int) -> Sequence[Row[Any]]:
    columns = (
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
    statement = select(*columns).order_by(Payment.id).limit(batch)
    return db.session.execute(statement if last is None else statement.where(Payment.id > last)).all()


def _text_of(payment: Row[Any]) -> str:
    """The text of a stored payment; one PortOne has not reported yet is found by its columns."""
    try:
        return searchable_text(PaymentSnapshot.from_raw(payment.snapshot or {}))
    except UnreadableDocument:
        return _as_lines({name: value for name, value in payment._mapping.items() if name in FIELDS})


def _rows_of(row_ids: Collection[UUID]) -> dict[UUID, Row[Any]]:
    if not row_ids:
        return {}
    found = db.session.execute(select(PaymentSearch.__table__).where(PaymentSearch.payment_id.in_(row_ids)))
    return {row.payment_id: row for row in found}


def _rewrite(texts: Sequence[tuple[int, str]]) -> None:
    if texts:
        db.session.execute(
            update(PaymentSearch),
            [{"id": key, "text": lines, "tokens": tokens_of(lines)} for key, lines in texts],
        )
