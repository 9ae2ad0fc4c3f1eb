"""Signing in and out, throttling, making admins, changing a password."""

import unicodedata
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from argon2 import PasswordHasher
from flask import Flask
from sqlalchemy import func, select

from app import clock
from app.accounts import passwords, queries, service
from app.accounts.models import SignIn, SignInAttempt, User
from app.accounts.passwords import PasswordRefused
from app.accounts.service import Browser, SignInRefused, SignInThrottled
from app.audit.models import AuditEntry
from app.audit.service import verify_chain
from app.errors import DomainError, NotFound
from app.extensions import db
from tests.factories import PASSWORD, make_user

NOON = datetime(2026, 3, 30, 3, 0, tzinfo=UTC)


def sign_in_wrongly(email: str, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(SignInRefused):
            service.sign_in(email, "not this one, surely")


def actions() -> list[str]:
    return list(db.session.scalars(select(AuditEntry.action).order_by(AuditEntry.sequence)))


class HasherWithWatch(PasswordHasher):
    """Notes whether a transaction was open while it worked, and how often a password was compared."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.comparisons: list[str] = []
        self.saw_transaction = False

    def hash(self, password, *, salt=None):
        self.saw_transaction |= db.session().in_transaction()
        return super().hash(password, salt=salt)

    def verify(self, hash, password):  # noqa: A002 - argon2's own name
        self.saw_transaction |= db.session().in_transaction()
        self.comparisons.append(hash)
        return super().verify(hash, password)

    @property
    def compared(self) -> int:
        return len(self.comparisons)


@pytest.fixture
def watch(app: Flask, monkeypatch: pytest.MonkeyPatch) -> HasherWithWatch:
    hasher = HasherWithWatch()
    monkeypatch.setitem(app.config, "PASSWORD_HASHER", hasher)
    return hasher


def test_the_right_password_opens_a_session_of_which_only_a_hash_is_kept(admin):
    user = service.sign_in("admin@example.com", PASSWORD, browser=Browser("192.0.2.7", "Firefox"))
    token = user.get_id()
    session = db.session.scalars(select(SignIn)).one()
    assert (session.user_id, session.address, session.user_agent) == (admin.id, "192.0.2.7", "Firefox")
    assert len(token) >= 43
    assert token not in session.token_hash
    assert service.load_user(token) == admin


def test_upper_and_lower_case_of_an_email_are_one(admin):
    assert service.sign_in(" Admin@EXAMPLE.com ", PASSWORD) == admin


def test_a_password_typed_on_another_keyboard_is_the_same(app):
    service.create_admin("a@example.com", "admin", "비밀번호는 길어야 좋다")
    in_parts = unicodedata.normalize("NFD", "비밀번호는 길어야 좋다")
    assert service.sign_in("a@example.com", in_parts).email == "a@example.com"


def test_a_customer_never_signs_in(app):
    make_user(role="customer", email="buyer@example.com", password_hash=passwords.hash_password(PASSWORD))
    with pytest.raises(SignInRefused):
        service.sign_in("buyer@example.com", PASSWORD)


def test_who_was_deactivated_cannot_sign_in_and_is_out_at_once(admin):
    token = service.sign_in("admin@example.com", PASSWORD).get_id()
    admin.is_active = False
    db.session.commit()
    assert service.load_user(token) is None
    with pytest.raises(SignInRefused):
        service.sign_in("admin@example.com", PASSWORD)


def test_a_wrong_password_and_an_unknown_email_get_the_same_answer(admin, watch):
    with pytest.raises(SignInRefused) as wrong:
        service.sign_in("admin@example.com", "not this one, surely")
    with pytest.raises(SignInRefused) as unknown:
        service.sign_in("nobody@example.com", PASSWORD)
    assert (wrong.value.message, wrong.value.status) == (unknown.value.message, unknown.value.status)
    assert watch.compared == 2


@pytest.mark.parametrize("email", ["admin@example.com", "nobody@example.com"])
def test_after_ten_wrong_passwords_none_is_even_looked_at(admin, watch, email):
    sign_in_wrongly(email, times=10)
    compared = watch.compared
    with pytest.raises(SignInThrottled) as refusal:
        service.sign_in(email, PASSWORD)
    assert watch.compared == compared == 10
    assert (refusal.value.status, refusal.value.retry_after) == (429, 900)


def test_others_sign_in_while_one_account_is_throttled(admin, super_admin):
    sign_in_wrongly("admin@example.com", times=10)
    assert service.sign_in("owner@example.com", PASSWORD) == super_admin


def test_fifteen_minutes_later_the_right_password_works_again(admin):
    with clock.fixed_at(NOON):
        sign_in_wrongly("admin@example.com", times=10)
    with clock.fixed_at(NOON + timedelta(minutes=14)), pytest.raises(SignInThrottled):
        service.sign_in("admin@example.com", PASSWORD)
    with clock.fixed_at(NOON + timedelta(minutes=15)):
        assert service.sign_in("admin@example.com", PASSWORD) == admin


def test_a_right_password_starts_the_count_anew(admin):
    sign_in_wrongly("admin@example.com", times=9)
    service.sign_in("admin@example.com", PASSWORD)
    sign_in_wrongly("admin@example.com", times=9)
    assert service.sign_in("admin@example.com", PASSWORD) == admin


def test_slips_of_a_whole_day_do_not_add_up(admin):
    for hour in range(12):
        with clock.fixed_at(NOON + timedelta(hours=hour)):
            sign_in_wrongly("admin@example.com")
    with clock.fixed_at(NOON + timedelta(hours=12)):
        assert service.sign_in("admin@example.com", PASSWORD) == admin


def test_thirty_tries_at_once_are_ten_looks_at_the_password(app, admin, watch):
    def guess(_number: int) -> type[Exception]:
        with app.app_context(), pytest.raises(SignInRefused) as refusal:
            service.sign_in("admin@example.com", "not this one, surely")
        return type(refusal.value)

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(guess, range(30)))
    assert answers.count(SignInRefused) == watch.compared == 10
    assert answers.count(SignInThrottled) == 20


def test_tries_are_forgotten_after_a_day(admin):
    with clock.fixed_at(NOON):
        sign_in_wrongly("nobody@example.com")
    with clock.fixed_at(NOON + timedelta(hours=25)):
        sign_in_wrongly("admin@example.com")
    assert db.session.scalars(select(SignInAttempt.email)).all() == ["admin@example.com"]


def test_no_transaction_is_open_while_a_password_is_hashed(admin, watch):
    user = service.sign_in("admin@example.com", PASSWORD)
    service.change_password(PASSWORD, "another long password", by=user)
    sign_in_wrongly("nobody@example.com")
    assert watch.compared == 3
    assert not watch.saw_transaction


def test_a_hash_of_yesterdays_cost_is_renewed_by_the_next_sign_in(app, admin, monkeypatch):
    dearer = PasswordHasher(time_cost=2, memory_cost=16, parallelism=1)
    monkeypatch.setitem(app.config, "PASSWORD_HASHER", dearer)
    service.sign_in("admin@example.com", PASSWORD)
    assert not dearer.check_needs_rehash(admin.password_hash)
    assert service.sign_in("admin@example.com", PASSWORD) == admin


def test_a_session_nobody_uses_ends_after_eight_hours(admin):
    with clock.fixed_at(NOON):
        token = service.sign_in("admin@example.com", PASSWORD).get_id()
    with clock.fixed_at(NOON + timedelta(hours=7, minutes=59)):
        assert service.load_user(token) == admin
    with clock.fixed_at(NOON + timedelta(hours=16)):
        assert service.load_user(token) is None


def test_a_session_in_use_ends_after_seven_days(admin):
    with clock.fixed_at(NOON):
        token = service.sign_in("admin@example.com", PASSWORD).get_id()
    for hour in range(0, 7 * 24, 6):
        with clock.fixed_at(NOON + timedelta(hours=hour)):
            assert service.load_user(token) == admin
    with clock.fixed_at(NOON + timedelta(days=7)):
        assert service.load_user(token) is None


def test_being_seen_is_written_once_a_minute_at_most(admin):
    with clock.fixed_at(NOON):
        token = service.sign_in("admin@example.com", PASSWORD).get_id()
    for seconds, seen in ((59, 0), (60, 60), (100, 60), (121, 121)):
        with clock.fixed_at(NOON + timedelta(seconds=seconds)):
            service.load_user(token)
        assert db.session.scalar(select(SignIn.last_seen_at)) == NOON + timedelta(seconds=seen)


def test_signing_out_makes_the_token_worthless(admin):
    user = service.sign_in("admin@example.com", PASSWORD)
    token = user.get_id()
    service.sign_out(by=user)
    assert service.load_user(token) is None
    assert actions() == ["account.signed_in", "account.signed_out"]


def test_signing_in_again_ends_the_session_it_replaces(admin):
    old = service.sign_in("admin@example.com", PASSWORD)
    token = old.get_id()
    service.sign_in("admin@example.com", PASSWORD, browser=Browser(replacing=old.sign_in.id))
    assert service.load_user(token) is None


def test_a_session_can_be_ended_from_another_one_and_twice(admin):
    other = service.sign_in("admin@example.com", PASSWORD).sign_in.id
    user = service.sign_in("admin@example.com", PASSWORD)
    service.end_sign_in(other, by=user)
    service.end_sign_in(other, by=user)
    assert [session.id for session in queries.list_live_sign_ins(admin.id)] == [user.sign_in.id]
    assert actions().count("account.sign_in_ended") == 1


def test_nobody_ends_the_session_of_somebody_else(admin, super_admin):
    theirs = service.sign_in("owner@example.com", PASSWORD).sign_in.id
    with pytest.raises(NotFound):
        service.end_sign_in(theirs, by=admin)
    assert len(queries.list_live_sign_ins(super_admin.id)) == 1


def test_a_new_password_ends_every_other_session_and_renews_this_one(admin):
    other = service.sign_in("admin@example.com", PASSWORD).get_id()
    user = service.sign_in("admin@example.com", PASSWORD)
    before = user.get_id()
    after = service.change_password(PASSWORD, "another long password", by=user).get_id()
    assert [service.load_user(token) for token in (other, before, after)] == [None, None, admin]
    assert service.sign_in("admin@example.com", "another long password") == admin
    sign_in_wrongly("admin@example.com")


def test_a_new_password_needs_the_current_one(admin):
    user = service.sign_in("admin@example.com", PASSWORD)
    with pytest.raises(SignInRefused):
        service.change_password("not this one, surely", "another long password", by=user)
    assert service.sign_in("admin@example.com", PASSWORD) == admin
    assert "account.password_change_failed" in actions()


@pytest.mark.parametrize("password", ["eleven char", "", "x" * 201])
def test_a_password_has_twelve_to_two_hundred_characters(app, password):
    with pytest.raises(PasswordRefused):
        service.create_admin("a@example.com", "admin", password)
    assert db.session.scalar(select(func.count(User.id))) == 0


def test_an_admin_is_made_and_signs_in(app):
    user = service.create_admin("New@Example.com", "super_admin", "a password of length", "최지우")
    assert (user.email, user.role, user.name) == ("new@example.com", "super_admin", "최지우")
    assert service.sign_in("new@example.com", "a password of length") == user
    assert actions() == ["account.created", "account.signed_in"]


@pytest.mark.parametrize("email", ["", "no address", "a@b@c", "a\0@example.com", f"{'a' * 320}@example.com"])
def test_an_admin_without_an_email_address_is_refused(app, email):
    with pytest.raises(DomainError) as refusal:
        service.create_admin(email, "admin", PASSWORD)
    assert refusal.value.status == 422


@pytest.mark.parametrize("role", ["customer", "owner", ""])
def test_an_admin_who_could_not_sign_in_is_refused(app, role):
    with pytest.raises(DomainError) as refusal:
        service.create_admin("a@example.com", role, PASSWORD)
    assert refusal.value.status == 422


def test_two_admins_cannot_share_an_email(admin):
    with pytest.raises(DomainError):
        service.create_admin("ADMIN@example.com", "admin", PASSWORD)
    assert db.session.scalar(select(func.count(User.id))) == 1


def test_the_audit_trail_tells_the_whole_story_and_holds(admin):
    sign_in_wrongly("admin@example.com")
    sign_in_wrongly("nobody@example.com")
    user = service.sign_in("admin@example.com", PASSWORD)
    service.change_password(PASSWORD, "another long password", by=user)
    service.sign_out(by=user)
    story = ["sign_in_failed", "signed_in", "password_changed", "signed_out"]
    assert actions() == [f"account.{step}" for step in story]
    assert verify_chain() is None
