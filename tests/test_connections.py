"""Connections to PostgreSQL that were lost while nobody used them, and who asks in each transaction."""

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from app import connections
from app.extensions import db

WHO = text("SELECT current_setting('app.role'), current_setting('app.user_id')")


@pytest.fixture(autouse=True)
def _postgresql(app: Flask) -> None:
    if db.engine.dialect.name != "postgresql":
        pytest.skip("a file cannot be cut off")
    db.engine.dispose()


def cut_off_whoever_rests() -> None:
    """What a restart of the server does to the connections that wait in the pool."""
    first, second = db.engine.connect(), db.engine.connect()
    pid = first.scalar(text("SELECT pg_backend_pid()"))
    first.close()
    second.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
    second.invalidate()
    second.close()


def test_a_connection_that_was_cut_off_while_it_rested_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    cut_off_whoever_rests()
    monkeypatch.setattr(connections, "TRUSTED_SECONDS", 0.0)
    assert db.session.scalar(text("SELECT 1")) == 1


def test_one_cut_off_a_moment_after_its_use_is_found_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    cut_off_whoever_rests()
    monkeypatch.setattr(connections, "TRUSTED_SECONDS", 3_600.0)
    with pytest.raises(OperationalError) as problem:
        db.session.scalar(text("SELECT 1"))
    assert problem.value.connection_invalidated
    db.session.rollback()
    assert db.session.scalar(text("SELECT 1")) == 1


def test_whoever_asks_is_told_anew_in_each_transaction(app: Flask) -> None:
    with app.test_request_context():
        assert db.session.execute(WHO).one() == ("", "")
        connections.act_as("admin")
        assert db.session.execute(WHO).one() == ("admin", "")
        db.session.rollback()
        assert db.session.execute(WHO).one() == ("admin", "")
        db.session.remove()
    assert db.session.execute(WHO).one() == ("system", "")


@pytest.mark.parametrize("level", ["REPEATABLE READ", "AUTOCOMMIT"])
def test_a_transaction_may_be_isolated_otherwise_and_the_next_is_as_ever(level: str) -> None:
    with db.engine.connect().execution_options(isolation_level=level) as connection:
        is_apart = connection.scalar(text("SHOW transaction_isolation")) == "repeatable read"
        assert is_apart == (level == "REPEATABLE READ")
    assert db.session.execute(WHO).one() == ("system", "")
    db.session.commit()
    assert db.session.execute(WHO).one() == ("system", "")
