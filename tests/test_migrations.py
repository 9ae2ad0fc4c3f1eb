"""Migrations: an empty database upgraded equals the models, and a full one loses no row on the way."""

import uuid
from collections.abc import Iterator
from typing import Any

import flask_migrate
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask import Flask
from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from app import create_app
from app.extensions import db
from tests.conftest import PostgreSQLDatabase, SQLiteDatabase, make_settings

OLDER_SHAPE, ENHANCED = "0001", "0002"
#: Made by migrations alone: SQLite's full-text index with its shadow tables, PostgreSQL's GIN index.
UNMAPPED = ("payment_search_index", "ix_payment_search_tokens")


@pytest.fixture(params=["sqlite", "postgresql"])
def bare_app(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """The app over a database without a single table."""
    database: Any = (
        SQLiteDatabase(tmp_path_factory.mktemp("bare"))
        if request.param == "sqlite"
        else PostgreSQLDatabase(request.getfixturevalue("postgresql_server"))
    )
    app = create_app(make_settings(DATABASE_URL=database.url))
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()
    if request.param == "postgresql":
        database.drop()


def insert_older_payment(payment_id: str, amount: int, total_cancel_amount: int | None) -> None:
    with db.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO payments (id, payment_id, status, amount, currency, total_cancel_amount) "
                "VALUES (:id, :payment_id, 'PAID', :amount, 'KRW', :cancelled)"
            ),
            {
                "id": str(uuid.uuid4()),
                "payment_id": payment_id,
                "amount": amount,
                "cancelled": total_cancel_amount,
            },
        )


def balances() -> dict[str, tuple[int, int]]:
    with db.engine.connect() as connection:
        rows = connection.execute(
            text("SELECT payment_id, cancelled_amount, cancellable_amount FROM payments")
        )
        return {row.payment_id: (row.cancelled_amount, row.cancellable_amount) for row in rows}


def differences() -> list[Any]:
    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        found = compare_metadata(context, db.metadata)
    return [change for change in found if not str(getattr(change[1], "name", "")).startswith(UNMAPPED)]


def test_an_empty_database_upgraded_equals_the_models(bare_app: Flask) -> None:
    flask_migrate.upgrade()
    assert differences() == []


def test_every_check_of_the_models_is_in_the_database(bare_app: Flask) -> None:
    flask_migrate.upgrade()
    inspector = inspect(db.engine)
    for table in db.metadata.sorted_tables:
        wanted = {c.name for c in table.constraints if c.__visit_name__ == "check_constraint"}
        assert wanted <= {found["name"] for found in inspector.get_check_constraints(table.name)}, table.name


def test_the_balances_are_filled_and_no_row_is_lost(bare_app: Flask) -> None:
    flask_migrate.upgrade(revision=OLDER_SHAPE)
    for payment_id, cancelled in {
        "none": None,
        "zero": 0,
        "part": 300,
        "all": 1000,
        "too-much": 9000,
    }.items():
        insert_older_payment(payment_id, 1000, cancelled)
    flask_migrate.upgrade()
    assert balances() == {
        "none": (0, 1000),
        "zero": (0, 1000),
        "part": (300, 700),
        "all": (1000, 0),
        "too-much": (1000, 0),
    }


def test_down_and_up_again_keeps_rows_and_balances(bare_app: Flask) -> None:
    flask_migrate.upgrade(revision=OLDER_SHAPE)
    insert_older_payment("part", 1000, 300)
    flask_migrate.upgrade()
    fill_every_table()
    flask_migrate.downgrade(revision=OLDER_SHAPE)
    with db.engine.connect() as connection:
        assert connection.execute(
            text("SELECT total_cancel_amount FROM payments ORDER BY payment_id")
        ).scalars().all() == [0, 300]
    flask_migrate.upgrade()
    assert balances() == {"part": (300, 700), "new": (0, 500)}
    assert differences() == []


def test_down_to_nothing_leaves_no_table(bare_app: Flask) -> None:
    flask_migrate.upgrade()
    fill_every_table()
    flask_migrate.downgrade(revision="base")
    assert set(inspect(db.engine).get_table_names()) == {"alembic_version"}


