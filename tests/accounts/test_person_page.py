"""The page of one person: sessions to end, limits to set, and who may see it."""

import re
from datetime import timedelta

import pytest

from app import clock
from app.access.permissions import Permission
from app.accounts import people, service
from app.accounts.limits import LIMITS
from app.accounts.models import SignIn, User
from app.audit.models import AuditEntry
from app.extensions import db
from app.settings import service as settings
from tests.conftest import on_both_databases, pages_on_one_database
from tests.factories import PASSWORD, make_user

pytestmark = pages_on_one_database


@pytest.fixture
def owner(client, super_admin):
    return client.sign_in(super_admin)


def typed(page, **amounts):
    """The form of the limits with amounts in won."""
    seen = re.search(r'name="seen"[^>]*value="([^"]*)"', page)[1].replace("&#34;", '"')
    fields = {"seen": seen}
    for name in LIMITS:
        fields |= (
            {f"{name}-currency": ["KRW"], f"{name}-amount": [amounts[name]]}
            if name in amounts
            else {
                f"{name}-currency": [""],
                f"{name}-amount": [""],
            }
        )
    return fields


def test_the_sessions_of_a_person_are_listed_and_one_is_ended(app, owner, admin):
    kept = app.test_client().sign_in(admin)
    ended = app.test_client().sign_in(admin)
    page = owner.get(f"/admins/{admin.id}").text
    assert page.count("data-sign-in-id=") == 2
    newest = db.session.scalars(db.select(SignIn.id).where(SignIn.user_id == admin.id)).all()[-1]
    for _press in range(2):
        answer = owner.submit(f"/admins/{admin.id}/sign-ins/{newest}/end")
        assert (answer.status_code, answer.location) == (303, f"/admins/{admin.id}")
    assert ended.get("/account").status_code == 302
    assert kept.get("/account").status_code == 200
    assert db.session.query(AuditEntry).filter_by(action="account.sign_in_ended").count() == 1


def test_a_session_of_somebody_else_is_not_ended_under_a_wrong_name(owner, admin, super_admin):
    own = db.session.scalars(db.select(SignIn.id).where(SignIn.user_id == super_admin.id)).one()
    assert owner.submit(f"/admins/{admin.id}/sign-ins/{own}/end").status_code == 404
    assert owner.get("/admins").status_code == 200


def test_signing_a_person_out_everywhere_makes_every_cookie_worthless(app, owner, admin):
    browsers = [app.test_client().sign_in(admin) for _each in range(2)]
    owner.submit(f"/admins/{admin.id}/sign-out")
    assert [browser.get("/").status_code for browser in browsers] == [302, 302]
    assert "data-sign-in-id=" not in owner.get(f"/admins/{admin.id}").text


def test_limits_are_typed_in_won_and_shown_to_the_person(app, owner, admin):
    page = owner.get(f"/admins/{admin.id}").text
    answer = owner.submit(f"/admins/{admin.id}/limits", typed(page, refund_limit="300,000원"))
    assert answer.status_code == 303
    assert db.session.get(User, admin.id).limits == {"refund_limit": {"KRW": 300_000}}
    assert "300,000원" in app.test_client().sign_in(admin).get("/account").text


def test_a_limit_that_makes_no_sense_is_told_and_nothing_typed_is_lost(owner, admin):
    page = owner.get(f"/admins/{admin.id}").text
    answer = owner.submit(f"/admins/{admin.id}/limits", typed(page, refund_limit="plenty"))
    assert answer.status_code == 422
    assert 'value="plenty"' in answer.text
    assert db.session.get(User, admin.id).limits is None


@on_both_databases
def test_two_owners_at_once_do_not_overwrite_each_other(owner, admin, super_admin):
    page = owner.get(f"/admins/{admin.id}").text
    people.change_limits(admin.id, {"refund_limit": {"KRW": 1}}, by=super_admin)
    fields = typed(page, refund_limit="300,000")
    answer = owner.submit(f"/admins/{admin.id}/limits", fields)
    assert answer.status_code == 409
    assert 'value="300,000"' in answer.text
    assert (
        owner.submit(f"/admins/{admin.id}/limits", typed(answer.text, refund_limit="300,000")).status_code
        == 303
    )


def test_only_a_super_admin_sees_people(signed_in, super_admin):
    for address in ("/admins", "/admins/permissions", f"/admins/{super_admin.id}"):
        assert signed_in.get(address).status_code == 403, address
    for action in ("limits", f"sign-ins/{super_admin.id}/end"):
        assert signed_in.submit(f"/admins/{super_admin.id}/{action}").status_code == 403, action


def test_a_customer_has_no_such_page_and_a_program_only_limits(owner, customer):
    assert owner.get(f"/admins/{customer.id}").status_code == 404
    page = owner.get(f"/admins/{people.machine_of('shop').id}").text
    assert 'id="limits"' in page
    assert "/deactivate" not in page


def test_permissions_are_shown_as_the_app_checks_them(owner):
    page = owner.get("/admins/permissions").text
    row = page.split('data-permission="refund:approve"')[1].split("</tr>")[0]
    assert "/refunds/&lt;uuid:refund_id&gt;/approve" in row
    assert row.count("bi-check-lg") == 1
    assert page.count("data-permission=") == len(Permission)


@pytest.mark.parametrize(
    ("setting", "value", "later"), [("session_idle_minutes", 30, 31), ("session_hours", 1, 61)]
)
def test_shorter_sessions_hold_for_those_that_are_open_already(admin, super_admin, setting, value, later):
    begun = clock.now()
    with clock.fixed_at(begun):
        token = service.sign_in(admin.email, PASSWORD).get_id()
    with clock.fixed_at(begun + timedelta(minutes=later)):
        assert service.load_user(token) == admin
        settings.change({setting: value}, by=super_admin)
        used_now = setting == "session_idle_minutes"
        assert (service.load_user(token) == admin) is used_now
    with clock.fixed_at(begun + timedelta(minutes=2 * later)):
        assert service.load_user(token) is None


def test_a_longer_session_is_the_owners_choice(admin, super_admin):
    settings.change({"session_hours": 30 * 24, "session_idle_minutes": 7 * 24 * 60}, by=super_admin)
    begun = clock.now()
    with clock.fixed_at(begun):
        token = service.sign_in(admin.email, PASSWORD).get_id()
    for day in range(6, 30, 6):
        with clock.fixed_at(begun + timedelta(days=day)):
            assert service.load_user(token) == admin


def test_a_person_who_lost_access_keeps_no_session(app, owner):
    person = make_user(role="super_admin", email="second@example.com")
    browser = app.test_client().sign_in(person)
    assert owner.submit(f"/admins/{person.id}/deactivate").status_code == 303
    assert browser.get("/").status_code == 302
    assert db.session.scalars(db.select(SignIn.ended_at).where(SignIn.user_id == person.id)).one() is not None


def test_a_link_for_a_new_password_is_shown_once(app, owner, admin):
    page = owner.submit(f"/admins/{admin.id}/password-link")
    link = re.search(r"/invitations/[\w-]+", page.text)[0]
    assert link not in owner.get(f"/admins/{admin.id}").text
    fields = {"new_password": "another long password", "new_password_again": "another long password"}
    assert app.test_client().submit(link, fields).location == "/login"
    assert service.sign_in(admin.email, "another long password").id == admin.id
