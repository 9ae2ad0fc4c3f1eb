"""Sessions under attack: fixed beforehand, captured, forged, and their cookies over https."""

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from app import clock
from app.accounts import people
from app.accounts.models import SignIn, User
from app.extensions import db
from tests.conftest import Browser
from tests.factories import PASSWORD

COOKIE = "portico"


def captured(browser: Browser, app: Flask) -> Browser:
    """Another browser with a copy of the cookie."""
    thief = app.test_client()
    assert isinstance(thief, Browser)
    thief.set_cookie(COOKIE, browser.get_cookie(COOKIE).value)
    return thief


def test_a_session_fixed_before_the_sign_in_is_another_one_after_it(app, client, admin):
    client.get("/login")
    planted = client.get_cookie(COOKIE).value
    client.sign_in(admin)
    assert client.get_cookie(COOKIE).value != planted
    thief = app.test_client()
    thief.set_cookie(COOKIE, planted)
    assert thief.get("/account").location.startswith("/login")


def test_signing_in_again_makes_a_new_secret_and_ends_the_old_one(app, client, admin):
    thief = captured(client.sign_in(admin), app)
    token = client.get("/account").text.split('name="csrf_token" value="')[1].split('"')[0]
    client.post("/login", data={"csrf_token": token, "email": admin.email, "password": PASSWORD})
    assert thief.get("/account").status_code == 302
    assert client.get("/account").status_code == 200


@pytest.mark.parametrize("end", ["logout", "password", "role", "access", "everywhere", "second factor"])
def test_a_captured_cookie_is_worth_nothing_once_the_session_is_over(app, client, admin, super_admin, end):
    thief = captured(client.sign_in(admin), app)
    assert thief.get("/account").status_code == 200
    new = "another long password"
    if end == "logout":
        client.submit("/logout")
    elif end == "password":
        fields = {"current_password": PASSWORD, "new_password": new, "new_password_again": new}
        assert client.submit("/account/password", fields).status_code == 303
    elif end == "role":
        people.change_role(admin.id, people.Role.SUPER_ADMIN, by=super_admin)
    elif end == "access":
        people.deactivate(admin.id, by=super_admin)
    elif end == "second factor":
        people.take_away_second_factor(admin.id, by=super_admin)
    else:
        people.end_sessions(admin.id, by=super_admin)
    assert thief.get("/account").location.startswith("/login")


def test_a_cookie_that_is_too_old_is_worth_nothing_however_it_was_kept(app, client, admin):
    thief = captured(client.sign_in(admin), app)
    with clock.fixed_at(clock.now() + timedelta(hours=9)):
        assert thief.get("/account").status_code == 302


@pytest.mark.parametrize("cookie", ["", "x", "eyJfdXNlcl9pZCI6IjEifQ.aaaaaa.bbbbbb", "." * 4000])
def test_a_forged_cookie_is_a_strangers(client, admin, cookie):
    client.set_cookie(COOKIE, cookie)
    assert client.get("/account").location.startswith("/login")


def test_the_database_alone_opens_no_session(app, client, admin):
    client.sign_in(admin)
    kept = db.session.scalars(select(SignIn)).one()
    thief = app.test_client()
    with thief.session_transaction() as session:  # whoever stole SECRET_KEY too
        session["_user_id"] = kept.token_hash
    assert thief.get("/account").status_code == 302


def test_over_https_every_cookie_is_bound_to_this_host_and_kept_from_scripts(secure, admin):
    secure.get("/login", base_url="https://portico.example")
    token = secure.get("/login", base_url="https://portico.example").text
    token = token.split('name="csrf_token" value="')[1].split('"')[0]
    answer = secure.post(
        "/login",
        data={"csrf_token": token, "email": admin.email, "password": PASSWORD},
        base_url="https://portico.example",
    )
    cookies = answer.headers.getlist("Set-Cookie")
    assert answer.status_code == 303, answer.text
    assert {cookie.partition("=")[0] for cookie in cookies} == {"__Host-portico", "__Host-device"}
    for cookie in cookies:
        flags = {part.strip().lower() for part in cookie.split(";")[1:]}
        assert {"secure", "httponly", "path=/", "samesite=lax"} <= flags, cookie
        assert not any(flag.startswith("domain") for flag in flags), cookie
    assert "max-age=31536000" in answer.headers["Strict-Transport-Security"]


def test_nobody_signs_in_as_somebody_without_a_password(app, client):
    db.session.add(User(role="admin", name="API · shop", email="shop@example.com"))
    for password in ("", "None", "null"):
        assert client.submit("/login", {"email": "shop@example.com", "password": password}).status_code == 422


def test_signing_out_clears_what_a_browser_may_have_kept(client, admin):
    answer = client.sign_in(admin).submit("/logout")
    assert answer.headers["Clear-Site-Data"] == '"cache", "storage"'
    assert "no-store" in answer.headers["Cache-Control"]
