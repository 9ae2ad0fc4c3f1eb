"""Ids of others: whatever belongs to one person is nobody else's, and a route with an id says which it is."""

import pytest
from sqlalchemy import select
from werkzeug.routing import UUIDConverter

from app.accounts.models import Invitation, SignIn
from app.api.models import ApiToken
from app.exports.models import Export
from app.extensions import db
from app.saved_views.models import SavedView
from app.web.requests import PaymentIdConverter
from tests.factories import make_user

#: Blueprints whose things staff look after together: whoever holds the permission may act on any of them.
#: Taking back what one asked for is for oneself alone, as the tests of refunds and charges show.
SHARED = {"payments", "refunds", "bulk_refunds", "billing_keys", "charges", "jobs", "webhooks"}
SHARED |= {"schedules", "plans", "drift"}

#: What one person owns, or only a super admin may touch, each with an address below.
OWNED = {
    "exports.show",
    "exports.download",
    "saved_views.update",
    "saved_views.delete",
    "saved_views.choose",
    "accounts.end_sign_in",
    "admins.show",
    "admins.update_limits",
    "admins.make_password_link",
    "admins.end_sign_in",
    "admins.act",
    "admins.revoke",
    "api_pages.revoke",
}


def endpoints_with_an_id(app) -> set[str]:
    return {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if getattr(app.view_functions[rule.endpoint], "permission", None)
        and any(isinstance(each, UUIDConverter | PaymentIdConverter) for each in rule._converters.values())
    }


def test_every_address_with_an_id_says_whether_it_is_shared(app):
    of_one_person = {name for name in endpoints_with_an_id(app) if name.partition(".")[0] not in SHARED}
    assert of_one_person == OWNED


@pytest.fixture
def of_the_owner(app, owner, super_admin) -> dict[str, str]:
    """Things of a super admin, by what stands for them in an address."""
    owner.submit("/exports/new?list=payments&view=all", {"format": "csv", "reason": "점검"})
    owner.submit("/views/new?list=payments&status=PAID", {"name": "내 보기"})
    owner.submit("/admins", {"email": "new@example.com", "role": "admin"})
    owner.submit("/api-tokens", {"name": "shop", "scopes": "cancel"})
    models = (Export, SavedView, Invitation, ApiToken)
    rows = {model: db.session.scalars(select(model.id)).one() for model in models}
    session = db.session.scalars(select(SignIn.id).where(SignIn.user_id == super_admin.id)).first()
    return {
        "exports.show": f"/exports/{rows[Export]}",
        "exports.download": f"/exports/{rows[Export]}/file.csv",
        "saved_views.update": f"/views/{rows[SavedView]}",
        "saved_views.delete": f"/views/{rows[SavedView]}/delete",
        "saved_views.choose": f"/views/{rows[SavedView]}/default",
        "accounts.end_sign_in": f"/account/sign-ins/{session}/end",
        "admins.show": f"/admins/{super_admin.id}",
        "admins.update_limits": f"/admins/{super_admin.id}/limits",
        "admins.make_password_link": f"/admins/{super_admin.id}/password-link",
        "admins.end_sign_in": f"/admins/{super_admin.id}/sign-ins/{session}/end",
        "admins.act": f"/admins/{super_admin.id}/deactivate",
        "admins.revoke": f"/admins/invitations/{rows[Invitation]}/revoke",
        "api_pages.revoke": f"/api-tokens/{rows[ApiToken]}/revoke",
    }


def test_what_belongs_to_another_is_not_there(app, client, owner, of_the_owner):
    assert set(of_the_owner) == OWNED
    client.sign_in(make_user(email="nosy@example.com"))
    for endpoint, address in of_the_owner.items():
        is_page = "GET" in next(rule.methods for rule in app.url_map.iter_rules(endpoint))
        answer = client.get(address) if is_page else client.submit(address, {"name": "mine"})
        assert answer.status_code in (403, 404), endpoint
    assert owner.get("/account").status_code == 200
    assert db.session.scalars(select(SavedView.name)).one() == "내 보기"
    assert db.session.scalars(select(ApiToken.revoked_at)).one() is None
    assert db.session.scalars(select(Invitation.revoked_at)).one() is None


def test_a_stranger_is_told_nothing_of_an_id_that_there_is(client, of_the_owner):
    for endpoint in ("exports.show", "admins.show"):
        address = of_the_owner[endpoint]
        there, not_there = client.get(address), client.get(address[:-4] + "0000")
        assert (there.status_code, not_there.status_code) == (302, 302)
        assert there.location.startswith("/login")


def test_a_refused_permission_is_in_the_log(signed_in, admin, caplog):
    with caplog.at_level("WARNING", logger="app.access.guards"):
        signed_in.get("/audit")
    assert f"User {admin.id} lacks audit:read" in caplog.text
