"""How connections are made ready, how transactions begin on them, and who asks in each."""

import sqlite3
from functools import lru_cache
from time import monotonic, sleep
from typing import Any
from uuid import UUID

import psycopg
from flask import g, has_request_context
from sqlalchemy import Connection, Engine, bindparam, event, func, select
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import InvalidatePoolError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry, Pool

from app.extensions import db

#: How long a SQLite writer waits for the one before it.
BUSY_MILLISECONDS = 15_000
#: How often it looks whether its turn has come. SQLite's own wait grows to 100 ms, and the lock stands idle.
BUSY_LOOK_SECONDS = 0.001
#: Pages that SQLite's log holds before whoever commits next has to copy them; the worker copies them sooner.
LONGEST_LOG_PAGES = 10_000

#: A connection to PostgreSQL that was used so short a time ago is not asked whether it lives.
TRUSTED_SECONDS = 1.0

#: Who asks the database where no person does: the worker, commands, PortOne's webhooks.
SYSTEM = "system"


@event.listens_for(Engine, "connect")
def _prepare(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    """Have the "begin" event below decide how transactions start."""
    if isinstance(connection, psycopg.Connection):
        connection.autocommit = True
    elif isinstance(connection, sqlite3.Connection):
        connection.isolation_level = None
        _prepare_sqlite(connection)


def _prepare_sqlite(connection: sqlite3.Connection) -> None:
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


@event.listens_for(Pool, "checkin")
def _note_use(_connection: DBAPIConnection | None, entry: ConnectionPoolEntry) -> None:
    entry.info["used_at"] = monotonic()


@event.listens_for(Pool, "checkout")
def _make_sure_it_lives(connection: DBAPIConnection, entry: ConnectionPoolEntry, _proxy: Any) -> None:
    """Ask PostgreSQL for a sign of life after a pause: it may have been started anew since."""
    rested = monotonic() - entry.info.get("used_at", monotonic())
    if rested < TRUSTED_SECONDS or not isinstance(connection, psycopg.Connection):
        return
    try:
        connection.execute("SELECT 1")
    except psycopg.Error as problem:
        raise InvalidatePoolError from problem


def act_as(role: str, user_id: UUID | None = None) -> None:
    """Say for whom this request asks the database from here on: PostgreSQL shows each only their rows.

    Until then a request asks for nobody and sees no payment, refund or webhook; work without a request is
    the `system`'s. On SQLite, which has no such rules, it changes nothing.
    """
    g.asks_as = (role, str(user_id or ""))
    if db.engine.dialect.name == "postgresql" and db.session().in_transaction():
        _tell_who_asks(db.session.connection())


_WHO_ASKS = select(
    func.set_config("app.role", bindparam("role"), True),
    func.set_config("app.user_id", bindparam("user_id"), True),
)


def _tell_who_asks(connection: Connection) -> None:
    connection.execute(_WHO_ASKS, dict(zip(("role", "user_id"), _who_asks(), strict=True)))


def _who_asks() -> tuple[str, str]:
    nobody, system = ("", ""), (SYSTEM, "")
    asks_as: tuple[str, str] = g.get("asks_as", nobody) if has_request_context() else system
    return asks_as


@event.listens_for(Engine, "begin")
def _begin(connection: Connection) -> None:
    if connection.dialect.name != "sqlite":
        _begin_on_postgresql(connection)
    elif g and g.get("reads_only"):
        connection.exec_driver_sql("BEGIN")
    else:
        _begin_writing_on_sqlite(connection)


def _begin_on_postgresql(connection: Connection) -> None:
    """Begin and say who asks, in one message: each takes as long as it takes to get there and back."""
    driver: Any = connection.connection.driver_connection
    if not driver.autocommit or "isolation_level" in connection.get_execution_options():
        _tell_who_asks(connection)
        return
    try:
        driver.execute(_begin_as(*_who_asks()), prepare=False)
    except psycopg.Error as problem:  # nothing but a lost connection keeps a transaction from beginning
        connection.invalidate(problem)
        raise OperationalError("BEGIN", None, problem, connection_invalidated=True) from problem


@lru_cache(maxsize=1_000)
def _begin_as(role: str, user_id: str) -> bytes:
    """Two statements in one text, which takes no parameters."""
    told = map(psycopg.sql.Literal, ("app.role", role, "app.user_id", user_id))
    return b"BEGIN; SELECT set_config(%b, %b, true), set_config(%b, %b, true)" % tuple(
        literal.as_bytes() for literal in told
    )


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
