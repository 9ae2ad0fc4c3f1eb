"""A worker is told of what comes, as soon as it is committed, and finds it by itself where nobody tells."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from sqlalchemy import text

from app import wake_up
from app.extensions import db
from app.jobs import service as jobs
from app.portone.webhooks import event_from
from app.wake_up import Listener
from app.webhooks import inbox
from tests.webhooks.messages import about_payment, signed


@pytest.fixture
def woken(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Set whenever a listener is told; only where the database tells."""
    if db.engine.dialect.name != "postgresql":
        pytest.skip("SQLite tells nobody: a worker looks")
    monkeypatch.setattr(wake_up, "RECONNECT_SECONDS", 0.1)
    app.extensions.pop("webhook_intake", None)  # nobody was told a moment ago
    event = threading.Event()
    with Listener(db.engine.url, event.set) as listener:
        wait_until(lambda: listener.is_listening and event.is_set())
        event.clear()
        yield event


def wait_until(is_so: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it did not come to pass in time"
        time.sleep(0.02)


def receive() -> None:
    message = signed(about_payment())
    inbox.store(event_from(message["headers"]["webhook-id"], message["data"]), {}, answer={})


def test_a_message_wakes_a_worker(woken: threading.Event) -> None:
    receive()
    assert woken.wait(5)


def test_a_job_wakes_a_worker_once_it_is_committed(woken: threading.Event) -> None:
    jobs.start("nothing", by=None)
    assert not woken.is_set()
    db.session.commit()
    assert woken.wait(5)


def test_a_lost_connection_is_opened_again_and_counts_as_news(woken: threading.Event) -> None:
    others = "pid <> pg_backend_pid() AND datname = current_database() AND usename = current_user"
    db.session.execute(text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"))
    db.session.commit()
    assert woken.wait(5)
    woken.clear()
    receive()
    assert woken.wait(5)


def test_on_sqlite_nobody_listens(app: Flask) -> None:
    if db.engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL tells")
    with Listener(db.engine.url, lambda: None) as listener:
        assert not listener.is_listening
