"""Each route has a guard, or is on the short public list."""

import pytest
from flask import Flask

from app.access.matrix import list_addresses
from app.access.permissions import Permission, Role, is_permitted
from app.api.models import Scope
from tests.factories import make_user

#: What the contract lets anybody reach, and the assets.
PUBLIC = {
    "/health",
    "/metrics",
    "/login",
    "/invitations/<token>",
    "/webhooks/portone",
    "/api/portone/webhook",
    "/api-docs",
    "/api/openapi.json",
    "/refund-account/<token>",
    "/assets/htmx.min.js",
    "/assets/swagger/<name>",
    "/assets/portico.<any(css, js):kind>",
    "/static/<path:filename>",
    "/bootstrap/static/<path:filename>",
}

#: Files that Flask and Bootstrap-Flask serve by themselves.
SERVED_BY_FLASK = {"static", "bootstrap.static"}

#: What stands for a placeholder that is no id of ours.
EXAMPLES = {"payment_id": "order-1", "action": "deactivate", "kind": "csv", "format": "csv"}
NOBODYS_ID = "0199a3f0-0000-7000-8000-000000000000"


def needs_token(app: Flask, endpoint: str) -> bool:
    """Whether a bearer token of some scope opens it, and no sign-in."""
    return getattr(app.view_functions[endpoint], "scope", None) in set(Scope)


def is_public(app: Flask, endpoint: str) -> bool:
    return endpoint in SERVED_BY_FLASK or getattr(app.view_functions[endpoint], "is_public", False)


def guarded_addresses(app: Flask, method: str) -> list[str]:
    addresses = app.url_map.bind("localhost")
    return sorted(
        addresses.build(
            rule.endpoint, {name: EXAMPLES.get(name, NOBODYS_ID) for name in rule.arguments}, method=method
        )
        for rule in app.url_map.iter_rules()
        if not (is_public(app, rule.endpoint) or needs_token(app, rule.endpoint))
        and method in (rule.methods or ())
    )


def test_every_route_says_who_may_or_that_anybody_may(app):
    for endpoint, view in app.view_functions.items():
        permission = getattr(view, "permission", None)
        assert is_public(app, endpoint) + needs_token(app, endpoint) + (permission is not None) == 1, endpoint
        assert permission is None or permission in set(Permission), endpoint


def test_the_public_routes_are_those_of_the_contract(app):
    assert {rule.rule for rule in app.url_map.iter_rules() if is_public(app, rule.endpoint)} == PUBLIC


def test_every_page_leads_a_stranger_to_the_sign_in(app, client):
    addresses = guarded_addresses(app, "GET")
    assert "/" in addresses
    for address in addresses:
        answer = client.get(address)
        assert (answer.status_code, answer.location[:6]) == (302, "/login"), address


def test_no_form_of_a_stranger_does_anything(app, client):
    for address in guarded_addresses(app, "POST"):
        assert client.post(address).status_code == 400, address
        answer = client.submit(address)
        assert (answer.status_code, answer.location[:6]) == (302, "/login"), address


@pytest.mark.parametrize(
    "address", ["/nothing", "/payments/a/b/c/nothing", "/refunds/not-an-id", "/static", "/%00"]
)
def test_addresses_that_do_not_exist_lead_a_stranger_to_the_sign_in(client, address):
    answer = client.get(address)
    assert (answer.status_code, answer.location[:6]) == (302, "/login")


@pytest.mark.parametrize("role", [Role.ADMIN, Role.SUPER_ADMIN])
def test_staff_send_every_form_their_role_permits_and_no_other(app, client, simulator, role):
    staff = make_user(role=role, email="staff@example.com")
    client.sign_in(staff)
    addresses = app.url_map.bind("localhost")
    for address in guarded_addresses(app, "POST"):
        permission = app.view_functions[addresses.match(address, method="POST")[0]].permission
        status = client.submit(address).status_code
        assert (status == 403) is not is_permitted(role, permission), address
        assert status < 500, address
        if address == "/logout":
            client.sign_in(staff)


def test_the_matrix_that_is_shown_is_what_the_app_does(app, client, simulator):
    """Every row of /admin-docs, asked for over HTTP by each role and by nobody."""
    rows = list_addresses()
    assert {row.endpoint for row in rows} == set(app.view_functions) - SERVED_BY_FLASK
    browsers = {None: client}
    for role in (Role.ADMIN, Role.SUPER_ADMIN):
        browsers[role] = app.test_client().sign_in(make_user(role=role, email=f"{role}@example.com"))
    for row in (row for row in rows if "GET" in row.methods and "<any(" not in row.rule):
        rule = next(app.url_map.iter_rules(row.endpoint))
        values = {name: EXAMPLES.get(name, NOBODYS_ID) for name in rule.arguments}
        address = app.url_map.bind("localhost").build(row.endpoint, values)
        for role, browser in browsers.items():
            answer = browser.get(address)
            is_out = answer.status_code == 403 or (answer.location or "").startswith("/login")
            assert row.is_open_to(role) is not is_out, (row.rule, role)
            reached = (200, 404) if row.is_open_to(role) else (302, 403)  # nothing has these ids
            assert row.is_public or answer.status_code in reached, (row.rule, role)


def test_who_loses_the_role_loses_every_page_at_once(app, client, admin):
    client.sign_in(admin)
    admin.role = Role.CUSTOMER
    for address in guarded_addresses(app, "GET"):
        assert client.get(address).location[:6] == "/login", address


def test_a_permission_not_held_answers_403(signed_in, monkeypatch):
    monkeypatch.setattr("app.access.guards.holds", lambda person, permission: False)
    assert signed_in.get("/account").status_code == 403
