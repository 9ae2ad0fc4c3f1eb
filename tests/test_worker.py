"""The worker: what it does, what it survives, and what it leaves to others."""

import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from app import clock, database, leases
from app.database import copy_sqlite_log, renew_outgrown_sqlite_statistics, renew_sqlite_statistics
from app.extensions import db
from app.leases import Lease
from app.payments.models import Payment
from app.portone.errors import PortOneUncertain
from app.portone.webhooks import event_from
from app.webhooks import claiming, inbox, settling
from app.webhooks.models import WebhookLog
from app.worker import Worker, duties, loop
from app.worker.tasks import Duty
from tests.conftest import ENVIRONMENT, on_one_database
from tests.webhooks.messages import NOON, FakePortOne, about_payment, payment_document, signed
from tests.workers import running


@pytest.fixture
def portone(app: Flask) -> FakePortOne:
    double = FakePortOne()
    app.extensions["portone"] = double
    return double


def receive(count: int = 1, *, payment_id: str = "order-{}") -> None:
    db.session.commit()  # storing takes a connection of its own
    for number in range(count):
        message = signed(about_payment(payment_id.format(number)), webhook_id=f"w-{payment_id}-{number}")
        inbox.store(event_from(message["headers"]["webhook-id"], message["data"]), {}, answer={})


def look(statement: Any) -> list[Any]:
    """What there is at this moment; no transaction stays open to keep a worker waiting."""
    db.session.rollback()
    found = list(db.session.scalars(statement))
    db.session.rollback()
    return found


def count(status: str) -> int:
    return len(look(select(WebhookLog.id).where(WebhookLog.status == status)))


def signs_of_life() -> list[str]:
    return look(select(Lease.holder).where(Lease.name.startswith("worker:")))


#: How long a process may take to begin or to end where others compete for every core.
A_LOADED_MACHINE = 120.0


