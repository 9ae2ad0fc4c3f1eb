"""One's own account: language, theme, password, sessions."""

import pytest
from sqlalchemy import select

from app.accounts.browsers import browser_of
from app.accounts.models import SignIn
from app.extensions import db
from tests.conftest import pages_on_one_database
from tests.factories import PASSWORD

pytestmark = pages_on_one_database

NEW = "another long password"


def change(signed_in, **fields):
    typed = {"current_password": PASSWORD, "new_password": NEW, "new_password_again": NEW} | fields
    return signed_in.submit("/account/password", typed)


def test_the_account_page_shows_who_one_is_and_where_one_is_signed_in(signed_in):
    page = signed_in.get("/account").text
    assert "admin@example.com" in page
    assert page.count("data-sign-in-id=") == 1


def test_a_language_once_chosen_stays(app, signed_in, admin):
    answer = signed_in.submit("/account/language", {"language": "en", "next": "/payments?q=a"})
    assert (answer.status_code, answer.location) == (303, "/payments?q=a")
    page = signed_in.get("/account", headers={"Accept-Language": "ko"}).text
    assert '<html lang="en"' in page
    assert admin.language == "en"


@pytest.mark.parametrize("language", ["fr", "", "한국어"])
def test_a_language_nobody_offers_is_refused(signed_in, admin, language):
    assert signed_in.submit("/account/language", {"language": language}).status_code == 422
    assert admin.language is None


def test_a_theme_is_kept_in_this_browser(signed_in):
    answer = signed_in.submit("/account/theme", {"theme": "dark", "next": "//evil.example"})
    assert (answer.status_code, answer.location) == (303, "/account")
    assert 'data-bs-theme="dark"' in signed_in.get("/account").text
    assert signed_in.submit("/account/theme", {"theme": "pink"}).status_code == 422


def test_a_new_password_keeps_this_browser_in_and_sends_the_others_out(app, signed_in, admin):
    other = app.test_client().sign_in(admin)
    assert change(signed_in).location == "/account"
    assert signed_in.get("/account").status_code == 200
    assert other.get("/account").location.startswith("/login")


@pytest.mark.parametrize(
    "fields",
    [
        {"current_password": "not this one, surely"},
        {"new_password": "short", "new_password_again": "short"},
        {"new_password_again": "something else"},
        {"current_password": ""},
    ],
)
def test_a_password_that_cannot_be_changed_says_so_at_its_field(signed_in, fields):
    answer = change(signed_in, **fields)
    assert answer.status_code == 422
    assert answer.text.count('aria-invalid="true"') == 1
    assert NEW not in answer.text


def test_guessing_the_current_password_is_throttled_too(signed_in):
    for _ in range(10):
        assert change(signed_in, current_password="not this one, surely").status_code == 422
    assert change(signed_in).status_code == 429


def test_another_session_is_ended_from_here(app, signed_in, admin):
    other = app.test_client().sign_in(admin)
    ids = db.session.scalars(select(SignIn.id).order_by(SignIn.id)).all()
    answer = signed_in.submit(f"/account/sign-ins/{ids[-1]}/end")
    assert answer.location == "/account"
    assert other.get("/account").location.startswith("/login")
    assert signed_in.get("/account").status_code == 200


def test_the_session_of_somebody_else_is_not_there(app, signed_in, super_admin):
    app.test_client().sign_in(super_admin)
    theirs = db.session.scalars(select(SignIn.id).where(SignIn.user_id == super_admin.id)).one()
    assert signed_in.submit(f"/account/sign-ins/{theirs}/end").status_code == 404


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) "
            "Chrome/140.0.0.0 Safari/537.36",
            "Chrome, macOS",
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
            "Chrome/138.0.0.0 Whale/4.33.325.17 Safari/537.36",
            "Whale, Windows",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
            "Version/18.5 Mobile/15E148 Safari/604.1",
            "Safari, iPhone",
        ),
        ("", ""),
    ],
)
def test_a_browser_is_named_as_people_know_it(user_agent, name):
    assert browser_of(user_agent) == name
