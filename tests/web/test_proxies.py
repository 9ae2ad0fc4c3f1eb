"""What is believed of a request that came through proxies, and whom it has to be for."""

import pytest
from flask import Flask, request

from app import create_app
from tests.conftest import make_settings

PUBLIC = {"PUBLIC_URL": "https://portico.example"}


def app_with(**settings: str) -> Flask:
    app = create_app(make_settings(DATABASE_URL="postgresql://nobody@127.0.0.1:9/none", **settings))
    app.add_url_rule("/seen", view_func=lambda: f"{request.remote_addr} {request.scheme}")
    return app


def seen(app: Flask, *addresses: str, **headers: str) -> str:
    told = {"Host": "portico.example", "X-Forwarded-For": ", ".join(addresses)} | headers
    return app.test_client().get("/seen", headers=told).text


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        ({}, "127.0.0.1"),
        (PUBLIC, "198.51.100.2"),
        (PUBLIC | {"TRUSTED_PROXIES": "2"}, "198.51.100.1"),
        (PUBLIC | {"TRUSTED_PROXIES": "0"}, "127.0.0.1"),
    ],
)
def test_only_as_many_proxies_are_believed_as_there_are(settings: dict[str, str], address: str) -> None:
    forged, first, second = "203.0.113.9", "198.51.100.1", "198.51.100.2"
    assert seen(app_with(**settings), forged, first, second).startswith(f"{address} ")


def test_fewer_addresses_than_proxies_mean_somebody_went_past_them() -> None:
    assert seen(app_with(**PUBLIC, TRUSTED_PROXIES="2"), "198.51.100.1").startswith("127.0.0.1 ")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("portico.example", 200),
        ("portico.example:443", 200),
        ("PORTICO.EXAMPLE", 200),
        ("127.0.0.1:8000", 200),
        ("portico.internal", 200),
        ("evil.example", 400),
        ("portico.example.evil.example", 400),
        ("[half", 400),
        ("", 400),
    ],
)
def test_a_request_for_another_host_is_refused(host: str, status: int) -> None:
    browser = app_with(**PUBLIC, TRUSTED_HOSTS="portico.internal").test_client()
    assert browser.get("/seen", headers={"Host": host}).status_code == status


def test_a_load_balancer_may_ask_by_an_address() -> None:
    answer = app_with(**PUBLIC).test_client().get("/health", headers={"Host": "10.0.0.7:8000"})
    assert answer.status_code == 503  # the database of this test is away, which is the answer it wants
    assert answer.json["parts"] == {"database": "away"}