def wait_until(is_so: Callable[[], bool], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it did not come to pass in time"
        time.sleep(0.05)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits that tests can bear."""
    monkeypatch.setattr(loop, "IDLE_SECONDS", (0.01, 0.02))
    monkeypatch.setattr(leases, "BEAT_SECONDS", 0.1)
    monkeypatch.setattr(loop, "TROUBLE_SECONDS", 0.1)
    monkeypatch.setattr(settling, "OUTAGE_WAIT_SECONDS", (0.05, 0.1))


def test_one_round_does_all_that_is_due(app: Flask, portone: FakePortOne) -> None:
    for number in range(70):  # more than one claim takes
        portone.knows(payment_document(f"order-{number}"))
    receive(70)
    assert +Worker(app).run_once() == {"webhooks": 70}  # and of the rest nothing
    assert Worker(app).run_once()["webhooks"] == 0
    assert count("processed") == 70


@pytest.mark.usefixtures("quick")
def test_a_running_worker_processes_what_comes(app: Flask, portone: FakePortOne) -> None:
    portone.knows(payment_document("order-0"))
    with running(Worker(app, threads=4)):
        receive()
        wait_until(lambda: count("processed") == 1)


@pytest.mark.usefixtures("quick")
def test_workers_share_the_work_and_do_nothing_twice(app: Flask, portone: FakePortOne) -> None:
    for number in range(120):
        portone.knows(payment_document(f"order-{number}"))
    receive(120)
    with running(Worker(app, threads=3)), running(Worker(app, threads=3)):
        wait_until(lambda: count("processed") == 120)
    assert set(portone.asked.values()) == {1}
    assert look(select(WebhookLog.attempts).distinct()) == [1]


@pytest.mark.usefixtures("quick")
def test_a_worker_shows_life_and_takes_the_sign_down(app: Flask, portone: FakePortOne) -> None:
    db.session.add(Lease(name="worker:long-gone", holder="long-gone", expires_at=NOON))
    db.session.commit()
    with running(Worker(app, threads=2)) as alive:
        wait_until(lambda: signs_of_life() == [alive.holder])
        (until,) = look(
            select(Lease.expires_at).where(Lease.holder == alive.holder, Lease.name.startswith("worker:"))
        )
        assert timedelta(seconds=10) < until - clock.now() <= timedelta(seconds=15)
    assert signs_of_life() == []


@pytest.mark.usefixtures("quick")
def test_a_long_reading_keeps_its_claim(
    app: Flask, portone: FakePortOne, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "CLAIM_SECONDS", 1.0)
    portone.knows(payment_document("order-0"))
    answer, let_go = portone.get_payment, threading.Event()
    monkeypatch.setattr(portone, "get_payment", lambda payment_id: let_go.wait(20) and answer(payment_id))
    receive()
    with running(Worker(app, threads=2)), running(Worker(app, threads=2)):
        time.sleep(2.5)  # more than twice as long as a claim lasts
        holders = look(select(WebhookLog.claimed_by))
        let_go.set()
        wait_until(lambda: count("processed") == 1)
    assert holders != [None]
    assert portone.asked["order-0"] == 1


@pytest.mark.usefixtures("quick")
def test_a_stopping_worker_finishes_what_it_began_and_gives_back_the_rest(
    app: Flask, portone: FakePortOne, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(10):
        portone.knows(payment_document(f"order-{number}"))
    answer, begun, let_go = portone.get_payment, threading.Semaphore(0), threading.Event()

    def ask(payment_id: str) -> Any:
        begun.release()
        let_go.wait(20)
        return answer(payment_id)

    monkeypatch.setattr(portone, "get_payment", ask)
    receive(10)
    with running(Worker(app, threads=2, duties=())) as stopping:
        begun.acquire()
        begun.acquire()
        stopping.stop()
        wait_until(lambda: look(select(func.count(WebhookLog.claimed_by))) == [2])
        let_go.set()
    assert (count("processed"), count("received")) == (2, 8)
    assert look(select(func.count(WebhookLog.claimed_by))) == [0]


@pytest.mark.usefixtures("quick")
def test_an_outage_of_portone_is_waited_out(app: Flask, portone: FakePortOne) -> None:
    portone.knows(payment_document("order-0"))
    portone.problem = PortOneUncertain("unreachable")
    receive()
    with running(Worker(app, threads=2)):
        wait_until(lambda: portone.asked["order-0"] > 3)
        assert count("received") == 1
        portone.problem = None
        wait_until(lambda: count("processed") == 1)


@pytest.mark.usefixtures("quick")
def test_trouble_with_the_database_or_a_duty_stops_nothing(
    app: Flask, portone: FakePortOne, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*_: Any, **__: Any) -> int:
        raise RuntimeError("the database is away")

    claim = claiming.claim_batches
    monkeypatch.setattr(claiming, "claim_batches", break_down)
    portone.knows(payment_document("order-0"))
    receive()
    with running(Worker(app, threads=2, duties=[Duty("broken", 0.01, break_down)])):
        time.sleep(0.3)
        monkeypatch.setattr(claiming, "claim_batches", claim)
        wait_until(lambda: count("processed") == 1)


def test_what_a_killed_worker_held_is_taken_up_within_fifteen_seconds(
    app: Flask, portone: FakePortOne
) -> None:
    portone.knows(payment_document("order-0"))
    receive()
    moment = clock.now()
    claiming.claim_batches("killed")  # and never heard of again
    with clock.fixed_at(moment + timedelta(seconds=5)):
        assert Worker(app).run_once()["webhooks"] == 0
    with clock.fixed_at(moment + timedelta(seconds=15)):
        assert Worker(app).run_once()["webhooks"] == 1
    assert count("processed") == 1


KILLED_IN_THE_MIDDLE = """
import os, sys, threading
sys.path.insert(0, {root!r})
from app import create_app
from app.worker import Worker

class Silent:
    def get_payment(self, payment_id):
        print("begun", flush=True)
        threading.Event().wait()

app = create_app()
app.extensions["portone"] = Silent()
Worker(app, threads=4).run()
"""


def start_worker(app: Flask) -> "subprocess.Popen[str]":
    """A worker in a process of its own, whose PortOne never answers."""
    root = str(Path(__file__).parents[1])
    return subprocess.Popen(
        [sys.executable, "-c", KILLED_IN_THE_MIDDLE.format(root=root)],
        env=ENVIRONMENT
        | {"DATABASE_URL": str(app.config["SQLALCHEMY_DATABASE_URI"]), "PATH": "/usr/bin:/bin"},
        cwd=root,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_nothing_is_lost_when_a_worker_process_is_killed(app: Flask, portone: FakePortOne) -> None:
    for number in range(6):
        portone.knows(payment_document(f"order-{number}"))
    receive(6)
    db.session.commit()
    process = start_worker(app)
    try:
        assert process.stdout
        assert process.stdout.readline() == "begun\n"
    finally:
        process.kill()
        process.wait()
    with clock.fixed_at(clock.now() + timedelta(seconds=15)):
        assert Worker(app).run_once()["webhooks"] == 6
    assert count("processed") == 6


@on_one_database
def test_a_signal_ends_a_worker_process(app: Flask) -> None:
    db.session.commit()
    process = start_worker(app)
    try:
        wait_until(lambda: len(signs_of_life()) == 1, A_LOADED_MACHINE)
        process.send_signal(signal.SIGTERM)
        assert process.wait(A_LOADED_MACHINE) == 0
    finally:
        process.kill()
        process.wait()
    assert signs_of_life() == []


def put_in_motion(payment_id: str, **values: Any) -> None:
    db.session.execute(update(Payment).where(Payment.payment_id == payment_id).values(values))
    db.session.commit()


def test_a_pending_cancellation_is_followed_until_it_ends(app: Flask, portone: FakePortOne) -> None:
    cancellation = {
        "status": "REQUESTED", "id": "c-1", "totalAmount": 12000, "taxFreeAmount": 0, "vatAmount": 0,
        "reason": "고객 요청", "requestedAt": "2026-03-29T03:00:00Z",
    }  # fmt: skip
    portone.knows(payment_document("order-0", cancellations=[cancellation]))
    with clock.fixed_at(NOON + timedelta(seconds=1)):
        receive()
        assert Worker(app, duties=()).run_once()["webhooks"] == 1
    ended = cancellation | {"status": "FAILED"}
    portone.knows(payment_document("order-0", cancellations=[ended], updatedAt="2026-03-29T03:01:00Z"))
    with clock.fixed_at(NOON + timedelta(seconds=30)):
        assert Worker(app).run_once()["payments in motion"] == 1
    with clock.fixed_at(NOON + timedelta(minutes=5)):
        assert Worker(app).run_once()["payments in motion"] == 0


@pytest.mark.parametrize(
    ("age", "since_last_look", "is_due"),
    [
        (timedelta(seconds=30), timedelta(seconds=9), False),
        (timedelta(seconds=30), timedelta(seconds=10), True),
        (timedelta(hours=1), timedelta(minutes=5), False),
        (timedelta(hours=1), timedelta(minutes=6), True),
        (timedelta(days=30), timedelta(hours=5), False),
        (timedelta(days=30), timedelta(hours=6), True),
    ],
)
def test_the_longer_nothing_moves_the_seldomer_it_is_looked_at(
    app: Flask, portone: FakePortOne, age: timedelta, since_last_look: timedelta, is_due: bool
) -> None:
    moment = clock.now()
    db.session.add(
        Payment(
            payment_id="order-0",
            status="CANCELLED",
            account_refund_status="PENDING",
            reported_at=moment - age,
            synced_at=moment - since_last_look,
        )
    )
    db.session.commit()
    portone.knows(payment_document("order-0"))
    with clock.fixed_at(moment):
        assert Worker(app).run_once()["payments in motion"] == is_due


def test_one_worker_at_a_time_looks_after_payments_in_motion(app: Flask, portone: FakePortOne) -> None:
    portone.knows(payment_document("order-0"))
    db.session.add(Payment(payment_id="order-0", status="PAID", has_pending_cancellation=True))
    db.session.commit()
    first, second = Worker(app), Worker(app)
    assert first.run_once()["payments in motion"] == 1
    put_in_motion("order-0", has_pending_cancellation=True, synced_at=None)
    assert second.run_once()["payments in motion"] == 0
    assert first.run_once()["payments in motion"] == 1


def test_payments_in_motion_wait_while_portone_is_away(app: Flask, portone: FakePortOne) -> None:
    portone.problem = PortOneUncertain("unreachable")
    db.session.add_all(
        Payment(payment_id=f"order-{number}", status="PAID", has_pending_cancellation=True)
        for number in range(3)
    )
    db.session.commit()
    assert Worker(app).run_once()["payments in motion"] == 0
    assert portone.asked.total() == 1


def test_the_worker_copies_the_log_of_sqlite_so_that_no_web_server_has_to(
    app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if db.engine.dialect.name != "sqlite":
        pytest.skip("only SQLite keeps what was written beside the database first")
    receive(3)
    assert _rows_without_the_log(tmp_path) == 0

    with app.app_context(), monkeypatch.context() as flood:
        flood.setattr(claiming, "is_flooded", lambda: True)
        duties.look_after_sqlite(copy_sqlite_log, "me")
    assert _rows_without_the_log(tmp_path) == 0

    with app.app_context():
        duties.look_after_sqlite(copy_sqlite_log, "me")

    assert _rows_without_the_log(tmp_path) == 3


def test_the_worker_tells_the_planner_of_sqlite_how_tables_have_grown(app: Flask) -> None:
    if db.engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL analyses its tables by itself")
    receive(3)
    with app.app_context():
        duties.look_after_sqlite(renew_sqlite_statistics, "me")
    with db.engine.connect() as connection:
        known = connection.exec_driver_sql("SELECT stat FROM sqlite_stat1 WHERE tbl = 'webhook_logs'").all()
    assert all(row.stat.startswith("3 ") for row in known)
    assert known


def test_a_web_server_learns_at_once_that_a_table_has_outgrown_its_statistics(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    if db.engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL analyses its tables by itself")
    monkeypatch.setattr(database, "_rows_then", {})
    monkeypatch.setattr(database, "FEW_ROWS", 2)
    receive(3)
    with closing(sqlite3.connect(db.engine.url.database)) as web:
        versions = []
        for more in (0, 10, 0):
            receive(more, payment_id="more-{}")
            with app.app_context():
                duties.look_after_sqlite(renew_outgrown_sqlite_statistics, "me")
            versions += web.execute("PRAGMA schema_version").fetchone()
        stats = web.execute("SELECT stat FROM sqlite_stat1 WHERE tbl = 'webhook_logs'").fetchall()
    assert versions[0] < versions[1] == versions[2]
    assert all(stat.startswith("13 ") for (stat,) in stats)


def _rows_without_the_log(folder: Path) -> int:
    """How many messages stand in the file of the database itself."""
    copy = folder / "copy.sqlite3"
    shutil.copy(db.engine.url.database or "", copy)
    with closing(sqlite3.connect(copy)) as connection:
        (number,) = connection.execute("SELECT count(*) FROM webhook_logs").fetchone()
    return int(number)
