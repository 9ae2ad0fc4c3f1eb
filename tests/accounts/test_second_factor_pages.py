"""The pages of the second factor, and the rule that a role needs one."""

import re

import pyotp
import pytest

from app import clock
from app.accounts.models import User
from app.extensions import db
from app.settings import service as settings
from tests.conftest import pages_on_one_database
from tests.factories import PASSWORD

pytestmark = pages_on_one_database


def set_up(browser) -> str:
    secret = re.search(r'data-copy="([A-Z2-7]{32})"', browser.get("/account/second-factor").text)[1]
    fields = {"code": pyotp.TOTP(secret).at(clock.now()), "password": PASSWORD}
    return browser.submit("/account/second-factor", fields).text


def test_it_is_set_with_a_code_and_shows_recovery_codes_once(signed_in, admin):
    page = set_up(signed_in)
    assert len(set(re.findall(r"<code>([a-z2-9]{4}(?:-[a-z2-9]{4}){5})</code>", page))) == 10
    assert "data:image/svg" not in signed_in.get("/account/second-factor").text
    assert db.session.get(User, admin.id).has_second_factor


@pytest.mark.parametrize("code", ["", "000000", "not a code"])
def test_a_code_that_does_not_fit_is_told_so(signed_in, admin, code):
    page = signed_in.submit("/account/second-factor", {"code": code, "password": PASSWORD})
    assert (page.status_code, "field-error" in page.text) == (422, True)
    assert not db.session.get(User, admin.id).has_second_factor


@pytest.mark.parametrize("password", ["", "not mine"])
def test_an_unattended_session_sets_none(signed_in, admin, password):
    secret = re.search(r'data-copy="([A-Z2-7]{32})"', signed_in.get("/account/second-factor").text)[1]
    fields = {"code": pyotp.TOTP(secret).at(clock.now()), "password": password}
    assert signed_in.submit("/account/second-factor", fields).status_code == 422
    assert not db.session.get(User, admin.id).has_second_factor


def test_it_is_taken_away_with_the_password_alone(signed_in, admin):
    set_up(signed_in)
    assert signed_in.submit("/account/second-factor/delete", {"password": "wrong"}).status_code == 422
    assert signed_in.submit("/account/second-factor/delete", {"password": PASSWORD}).status_code == 303
    assert not db.session.get(User, admin.id).has_second_factor


def test_whose_role_needs_one_sets_it_before_anything_else(signed_in, super_admin):
    settings.change({"second_factor_admin": True}, by=super_admin)
    assert signed_in.get("/payments").location == "/account/second-factor"
    set_up(signed_in)
    assert signed_in.get("/payments").status_code == 200


def test_other_roles_and_machines_go_on(client, super_admin):
    settings.change({"second_factor_admin": True}, by=super_admin)
    assert client.get("/health").status_code == 200
    assert client.sign_in(super_admin).get("/payments").status_code == 200


def test_a_lost_phone_is_helped_on_the_page_of_admins(app, client, super_admin, admin):
    browser = app.test_client().sign_in(admin)
    set_up(browser)
    client.sign_in(super_admin)
    assert client.submit(f"/admins/{admin.id}/take-away-second-factor").status_code == 303
    assert browser.get("/").status_code == 302
    assert not db.session.get(User, admin.id).has_second_factor
