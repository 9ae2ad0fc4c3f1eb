"""The second factor: a code works once, wrong ones are counted, and a lost phone is not the end."""

from datetime import UTC, datetime, timedelta

import pyotp
import pytest
from sqlalchemy import text

from app import clock
from app.accounts import people, second_factor, service
from app.accounts.models import User
from app.accounts.service import CodeNeeded, SignInRefused, SignInThrottled
from app.audit.models import AuditEntry
from app.errors import DomainError
from app.extensions import db
from tests.factories import PASSWORD

NOON = datetime(2026, 3, 30, 3, 0, tzinfo=UTC)


def code_of(secret: str, at: datetime = NOON) -> str:
    return pyotp.TOTP(secret).at(at)


@pytest.fixture
def at_noon():
    with clock.fixed_at(NOON):
        yield


@pytest.fixture
def secret(at_noon, admin: User) -> str:
    """The secret of `admin`, confirmed a minute ago."""
    secret = second_factor.begin_setup(by=admin)
    with clock.fixed_at(NOON - timedelta(minutes=1)):
        second_factor.confirm_setup(code_of(secret, NOON - timedelta(minutes=1)), by=admin)
    return secret


def sign_in(code: str = "") -> User:
    return service.sign_in("admin@example.com", PASSWORD, code)


def test_without_a_second_factor_the_password_is_enough(admin):
    assert sign_in().id == admin.id


def test_an_unconfirmed_secret_locks_nobody_out(admin):
    second_factor.begin_setup(by=admin)
    assert sign_in().id == admin.id


def test_with_one_the_password_alone_opens_nothing(secret):
    with pytest.raises(CodeNeeded):
        sign_in()


def test_the_right_code_opens_once(secret):
    assert sign_in(code_of(secret)).email == "admin@example.com"
    with pytest.raises(SignInRefused):
        sign_in(code_of(secret))


@pytest.mark.parametrize("seconds", [-30, 30])
def test_a_clock_that_is_half_a_minute_off_is_tolerated(secret, seconds):
    assert sign_in(code_of(secret, NOON + timedelta(seconds=seconds)))


@pytest.mark.parametrize("seconds", [-90, 90])
def test_one_that_is_further_off_is_not(secret, seconds):
    with pytest.raises(SignInRefused):
        sign_in(code_of(secret, NOON + timedelta(seconds=seconds)))


@pytest.mark.parametrize("code", ["", "000000", "12345", "１２３４５６", "abcdef", "x" * 5000, "\x00"])
def test_anything_else_opens_nothing(secret, code):
    with pytest.raises((CodeNeeded, SignInRefused)):
        sign_in(code)


def test_whoever_has_the_password_cannot_guess_codes_for_ever(secret):
    for _ in range(5):  # a try for the password, a try for the code
        with pytest.raises(SignInRefused):
            sign_in("000000")
    with pytest.raises(SignInThrottled):
        sign_in(code_of(secret))


def test_the_second_step_knows_when_the_password_has_changed_meanwhile(secret, admin):
    with pytest.raises(CodeNeeded) as needed:
        sign_in()
    admin.password_hash = admin.password_hash[:-1] + "x"
    db.session.commit()
    with pytest.raises(SignInRefused):
        service.sign_in_with_code(needed.value.pending, code_of(secret))


def test_a_recovery_code_opens_once(at_noon, admin):
    secret = second_factor.begin_setup(by=admin)
    codes = second_factor.confirm_setup(code_of(secret), by=admin)
    assert len(set(codes)) == second_factor.RECOVERY_CODES
    assert sign_in(codes[0].upper().replace("-", " "))
    with pytest.raises(SignInRefused):
        sign_in(codes[0])
    assert second_factor.count_recovery_codes(admin.id) == second_factor.RECOVERY_CODES - 1


def test_a_set_up_needs_a_code_of_its_own_secret(at_noon, admin):
    second_factor.begin_setup(by=admin)
    with pytest.raises(DomainError):
        second_factor.confirm_setup(code_of(pyotp.random_base32()), by=admin)
    assert not db.session.get(User, admin.id).has_second_factor


def test_a_second_factor_that_is_set_is_not_replaced_without_being_taken_away(secret, admin):
    with pytest.raises(DomainError):
        second_factor.begin_setup(by=admin)


def test_the_secret_and_the_codes_are_not_readable_in_the_database(at_noon, admin):
    secret = second_factor.begin_setup(by=admin)
    codes = second_factor.confirm_setup(code_of(secret), by=admin)
    kept = str(db.session.execute(text("SELECT * FROM users")).all())
    kept += str(db.session.execute(text("SELECT * FROM recovery_codes")).all())
    assert secret not in kept
    assert codes[0] not in kept


def test_a_super_admin_helps_who_lost_everything(secret, admin, super_admin):
    people.take_away_second_factor(admin.id, by=super_admin)
    assert sign_in().id == admin.id
    actions = set(db.session.scalars(db.select(AuditEntry.action)))
    assert {"account.second_factor_set", "account.second_factor_removed"} <= actions


def test_the_sign_in_page_asks_for_the_code_in_a_second_step(secret, client):
    first = client.submit("/login", {"email": "admin@example.com", "password": PASSWORD})
    assert (first.status_code, 'name="code"' in first.text) == (200, True)
    assert client.submit("/login", {"code": "000000"}).status_code == 422
    assert client.submit("/login", {"code": code_of(secret)}).status_code == 303
    assert client.get("/").status_code == 200


def test_both_may_come_at_once(secret, client):
    fields = {"email": "admin@example.com", "password": PASSWORD, "code": code_of(secret)}
    assert client.submit("/login", fields).status_code == 303


def test_a_code_without_a_password_before_it_opens_nothing(secret, client):
    assert client.submit("/login", {"code": code_of(secret)}).status_code == 422
    assert client.get("/").status_code == 302


def test_a_right_password_waits_five_minutes_for_its_code(secret, client):
    client.submit("/login", {"email": "admin@example.com", "password": PASSWORD})
    later = NOON + timedelta(minutes=6)
    with clock.fixed_at(later):
        assert client.submit("/login", {"code": code_of(secret, later)}).status_code == 422
        assert client.get("/").status_code == 302
