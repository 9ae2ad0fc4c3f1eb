"""What lists have in common, so that exports and saved views are written once for all of them.

A domain registers its lists here, from above. A list is known by its name, its filters are read from its
address by its form, and its rows are selected by those filters, for a file in another shape than for a page.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from flask import Flask, request, url_for
from flask_babel import gettext as _
from sqlalchemy import Select
from werkzeug.datastructures import MultiDict

from app.errors import DomainError, NotFound
from app.web.filters import label
from app.web.forms import Form
from app.web.spreadsheets import Cell

#: What stands in the address of a list and narrows nothing: where one is in it, and what is shown beside it.
_NO_FILTERS = frozenset({"after", "before", "list", "part", "view", "totals", "csrf_token"})


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the file of a list: `value` of a row is its cell.

    A code of a `kind` is written in words. `mask` hides a personal text; what has none is not personal.
    """

    heading: Any
    value: Callable[[Any], Cell]
    mask: Callable[[str], str] | None = None
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """A list. `rows` answers a selection of what `columns` read, for the filters that `form` reads.

    `clock` (never NULL) and `key` (a UUID) order a file, the newest first. The less a clock changes, the
    better: a row whose clock moves while a file is written may be missed by it, or be in it twice.
    """

    name: str
    title: Any
    endpoint: str
    permission: str
    form: Callable[[Any], Any]
    rows: Callable[[Any], Select[Any]]
    clock: Any
    key: Any
    columns: tuple[Column, ...]

    def filters(self, query: str) -> Any:
        """The filters that stand in an address; raises DomainError (422) for those that cannot be used."""
        form = self.read(query)
        if not form.validate():
            raise DomainError(form.first_error or _("These filters cannot be used."), status=422)
        return form.filters()

    def read(self, query: str) -> Any:
        """The form over the query of an address."""
        return self.form(MultiDict(parse_qsl(query, keep_blank_values=True)))


_listings: dict[str, Listing] = {}


def register(listing: Listing) -> Listing:
    """Let exports and saved views know a list."""
    _listings[listing.name] = listing
    return listing


def get_listing(name: str) -> Listing:
    """The list with this name; raises NotFound."""
    listing = _listings.get(name)
    if listing is None:
        raise NotFound(_("There is no such list."))
    return listing


def find_listing_at(endpoint: str | None) -> Listing | None:
    """The list that a page shows."""
    return next((listing for listing in _listings.values() if listing.endpoint == endpoint), None)


def query_of(arguments: Mapping[str, Any]) -> str:
    """The filters of a list's address in one spelling: the same filters make the same text."""
    pairs = arguments.items(multi=True) if isinstance(arguments, MultiDict) else arguments.items()
    return urlencode(sorted((name, value) for name, value in pairs if value and name not in _NO_FILTERS))


def words_of_filters(form: Form) -> list[tuple[str, str]]:
    """What filters say, for people: the label of each field that narrows, and what was chosen or typed."""
    return [(str(field.label.text), text) for field in form if (text := _in_words(field))]


def _in_words(field: Any) -> str:
    if field.type == "BooleanField":
        return _("Yes") if field.data else ""
    if not field.raw_data or field.data in (None, "", []):
        return ""
    choices = {str(choice.value): str(choice.label) for choice in _choices(field)}
    chosen = field.data if isinstance(field.data, list) else [field.data]
    return ", ".join(choices.get(str(value), str(value)) for value in chosen)


def _choices(field: Any) -> Iterable[Any]:
    return getattr(field, "choices", None) or ()


def list_url(endpoint: str, **changes: Any) -> str:
    """The list at `endpoint` with the filters of this page, some of them changed; None takes one out."""
    kept = MultiDict(parse_qsl(query_of(request.args)))
    for name, value in changes.items():
        kept.poplist(name)
        if value is not None:
            kept.add(name, value)
    query = query_of(kept)
    return url_for(endpoint) + (f"?{query}" if query else "?view=all")


def query_here() -> str:
    """The filters of the list that is shown."""
    return query_of(request.args)


def tool_url(endpoint: str, listing: Listing) -> str:
    """Where something can be made of the list that is shown, narrowed as it is: a file, a saved view."""
    query = query_here()
    return url_for(endpoint, list=listing.name) + (f"&{query}" if query else "")


def init_app(app: Flask) -> None:
    """Let templates lead from a list to what can be made of it."""
    app.jinja_env.globals.update(list_url=list_url, query_here=query_here, tool_url=tool_url)


def cells_by(columns: Sequence[Column], *, is_unmasked: bool) -> Callable[[Any], list[Cell]]:
    """What makes the cells of a row; made once for a file, it remembers the words of the codes it meets."""
    steps = [(column.value, _change_of(column, is_unmasked=is_unmasked)) for column in columns]

    def cells(row: Any) -> list[Cell]:
        return [value(row) if change is None else change(value(row)) for value, change in steps]

    return cells


def _change_of(column: Column, *, is_unmasked: bool) -> Callable[[Any], Cell] | None:
    if column.kind is not None:
        return _Words(column.kind).__getitem__
    if column.mask is None or is_unmasked:
        return None
    mask = column.mask
    return lambda text: mask(text) if text else text


class _Words(dict[str | None, str | None]):
    """The words of the codes of a kind, each looked up once."""

    def __init__(self, kind: str) -> None:
        super().__init__({None: None})
        self._kind = kind

    def __missing__(self, code: str) -> str:
        self[code] = words = label(code, self._kind)
        return words
