"""The pages about who may sign in."""

import re

import pytest

from app.accounts.models import User
from app.extensions import db
from tests.conftest import pages_on_one_database
from tests.factories import PASSWORD

pytestmark = pages_on_one_database


@pytest.fixture
def owner(client, super_admin):
    return client.sign_in(super_admin)


def test_a_person_is_invited_by_a_link_that_is_shown_once(owner, app):
    page = owner.submit("/admins", {"email": "new@example.com", "name": "박새로", "role": "admin"})
    link = re.search(r"/invitations/[\w-]+", page.text)[0]
    assert link not in owner.get("/admins").text
    stranger = app.test_client()
    assert "new@example.com" in stranger.get(link).text
    fields = {"new_password": PASSWORD, "new_password_again": PASSWORD}
    assert stranger.submit(link, fields).location == "/login"
    assert stranger.get(link).status_code == 404
    assert db.session.query(User).filter_by(email="new@example.com").one().role == "admin"


@pytest.mark.parametrize(
    "fields", [{"email": ""}, {"email": "nowhere"}, {"role": "customer"}, {"name": "x" * 201}]
)
def test_an_invitation_that_makes_no_sense_is_told_so(owner, fields):
    page = owner.submit("/admins", {"email": "new@example.com", "role": "admin"} | fields)
    assert page.status_code == 422
    assert "field-error" in page.text


def test_a_link_nobody_made_leads_nowhere(client):
    assert client.get("/invitations/guessed").status_code == 404


def test_two_passwords_that_differ_are_refused(owner, app):
    page = owner.submit("/admins", {"email": "new@example.com", "role": "admin"})
    link = re.search(r"/invitations/[\w-]+", page.text)[0]
    fields = {"new_password": PASSWORD, "new_password_again": PASSWORD + "x"}
    assert app.test_client().submit(link, fields).status_code == 422
    assert db.session.query(User).filter_by(email="new@example.com").count() == 0


def test_the_buttons_of_a_person_work(owner, admin):
    for action, fields in (
        ("sign-out", {}),
        ("deactivate", {}),
        ("reactivate", {}),
        ("role", {"role": "super_admin"}),
    ):
        assert owner.submit(f"/admins/{admin.id}/{action}", fields).status_code == 303
    assert db.session.get(User, admin.id).role == "super_admin"
    assert owner.submit(f"/admins/{admin.id}/role", {"role": "customer"}).status_code == 422
    assert owner.submit(f"/admins/{admin.id}/nothing").status_code == 404


def test_an_admin_manages_nobody(signed_in, super_admin):
    assert signed_in.get("/admins").status_code == 403
    assert signed_in.submit(f"/admins/{super_admin.id}/deactivate").status_code == 403
