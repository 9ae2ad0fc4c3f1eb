"""The README's set-up on PostgreSQL: one role owns the tables and migrates, another one serves people."""

import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask import Flask
from sqlalchemy import make_url

from app import create_app
from app.accounts.models import User
from app.audit.service import verify_chain
from app.extensions import db
from tests.conftest import Browser, make_settings
from tests.factories import make_payment

README = Path(__file__).parents[1] / "README.md"


@pytest.fixture
def serving(app: Flask, empty_database: Any) -> Iterator[str]:
    """The address of the database for a role that the README's statements made."""
    if db.engine.dialect.name != "postgresql":
        pytest.skip("SQLite knows no roles")
    role = f"portico_app_{uuid.uuid4().hex[:8]}"
    statements = re.search(r"-- as portico.*?```", README.read_text("utf-8"), re.DOTALL)[0].removesuffix(
        "```"
    )
    statements = re.sub(r"\bportico_app\b", role, re.sub(r"\bportico\b", empty_database.name, statements))
    empty_database.run_on_server(f"CREATE ROLE {role} LOGIN PASSWORD '{role}' NOSUPERUSER NOBYPASSRLS")
    owner = make_url(empty_database.url).render_as_string(False)
    with psycopg.connect(owner) as connection:
        connection.execute(statements)
    db.session.commit()
    yield make_url(empty_database.url).set(username=role, password=role).render_as_string(False)
    with psycopg.connect(owner) as connection:
        for what in ("ALL TABLES IN SCHEMA public", "ALL SEQUENCES IN SCHEMA public", "SCHEMA public"):
            connection.execute(f"REVOKE ALL ON {what} FROM {role}")
        for what in ("TABLES", "SEQUENCES"):
            connection.execute(f"ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE ALL ON {what} FROM {role}")
    empty_database.run_on_server(f"DROP ROLE {role}")


def as_role(address: str, statement: str, role: str | None = None) -> Any:
    with psycopg.connect(address) as connection:
        if role:
            connection.execute("SELECT set_config('app.role', %s, true)", [role])
        found = connection.execute(statement)
        return found.fetchone() if found.description else None


def test_the_serving_role_sees_what_it_is_asked_for_and_nothing_unasked(serving, simulator):
    make_payment(simulator)
    db.session.commit()
    assert as_role(serving, "SELECT count(*) FROM payments") == (0,)
    assert as_role(serving, "SELECT count(*) FROM payments", "customer") == (0,)
    assert as_role(serving, "SELECT count(*) FROM payments", "admin") == (1,)


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE payments DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE payments NO FORCE ROW LEVEL SECURITY",
        "DROP POLICY payments_by_role ON payments",
        "ALTER TABLE audit_entries DISABLE TRIGGER ALL",
        "DROP TRIGGER audit_entries_append_only ON audit_entries",
        "UPDATE audit_entries SET actor_name = 'somebody'",
        "DELETE FROM audit_entries",
        "TRUNCATE audit_entries",
        "TRUNCATE payments CASCADE",
        "CREATE TABLE mine (id int)",
        "SET session_replication_role = replica",
    ],
)
def test_the_serving_role_cannot_take_the_fences_down(serving, statement):
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        as_role(serving, statement, "system")


def test_the_whole_app_runs_as_the_serving_role(app, serving, simulator, super_admin: User):
    make_payment(simulator, payment_id="order-1")
    db.session.commit()
    served = create_app(make_settings(DATABASE_URL=serving))
    served.config["PASSWORD_HASHER"] = app.config["PASSWORD_HASHER"]
    served.extensions["portone"] = app.extensions["portone"]
    served.test_client_class = Browser
    browser = served.test_client().sign_in(super_admin)
    for address in (
        "/",
        "/payments?q=order",
        "/payments/order-1",
        "/refunds",
        "/webhooks",
        "/audit",
        "/settings",
    ):
        assert browser.get(address).status_code == 200, address
    assert browser.submit("/payments/order-1", {"action": "refresh"}).status_code in (200, 303)
    done = served.test_cli_runner().invoke(args=["rebuild-search"])
    assert done.exit_code == 0, done.output
    with served.app_context():
        assert verify_chain() is None
        db.engine.dispose()
