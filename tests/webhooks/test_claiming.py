"""Who works on what: a payment is one worker's at a time, and all that waits for it is one reading."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, func, select

from app import clock, leases
from app.extensions import db
from app.payments.models import Payment
from app.webhooks import claiming, service
from app.webhooks.claiming import Batch
from app.webhooks.models import WebhookLog
from tests.webhooks.messages import NOON, FakePortOne, about_billing_key, about_payment, payment_document

Receive = Callable[..., WebhookLog]

KEY = "billing-key-0193c6f0-2a9e-7c52-b0a4-6b1f0b0d9e77"

pytestmark = pytest.mark.usefixtures("noon")


def claim(holder: str, *, limit: int = 64) -> list[Batch]:
    return claiming.claim_batches(holder, limit=limit)


def status() -> str | None:
    db.session.expire_all()
    return db.session.scalar(select(Payment.status))


@pytest.mark.parametrize("body", [about_payment(), about_billing_key(KEY)], ids=["payment", "billing key"])
def test_what_comes_during_a_reading_waits_for_its_end(
    portone: FakePortOne, receive: Receive, body: Any
) -> None:
    receive(body, "webhook-1")
    (first,) = claim("worker-a")
    receive(body, "webhook-2")
    receive(body, "webhook-3")
    receive(about_payment("order-2"), "webhook-4")
    assert [len(batch.log_ids) for batch in claim("worker-b")] == [1]  # order-2 alone
    assert service.process(first, "worker-a") == 1
    (second,) = claim("worker-b")
    assert len(second.log_ids) == 2


def test_a_payment_whose_worker_died_is_free_when_the_claim_ends(receive: Receive) -> None:
    receive(about_payment(), "webhook-1")
    claim("killed")
    receive(about_payment(), "webhook-2")
    with clock.fixed_at(NOON + timedelta(seconds=13)):
        (batch,) = claim("worker-b")
    assert len(batch.log_ids) == 2


def test_all_that_is_due_about_a_payment_is_claimed_together(receive: Receive) -> None:
    for number in range(10):
        receive(about_payment("order-1"), f"webhook-{number}-a")
        receive(about_payment("order-2"), f"webhook-{number}-b")
    (batch,) = claim("worker-a", limit=1)
    assert len(batch.log_ids) == 10
    assert [len(batch.log_ids) for batch in claim("worker-b", limit=1)] == [10]


def test_a_try_that_is_not_due_is_left_to_its_time(receive: Receive) -> None:
    late = receive(about_payment(), "webhook-1")
    late.next_attempt_at = NOON + timedelta(seconds=30)
    receive(about_payment(), "webhook-2")
    assert [len(batch.log_ids) for batch in claim("worker-a")] == [1]


def test_workers_at_once_never_share_a_payment(app: Flask, receive: Receive) -> None:
    for number in range(80):
        receive(about_payment(f"order-{number % 20}"), f"webhook-{number}")
    db.session.commit()

    def take(holder: str) -> list[Any]:
        with app.app_context(), clock.fixed_at(NOON):
            return [batch.subject for _ in range(6) for batch in claim(holder, limit=3)]

    with ThreadPoolExecutor(4) as pool:
        taken = [subject for subjects in pool.map(take, "abcd") for subject in subjects]
    assert len(taken) == len(set(taken)) == 20


def test_a_worker_that_slept_through_its_claim_writes_nothing_old(
    portone: FakePortOne, receive: Receive
) -> None:
    portone.knows(payment_document(status="PAID"))
    receive(about_payment(), "webhook-1")
    (stale,) = claim("asleep")
    old = service._read(stale, "asleep")
    assert old
    portone.knows(payment_document(status="CANCELLED", updatedAt="2026-03-29T04:00:00Z"))
    with clock.fixed_at(NOON + timedelta(seconds=13)):
        (batch,) = claim("awake")
        assert service.process(batch, "awake") == 1
        assert service._write([(stale, old)], "asleep") == 0
    assert status() == "CANCELLED"


def test_looking_for_work_takes_no_writer_s_turn(app: Flask, receive: Receive) -> None:
    if db.engine.dialect.name != "sqlite":
        pytest.skip("on PostgreSQL writers do not queue")
    db.session.commit()
    with db.engine.begin() as writer:
        writer.exec_driver_sql("INSERT INTO leases (name, holder, expires_at) VALUES ('a', 'b', 'c')")
        assert claim("worker-a") == []


def test_a_flood_is_let_in_before_it_is_processed(receive: Receive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claiming, "FLOOD_SIZE", 3)
    receive(about_payment("order-1"), "webhook-1")
    receive(about_payment("order-2"), "webhook-2")
    assert not claiming.is_flooded()
    receive(about_payment("order-3"), "webhook-3")
    assert claim("worker-a") == []
    with clock.fixed_at(NOON + timedelta(seconds=1)):
        assert len(claim("worker-a")) == 3


def test_a_flood_that_does_not_end_is_worked_off_beside_it(
    receive: Receive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claiming, "FLOOD_SIZE", 1)
    receive(about_payment("order-1"), "webhook-1")
    with clock.fixed_at(NOON + claiming.FLOOD_WAIT - timedelta(seconds=1)):
        receive(about_payment("order-2"), "webhook-2")
        assert claim("worker-a") == []
    with clock.fixed_at(NOON + claiming.FLOOD_WAIT + timedelta(seconds=1)):
        receive(about_payment("order-3"), "webhook-3")
        assert len(claim("worker-a")) == 3


def test_what_strangers_send_makes_no_flood(
    client: FlaskClient, receive: Receive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claiming, "FLOOD_SIZE", 2)
    receive(about_payment(), "webhook-1")
    for _ in range(3):
        assert client.post("/webhooks/portone", data=b"{}").status_code == 400
    assert db.session.scalar(select(func.count(WebhookLog.id))) == 4
    assert len(claim("worker-a")) == 1


def test_a_message_whose_reading_takes_long_ends_no_flood(
    receive: Receive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "CLAIM_SECONDS", 60)  # as if its worker renewed it
    receive(about_payment("order-1"), "webhook-1")
    claiming.claim_batches("worker-a")
    monkeypatch.setattr(claiming, "FLOOD_SIZE", 2)
    with clock.fixed_at(NOON + timedelta(seconds=30)):
        receive(about_payment("order-2"), "webhook-2")
        receive(about_payment("order-3"), "webhook-3")
        assert claim("worker-b") == []


def test_a_clock_that_was_put_back_makes_no_flood(receive: Receive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claiming, "FLOOD_SIZE", 2)
    with clock.fixed_at(NOON + timedelta(hours=1)):
        receive(about_payment("order-1"), "webhook-1")
        receive(about_payment("order-2"), "webhook-2")
    receive(about_payment("order-3"), "webhook-3")
    assert not claiming.is_flooded()
    assert len(claim("worker-a")) == 1


@pytest.mark.databases("sqlite")  # PostgreSQL shows its plans otherwise, and knows how its tables grow
def test_a_claim_reads_what_it_claims_and_not_all_that_waits(app: Flask, receive: Receive) -> None:
    receive(about_payment(), "webhook-1")
    asked: list[tuple[str, Any]] = []

    def listen(*told: Any) -> None:
        asked.append(told[2:4])

    event.listen(db.engine, "before_cursor_execute", listen)
    assert len(claim("worker-a")) == 1
    event.remove(db.engine, "before_cursor_execute", listen)
    reads = [
        (sql, values) for sql, values in asked if sql.startswith("SELECT") and "FROM webhook_logs" in sql
    ]
    plans = [
        str(row)
        for sql, values in reads
        for row in db.session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values)
    ]
    assert any("ix_webhook_logs_waiting_due (status=? AND next_attempt_at<?)" in plan for plan in plans)
    assert not any("SCAN webhook_logs" in plan or "status_created_at" in plan for plan in plans)
