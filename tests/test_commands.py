"""The commands: what they do, and what they say when it cannot be done."""

import os
import subprocess
import sys
from contextvars import Context
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text

from app import create_app
from app.accounts.models import User
from app.audit import service as audit
from app.extensions import db
from app.payments.models import Payment
from app.portone.payloads import CursorPage
from tests.conftest import ENVIRONMENT, make_settings
from tests.factories import make_payment


def run(app: Flask, *arguments: str, typed: str = "") -> Any:
    db.session.commit()
    return app.test_cli_runner().invoke(args=list(arguments), input=typed)


def test_create_admin_lets_a_person_sign_in(app: Flask, client: Any) -> None:
    arguments = ("create-admin", "Kim@Example.com", "--role", "super_admin", "--password-stdin")
    done = run(app, *arguments, typed="correct horse battery staple\n")
    assert done.exit_code == 0, done.output
    client.sign_in(db.session.scalars(select(User)).one())
    assert client.get("/").status_code == 200


@pytest.mark.parametrize(
    ("email", "password"), [("not an address", "correct horse battery staple"), ("a@example.com", "short")]
)
def test_create_admin_refuses_in_a_sentence(app: Flask, email: str, password: str) -> None:
    done = run(app, "create-admin", email, "--password-stdin", typed=f"{password}\n")
    assert done.exit_code == 1
    assert done.output.startswith("Error: ")
    assert db.session.scalars(select(User)).all() == []


def test_sync_copies_payments_and_may_be_repeated(app: Flask, simulator: Any) -> None:
    for number in range(3):
        simulator.make_payment(payment_id=f"order-{number}")
    simulator.make_billing_key()
    first, second = run(app, "sync"), run(app, "sync")
    assert first.exit_code == second.exit_code == 0, first.output + second.output
    assert "3 payments read, 3 changed; 1 billing keys" in first.output
    assert "3 payments read, 0 changed" in second.output
    assert len(db.session.scalars(select(Payment)).all()) == 3


@pytest.mark.parametrize(("left_out", "is_told"), [(0, False), (2, True)])
def test_sync_says_what_it_could_not_read(
    app: Flask, simulator: Any, monkeypatch: pytest.MonkeyPatch, left_out: int, is_told: bool
) -> None:
    page = CursorPage((), None, left_out=left_out)
    monkeypatch.setattr(app.extensions["portone"], "list_payments_by_cursor", lambda **_asked: page)
    done = run(app, "sync")
    assert done.exit_code == 0, done.output
    assert (f"{left_out} payments could not be read" in done.output) is is_told


@pytest.mark.parametrize("day", ["2026-02-30", "yesterday", "20260101", "0001-01-01", "9999-12-31"])
def test_sync_refuses_a_day_that_does_not_exist(app: Flask, day: str) -> None:
    done = run(app, "sync", "--from", day)
    assert done.exit_code == 2
    assert "Invalid value" in done.output


def test_sync_refuses_a_period_that_ends_before_it_begins(app: Flask) -> None:
    done = run(app, "sync", "--from", "2026-03-02", "--until", "2026-03-01")
    assert done.exit_code == 2


def test_sync_says_when_portone_is_away(app: Flask, simulator: Any) -> None:
    app.extensions["portone"]._transport._sleep = lambda _seconds: None
    simulator.faults.next("list_payments_by_cursor", "proxy_error", times=9)
    done = run(app, "sync")
    assert done.exit_code == 1
    assert "PortOne gave no answer" in done.output


def test_rebuild_search_makes_rows_findable_that_others_wrote(app: Flask, simulator: Any) -> None:
    make_payment(simulator, payment_id="order-1")
    db.session.execute(text("DELETE FROM payment_search"))
    done = run(app, "rebuild-search")
    assert done.exit_code == 0, done.output
    assert "1 payments can be searched" in done.output


def test_reset_password_prints_a_link_that_works(app: Flask, client: Any, admin: User) -> None:
    done = run(app, "reset-password", "Admin@Example.com")
    assert done.exit_code == 0, done.output
    link = done.output.split("http://127.0.0.1:8000")[1].split()[0]
    assert admin.email in client.get(link).text
    assert run(app, "reset-password", "nobody@example.com").exit_code == 1


