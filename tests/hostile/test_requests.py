"""Requests that no honest browser sends: forged forms, foreign hosts, split headers, bodies without end."""

import re
import socket
import time
from threading import Thread

import pytest
import requests
from flask import Flask
from waitress.server import create_server

from app.access.permissions import Role
from app.extensions import csrf
from tests.conftest import Browser, pages_on_one_database
from tests.factories import make_payment, make_user
from tests.test_routes import guarded_addresses, is_public, needs_token

pytestmark = pages_on_one_database

EVIL = "evil.example"


def token_of(browser: Browser, address: str = "/account") -> str:
    return re.search(r'name="csrf_token"[^>]*value="([^"]+)"', browser.get(address).text)[1]


def test_every_form_needs_the_token_of_its_own_session(app, owner):
    stolen = token_of(app.test_client().sign_in(make_user(email="thief@example.com")))
    addresses = guarded_addresses(app, "POST")
    assert len(addresses) > 40
    for address in addresses:
        for fields in ({}, {"csrf_token": stolen}):
            assert owner.post(address, data=fields).status_code == 400, address


def test_the_forms_of_strangers_need_one_too(app, client):
    for address in ("/login", "/invitations/guessed", "/refund-account/guessed"):
        assert client.post(address).status_code == 400, address


def test_only_what_has_a_key_of_its_own_goes_without(app):
    free = {name for name in app.view_functions if _is_exempt(app, name)}
    assert free == {name for name in app.view_functions if needs_token(app, name)} | {"endpoint.receive"}


def _is_exempt(app: Flask, endpoint: str) -> bool:
    view = app.view_functions[endpoint]
    return f"{view.__module__}.{view.__name__}" in csrf._exempt_views


def test_no_page_changes_anything_by_being_looked_at(app):
    for rule in app.url_map.iter_rules():
        if "GET" in (rule.methods or ()) and not is_public(app, rule.endpoint):
            verb = rule.endpoint.rpartition(".")[2]
            assert verb.split("_")[0] not in {"create", "update", "delete", "approve", "revoke", "end"}, verb


def test_a_signed_in_session_opens_nothing_of_the_api(owner):
    for name in ("initialize", "verify", "confirm", "cancel"):
        assert owner.post(f"/api/portone/{name}", json={}).status_code == 401


@pytest.mark.parametrize(
    "onward",
    [
        *(f"//{EVIL}", f"https://{EVIL}", f"/\\{EVIL}", f"/%2f%2f{EVIL}/..//{EVIL}", f"/%5c{EVIL}"),
        *(f"\t//{EVIL}", f"/\t/{EVIL}", f"/%09/{EVIL}", f"@{EVIL}", f"/%252f{EVIL}"),
        *("javascript:alert(1)", "/x\r\nSet-Cookie: a=b"),
    ],
)
def test_no_way_on_leads_to_another_site_or_into_a_header(client, admin, onward):
    fields = {"email": admin.email, "password": "correct horse battery staple", "next": onward}
    answer = client.submit("/login", fields)
    target = answer.headers.get("Location", "/")
    assert answer.status_code in (303, 422)
    assert target == "/" or (target.startswith("/%") and not target.lower().startswith(("/%2f", "/%5c")))
    assert "a=b" not in str(answer.headers.getlist("Set-Cookie"))


def test_what_people_name_does_not_split_a_header(owner, simulator):
    payment = make_payment(simulator, payment_id="order\r\nSet-Cookie: a=b")
    answer = owner.get("/payments", query_string={"q": payment.payment_id})
    assert "a=b" not in str(answer.headers.getlist("Set-Cookie"))
    answer = owner.get("/login", headers={"X-Request-ID": "a b<script>"})
    assert re.fullmatch(r"[\w.-]{8,64}", answer.headers["X-Request-ID"])


def test_a_form_of_too_many_parts_or_too_much_text_is_refused(owner):
    token = {"csrf_token": token_of(owner)}
    many = token | {f"part-{number}": "x" for number in range(1_050)}
    answer = owner.post("/payments/search", data=many, content_type="multipart/form-data")
    assert answer.status_code == 413
    for size, status in ((600_000, 400), (1_200_000, 413)):
        assert owner.post("/payments/search", data=token | {"q": "x" * size}).status_code == status


@pytest.mark.parametrize("host", [EVIL, f"portico.example.{EVIL}", "portico.example@evil.example", "[", ""])
def test_another_hosts_name_is_refused_where_ours_is_known(secure, host):
    assert secure.get("/login", headers={"Host": host}).status_code == 400
    assert secure.get("/login", headers={"Host": "portico.example"}).status_code == 200
    assert secure.get("/health", headers={"Host": "10.0.0.7"}).status_code in (200, 503)


def test_a_foreign_host_never_stands_in_a_link(owner):
    answer = owner.get("/", headers={"Host": EVIL, "X-Forwarded-Host": EVIL}, follow_redirects=False)
    assert EVIL not in answer.text + str(answer.headers)


@pytest.mark.parametrize("role", [None, Role.ADMIN])
def test_every_answer_forbids_frames_scripts_and_keeping(app, client, role):
    if role:
        client.sign_in(make_user(role=role, email="staff@example.com"))
    for address in [*guarded_addresses(app, "GET"), "/login", "/nothing", "/health", "/api-docs"]:
        headers = client.get(address).headers
        policy = headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in policy, address
        assert "unsafe" not in policy, address
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"
        assert "no-store" in headers["Cache-Control"], address


def test_bodies_that_dribble_in_keep_nobody_else_waiting(app):
    """Of the demo's server; in production the proxy in front takes a request whole (README)."""
    running = create_server(app, host="127.0.0.1", port=0, threads=4)
    Thread(target=running.run, daemon=True).start()
    port, slow = running.effective_port, []
    head = b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\nemail="
    try:
        for _number in range(8):
            connection = socket.create_connection(("127.0.0.1", port), timeout=5)
            connection.sendall(head)
            slow.append(connection)
        began = time.monotonic()
        assert requests.get(f"http://127.0.0.1:{port}/login", timeout=5).status_code == 200
        assert time.monotonic() - began < 5
    finally:
        for connection in slow:
            connection.close()
        running.close()
