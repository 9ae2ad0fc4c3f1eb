"""GET /health: what is well, what is amiss, and what is away."""

from datetime import timedelta
from importlib.metadata import version

import pytest
from sqlalchemy.exc import OperationalError

from app import clock, leases
from app.extensions import db
from app.overview import queries
from app.webhooks.models import WebhookLog


def make_waiting_webhook(seconds: int) -> None:
    arrived = clock.now() - timedelta(seconds=seconds)
    db.session.add(WebhookLog(webhook_id=f"w-{seconds}", status="received", created_at=arrived))
    db.session.commit()


def test_all_is_well_while_a_worker_lives(client):
    leases.hold("worker:one", holder="one", seconds=15)
    answer = client.get("/health")
    assert (answer.status_code, answer.json["status"]) == (200, "ok")
    assert answer.json["message"] == "All parts work."
    assert answer.json["version"] == version("portico")
    assert answer.json["timestamp"].endswith("+00:00")


def test_a_missing_worker_shows_while_pages_are_served(client):
    leases.hold("duty:sync", holder="one", seconds=15)
    with clock.fixed_at(clock.now() - timedelta(minutes=5)):
        leases.hold("worker:dead", holder="dead", seconds=15)
    answer = client.get("/health")
    assert (answer.status_code, answer.json["status"]) == (200, "ok")
    assert answer.json["parts"]["worker"].startswith("none is running; the last was seen at 2")
    assert answer.json["worker_seen_at"] in answer.json["parts"]["worker"]
    assert "worker" in answer.json["message"]


@pytest.mark.parametrize(("seconds", "is_shown"), [(30, False), (90, True)])
def test_a_webhook_that_waits_for_more_than_a_minute_shows(client, seconds, is_shown):
    make_waiting_webhook(seconds)
    answer = client.get("/health")
    assert answer.status_code == 200
    assert (answer.json["parts"]["webhooks"] != "ok") is is_shown
    assert (answer.json["webhook_backlog"], answer.json["webhook_oldest_seconds"]) == (1, seconds)


def test_a_database_that_is_away_is_named(client, monkeypatch):
    def fail():
        raise OperationalError("SELECT 1", {}, Exception("connection refused at 10.0.0.1"))

    monkeypatch.setattr(queries, "has_live_worker", fail)
    answer = client.get("/health")
    assert (answer.status_code, answer.json["status"]) == (503, "unavailable")
    assert answer.json["parts"] == {"database": "away"}
    assert "10.0.0.1" not in answer.text


def test_health_tells_no_secret_and_asks_for_no_sign_in(client):
    answer = client.get("/health")
    figures = {"worker_seen_at", "webhook_backlog", "webhook_oldest_seconds"}
    assert set(answer.json) == {"status", "message", "timestamp", "version", "parts"} | figures
    assert "Set-Cookie" not in answer.headers
