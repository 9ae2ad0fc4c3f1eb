"""The ways out: what is sent, and how they fail."""

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import responses

from app.alerts import channels
from app.alerts.channels import EmailChannel, NotDelivered, SlackChannel
from tests.conftest import pages_on_one_database

pytestmark = pages_on_one_database

HOOK = "https://hooks.example.com/services/secret"


def problem_of(channel: Any) -> str:
    with pytest.raises(NotDelivered) as trouble:
        channel.send("제목", "내용")
    return trouble.value.problem


@responses.activate
def test_a_slack_compatible_webhook_gets_a_text() -> None:
    responses.post(HOOK, body="ok")
    SlackChannel(HOOK).send("웹훅 처리 실패", "3건")
    assert responses.calls[0].request.headers["Content-Type"] == "application/json"
    assert "*" in responses.calls[0].request.body.decode()


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/x",
        "http://127.0.0.1/x",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "ftp://example.com/x",
        "https://",
        "hooks.example.com",
        "http://[broken",
    ],
)
def test_only_https_is_spoken(url: str) -> None:
    assert problem_of(SlackChannel(url)) == channels.NOT_HTTPS


@responses.activate
def test_a_demo_may_use_loopback_and_nothing_else() -> None:
    responses.post("http://127.0.0.1:9/x")
    SlackChannel("http://127.0.0.1:9/x", allows_loopback=True).send("a", "b")
    assert problem_of(SlackChannel("http://10.0.0.1/x", allows_loopback=True)) == channels.NOT_HTTPS


@responses.activate
def test_no_redirect_is_followed() -> None:
    responses.post(HOOK, status=302, headers={"Location": "http://169.254.169.254/"})
    assert problem_of(SlackChannel(HOOK)).startswith("HTTP 302")
    assert len(responses.calls) == 1


@responses.activate
def test_an_endless_answer_is_not_read_to_its_end() -> None:
    responses.post(HOOK, status=500, body="x" * 1_000_000)
    assert len(problem_of(SlackChannel(HOOK))) < 600


@responses.activate
def test_what_is_told_of_a_failure_holds_no_address() -> None:
    responses.post(HOOK, body=ConnectionError(f"could not reach {HOOK}"))
    assert problem_of(SlackChannel(HOOK)) == channels.UNREACHABLE
    assert "secret" not in repr(SlackChannel(HOOK))


class MailServer:
    """Just enough SMTP to take one message a connection."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.refuses = refuses
        self.received: list[str] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _address = self._socket.accept()
            except OSError:
                return
            with connection, connection.makefile("rwb") as stream:
                self._talk(stream)

    def _talk(self, stream: Any) -> None:
        self._say(stream, "220 ready")
        while line := stream.readline().decode().strip():
            match line.split()[0].upper():
                case "DATA":
                    self._say(stream, "354 go on")
                    self.received.append(self._read_message(stream))
                    self._say(stream, "250 taken")
                case "RCPT" if self.refuses:
                    self._say(stream, "550 no such user")
                case "QUIT":
                    self._say(stream, "221 bye")
                    return
                case _:
                    self._say(stream, "250 ok")

    def _read_message(self, stream: Any) -> str:
        lines = []
        while (line := stream.readline().decode()) != ".\r\n":
            lines.append(line)
        return "".join(lines)

    def _say(self, stream: Any, line: str) -> None:
        stream.write(f"{line}\r\n".encode())
        stream.flush()


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    server = MailServer()
    yield server
    server.close()


def email(port: int, **changes: Any) -> EmailChannel:
    usual = {"host": "127.0.0.1", "port": port, "security": "none", "user": "", "password": ""}
    people = {"sender": "portico@example.com", "recipients": ["ops@example.com", "on-call@example.com"]}
    return EmailChannel(**(usual | people | changes))


def test_an_e_mail_reaches_everybody_on_the_list(mail_server: MailServer) -> None:
    email(mail_server.port).send("웹훅 처리 실패 (발생)", "3건\nhttps://portico.example/webhooks")
    message = mail_server.received[0]
    assert "To: ops@example.com, on-call@example.com" in message
    assert "Subject: [Portico] =?utf-8?" in message


def test_a_mail_server_that_refuses_is_told(mail_server: MailServer) -> None:
    mail_server.refuses = True
    assert problem_of(email(mail_server.port)) == channels.MAIL_REFUSED


def test_a_mail_server_without_encryption_is_refused_where_it_was_asked_for(mail_server: MailServer) -> None:
    assert problem_of(email(mail_server.port, security="starttls")) in {
        channels.MAIL_REFUSED,
        channels.UNREACHABLE,
    }
    assert mail_server.received == []


def test_a_mail_server_that_is_away_is_told() -> None:
    closed = socket.create_server(("127.0.0.1", 0))
    port = closed.getsockname()[1]
    closed.close()
    assert problem_of(email(port)) == channels.UNREACHABLE


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"security": "ssl"}, channels.UNKNOWN_SECURITY),
        ({"user": "me", "password": "secret"}, channels.PASSWORD_IN_THE_CLEAR),
        ({"sender": "nobody"}, channels.NO_SENDER),
        ({"sender": "a@example.com\r\nBcc: b@example.com"}, channels.NO_SENDER),
        ({"recipients": ["a@example.com", "Kim <k@example.com>"]}, channels.NO_RECIPIENT),
        ({"recipients": ["a@example.com\nBcc: x@example.com"]}, channels.NO_RECIPIENT),
        ({"recipients": []}, channels.NO_RECIPIENT),
    ],
)
def test_settings_that_cannot_work_are_told_before_anything_is_sent(
    changes: dict[str, Any], problem: str
) -> None:
    assert problem_of(email(9, **changes)) == problem
