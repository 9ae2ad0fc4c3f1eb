"""What both databases are asked alike: locks, looks, sums, and no longer than somebody waits."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic, sleep
from typing import Any, TypeVar

from flask import g
from flask_babel import gettext as _
from sqlalchemy import Connection, func, literal_column, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, OperationalError

from app.connections import BUSY_LOOK_SECONDS
from app.errors import DomainError
from app.extensions import db

Row = TypeVar("Row")

#: So small a table is read as fast by any plan; a larger one that has grown so many times needs another.
FEW_ROWS, GROWTH = 1_000, 4
#: What the tables had when this process renewed SQLite's statistics.
_rows_then: dict[str, int] = {}

#: What amounts are split by, to be added in two parts.
_PART = 10**9


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
    _rows_then.update(_count_sqlite_rows())
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
