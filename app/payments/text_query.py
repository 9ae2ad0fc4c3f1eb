"""What payments are asked for by text: free words, words bound to some fields, and what must not be there.

Rows that hold all tokens of a query are candidates, which the index finds; a comparison with the text itself
confirms them.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    Text,
    and_,
    column,
    func,
    literal,
    literal_column,
    or_,
    select,
    table,
    type_coerce,
)
from sqlalchemy import not_ as sql_not
from sqlalchemy.dialects.postgresql import ARRAY

from app.extensions import db
from app.payments.models import PaymentSearch
from app.payments.search import FIELDS, RUNS, encoded, is_sqlite, normalised, slices

#: From so many candidates on it is not worth to fetch them all for the newest ones.
FREQUENT = 2_000

#: So many grams of a text leave few candidates, which the text itself confirms.
ENOUGH = 4

_NOT_DIGITS = re.compile(r"[^0-9]+")
#: A number with hyphens, or a longer one parted as phone numbers are: `(02) 123-4567`, `010.1234.5678`.
_GROUPED_DIGITS = re.compile(r"[0-9][0-9-]*[0-9]|\(?[0-9](?:[0-9().\s-]{5,}[0-9])")
_NUMBER = re.compile(r"[0-9][0-9-]{4,}[0-9]")
_ABROAD = re.compile(r"\+82[\s.-]*\(?0?\)?[\s.-]*(?=[1-9])")

_INDEX = table("payment_search_index", column("rowid", Integer))


@dataclass(frozen=True, slots=True)
class Bound:
    """One of some texts has to stand in one of some lines, or (`is_negated`) none may.

    A text of two parts, the head and the tail of a card number, begins the line and ends it.
    """

    word: str
    lines: tuple[str, ...]
    texts: tuple[str | tuple[str, str], ...]
    is_negated: bool = False

    @property
    def alternatives(self) -> tuple[tuple[str, ...], ...]:
        """For each of the texts the tokens of its matches."""
        parts = ((text,) if isinstance(text, str) else text for text in self.texts)
        return () if self.is_negated else tuple(_tokens_of(part) for part in parts)

    def condition(self) -> ColumnElement[bool]:
        """The condition on the searchable text."""
        held = or_(
            *(
                _stands_in(func.split_part(PaymentSearch.text, "\n", FIELDS.index(line) + 1), text)
                for line in self.lines
                for text in self.texts
            )
        )
        return sql_not(held) if self.is_negated else held


@dataclass(frozen=True)
class TextQuery:
    """What was typed to search for: every word has to stand in the text, and wildcards mean themselves.

    None of the words in `without` may stand there.
    """

    words: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    bound: tuple[Bound, ...] = ()

    @classmethod
    def of(cls, typed: str) -> "TextQuery":
        """The words somebody typed, each for itself; empty when there is nothing to look for."""
        return cls(tuple(normalised(typed).split()))

    @property
    def is_blank(self) -> bool:
        """Whether there is nothing to look for."""
        return not (self.words or self.without or self.bound)

    @property
    def is_needle(self) -> bool:
        """Whether something has to be there, so that most payments are no match."""
        return bool(self.words) or any(not each.is_negated for each in self.bound)

    @cached_property
    def tokens(self) -> tuple[str, ...]:
        """The tokens every match holds; none for words of one or two ASCII letters."""
        certain = [each.alternatives[0] for each in self.bound if len(each.alternatives) == 1]
        return tuple(dict.fromkeys((*_tokens_of(self.words), *chain.from_iterable(certain))))

    @cached_property
    def choices(self) -> tuple[tuple[tuple[str, ...], ...], ...]:
        """Groups of tokens of which every match holds one, where all of a choice have any."""
        return tuple(
            each.alternatives for each in self.bound if len(each.alternatives) > 1 and all(each.alternatives)
        )

    @property
    def is_indexed(self) -> bool:
        """Whether the index narrows the search."""
        return bool(self.tokens or self.choices)

    @property
    def is_a_token(self) -> bool:
        """Whether it is one word that the index holds as it is, so that every candidate is a match."""
        if len(self.words) != 1 or self.without or self.bound:
            return False
        word = self.words[0]
        return bool(RUNS.fullmatch(word)) and self.tokens == (word if word.isascii() else encoded(word),)

    def confirms(self) -> list[ColumnElement[bool]]:
        """Conditions that hold for the text of a match; a number typed with hyphens may stand without."""
        return [
            *(_holds_any(_forms(word)) for word in self.words),
            *(sql_not(_holds_any(_forms(word))) for word in self.without),
            *(each.condition() for each in self.bound),
        ]

    @property
    def is_number(self) -> bool:
        """Whether one number was typed, long enough to be told from a price: digits, perhaps with hyphens."""
        return len(self.words) == 1 and bool(_NUMBER.fullmatch(self.words[0]) or _digits_of(self.words[0]))

    def fills_a_line(self) -> ColumnElement[bool]:
        """The condition that a field is the first word and nothing else."""
        text = literal("\n") + PaymentSearch.text + literal("\n")
        return or_(*(_stands_in(text, f"\n{form}\n") for form in _forms(self.words[0])))

    def has_tokens(self, *, and_token: str | None = None) -> ColumnElement[bool]:
        """The condition that a row of the search table holds all tokens, answered by the index."""
        if is_sqlite():
            return PaymentSearch.id.in_(self._rows_with_tokens(and_token))
        held = type_coerce(PaymentSearch.tokens, ARRAY(Text))
        tokens = [*self.tokens, *([and_token] if and_token else [])]
        choices = (or_(*(held.contains(list(each)) for each in choice)) for choice in self.choices)
        return and_(*([held.contains(tokens)] if tokens else []), *choices)

    @cached_property
    def candidates(self) -> list[int] | None:
        """Rows of the search table with all tokens; None without tokens, or for `FREQUENT` rows and more."""
        return self.candidates_with(None) if self.is_indexed else None

    def candidates_with(self, token: str | None, fewer_than: int | None = None) -> list[int] | None:
        """Rows that hold one more token besides; None for `fewer_than` rows (`FREQUENT`) and more."""
        limit = FREQUENT if fewer_than is None else fewer_than
        found = list(db.session.scalars(self._rows_with_tokens(token).limit(limit)).all())
        return found if len(found) < limit else None

    def has_candidates_with(self, token: str) -> bool:
        """Whether any row holds one more token besides."""
        return db.session.scalar(self._rows_with_tokens(token).limit(1)) is not None

    def fields_in(self, lines: str) -> list[str]:
        """The fields in which a searchable text holds any of the words."""
        forms = [form for word in self.words for form in _forms(word)]
        found = [
            name.removesuffix("_digits")
            for name, line in zip(FIELDS, lines.split("\n"), strict=False)
            if any(form in line for form in forms)
        ]
        return list(dict.fromkeys(found))

    def fills(self, lines: str) -> set[str]:
        """The fields of a searchable text that are the first word and nothing else."""
        forms = _forms(self.words[0])
        return {name for name, line in zip(FIELDS, lines.split("\n"), strict=False) if line in forms}

    def _rows_with_tokens(self, and_token: str | None) -> Select[int]:
        """The ids of rows in the search table that hold all tokens."""
        if not is_sqlite():
            return select(PaymentSearch.id).where(self.has_tokens(and_token=and_token))
        # Quoted tokens of letters and digits only: nothing typed can be an operator of FTS5.
        tokens = [*self.tokens, *([and_token] if and_token else [])]
        choices = (f"({' OR '.join(map(_matching, choice))})" for choice in self.choices)
        match = " AND ".join((*([_matching(tokens)] if tokens else []), *choices))
        return select(_INDEX.c.rowid).where(literal_column("payment_search_index").op("MATCH")(match))


def as_number(typed: str) -> str | None:
    """A phone or account number typed with spaces, dots or brackets, as one word; None for anything else."""
    number = _ABROAD.sub("0", normalised(typed))
    return number if _digits_of(number) else None


def _digits_of(word: str) -> str | None:
    return _NOT_DIGITS.sub("", word) if _GROUPED_DIGITS.fullmatch(word) else None


def _tokens_of(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(gram for text in texts for gram in _telling_grams(text)))


def _matching(tokens: Iterable[str]) -> str:
    return "({})".format(" AND ".join(f'"{token}"' for token in tokens))


def _telling_grams(text: str) -> list[str]:
    """Of a text's grams those to look for: `ENOUGH` of its longest runs, from their ends.

    The beginning tells less, such as the 010 of every mobile phone, and each gram costs the index its list.
    """
    telling: list[str] = []
    for run in sorted(RUNS.findall(text), key=len, reverse=True):
        if len(telling) >= ENOUGH:
            break
        grams = _grams_of(run)[::-1]
        telling += grams[:: max(1, len(grams) // ENOUGH)][:ENOUGH]
    return telling


def _grams_of(run: str) -> list[str]:
    """Of a run's grams those that narrow a search: 1-grams add nothing where there are 2-grams."""
    if run.isascii():
        return list(slices(run, 3))
    return [encoded(gram) for gram in (slices(run, 2) if len(run) > 1 else run)]


def _forms(word: str) -> tuple[str, ...]:
    """How a word may stand in a text: as typed, and a number with hyphens as its digits too."""
    digits = _digits_of(word)
    return (word, digits) if digits and digits != word else (word,)


def _holds_any(forms: Iterable[str]) -> ColumnElement[bool]:
    return or_(*(_stands_in(PaymentSearch.text, form) for form in forms))


def _stands_in(text: Any, part: str | tuple[str, str]) -> ColumnElement[bool]:
    if isinstance(part, tuple):
        head, tail = part
        return and_(text.startswith(head, autoescape=True), text.endswith(tail, autoescape=True))
    return func.instr(text, part) > 0 if is_sqlite() else func.strpos(text, part) > 0
