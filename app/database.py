"""What both databases need alike: UTC times, ids, documents, locks, and writers that queue on SQLite."""

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from time import monotonic, sleep
from typing import Any, TypeVar
from uuid import UUID

import uuid_utils.compat
from flask import g, has_request_context
from flask_babel import gettext as _
from sqlalchemy import (
    JSON,
    Connection,
    DateTime,
    Dialect,
    Engine,
    String,
    Table,
    Text,
    bindparam,
    event,
    func,
    literal_column,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

from app.errors import DomainError
from app.extensions import db

Row = TypeVar("Row")

#: How long a SQLite writer waits for the one before it.
BUSY_MILLISECONDS = 15_000
#: How often it looks whether its turn has come. SQLite's own wait grows to 100 ms, and the lock stands idle.
BUSY_LOOK_SECONDS = 0.001
#: Pages that SQLite's log holds before whoever commits next has to copy them; the worker copies them sooner.
LONGEST_LOG_PAGES = 10_000

#: So small a table is read as fast by any plan; a larger one that has grown so many times needs another.
FEW_ROWS, GROWTH = 1_000, 4
#: What the tables had when this process renewed SQLite's statistics.
_rows_then: dict[str, int] = {}

#: What amounts are split by, to be added in two parts.
_PART = 10**9

#: Who asks the database where no person does: the worker, commands, PortOne's webhooks.
SYSTEM = "system"

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


def begin_writing() -> None:
    """Make the transaction from here on one that writes.

    On SQLite a transaction that began by reading cannot wait for its turn to write, so what a
    page has read so far is let go and read again under the lock. Elsewhere it changes nothing.
    """
    if g.get("reads_only"):
        db.session.rollback()
        g.reads_only = False


@contextmanager
def reading() -> Iterator[None]:
    """A look that takes no writer's turn on SQLite. What the session holds uncommitted is given up."""
    db.session.rollback()
    before, g.reads_only = g.get("reads_only", False), True
    try:
        yield
    finally:
        db.session.rollback()
        g.reads_only = before


def give_way(seconds: float = 0.0) -> None:
    """Let other processes write before the next transaction of one that writes again and again.

    SQLite has no queue: whoever comes back at once is there before any of those who wait has looked.
    `seconds` is how long they have waited; as long they get.
    """
    if db.engine.dialect.name == "sqlite":
        sleep(max(seconds, 3 * BUSY_LOOK_SECONDS))


def copy_sqlite_log() -> None:
    """Have SQLite copy its log into the database, so that nobody who waits for an answer has to do it.

    It keeps no writer from writing.
    """
    _tell_sqlite("PRAGMA wal_checkpoint(PASSIVE)")


def renew_sqlite_statistics() -> None:
    """Have SQLite look at what its indexes hold: its planner guesses otherwise.

    A thousand rows of each index are enough for it, so that writers wait for less than a second. Connections
    that are open, those of the web servers, read statistics only when a table was made since.
    """
    _tell_sqlite(
        "PRAGMA analysis_limit = 1000",
        "BEGIN IMMEDIATE",
        "DROP TABLE IF EXISTS sqlite_stat1",
        "ANALYZE",
        "COMMIT",
    )


def renew_outgrown_sqlite_statistics() -> None:
    """Renew them where a table has grown `GROWTH` times: by those of a new store whole tables are read."""
    rows = _count_sqlite_rows()
    if any(count > max(FEW_ROWS, GROWTH * _rows_then.get(name, 0)) for name, count in rows.items()):
        renew_sqlite_statistics()
        _rows_then.update(rows)


def _count_sqlite_rows() -> dict[str, int]:
    """How many rows each table has had, those that are gone included: to count them would take long."""
    numbers = [
        select(func.max(literal_column("rowid"))).select_from(table).scalar_subquery().label(table.name)
        for table in db.metadata.sorted_tables
    ]
    with reading():
        return {
            name: count or 0 for name, count in db.session.execute(select(*numbers)).one()._mapping.items()
        }


def _tell_sqlite(*statements: str) -> None:
    """Run statements outside of any transaction of ours."""
    raw: Any = db.engine.raw_connection()
    try:
        for statement in statements:
            raw.driver_connection.execute(statement).close()
    finally:
        raw.close()


class TookTooLong(DomainError):
    """What was asked of the database was given up after its time was over; nothing was changed."""

    status = 503


@contextmanager
def no_longer_than(seconds: float) -> Iterator[None]:
    """Give up what is read inside after so long; raises `TookTooLong`, with the transaction rolled back."""
    connection = db.session.connection()
    bound = _bound_sqlite if connection.dialect.name == "sqlite" else _bound_postgresql
    try:
        with bound(connection, seconds):
            yield
    except DBAPIError as problem:
        if not _is_given_up(problem):
            raise
        db.session.rollback()
        raise TookTooLong(
            _("This takes too long to find. Narrow it with a period or another word.")
        ) from problem


@contextmanager
def _bound_sqlite(connection: Connection, seconds: float) -> Iterator[None]:
    raw: Any = connection.connection.driver_connection
    end = monotonic() + seconds
    raw.set_progress_handler(lambda: monotonic() > end, 20_000)  # every so many steps of its machine
    try:
        yield
    finally:
        raw.set_progress_handler(None, 0)


@contextmanager
def _bound_postgresql(connection: Connection, seconds: float) -> Iterator[None]:
    # 0 would mean no end at all
    connection.exec_driver_sql(f"SET LOCAL statement_timeout = {max(1, int(seconds * 1000))}")
    yield
    connection.exec_driver_sql("SET LOCAL statement_timeout TO DEFAULT")


def _is_given_up(problem: DBAPIError) -> bool:
    return getattr(problem.orig, "sqlstate", None) == "57014" or str(problem.orig) == "interrupted"


def words_of_trouble(problem: DBAPIError) -> str:
    """What is wrong with the database and what to mend, in a sentence for whoever runs the server."""
    told = (str(problem.orig).strip().splitlines() or [type(problem).__name__])[0]
    state = getattr(problem.orig, "sqlstate", None) or ""
    if state in {"42P01", "42703"} or told.startswith(("no such table", "no such column")):
        return "The tables are not those of this version of Portico. Run: flask db upgrade"
    if state.startswith("28"):
        return f"The database does not let Portico in ({told}). Check user and password in DATABASE_URL."
    if isinstance(problem, OperationalError):
        return (
            f"The database cannot be used ({told}). "
            "Check DATABASE_URL, and that the database runs and can be reached from here."
        )
    return f"The database refused what was asked of it: {told}"


def lock(model: type[Row], key: Any) -> Row:
    """Read one row and keep others from changing it until the commit.

    Without `populate_existing` SQLAlchemy answers with the copy it already has,
    and the check that follows is about the past. Raises `NoResultFound`.
    """
    begin_writing()
    return db.session.get_one(model, key, with_for_update=True, populate_existing=True)


def lock_name(name: str) -> None:
    """Be the only one under a name until the commit; on SQLite whoever writes is alone anyway."""
    begin_writing()
    if db.engine.dialect.name == "postgresql":
        number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
        db.session.execute(select(func.pg_advisory_xact_lock(number)))


def sum_of(amount: Any) -> tuple[Any, Any]:
    """Columns `high` and `low` that hold the sum of an amount; `whole_sum` joins them.

    A sum of 64-bit integers outgrows 64 bits, and SQLite refuses the whole query then.
    """
    return func.sum(amount // _PART).label("high"), func.sum(amount % _PART).label("low")


def whole_sum(row: Any) -> int:
    """What the columns of `sum_of` hold."""
    return join_sum(row.high, row.low)


def join_sum(high: Any, low: Any) -> int:
    """What two values of `sum_of` come to; nothing where there was nothing to add."""
    return int(high or 0) * _PART + int(low or 0)


def insert_into(model: Any) -> Any:
    """An INSERT that knows ON CONFLICT, in the words of the database in use."""
    insert = postgresql.insert if db.engine.dialect.name == "postgresql" else sqlite.insert
    return insert(model)


@event.listens_for(Engine, "connect")
def _prepare_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    if not isinstance(connection, sqlite3.Connection):
        return
    connection.isolation_level = None  # the "begin" event below decides how transactions start
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",  # a webhook answered with 200 must survive loss of power
        f"wal_autocheckpoint = {LONGEST_LOG_PAGES}",
        "foreign_keys = ON",
        f"busy_timeout = {BUSY_MILLISECONDS}",
    ):
        connection.execute(f"PRAGMA {pragma}")
    connection.create_function("split_part", 3, _split_part, deterministic=True)


def _split_part(text: str | None, separator: str, number: int) -> str | None:
    """PostgreSQL's function of this name."""
    if text is None:
        return None
    parts = text.split(separator)
    return parts[number - 1] if number <= len(parts) else ""


def act_as(role: str, user_id: UUID | None = None) -> None:
    """Say for whom this request asks the database from here on: PostgreSQL shows each only their rows.

    Until then a request asks for nobody and sees no payment, refund or webhook; work without a request is
    the `system`'s. On SQLite, which has no such rules, it changes nothing.
    """
    g.asks_as = (role, str(user_id or ""))
    if db.engine.dialect.name == "postgresql" and db.session().in_transaction():
        db.session.execute(_tell_who_asks, dict(zip(("role", "user_id"), g.asks_as, strict=True)))


_tell_who_asks = select(
    func.set_config("app.role", bindparam("role"), True),
    func.set_config("app.user_id", bindparam("user_id"), True),
)


def _who_asks() -> tuple[str, str]:
    nobody, system = ("", ""), (SYSTEM, "")
    asks_as: tuple[str, str] = g.get("asks_as", nobody) if has_request_context() else system
    return asks_as


@event.listens_for(Engine, "begin")
def _begin(connection: Connection) -> None:
    if connection.dialect.name != "sqlite":
        role, user_id = _who_asks()
        connection.execute(_tell_who_asks, {"role": role, "user_id": user_id})
    elif g and g.get("reads_only"):
        connection.exec_driver_sql("BEGIN")
    else:
        _begin_writing_on_sqlite(connection)


def _begin_writing_on_sqlite(connection: Connection) -> None:
    """Become SQLite's only writer; raises OperationalError when others take too long."""
    driver: Any = connection.connection.driver_connection
    deadline = monotonic() + BUSY_MILLISECONDS / 1000
    driver.execute("PRAGMA busy_timeout = 0")
    try:
        while not _has_begun(connection, is_late=monotonic() > deadline):
            sleep(BUSY_LOOK_SECONDS)
    finally:
        driver.execute(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}")


def _has_begun(connection: Connection, *, is_late: bool) -> bool:
    try:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    except OperationalError as problem:
        is_taken = getattr(problem.orig, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
        if not is_taken or is_late:
            raise
        return False
    return True