def test_audit_verify_finds_a_changed_entry(app: Flask, admin: User) -> None:
    for number in range(3):
        audit.record("test.happened", "test", str(number), by=admin)
    assert run(app, "audit", "verify").exit_code == 0
    tamper(app)
    done = run(app, "audit", "verify")
    assert done.exit_code == 1
    assert "broken at entry" in done.output


def test_audit_verify_says_where_the_trail_stands_and_misses_what_was_noted(
    app: Flask, admin: User, tmp_path: Path
) -> None:
    audit.record("test.happened", "test", "1", by=admin)
    db.session.commit()
    anchor = str(audit.newest_anchor())
    assert f"It stands at {anchor}" in run(app, "audit", "verify", "--expect", anchor).output
    cut_off = f"2:{anchor.partition(':')[2]}"
    (tmp_path / "worker.log").write_text(f"12:00 INFO app.worker: The audit trail stands at {cut_off}\n")
    done = run(app, "audit", "verify", "--anchors", str(tmp_path / "worker.log"))
    assert (done.exit_code, "entry 2: cut_off" in done.output) == (1, True)
    assert run(app, "audit", "verify", "--expect", "yesterday").exit_code == 2


def tamper(app: Flask) -> None:
    """Change an entry as somebody with the run of the database could."""
    is_sqlite = db.engine.dialect.name == "sqlite"
    with db.engine.begin() as connection:
        if is_sqlite:
            connection.execute(text("DROP TRIGGER audit_entries_no_update"))
        else:
            connection.execute(text("ALTER TABLE audit_entries DISABLE TRIGGER USER"))
        connection.execute(text("UPDATE audit_entries SET actor_name = 'nobody' WHERE subject_id = '1'"))
        if not is_sqlite:
            connection.execute(text("ALTER TABLE audit_entries ENABLE TRIGGER USER"))


WITHOUT_A_DATABASE = [
    ("audit", "verify"),
    ("create-admin", "a@example.com", "--password-stdin"),
    ("db", "upgrade"),
    ("rebuild-search",),
    ("rotate-keys",),
    ("sync",),
]


@pytest.mark.parametrize("command", WITHOUT_A_DATABASE, ids=" ".join)
def test_a_database_that_is_away_is_told_in_a_sentence(command: tuple[str, ...], capsys: Any) -> None:
    away = create_app(make_settings(DATABASE_URL="postgresql://nobody:secret@127.0.0.1:9/none"))
    invoke = away.test_cli_runner().invoke
    done = Context().run(invoke, args=list(command), input="correct horse battery staple\n")
    told = done.output + capsys.readouterr().err
    assert done.exit_code == 1
    assert isinstance(done.exception, SystemExit), "a traceback"
    assert "The database cannot be used" in told or command[0] == "db"  # Flask-Migrate tells its log
    assert "secret" not in told


def test_a_database_without_tables_is_told_what_to_run(tmp_path: Path) -> None:
    bare = create_app(make_settings(DATABASE_URL=f"sqlite:///{tmp_path}/bare.sqlite3"))
    done = Context().run(bare.test_cli_runner().invoke, args=["rebuild-search"])
    assert (done.exit_code, "Run: flask db upgrade" in done.output) == (1, True), done.output


@pytest.mark.parametrize(
    ("command", "code"), [(["--help"], 0), (["worker", "--help"], 0), (["worker"], 3), (["db", "upgrade"], 3)]
)
def test_help_needs_no_settings_and_work_says_which_is_missing(command: list[str], code: int) -> None:
    bare = {name: value for name, value in os.environ.items() if name not in ENVIRONMENT}
    arguments = [sys.executable, "-m", "flask", "--app", "wsgi", *command]
    done = subprocess.run(
        arguments, cwd=Path(__file__).parents[1], env=bare, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stderr
    if code:
        assert done.stderr == "Portico: PORTONE_STORE_ID is not set; Portico cannot start without it.\n"
    else:
        assert "Usage: " in done.stdout
        assert ("rotate-keys" in done.stdout) is (command == ["--help"])
