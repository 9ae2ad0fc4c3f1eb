"""`flask doctor` finds what is missing, and says what to do about it."""

from datetime import timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet
from flask import Flask

from app import clock, create_app, diagnosis, leases
from app.audit import service as audit
from app.diagnosis import Verdict
from app.encryption import Vault
from app.extensions import db
from app.portone.client import PortOneClient
from app.refunds.service import request_refund
from app.webhooks import inbox
from tests.conftest import STORE_ID, make_settings
from tests.factories import make_payment, make_wish


def examine() -> dict[str, diagnosis.Finding]:
    db.session.commit()
    return {finding.about: finding for finding in diagnosis.examine()}


@pytest.fixture
def live_worker(app: Flask) -> None:
    leases.hold("worker:somebody", holder="somebody", seconds=60)


def test_all_is_well_where_all_is_there(simulator, super_admin, live_worker):
    make_payment(simulator)
    found = examine()
    ill = [finding for finding in found.values() if finding.verdict == Verdict.ILL]
    assert ill == []
    assert found["PortOne"].seen.startswith("1 payments")
    assert found["clock"].verdict == Verdict.WELL


def test_an_empty_install_is_told_what_is_missing(simulator):
    found = examine()
    assert (found["people"].verdict, found["worker"].verdict) == (Verdict.ILL, Verdict.ILL)
    assert "create-admin" in found["people"].remedy
    assert found["webhooks"].verdict == Verdict.DOUBTFUL


def test_a_backup_that_is_overdue_is_told(app, simulator, tmp_path):
    assert examine()["backup"].seen == "none was ever made here"
    audit.record("backup.made", "backup", "a.dump")
    assert examine()["backup"].verdict == Verdict.WELL
    with clock.fixed_at(clock.now() + timedelta(days=3)):
        assert examine()["backup"].verdict == Verdict.DOUBTFUL


def test_a_role_that_sees_past_row_security_is_told(app, simulator, empty_database):
    assert examine()["row security"].verdict == Verdict.WELL
    if db.engine.dialect.name != "postgresql":
        return
    address = empty_database.admin_url.render_as_string(hide_password=False)
    as_superuser = create_app(make_settings(DATABASE_URL=address))
    with as_superuser.app_context():
        found = diagnosis._row_security()
        db.session.remove()
        db.engine.dispose()
    assert (found.verdict, "no superuser" in found.remedy) == (Verdict.DOUBTFUL, True)


def test_a_wrong_secret_and_a_silent_portone_are_told_apart(app, simulator):
    base = app.extensions["portone"]._transport._base
    app.extensions["portone"] = PortOneClient(api_secret="wrong", store_id=STORE_ID, base=base)
    assert "secret" in examine()["PortOne"].remedy
    app.extensions["portone"] = PortOneClient(
        api_secret="x", store_id=STORE_ID, base="http://127.0.0.1:9", sleep=lambda _: None
    )
    assert examine()["PortOne"].seen == "no answer (unreachable)"


def test_a_clock_that_is_wrong_is_found(simulator):
    with clock.fixed_at(clock.now() + timedelta(minutes=10)):
        assert examine()["clock"].verdict == Verdict.ILL
    with clock.fixed_at(clock.now() + timedelta(minutes=1)):
        assert examine()["clock"].verdict == Verdict.DOUBTFUL


def test_a_key_that_was_lost_is_found(app, simulator, admin):
    payment = make_payment(simulator, method="VIRTUAL_ACCOUNT")
    request_refund(payment.payment_id, make_wish(payment), by=admin)
    before, app.extensions["vault"] = app.extensions["vault"], Vault((Fernet.generate_key().decode(),))
    assert "refunds.request_sealed" in examine()["encryption keys"].seen
    app.extensions["vault"] = before


def test_a_secret_that_fits_no_webhook_is_found(simulator):
    inbox.store_rejected(b"{}", {}, "NO_MATCHING_SIGNATURE", answer={})
    assert "PORTONE_WEBHOOK_SECRETS" in examine()["webhooks"].remedy


def test_the_command_says_it_all_and_fails_where_something_is_ill(app: Flask, simulator: Any) -> None:
    done = app.test_cli_runner().invoke(args=["doctor"])
    assert done.exit_code == 1
    assert "FAILED   people" in done.output
    assert "→ Run: flask create-admin" in done.output
