"""What people type into a search box: `상태:결제완료 amount:10000..50000 -test:true "속눈썹 펌"`.

A list declares its words; a query is read into terms over them and free text, or into a `Complaint` that
names what cannot be read and suggests the nearest word. What `Language.print` writes, `read` reads again.
"""

import difflib
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from flask_babel import gettext as _

#: Quotation marks that keyboards put in place of the plain one, and the colon of a Korean keyboard.
_PLAIN = str.maketrans({"“": '"', "”": '"', "：": ":"})

#: A query longer than this was pasted by mistake.
LONGEST = 1_000

#: A name longer than this is no slip of the keyboard, and comparing it with all words would take long.
_LONGEST_NAME = 40


class Complaint(ValueError):
    """A query that cannot be read; the message is a sentence for the person who typed it."""


@dataclass(frozen=True, slots=True)
class Term:
    """One word of a query with any of its values; `typed` is how it stood in the query."""

    word: str
    values: tuple[Any, ...]
    is_negated: bool = False
    typed: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Phrase:
    """Free text: words that stand together, or (`is_negated`) must not."""

    text: str
    is_negated: bool = False
    typed: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Query:
    """A query that was read: its terms and its free text, in the order they were typed."""

    terms: tuple[Term, ...] = ()
    phrases: tuple[Phrase, ...] = ()


class Kind(Protocol):
    """What kind of values a word takes.

    `is_list` says whether commas part several values. `read` answers the values a piece of a query means,
    or raises `Complaint`; `is_exact` marks a piece that was quoted or stood behind `=`.
    """

    is_list: bool

    def read(self, typed: str, *, is_exact: bool) -> tuple[Any, ...]:
        """The values that were typed."""

    def write(self, value: Any) -> str:
        """A value as it has to be typed, in quotes where `read` needs them."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word that a list knows, its twins (Korean ones above all), and its kind of values."""

    name: str
    twins: tuple[str, ...]
    kind: Kind


@dataclass(frozen=True, slots=True)
class _Piece:
    """A stretch of a query; what was in quotes keeps its commas and colons to itself."""

    text: str
    is_quoted: bool


class Language:
    """The words that one list knows."""

    def __init__(self, words: Iterable[Word] = ()) -> None:
        self._words: dict[str, Word] = {}
        for word in words:
            self.add(word)

    def add(self, word: Word) -> None:
        """Learn a word; the domain that knows what it means may add it from above."""
        for name in (word.name, *word.twins):
            self._words[key_of(name)] = word

    @property
    def words(self) -> list[Word]:
        """The words, each once."""
        return list(dict.fromkeys(self._words.values()))

    def word(self, name: str) -> Word | None:
        """The word with this name or twin."""
        return self._words.get(key_of(name))

    def read(self, typed: str) -> Query:
        """Read a query; raises `Complaint` for the first thing in it that cannot be read."""
        if len(typed) > LONGEST:
            raise Complaint(_("Search for %(count)s characters at most.", count=LONGEST))
        terms: list[Term] = []
        phrases: list[Phrase] = []
        for item in _items(typed.translate(_PLAIN)):
            part = self._term(item) or _phrase(item)
            (terms if isinstance(part, Term) else phrases).append(part)  # type: ignore[arg-type]
        return Query(tuple(terms), tuple(phrase for phrase in phrases if phrase.text))

    def print(self, query: Query) -> str:
        """The query as text that `read` reads as the same query."""
        return " ".join([*map(self.print_term, query.terms), *map(print_phrase, query.phrases)])

    def print_term(self, term: Term) -> str:
        """One term as text."""
        kind = self._words[key_of(term.word)].kind
        values = ",".join(map(kind.write, term.values))
        return f"{'-' if term.is_negated else ''}{term.word}:{values}"

    def _term(self, item: "_Item") -> Term | None:
        """The item as a term; None when it is free text."""
        name, rest = item.named
        if not name:
            return None
        word = self._words.get(key_of(name))
        if word is None:
            raise Complaint(self._unknown(name))
        pieces = _split_at_commas(rest) if word.kind.is_list else [rest]
        wanted = [piece for piece in pieces if any(part.text for part in piece)]
        if not wanted:
            raise Complaint(_("Say what to look for after “%(word)s:”.", word=name))
        values = dict.fromkeys(value for piece in wanted for value in _values(word.kind, piece))
        return Term(word.name, tuple(values), item.is_negated, item.typed)

    def _unknown(self, name: str) -> str:
        near = nearest(name, self._words)
        sentence = (
            _(
                "There is no search word “%(word)s”. Did you mean “%(near)s”? "
                "To look for the text itself, put it in quotes.",
                word=_shortened(name),
                near=near,
            )
            if near
            else _(
                "There is no search word “%(word)s”. To look for the text itself, put it in quotes.",
                word=_shortened(name),
            )
        )
        return str(sentence)


