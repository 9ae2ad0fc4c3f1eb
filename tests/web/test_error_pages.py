import logging

import pytest
from flask import Flask

from app.errors import DomainError, NotFound
from app.portone.errors import PortOneRefused, PortOneUncertain

HTMX = {"HX-Request": "true"}


@pytest.fixture
def failing(app: Flask, monkeypatch):
    """Let the home page fail with an error of one's choice."""

    def fail_with(error: Exception) -> None:
        def view() -> None:
            raise error

        monkeypatch.setitem(app.view_functions, "overview.index", view)

    return fail_with


def english(headers: dict[str, str] | None = None) -> dict[str, str]:
    return {"Accept-Language": "en"} | (headers or {})


def test_a_refusal_of_our_rules_is_shown_in_its_own_words(failing, client):
    failing(DomainError("Only 3,000 is left to refund.", status=409))
    response = client.get("/", headers=english())
    assert response.status_code == 409
    assert "Only 3,000 is left to refund." in response.text


def test_what_is_not_there_is_a_404(failing, signed_in):
    failing(NotFound("There is no such payment."))
    response = signed_in.get("/")
    assert response.status_code == 404
    assert "There is no such payment." in response.text


def test_htmx_gets_an_alert_and_not_a_page(failing, client):
    failing(DomainError("Not now."))
    response = client.get("/", headers=english(HTMX))
    assert response.status_code == 409
    assert 'role="alert"' in response.text
    assert "<html" not in response.text


def test_portones_no_is_explained(failing, client):
    failing(PortOneRefused("PAYMENT_NOT_PAID", status=409, message="비밀"))
    response = client.get("/", headers=english())
    assert response.status_code == 502
    assert "비밀" not in response.text


def test_portones_silence_says_that_nothing_is_lost(failing, client):
    failing(PortOneUncertain("timeout"))
    response = client.get("/", headers=english())
    assert response.status_code == 503
    assert "Nothing is lost" in response.text


def test_a_failure_tells_an_id_that_the_log_explains(failing, client, caplog):
    failing(RuntimeError("the secret cause"))
    with caplog.at_level(logging.ERROR):
        response = client.get("/", headers=english())
    assert response.status_code == 500
    assert "the secret cause" not in response.text
    record = next(record for record in caplog.records if record.name == "app.web.error_pages")
    assert record.args[0] in response.text
    assert "the secret cause" in caplog.text


def test_an_unknown_address_leads_strangers_to_the_sign_in_page(client):
    response = client.get("/payments-old?x=1")
    assert response.status_code == 302
    assert response.location == "/login?next=/payments-old?x%3D1"


def test_an_unknown_address_is_a_404_for_those_signed_in(signed_in):
    response = signed_in.get("/payments-old", headers=english())
    assert response.status_code == 404


def test_a_page_asks_strangers_to_sign_in_and_remembers_where_they_wanted_to_go(client):
    response = client.get("/payments/a%2Fb?q=%26")
    assert response.status_code == 302
    assert response.location.startswith("/login?next=/payments/a%252Fb")


@pytest.mark.parametrize(
    ("target", "location"), [("/", "/login"), ("//evil.example/x", "/login?next=/evil.example/x")]
)
def test_nobody_is_led_to_another_site_after_signing_in(client, target: str, location: str):
    assert client.get("/", environ_overrides={"RAW_URI": target}).location == location


def test_an_expired_session_sends_htmx_to_the_sign_in_page(client):
    response = client.get("/payments", headers=HTMX | {"HX-Current-URL": "http://localhost/payments?q=1"})
    assert response.status_code == 401
    assert response.headers["HX-Redirect"] == "/login?next=/payments?q%3D1"


def test_a_form_without_its_token_is_refused_and_htmx_reloads(signed_in):
    response = signed_in.post("/account/language", data={"language": "en"}, headers=HTMX)
    assert response.status_code == 400
    assert response.headers["HX-Refresh"] == "true"


def test_machines_get_json(client):
    response = client.get("/api/nothing")
    assert response.status_code == 404
    assert set(response.get_json()) == {"type", "title", "status", "detail"}


def test_a_wrong_method_names_the_right_ones(signed_in):
    response = signed_in.get("/logout")
    assert response.status_code == 405
    assert "POST" in response.headers["Allow"]
