"""Columns that both databases hold alike: moments, ids, documents, tokens, and what is sealed."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import uuid_utils.compat
from sqlalchemy import JSON, DateTime, Dialect, String, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

from app.extensions import db

#: A JSON document; `None` is stored as NULL.
Document = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


class UtcDateTime(TypeDecorator[datetime]):
    """A moment, always UTC and always aware.

    SQLite has no such type: there it is text of one width, `2026-03-29 11:22:08.000000+00:00`,
    so that comparing texts compares moments.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(String(32))
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a time zone cannot be stored")
        moment = value.astimezone(UTC)
        if dialect.name == "sqlite":
            return moment.strftime("%Y-%m-%d %H:%M:%S.%f+00:00")
        return moment

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


class Id(TypeDecorator[UUID]):
    """A UUID: native on PostgreSQL, canonical text with hyphens on SQLite."""

    impl = String(36)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(PG_UUID(as_uuid=True))
        return dialect.type_descriptor(String(36))

    def process_bind_param(self, value: UUID | str | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        known = value if isinstance(value, UUID) else UUID(value)
        return known if dialect.name == "postgresql" else str(known)

    def process_result_value(self, value: Any, dialect: Dialect) -> UUID | None:  # noqa: ARG002
        if value is None or isinstance(value, UUID):
            return value
        return UUID(value)


class Sealed(Text):
    """A text that `encryption.Vault` sealed; by this type `flask rotate-keys` finds every such column."""


def sealed_columns() -> list[tuple[Table, str]]:
    """Every column of the type `Sealed`: its table and its name."""
    return [
        (table, column.name)
        for table in db.metadata.sorted_tables
        for column in table.columns
        if isinstance(column.type, Sealed)
    ]


class Tokens(TypeDecorator[list[str]]):
    """The search tokens of a row: an array on PostgreSQL, words parted by spaces on SQLite."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(ARRAY(Text))
        return dialect.type_descriptor(Text())

    def process_bind_param(self, value: list[str] | None, dialect: Dialect) -> Any:
        return value if value is None or dialect.name == "postgresql" else " ".join(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> list[str] | None:
        if value is None:
            return None
        return list(value) if dialect.name == "postgresql" else value.split()


class utc_now(FunctionElement[datetime]):  # noqa: N801 - reads as the SQL function it is
    """The database's own clock, in the format of `UtcDateTime`."""

    type = UtcDateTime()
    inherit_cache = True


@compiles(utc_now)
def _utc_now(element: Any, compiler: Any, **options: Any) -> str:  # noqa: ARG001
    return "now()"


@compiles(utc_now, "sqlite")
def _utc_now_sqlite(element: Any, compiler: Any, **options: Any) -> str:  # noqa: ARG001
    return "(strftime('%Y-%m-%d %H:%M:%f000+00:00', 'now'))"


def new_id() -> UUID:
    """A UUID of version 7: ids that grow with time keep inserts at the end of the index."""
    return uuid_utils.compat.uuid7()


class Identified:
    """Mixin: an id of version 7."""

    id: Mapped[UUID] = mapped_column(Id, primary_key=True, default=new_id)


class Timestamped:
    """Mixin: when the row was made and last changed; a trigger keeps `updated_at`."""

    created_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=utc_now())
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=utc_now())
