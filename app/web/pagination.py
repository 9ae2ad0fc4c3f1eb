"""Keyset pages: the rows after a cursor, which stays right while rows are added above it."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import Row as RowOf
from sqlalchemy import Select, func, literal, literal_column, select, tuple_

from app.errors import DomainError
from app.extensions import db

Row = TypeVar("Row")

PAGE_SIZE = 50

#: Above this nobody needs the exact number, and counting it costs.
COUNT_CAP = 10_000


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Rows of a list, and the cursor of the rows after them, if there are any."""

    rows: Sequence[Row]
    next_cursor: str | None


def list_page(
    statement: Select[Any],
    *,
    clock: Any,
    key: Any,
    after: str | None,
    size: int = PAGE_SIZE,
    scalars: bool = True,
) -> Page[Any]:
    """The page of `statement` after the cursor `after`, newest first by `clock`, then by `key`.

    `clock` is never NULL (coalesce it where the column may be) and `key` is a UUID. With `scalars` the
    rows are the first thing selected, else whole result rows. Raises `DomainError` (400) for a cursor
    that is none.
    """
    found = list_rows(statement, clock=clock, key=key, after=after, size=size + 1)
    shown = found[:size]
    rows = [row[0] for row in shown] if scalars else shown
    return Page(rows, cursor_of(shown[-1]) if len(found) > size else None)


def list_rows(
    statement: Select[Any], *, clock: Any, key: Any, after: str | None, size: int
) -> Sequence[RowOf[Any]]:
    """Up to `size` result rows of `statement` after a cursor, in the order of `list_page`."""
    if after:
        moment, row_id = read_cursor(after)
        statement = statement.where(
            tuple_(clock, key) < tuple_(literal(moment, clock.type), literal(row_id, key.type))
        )
    statement = statement.add_columns(clock.label("page_clock"), key.label("page_key"))
    return db.session.execute(statement.order_by(clock.desc(), key.desc()).limit(size)).all()


def capped_count(statement: Select[Any], cap: int = COUNT_CAP) -> int:
    """How many rows `statement` finds: exact up to `cap`, and `cap + 1` for any number above it."""
    ones: Select[Any] = statement.with_only_columns(literal_column("1"), maintain_column_froms=True)
    found = ones.order_by(None).limit(cap + 1).subquery()
    return db.session.scalar(select(func.count()).select_from(found)) or 0


def cursor_of(row: Any) -> str:
    """The cursor of the rows after one that `list_rows` found."""
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
