"""GET /metrics: who may read it, and that it tells what the database holds."""

import re
from datetime import timedelta
from typing import Any

import pytest

from app import clock, create_app, leases
from app.columns import new_id
from app.extensions import db
from app.payments.models import Payment
from app.refunds.models import Refund
from app.webhooks.models import WebhookLog
from tests.conftest import make_settings

TOKEN = "a-token-for-prometheus"


def figures(text: str) -> dict[str, float]:
    return {name: float(value) for name, value in re.findall(r"^(portico_[^ #]+) (\S+)$", text, re.MULTILINE)}


def add(*rows: Any) -> None:
    db.session.add_all(rows)
    db.session.commit()


def test_prometheus_reads_what_the_database_holds(client):
    payment = Payment(payment_id="order-1", status="PAID", amount=10, cancellable_amount=10)
    waiting = WebhookLog(webhook_id="w-1", created_at=clock.now() - timedelta(seconds=90))
    add(payment, waiting, WebhookLog(webhook_id="w-2", status="failed"))
    add(Refund(id=new_id(), payment_id=payment.id, amount=5, status="uncertain"))
    leases.hold("worker:one", holder="one", seconds=15)
    told = figures(client.get("/metrics").text)
    assert told['portico_webhooks{status="failed"}'] == told["portico_webhook_backlog"] == 1
    assert 89 < told["portico_webhook_oldest_waiting_seconds"] < 120
    assert told['portico_refunds_open{status="uncertain"}'] == told["portico_payments_approx"] == 1
    assert told['portico_worker_heartbeat_age_seconds{worker="one"}'] < 5


def test_an_empty_install_has_figures_too(client):
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.content_type.startswith("text/plain; version=")
    assert figures(answer.text)["portico_webhook_oldest_waiting_seconds"] == 0


@pytest.mark.parametrize(
    "circumstances",
    [
        {"environ_base": {"REMOTE_ADDR": "203.0.113.7"}},
        {"environ_base": {"REMOTE_ADDR": ""}},
        {"headers": {"X-Forwarded-For": "127.0.0.1"}},
        {"headers": {"X-Real-IP": "127.0.0.1"}},
        {"headers": {"X-Forwarded-Port": "443"}},
        {"headers": {"X-Forwarded-Server": "localhost"}},
        {"headers": {"Forwarded": "for=127.0.0.1"}},
        {"headers": {"Via": "1.1 proxy"}},
        {"headers": {"Host": "portico.example"}},
        {"headers": {"Authorization": "Bearer "}},
        {"headers": {"Authorization": f"Bearer {TOKEN}"}, "environ_base": {"REMOTE_ADDR": "203.0.113.7"}},
    ],
)
def test_nobody_from_outside_reads_it(client, circumstances):
    outside = {"environ_base": {"REMOTE_ADDR": "127.0.0.1"}} | circumstances
    if circumstances.get("headers", {}).get("Authorization"):
        outside["environ_base"] = {"REMOTE_ADDR": "203.0.113.7"}
    answer = client.get("/metrics", **outside)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")


@pytest.fixture
def behind_a_proxy(app, empty_database):
    return create_app(
        make_settings(
            DATABASE_URL=empty_database.url, PUBLIC_URL="https://portico.example", METRICS_TOKEN=TOKEN
        )
    ).test_client()


@pytest.mark.parametrize(
    ("given", "status"),
    [(TOKEN, 200), (TOKEN + "x", 401), ("", 401), ("토큰".encode().decode("latin-1"), 401)],
)
def test_the_token_opens_it_from_anywhere(behind_a_proxy, given, status):
    headers = {"Authorization": f"Bearer {given}", "X-Forwarded-For": "203.0.113.7"}
    assert behind_a_proxy.get("/metrics", headers=headers).status_code == status


def test_a_proxy_that_says_loopback_is_not_believed(behind_a_proxy):
    headers = {"X-Forwarded-For": "127.0.0.1", "Host": "localhost"}
    assert behind_a_proxy.get("/metrics", headers=headers).status_code == 401