def fill_every_table() -> None:
    """A row of each kind with the contract's columns alone, as a report or another tool would write it."""
    user, payment = str(uuid.uuid4()), str(uuid.uuid4())
    with db.engine.begin() as connection:
        connection.execute(
            text("INSERT INTO users (id, email, role) VALUES (:id, 'a@example.com', 'admin')"), {"id": user}
        )
        connection.execute(
            text(
                "INSERT INTO payments (id, payment_id, status, amount, currency, cancellable_amount) "
                "VALUES (:id, 'new', 'PAID', 500, 'KRW', 500)"
            ),
            {"id": payment},
        )
        connection.execute(
            text(
                "INSERT INTO refunds (id, payment_id, amount, status) "
                "VALUES (:id, :payment, 100, 'succeeded')"
            ),
            {"id": str(uuid.uuid4()), "payment": payment},
        )
        connection.execute(
            text(
                "INSERT INTO webhook_logs (id, webhook_id, payment_id, status) "
                "VALUES (:id, 'wh', :payment, 'processed')"
            ),
            {"id": str(uuid.uuid4()), "payment": payment},
        )
        connection.execute(
            text("INSERT INTO billing_keys (id, user_id, billing_key) VALUES (:id, :user, 'hash')"),
            {"id": str(uuid.uuid4()), "user": user},
        )


def insert_payment(**columns: Any) -> None:
    values = {
        "id": str(uuid.uuid4()),
        "payment_id": uuid.uuid4().hex,
        "status": "PAID",
        "amount": 1000,
    } | columns
    names = ", ".join(values)
    with db.engine.begin() as connection:
        connection.execute(
            text(f"INSERT INTO payments ({names}) VALUES ({', '.join(':' + name for name in values)})"),
            values,
        )


@pytest.mark.parametrize(
    "columns",
    [
        {"cancelled_amount": -1},
        {"cancelled_amount": 1001},
        {"cancellable_amount": -1},
        {"cancellable_amount": 1001},
    ],
)
def test_the_database_refuses_impossible_balances(app: Flask, columns: dict[str, int]) -> None:
    with pytest.raises(IntegrityError):
        insert_payment(**columns)


def test_updated_at_is_kept_by_the_database(app: Flask) -> None:
    insert_payment(payment_id="touched")
    long_ago = {"sqlite": "2020-01-01 00:00:00.000000+00:00"}.get(db.engine.dialect.name, "2020-01-01Z")
    with db.engine.begin() as connection:
        connection.execute(text("UPDATE payments SET updated_at = :moment"), {"moment": long_ago})
        before = connection.execute(text("SELECT updated_at FROM payments")).scalar_one()
    with db.engine.begin() as connection:
        connection.execute(text("UPDATE payments SET status = 'CANCELLED'"))
    with db.engine.connect() as connection:
        assert connection.execute(text("SELECT updated_at FROM payments")).scalar_one() > before


@pytest.mark.parametrize("statement", ["UPDATE audit_entries SET action = 'x'", "DELETE FROM audit_entries"])
def test_the_database_refuses_to_change_the_audit_trail(app: Flask, admin: Any, statement: str) -> None:
    from app.audit import service as audit

    audit.record("test.happened", "test", "1", by=admin)
    db.session.commit()
    with pytest.raises(DBAPIError, match="append-only"), db.engine.begin() as connection:
        connection.execute(text(statement))


def test_deleting_a_payment_keeps_its_webhook_log(app: Flask) -> None:
    insert_payment(payment_id="gone")
    with db.engine.begin() as connection:
        row_id = connection.execute(text("SELECT id FROM payments")).scalar_one()
        connection.execute(
            text("INSERT INTO webhook_logs (id, webhook_id, payment_id) VALUES (:id, 'wh', :payment)"),
            {"id": str(uuid.uuid4()), "payment": str(row_id)},
        )
        connection.execute(text("DELETE FROM payments"))
    with db.engine.connect() as connection:
        assert connection.execute(text("SELECT payment_id FROM webhook_logs")).scalars().all() == [None]
