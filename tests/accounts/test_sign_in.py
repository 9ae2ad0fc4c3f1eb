"""The sign-in page: in, out, refused, and what a cookie is worth."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from app import clock
from tests.factories import PASSWORD


def sign_in(client, email="admin@example.com", password=PASSWORD, **fields):
    return client.submit("/login", {"email": email, "password": password, **fields})


def test_without_a_sign_in_every_page_leads_to_the_form(client):
    answer = client.get("/account")
    assert (answer.status_code, answer.location) == (302, "/login?next=/account")
    assert 'value="/account"' in client.get(answer.location).text


def test_the_right_password_leads_to_where_the_person_wanted_to_go(client, admin):
    answer = sign_in(client, next="/payments?q=%EA%B9%80")
    assert (answer.status_code, answer.location) == (303, "/payments?q=%EA%B9%80")
    assert client.get("/account").status_code == 200


def test_the_form_carries_the_token_that_lets_it_in(client, admin):
    carried = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', client.get("/login").text)
    typed = {"email": "admin@example.com", "password": PASSWORD}
    assert client.post("/login", data=typed).status_code == 400
    assert client.post("/login", data=typed | {"csrf_token": carried[1]}).status_code == 303


@pytest.mark.parametrize("onward", ["//evil.example", "https://evil.example", "/\\evil.example", ""])
def test_no_link_to_the_form_leads_to_another_site(client, admin, onward):
    assert "evil" not in client.get("/login", query_string={"next": onward}).text
    assert sign_in(client, next=onward).location == "/"


@pytest.mark.parametrize(
    ("email", "password"), [("admin@example.com", "wrong wrong wrong"), ("nobody@example.com", PASSWORD)]
)
def test_a_refusal_keeps_the_email_and_tells_not_which_was_wrong(client, admin, email, password):
    answer = sign_in(client, email, password)
    assert answer.status_code == 422
    assert f'value="{email}"' in answer.text
    assert "The e-mail address or the password is wrong." in answer.text or "비밀번호" in answer.text
    assert password not in answer.text


@pytest.mark.parametrize(
    "fields", [{"email": ""}, {"password": ""}, {"email": "a\0b"}, {"email": "x" * 5000}]
)
def test_a_malformed_form_is_refused_with_the_form(client, admin, fields):
    assert sign_in(client, **{"email": "admin@example.com", "password": "p"} | fields).status_code == 422


def test_a_customer_is_a_stranger_here(client, customer):
    assert sign_in(client, email=customer.customer_id).status_code == 422


def test_ten_wrong_passwords_answer_429_and_say_when_to_come_back(client, admin):
    for _ in range(10):
        assert sign_in(client, password="wrong wrong wrong").status_code == 422
    answer = sign_in(client)
    assert answer.status_code == 429
    assert 890 <= int(answer.headers["Retry-After"]) <= 900
    assert 'name="password"' in answer.text


def test_a_form_without_its_token_is_refused(client, admin):
    answer = client.post("/login", data={"email": "admin@example.com", "password": PASSWORD})
    assert answer.status_code == 400


def test_a_session_known_before_the_sign_in_is_worth_nothing_after(client, admin):
    with client.session_transaction() as session:
        session["planted"] = "by somebody else"
    sign_in(client)
    with client.session_transaction() as session:
        assert "planted" not in session


def test_a_captured_cookie_is_worth_nothing_after_the_sign_out(app, client, admin):
    sign_in(client)
    captured = client.get_cookie("portico").value
    assert client.submit("/logout").location == "/login"
    thief = app.test_client()
    thief.set_cookie("portico", captured)
    assert thief.get("/account").location.startswith("/login")
    assert client.get("/account").location.startswith("/login")


def test_signing_out_needs_a_post_and_a_sign_in(client, signed_in):
    assert signed_in.get("/logout").status_code == 405
    signed_in.submit("/logout")
    assert signed_in.submit("/logout").location.startswith("/login")


def test_who_is_signed_in_goes_on_from_the_form(signed_in):
    assert signed_in.get("/login?next=/payments").location == "/payments"


def test_somebody_else_can_sign_in_over_a_session_and_ends_it(app, signed_in, super_admin):
    with signed_in.session_transaction() as session:
        before = session["_user_id"]
    assert sign_in(signed_in, "owner@example.com").status_code == 303
    assert "owner@example.com" in signed_in.get("/account").text
    with signed_in.session_transaction() as session:
        assert session["_user_id"] != before


def test_the_cookie_cannot_be_read_by_scripts_nor_sent_by_other_sites(client, admin):
    cookie = sign_in(client).headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie


def test_htmx_is_sent_to_the_form_when_the_session_is_over(client):
    answer = client.get("/account", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["HX-Redirect"][:6]) == (401, "/login")


def test_reading_pages_keeps_a_session_alive(client, admin):
    noon = datetime(2026, 3, 30, 3, 0, tzinfo=UTC)
    with clock.fixed_at(noon):
        sign_in(client)
    for hours in (7, 14, 21):
        with clock.fixed_at(noon + timedelta(hours=hours)):
            assert client.get("/account").status_code == 200
    with clock.fixed_at(noon + timedelta(hours=30)):
        assert client.get("/account").location.startswith("/login")
