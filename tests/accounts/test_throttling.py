"""Guessing is slowed by account and by address, and no stranger shuts the owner out."""

from datetime import UTC, datetime, timedelta

import pytest

from app import clock
from app.accounts import devices, service
from app.accounts.models import SignInAttempt
from app.accounts.service import Browser, SignInRefused, SignInThrottled
from app.accounts.throttling import network_of
from app.extensions import db
from app.settings import service as settings
from tests.factories import PASSWORD

NOON = datetime(2026, 3, 30, 3, 0, tzinfo=UTC)
WRONG = "not this one, surely"


def guess(email="admin@example.com", times=1, **browser):
    for _try in range(times):
        with pytest.raises(SignInRefused):
            service.sign_in(email, WRONG, browser=Browser(**browser))


def known(email="admin@example.com"):
    return Browser(device_cookie=devices.remember("", email))


def test_a_stranger_who_guesses_for_ever_does_not_shut_the_owner_out(admin):
    browser = known()
    for quarter in range(8):
        with clock.fixed_at(NOON + quarter * timedelta(minutes=15)):
            guess(times=10)
            with pytest.raises(SignInThrottled):
                service.sign_in(admin.email, PASSWORD)
            assert service.sign_in(admin.email, PASSWORD, browser=browser) == admin


def test_a_known_browser_is_throttled_for_itself_alone(admin):
    browser = known()
    guess(times=10, device_cookie=browser.device_cookie)
    with pytest.raises(SignInThrottled):
        service.sign_in(admin.email, PASSWORD, browser=browser)
    assert service.sign_in(admin.email, PASSWORD) == admin


@pytest.mark.parametrize("cookie", ["", "forged", "eyJhIjoxfQ.AAAA"])
def test_a_cookie_nobody_here_made_is_a_strangers(admin, cookie):
    guess(times=10, device_cookie=cookie)
    with pytest.raises(SignInThrottled):
        service.sign_in(admin.email, PASSWORD, browser=Browser(device_cookie=cookie))


def test_a_browser_known_to_one_account_is_a_stranger_to_another(admin, super_admin):
    cookie = devices.remember("", super_admin.email)
    guess(times=10)
    with pytest.raises(SignInThrottled):
        service.sign_in(admin.email, PASSWORD, browser=Browser(device_cookie=cookie))
    both = devices.remember(cookie, admin.email)
    assert service.sign_in(admin.email, PASSWORD, browser=Browser(device_cookie=both)) == admin


def test_the_cookie_comes_with_a_sign_in_and_outlives_it(client, admin):
    client.sign_in_by_the_form(admin)
    client.submit("/logout")
    guess(times=10)
    assert client.submit("/login", {"email": admin.email, "password": PASSWORD}).status_code == 303
    cookie = client.get_cookie("device")
    assert (cookie.http_only, cookie.same_site) == (True, "Lax")
    assert admin.email not in cookie.value


def test_a_signed_in_person_proves_who_they_are_while_strangers_guess(admin):
    user = service.sign_in(admin.email, PASSWORD)
    guess(times=10)
    service.confirm_password(PASSWORD, by=user)
    service.change_password(PASSWORD, "another long password", by=user)


def test_one_address_does_not_try_every_account(admin, super_admin):
    settings.change({"sign_in_tries_of_network": 20}, by=super_admin)
    with clock.fixed_at(NOON):
        for number in range(20):
            guess(f"nobody-{number}@example.com", address="192.0.2.7")
        with pytest.raises(SignInThrottled):
            service.sign_in(admin.email, PASSWORD, browser=Browser(address="192.0.2.7"))
        assert service.sign_in(admin.email, PASSWORD, browser=Browser(address="192.0.2.8")) == admin
        browser = Browser(address="192.0.2.7", device_cookie=known().device_cookie)
        assert service.sign_in(admin.email, PASSWORD, browser=browser) == admin
    with clock.fixed_at(NOON + timedelta(minutes=15)):
        assert service.sign_in(admin.email, PASSWORD, browser=Browser(address="192.0.2.7")) == admin


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("", ""),
        ("unix:", "unix:"),
    ],
)
def test_whoever_has_one_address_of_ipv6_has_all_of_its_network(address, network):
    assert network_of(address) == network


def test_a_throttled_try_is_not_kept_so_that_nobody_fills_the_table(admin):
    guess(times=30)
    assert db.session.query(SignInAttempt).count() == 10
