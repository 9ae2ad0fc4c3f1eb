"""Logs tell which request they belong to, and no secret, whoever logs it."""

import io
import json
import logging

import pytest

from app.logs import JsonFormatter, Redaction, TextFormatter
from tests.conftest import ENVIRONMENT, WEBHOOK_SECRET, make_settings


@pytest.fixture
def written():
    """A logger like that of the app, and what it has written."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(Redaction(make_settings().secrets))
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger("app.of.the.tests")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    yield logger, stream
    logger.removeHandler(handler)


@pytest.mark.parametrize(
    "secret",
    [
        ENVIRONMENT["PORTONE_API_SECRET"],
        ENVIRONMENT["SECRET_KEY"],
        ENVIRONMENT["DATA_ENCRYPTION_KEYS"],
        WEBHOOK_SECRET,
        "billing-key-0199a3f0-0000-7000",
        "portico_5dG3xx-aa",
    ],
)
def test_no_secret_is_written(written, secret):
    logger, stream = written
    logger.warning("PortOne refused %s for %s", "Bearer abcdefgh", secret)
    try:
        raise ValueError(f"Authorization: PortOne {secret}")
    except ValueError:
        logger.exception("it broke")
    text = stream.getvalue()
    assert secret not in text
    assert "abcdefgh" not in text
    assert text.count("****") >= 3


def test_a_json_line_is_one_object_a_line(written):
    logger, stream = written
    logger.info("두\n줄", extra={"event": {"status": 200}})
    (line,) = stream.getvalue().splitlines()
    told = json.loads(line)
    assert (told["level"], told["message"], told["status"]) == ("INFO", "두\n줄", 200)


def test_an_error_keeps_its_traceback():
    record = logging.LogRecord("x", logging.ERROR, "", 1, "broke", None, None)
    record.exc_text = "Traceback: here"
    assert TextFormatter().format(record).endswith("x: broke\nTraceback: here")


def test_each_answer_names_its_request(client):
    first, second = client.get("/health"), client.get("/health")
    assert first.headers["X-Request-ID"] != second.headers["X-Request-ID"]
    given = client.get("/health", headers={"X-Request-ID": "from-the-proxy-1"})
    assert given.headers["X-Request-ID"] == "from-the-proxy-1"


@pytest.mark.parametrize("hostile", ["short", "a b c d e f g h", "x" * 65, "<script>alert(1)</script>"])
def test_a_request_id_that_could_do_harm_is_not_taken_over(client, hostile):
    assert client.get("/health", headers={"X-Request-ID": hostile}).headers["X-Request-ID"] != hostile


def test_what_people_search_for_is_in_no_log(client, caplog):
    with caplog.at_level(logging.INFO, logger="app.access_log"):
        client.get("/login?q=01012345678")
    assert "GET /login 200" in caplog.text
    assert "01012345678" not in caplog.text


def test_a_link_that_is_a_secret_is_in_no_log(client, caplog):
    with caplog.at_level(logging.INFO, logger="app.access_log"):
        client.get("/invitations/a-secret-of-somebody")
    assert "GET /invitations/<token> 404" in caplog.text
