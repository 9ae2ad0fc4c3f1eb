"""Keyset pages: the rows after a cursor, which stays right while rows are added above it."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import (
    ColumnElement,
    Select,
    String,
    func,
    literal,
    literal_column,
    select,
    tuple_,
    type_coerce,
)
from sqlalchemy import Row as RowOf

from app.errors import DomainError
from app.extensions import db

Row = TypeVar("Row")

PAGE_SIZE = 50

#: Above this nobody needs the exact number, and counting it costs.
COUNT_CAP = 10_000


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Rows of a list, and the cursors of the rows after and before them, if there are any."""

    rows: Sequence[Row]
    next_cursor: str | None
    previous_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page stands in its list: after a cursor, before one, or at the start."""

    after: str | None = None
    before: str | None = None

    @property
    def is_start(self) -> bool:
        """Whether it is the first page."""
        return not (self.after or self.before)

    @property
    def moment(self) -> datetime | None:
        """The moment of the cursor; raises `DomainError` (400) for one that is none."""
        cursor = self.before or self.after
        return read_cursor(cursor)[0] if cursor else None

    def conditions(self, clock: Any, key: Any) -> list[ColumnElement[bool]]:
        """What lies beyond the cursor; raises `DomainError` (400) for one that is none."""
        cursor = self.before or self.after
        if not cursor:
            return []
        moment, row_id = read_cursor(cursor)
        here, there = tuple_(clock, key), tuple_(literal(moment, clock.type), literal(row_id, key.type))
        return [here > there if self.before else here < there]

    def order(self, clock: Any, key: Any) -> tuple[Any, Any]:
        """The order in which rows are met: newest first, or away from the cursor `before`."""
        return (clock.asc(), key.asc()) if self.before else (clock.desc(), key.desc())


def list_page(
    statement: Select[Any],
    *,
    clock: Any,
    key: Any,
    after: str | None,
    before: str | None = None,
    size: int = PAGE_SIZE,
    scalars: bool = True,
) -> Page[Any]:
    """The page of `statement` after the cursor `after`, or before `before`, newest first by `clock`, `key`.

    `clock` is never NULL (coalesce it where the column may be) and `key` is a UUID. With `scalars` the
    rows are the first thing selected, else whole result rows. Raises `DomainError` (400) for a cursor
    that is none.
    """
    at = Position(after, before)
    found = list_rows(statement, clock=clock, key=key, at=at, size=size + 1)
    if before and len(found) < size:  # the start is near: a whole page from there
        at = Position()
        found = list_rows(statement, clock=clock, key=key, at=at, size=size + 1)
    return page_of(found, at, size=size, scalars=scalars)


def list_rows(
    statement: Select[Any], *, clock: Any, key: Any, at: Position, size: int
) -> Sequence[RowOf[Any]]:
    """Up to `size` result rows of `statement` from a position on, the nearest to its cursor first."""
    statement = statement.where(*at.conditions(clock, key))
    statement = statement.add_columns(clock.label("page_clock"), type_coerce(key, String).label("page_key"))
    return db.session.execute(statement.order_by(*at.order(clock, key)).limit(size)).all()


def page_of(found: Sequence[Any], at: Position, *, size: int = PAGE_SIZE, scalars: bool = True) -> Page[Any]:
    """The page of what `list_rows` found when asked for one row more than the `size` of a page."""
    shown, has_more = list(found[:size]), len(found) > size
    if at.before:
        shown.reverse()
    rows = [row[0] for row in shown] if scalars else shown
    has_next, has_previous = (True, has_more) if at.before else (has_more, bool(at.after))
    return Page(
        rows,
        cursor_of(shown[-1]) if shown and has_next else None,
        cursor_of(shown[0]) if shown and has_previous else None,
    )


def capped_count(statement: Select[Any], cap: int = COUNT_CAP) -> int:
    """How many rows `statement` finds: exact up to `cap`, and `cap + 1` for any number above it."""
    ones: Select[Any] = statement.with_only_columns(literal_column("1"), maintain_column_froms=True)
    found = ones.order_by(None).limit(cap + 1).subquery()
    return db.session.scalar(select(func.count()).select_from(found)) or 0


def cursor_of(row: Any) -> str:
    """The cursor of the rows after one that `list_rows` found, and of those before it."""
    text = f"{row.page_clock.isoformat()} {row.page_key}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> tuple[datetime, UUID]:
    """The moment and the id that a cursor stands for; raises `DomainError` (400) for one that is none."""
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
        moment, row_id = text.split(" ")
        at = datetime.fromisoformat(moment)
        if at.utcoffset() is None:
            raise ValueError("a cursor names its time zone")
        read = at.astimezone(UTC), UUID(row_id)
    except (ValueError, OverflowError, binascii.Error) as problem:
        message = _("This link to more rows cannot be read. Open the list again from its start.")
        raise DomainError(message, status=400) from problem
    return read
