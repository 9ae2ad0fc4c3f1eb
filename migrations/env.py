"""Run migrations in the app's own database; each one is a transaction on SQLite too."""

from typing import Any

from alembic import context
from alembic.util import CommandError
from flask import current_app
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from app.database import words_of_trouble

#: Kept by migrations alone: SQLite's full-text index and the tables it makes for itself.
UNMAPPED_PREFIX = "payment_search_index"


def include_name(name: str | None, type_: str, _parents: Any) -> bool:
    return not (type_ == "table" and (name or "").startswith(UNMAPPED_PREFIX))


def set_foreign_keys(connection: Connection, switch: str) -> None:
    """SQLite rebuilds a table to alter it: foreign keys on, that would empty the tables pointing to it."""
    if connection.dialect.name == "sqlite":
        connection.connection.driver_connection.execute(f"PRAGMA foreign_keys = {switch}")  # type: ignore[union-attr]


def run_migrations() -> None:
    migrate = current_app.extensions["migrate"]
    with migrate.db.engine.connect() as connection:
        set_foreign_keys(connection, "OFF")
        context.configure(
            connection=connection,
            target_metadata=migrate.db.metadata,
            include_name=include_name,
            transactional_ddl=True,
            **migrate.configure_args,
        )
        with context.begin_transaction():
            context.run_migrations()
        set_foreign_keys(connection, "ON")


try:
    run_migrations()
except OperationalError as problem:
    raise CommandError(words_of_trouble(problem)) from problem  # Flask-Migrate says it in one line