def key_of(name: str) -> str:
    """What names are compared by: case, spaces, hyphens and the composition of letters do not matter."""
    composed = unicodedata.normalize("NFKC", name).casefold()
    return "".join(letter for letter in composed if letter not in "-_" and not letter.isspace())


def nearest(typed: str, known: Iterable[str]) -> str | None:
    """The known name most like what was typed; Korean is compared letter by letter, not by syllables."""
    if len(typed) > _LONGEST_NAME:
        return None
    letters = {unicodedata.normalize("NFD", name): name for name in known}
    found = difflib.get_close_matches(unicodedata.normalize("NFD", key_of(typed)), letters, n=1, cutoff=0.6)
    return letters[found[0]] if found else None


def quoted(value: str) -> str:
    """A value as it has to be typed: in quotes where it would be taken for something else."""
    is_odd = value.startswith("=") or any(letter in '",' or letter.isspace() for letter in value)
    return '"{}"'.format(value.replace('"', '""')) if is_odd else value


def print_phrase(phrase: Phrase) -> str:
    """Free text as it has to be typed."""
    text = phrase.text.replace('"', '""')
    bare = _Item((_Piece(phrase.text, is_quoted=False),), is_negated=False, typed="")
    is_odd = not text or '"' in text or text.startswith("-") or any(map(str.isspace, text)) or bare.named[0]
    return ("-" if phrase.is_negated else "") + (f'"{text}"' if is_odd else text)


@dataclass(frozen=True)
class _Item:
    """What stands between two spaces of a query."""

    pieces: tuple[_Piece, ...]
    is_negated: bool
    typed: str

    @property
    def text(self) -> str:
        return "".join(piece.text for piece in self.pieces)

    @cached_property
    def named(self) -> tuple[str, tuple[_Piece, ...]]:
        """The name before the first colon, and what follows it; an address (`https://…`) has no name."""
        first = self.pieces[0] if self.pieces else _Piece("", is_quoted=False)
        name, colon, rest = first.text.partition(":")
        if first.is_quoted or not colon or not _is_name(name) or rest.startswith("//"):
            return "", ()
        return name, (_Piece(rest, is_quoted=False), *self.pieces[1:])


def _is_name(text: str) -> bool:
    return text[:1].isalpha() and all(letter.isalnum() or letter in "-_" for letter in text)


def _items(text: str) -> Iterator[_Item]:
    """What stands between the spaces of a query."""
    at, end = 0, len(text)
    while at < end:
        if text[at].isspace():
            at += 1
            continue
        start = at
        is_negated = text[at] == "-" and at + 1 < end and not text[at + 1].isspace()
        pieces, at = _pieces(text, at + is_negated)
        yield _Item(tuple(pieces), is_negated, text[start:at])


def _pieces(text: str, at: int) -> tuple[list[_Piece], int]:
    """The pieces up to the next space outside quotes; a quotation mark without its twin means itself."""
    pieces: list[_Piece] = []
    plain: list[str] = []
    while at < len(text) and not text[at].isspace():
        closing = _closing(text, at) if text[at] == '"' else -1
        if closing < 0:
            plain.append(text[at])
            at += 1
            continue
        pieces += _plain(plain)
        plain = []
        pieces.append(_Piece(text[at + 1 : closing].replace('""', '"'), is_quoted=True))
        at = closing + 1
    return pieces + _plain(plain), at


def _plain(letters: Sequence[str]) -> list[_Piece]:
    return [_Piece("".join(letters), is_quoted=False)] if letters else []


def _closing(text: str, opening: int) -> int:
    """Where the quotation that opens here ends; two marks in a row stand for one inside it."""
    at = text.find('"', opening + 1)
    while at >= 0 and text[at + 1 : at + 2] == '"':
        at = text.find('"', at + 2)
    return at


def _phrase(item: _Item) -> Phrase:
    return Phrase(item.text.strip(), item.is_negated, item.typed)


def _split_at_commas(pieces: Iterable[_Piece]) -> list[list[_Piece]]:
    parts: list[list[_Piece]] = [[]]
    for piece in pieces:
        if piece.is_quoted:
            parts[-1].append(piece)
            continue
        first, *others = piece.text.split(",")
        parts[-1].append(_Piece(first, is_quoted=False))
        parts += [[_Piece(other, is_quoted=False)] for other in others]
    return parts


def _values(kind: Kind, pieces: Sequence[_Piece]) -> tuple[Any, ...]:
    told = [piece for piece in pieces if piece.text]
    text = "".join(piece.text for piece in told).strip()
    is_exact = all(piece.is_quoted for piece in told)
    if not told[0].is_quoted and text.startswith("="):
        text, is_exact = text[1:], True
    if not text:
        raise Complaint(_("Say what to look for after the colon."))
    return kind.read(text, is_exact=is_exact)


def _shortened(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else name[:_LONGEST_NAME] + "…"
