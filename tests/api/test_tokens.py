"""Bearer tokens: who gets in, for what, how often, and what a stranger learns."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import text

from app import clock
from app.api import tokens
from app.api.models import ApiToken, Scope
from app.audit.queries import list_entries_of
from app.extensions import db
from app.settings import service as settings
from tests.api.conftest import Shop, problem_of


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", "Bearer guessed", "Basic eDp5", "Bearer portico_wrong", "Bearer ü"],
)
def test_without_a_valid_token_nobody_gets_in(client, header):
    headers = {"Authorization": header} if header is not None else {}
    answer = client.post("/api/portone/verify", json={"paymentId": "x"}, headers=headers)
    assert (answer.status_code, problem_of(answer)) == (401, "unauthorized")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_sign_in_is_no_token(signed_in):
    assert signed_in.post("/api/portone/verify", json={"paymentId": "x"}).status_code == 401


def test_a_token_opens_only_what_its_scopes_say(client, super_admin):
    shop = Shop(client, tokens.create_token("reader", [Scope.VERIFY], days=None, by=super_admin))
    assert problem_of(shop.initialize()) == "out-of-scope"
    assert problem_of(shop.ask("verify", {"paymentId": "nobody-knows"})) == "not-initialized"


def test_a_token_of_the_environment_holds_every_scope(app, client, monkeypatch):
    monkeypatch.setattr(tokens, "_find_configured", lambda presented: tokens.Caller("env", frozenset(Scope)))
    assert problem_of(Shop(client, "anything").ask("verify", {"paymentId": "x"})) == "not-initialized"


def test_a_revoked_token_ends_at_once(shop: Shop, super_admin):
    row = db.session.query(ApiToken).one()
    tokens.revoke_token(row.id, by=super_admin)
    tokens.revoke_token(row.id, by=super_admin)  # pressed twice
    assert shop.ask("verify", {"paymentId": "x"}).status_code == 401
    actions = [entry.action for entry in list_entries_of("api_token", row.id)]
    assert actions == ["api_token.revoked", "api_token.created"]


def test_a_token_ends_with_its_time(shop: Shop):
    with clock.fixed_at(clock.now() + timedelta(days=31)):
        assert shop.ask("verify", {"paymentId": "x"}).status_code == 401


def test_use_is_noted(shop: Shop):
    shop.ask("verify", {"paymentId": "x"})
    assert db.session.query(ApiToken).one().last_used_at is not None


def test_a_token_is_kept_as_a_hash_alone(shop: Shop):
    rows = db.session.execute(text("SELECT * FROM api_tokens")).mappings().all()
    trail = [entry.after for entry in list_entries_of("api_token", rows[0]["id"])]
    assert shop.token not in json.dumps([dict(rows[0]), trail], default=str)


def test_who_asks_too_often_waits(shop: Shop, super_admin):
    settings.change({"api_requests_per_minute": 2}, by=super_admin)
    with clock.fixed_at(clock.now().replace(second=10)):
        answers = [shop.ask("verify", {"paymentId": "x"}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [404, 404, 429]
    assert problem_of(answers[2]) == "too-many-requests"
    assert 1 <= int(answers[2].headers["Retry-After"]) <= 60


@pytest.mark.parametrize(
    ("body", "kind", "problem"),
    [
        (b"{", "application/json", "malformed"),
        (b"\xff\xfe", "application/json", "malformed"),
        (b'{"paymentId": "\\ud800"}', "application/json", "malformed"),
        (b'{"paymentId": NaN}', "application/json", "malformed"),
        (b"[" * 100_000, "application/json", "too-large"),
        (b"[" * 50_000, "application/json", "malformed"),
        (b"paymentId=x", "application/x-www-form-urlencoded", "unsupported-media-type"),
        (b"[]", "application/json", "invalid"),
        (b"null", "application/json", "invalid"),
    ],
)
def test_a_body_that_cannot_be_read_is_told_so(shop: Shop, body, kind, problem):
    headers = {"Authorization": f"Bearer {shop.token}"}
    answer = shop.client.post("/api/portone/verify", data=body, content_type=kind, headers=headers)
    assert problem_of(answer) == problem
