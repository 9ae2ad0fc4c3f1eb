"""The intake behind gunicorn, over real connections: many at once, and whoever lies about a length."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
import requests
from flask import Flask
from sqlalchemy import func, select

from app.extensions import db
from app.payments.models import Payment
from app.webhooks.attempts import attempts_of
from app.webhooks.models import WebhookLog
from app.worker import Worker
from tests.conftest import ENVIRONMENT, on_one_database
from tests.webhooks.messages import FakePortOne, about_payment, payment_document, signed

ROOT = Path(__file__).parents[2]


@pytest.fixture
def port(app: Flask) -> Iterator[int]:
    """Where gunicorn listens, with its settings of production."""
    db.session.commit()
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        number: int = free.getsockname()[1]
    options = ("-c", "app/deployment/gunicorn.py")
    settings = ENVIRONMENT | {
        "DATABASE_URL": str(app.config["SQLALCHEMY_DATABASE_URI"]),
        "PATH": "/usr/bin:/bin",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", *options, "--bind", f"127.0.0.1:{number}", "wsgi:app"],
        env=settings,
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_for(number)
        yield number
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # nobody waits for an answer any more
        process.wait()


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert time.monotonic() < deadline, "gunicorn did not come up"
            time.sleep(0.1)


def count(model: type) -> int | None:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(model))


def test_one_id_two_hundred_times_at_once_is_one_row_and_one_effect(
    app: Flask, portone: FakePortOne, port: int
) -> None:
    portone.knows(payment_document())
    message = signed(about_payment(), webhook_id="w-1")
    address = f"http://127.0.0.1:{port}/webhooks/portone"

    def send(_number: int) -> int:
        sent = requests.post(address, data=message["data"], headers=message["headers"], timeout=30)
        return sent.status_code

    with ThreadPoolExecutor(32) as pool:
        assert set(pool.map(send, range(200))) == {200}
    assert Worker(app, duties=()).run_once()["webhooks"] == 1
    (log,) = db.session.scalars(select(WebhookLog)).all()
    assert (log.status, log.deliveries, len(attempts_of(log))) == ("processed", 200, 1)
    assert (portone.asked.total(), count(Payment)) == (1, 1)


HEAD = b"POST /webhooks/portone HTTP/1.1\r\nHost: localhost\r\n"
MANY = b"x" * 65_536


def answer_to(port: int, head: bytes, piece: bytes = b"", *, most_pieces: int = 400) -> tuple[str, int]:
    """The status of the answer to a body sent piece by piece, and how many pieces were taken until then."""
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        connection.sendall(HEAD + head + b"\r\n")
        sent = 0
        try:
            while piece and sent < most_pieces:
                connection.sendall(piece)
                sent += 1
            status = connection.recv(100)
        except ConnectionError:  # it hung up on us, in the middle of the body
            return "hung up", sent
    return status.split(b" ")[1].decode() if status else "hung up", sent


LIES = (
    b"Content-Length: -1\r\n",
    b"Content-Length: 5\r\nContent-Length: 6\r\n",
    b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    b"Content-Length: abc\r\n",
    b"Transfer-Encoding: gzip\r\n",
    b"webhook-id: " + b"x" * 20_000 + b"\r\n",
)


@on_one_database
def test_no_body_is_read_without_end_and_no_lie_about_a_length_is_a_5xx(app: Flask, port: int) -> None:
    assert answer_to(port, b"Content-Length: 10000000000\r\n")[0] == "413"
    chunk = b"%x\r\n%s\r\n" % (len(MANY), MANY)
    status, pieces = answer_to(port, b"Transfer-Encoding: chunked\r\n", chunk)
    assert status in {"413", "hung up"}
    assert pieces < 200  # 25 MiB would be 400
    answers = {answer_to(port, lie, b"xyz\r\n", most_pieces=1)[0] for lie in LIES}
    assert answers <= {"400", "431", "501", "hung up"}
    assert count(WebhookLog) == 0
