from http import HTTPStatus
from threading import Thread

import pytest
from flask import Flask, url_for
from waitress.server import create_server
from werkzeug.serving import make_server

from app.web.requests import PaymentIdConverter, raw_path

PAYMENT_IDS = [
    "order-1",
    "a/b",
    "a//b",
    "주문 2026 🎁",
    "100%",
    "%2F",
    "what?#is+this",
    "..",
    ".",
    "=..",
    "a/refunds/new",
    "../../login",
    "line\nbreak",
]


@pytest.fixture
def echo(plain_app: Flask) -> Flask:
    """A small app that routes as ours does and answers the paymentId it was asked for."""
    from app.web import requests

    small = Flask("echo")
    small.config["SETTINGS"] = plain_app.config["SETTINGS"]
    requests.init_app(small)
    rule = "/payments/<payment_id:payment_id>"
    small.add_url_rule(rule, "show", lambda payment_id: payment_id)
    small.add_url_rule(f"{rule}/refunds/new", "new", lambda payment_id: f"new {payment_id}")
    return small


def address(app: Flask, endpoint: str, payment_id: str) -> str:
    with app.test_request_context():
        return url_for(endpoint, payment_id=payment_id)


@pytest.mark.parametrize("payment_id", PAYMENT_IDS)
def test_a_payment_id_of_any_characters_comes_back_as_it_was(echo: Flask, payment_id: str):
    browser = echo.test_client()
    assert browser.get(address(echo, "show", payment_id)).text == payment_id
    assert browser.get(address(echo, "new", payment_id)).text == f"new {payment_id}"


@pytest.mark.parametrize("server", ["werkzeug", "waitress"])
def test_servers_keep_an_encoded_slash_inside_the_id(echo: Flask, server: str):
    import requests

    if server == "werkzeug":
        running = make_server("127.0.0.1", 0, echo)
        port, run, stop = running.port, running.serve_forever, running.shutdown
    else:
        running = create_server(echo, host="127.0.0.1", port=0)
        port, run, stop = running.effective_port, running.run, running.close
    Thread(target=run, daemon=True).start()
    urls = [f"http://127.0.0.1:{port}" + address(echo, "show", payment_id) for payment_id in PAYMENT_IDS]
    answers = [requests.get(url, timeout=5) for url in urls]
    stop()
    assert [answer.content.decode() for answer in answers] == PAYMENT_IDS


def test_gunicorn_tells_the_raw_path_under_its_own_name():
    environ = {"RAW_URI": "/payments/a%2Fb?x=%2F", "PATH_INFO": "/payments/a/b", "SCRIPT_NAME": ""}
    assert raw_path(environ) == "/payments/a%2Fb"


@pytest.mark.parametrize(
    ("environ", "path"),
    [
        ({"REQUEST_URI": "http://shop.example/payments/a%2Fb?q=1"}, "/payments/a%2Fb"),
        ({"REQUEST_URI": "/below/payments/1", "SCRIPT_NAME": "/below"}, "/payments/1"),
        ({"REQUEST_URI": "//elsewhere.example/"}, "//elsewhere.example/"),
        ({"PATH_INFO": "/payments/caf\xc3\xa9 %"}, "/payments/caf%C3%A9%20%25"),
    ],
)
def test_the_path_is_read_from_whatever_the_server_tells(environ: dict[str, str], path: str):
    assert raw_path(environ) == path


@pytest.mark.parametrize("path", ["/payments/%ff", "/payments/a%00b"])
def test_an_id_that_no_database_can_hold_is_not_found(echo: Flask, path: str):
    assert echo.test_client().get(path).status_code == HTTPStatus.NOT_FOUND


def test_dots_alone_are_written_so_that_no_browser_takes_them_for_a_way_up(echo: Flask):
    converter = PaymentIdConverter(echo.url_map)
    assert [converter.to_url(dots) for dots in (".", "..", "...")] == ["=.", "=..", "..."]


def test_a_nul_in_the_query_is_refused(client):
    assert client.get("/login?next=%00").status_code == HTTPStatus.BAD_REQUEST


def test_every_page_carries_the_security_headers(client):
    headers = client.get("/login").headers
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:")
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cache-Control"] == "no-store"
    assert "Strict-Transport-Security" not in headers
