"""A bulk refund whose worker is killed in the middle: each row is refunded once, by whoever takes it up."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import update

from app import clock
from app.accounts.models import User
from app.bulk_refunds import queries, service, uploading
from app.bulk_refunds.models import BatchStatus
from app.extensions import db, portone
from app.jobs.models import Job
from app.payments.service import sync_range
from app.refunds.models import Refund, RefundStatus
from app.worker import Worker
from tests.bulk_refunds.files import csv_of
from tests.conftest import ENVIRONMENT
from tests.workers import running

CHECKOUT = Path(__file__).parents[2]
#: As many as the plain run has time for, or the fifty of the README.
ROWS = 50 if "KILL_TABLE" in os.environ else 20


@contextmanager
def worker(app: Flask) -> Iterator[subprocess.Popen[bytes]]:
    """`flask worker` in a process of its own, on the same database and the same PortOne."""
    environment = {
        "DATABASE_URL": app.config["SETTINGS"].database_url,
        "PORTONE_API_BASE": portone._transport._base,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "flask", "--app", "wsgi", "worker", "--threads", "2"],
        cwd=CHECKOUT,
        env=os.environ | ENVIRONMENT | environment,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_until(condition: Callable[[], bool], seconds: float = 90) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it took too long"
        time.sleep(0.02)


def let_claims_run_out() -> None:
    """What would happen by itself 12 seconds after the kill."""
    before = clock.now() - timedelta(seconds=1)
    for leased in (Job, Refund):
        db.session.execute(update(leased).values(claimed_until=before, next_attempt_at=before))
    db.session.commit()


def batch_status(batch_id: Any) -> str:
    db.session.rollback()
    db.session.expire_all()
    status = queries.get_batch(batch_id).status
    db.session.rollback()  # SQLite has one writer at a time
    return status


def refund_states(batch_id: Any) -> set[str]:
    db.session.rollback()
    db.session.expire_all()
    states = {row.refund.status if row.refund else "none" for row in queries.iterate_rows(batch_id)}
    db.session.rollback()
    return states


def test_killed_halfway_every_row_is_one_cancel(app: Flask, simulator: Any, admin: User) -> None:
    payments = [simulator.make_payment(total=10_000)["id"] for _ in range(ROWS)]
    sync_range(None, clock.now(), on_progress=lambda _progress: None)
    content = csv_of(*[(payment_id, "1,000", "변심") for payment_id in payments]).encode()
    batch_id = uploading.upload(content, file_name="refunds.csv", default_reason="", by=admin)
    service.confirm(batch_id, with_warned=False, expected={"KRW": ROWS * 1_000}, password="", by=admin)
    with worker(app) as first:
        wait_until(lambda: len(simulator.calls("cancel")) >= ROWS // 2 - 1)
        simulator.faults.next("cancel", "done_then_silent", seconds=5)  # it dies with the money on its way
        wait_until(lambda: simulator.faults.is_holding)
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        simulator.faults.let_go()
    assert ROWS // 2 <= len(simulator.calls("cancel")) < ROWS
    let_claims_run_out()
    with running(Worker(app, threads=2)):
        wait_until(lambda: batch_status(batch_id) == BatchStatus.FINISHED)
        wait_until(lambda: refund_states(batch_id) == {RefundStatus.SUCCEEDED})
    cancellations = [simulator.payment(payment_id)["cancellations"] for payment_id in payments]
    assert [len(each) for each in cancellations] == [1] * ROWS
    assert {payment["amount"]["cancelled"] for payment in map(simulator.payment, payments)} == {1_000}
