"""`kill -9` of web server and worker at each step of a refund: it settles, once.

`KILL_TABLE=1 pytest -n0 -s tests/journeys/test_kill.py` goes through all steps with the waits of real life
and prints the table; the plain run takes the decisive ones, with short waits.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import requests
from flask import Flask, g

from app.accounts.models import User
from app.demo.checking import hidden_fields
from app.extensions import db
from app.payments.queries import get_payment
from app.refunds import balance
from app.refunds.models import IN_FLIGHT, Refund
from app.worker import Worker
from tests.conftest import ENVIRONMENT
from tests.factories import PASSWORD, make_payment
from tests.workers import running, served

ROOT = Path(__file__).parents[2]
IS_WHOLE_TABLE = "KILL_TABLE" in os.environ
#: What the contract grants a refund whose process died, and how long a start may take.
SETTLED_WITHIN, STARTED_WITHIN = 20.0, 60.0

WHILE_PORTONE_WORKS = "PortOne works on it"
WEB_STEPS = [
    "PortOne has answered",
    "before the hold is committed",
    "the hold is committed",
    "PortOne is about to be asked",
    WHILE_PORTONE_WORKS,
    "the outcome is not committed",
    "the outcome is committed",
    "the payment was read",
    "the payment is not committed",
    "all is done but not answered",
]
WORKER_STEPS = ["PortOne has answered", "claimed by the worker", *WEB_STEPS[3:]]
ALL = [("web", step) for step in WEB_STEPS] + [("worker", step) for step in WORKER_STEPS]
DECISIVE = [("web", "the outcome is committed"), ("worker", WORKER_STEPS[0])]

#: step, who died, database, seconds until settled, cancellations
rows: list[tuple[str, str, str, str, int]] = []


@pytest.fixture(scope="module", autouse=True)
def _print_the_table() -> Iterator[None]:
    yield
    if rows:
        print("\n| who dies | when | database | settled after | cancellations |\n|---|---|---|---|---|")
    for who, step, database, seconds, number in rows:
        print(f"| {who} | {step} | {database} | {seconds} | {number} |")


class Processes:
    """Portico as it runs in life: a process for the web, one for the worker."""

    def __init__(self, app: Flask, log: Path) -> None:
        settings = {
            "DATABASE_URL": app.config["SQLALCHEMY_DATABASE_URI"],
            "PORTONE_API_BASE": app.extensions["portone"]._transport._base,
        }
        if not IS_WHOLE_TABLE:
            settings["CRASHING_SECONDS"] = "1"
        self.environment = {**os.environ, **ENVIRONMENT, **settings}
        self.database = "SQLite" if settings["DATABASE_URL"].startswith("sqlite") else "PostgreSQL"
        self.app, self.threads = app, contextlib.ExitStack()
        self.log = log.open("ab")
        self.running: list[subprocess.Popen[bytes]] = []
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        started = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=ROOT,
            env=self.environment,
            stdout=self.log,
            stderr=self.log,
            start_new_session=True,
        )
        self.running.append(started)
        return started

    def start_doomed(self, who: str, step: str) -> subprocess.Popen[bytes]:
        return self.start("tests.journeys.crashing", who, step, str(self.port))

    def start_web(self) -> subprocess.Popen[bytes]:
        bind = f"127.0.0.1:{self.port}"
        return self.start("gunicorn", "-c", "app/deployment/gunicorn.py", "--workers", "1", "--bind", bind)

    def start_worker(self) -> subprocess.Popen[bytes]:
        return self.start("flask", "--app", "wsgi", "worker")

    def come_back(self) -> None:
        """A worker and a web server that live on: as in life, or in threads of ours, which begin at once."""
        if not IS_WHOLE_TABLE:
            self.threads.enter_context(running(Worker(self.app, threads=4)))
            self.threads.enter_context(served(self.app, self.port))
            return
        self.start_worker()
        self.start_web()

    def await_web(self) -> None:
        def is_up() -> bool:
            with contextlib.suppress(requests.RequestException):
                return requests.get(f"{self.url}/health", timeout=5).ok
            return False

        await_that(is_up, STARTED_WITHIN)

    def stop(self) -> None:
        self.threads.close()
        for process in self.running:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.log.close()


def await_that(is_so: Callable[[], bool], seconds: float) -> float:
    """Wait until something is so; answers how long it took."""
    begun = time.monotonic()
    while not is_so():
        assert time.monotonic() - begun < seconds, f"not within {seconds} s"
        time.sleep(0.05)
    return time.monotonic() - begun


@pytest.fixture
def processes(app: Flask, simulator: Any, tmp_path: Path) -> Iterator[Processes]:
    started = Processes(app, tmp_path / "processes.log")
    yield started
    started.stop()


class Visitor:
    """An admin at a browser."""

    def __init__(self, url: str, email: str) -> None:
        self.url, self.session = url, requests.Session()
        fields = {"email": email, "password": PASSWORD}
        self.session.post(f"{url}/login", data={**self._hidden("/login"), **fields}, timeout=30)

    def open_form(self, payment_id: str) -> dict[str, str]:
        hidden = self._hidden(f"/payments/{payment_id}/refunds/new")
        typed = {"kind": "partial", "amount": "3,000", "reason_code": "customer_request", "reason": "교환"}
        return {**hidden, **typed, "confirmed": "1"}

    def submit(self, payment_id: str, form: dict[str, str]) -> None:
        """Press the button; that the server dies over it is no surprise."""
        with contextlib.suppress(requests.ConnectionError):
            self.session.post(f"{self.url}/payments/{payment_id}/refunds/new", data=form, timeout=30)

    def status_of(self, refund_id: str) -> str:
        page = self.session.get(f"{self.url}/refunds/{refund_id}", timeout=30).text
        return page.partition('data-status="')[2].partition('"')[0]

    def _hidden(self, address: str) -> dict[str, str]:
        return hidden_fields(self.session.get(self.url + address, timeout=30).text)


@pytest.fixture
def story(app: Flask, simulator: Any, admin: User, processes: Processes) -> "Story":
    payment_id, email = make_payment(simulator, total=10_000).payment_id, admin.email or ""
    db.session.commit()  # no transaction of ours may be in the way of the processes
    return Story(app, simulator, processes, payment_id, email)


@dataclass
class Story:
    """A form that is about to be sent, and who is to die over it."""

    app: Flask
    simulator: Any
    processes: Processes
    payment_id: str
    email: str

    def begin(self, step: str) -> None:
        """A web server that dies at this step, and the form open in a browser."""
        self.doomed = self.processes.start_doomed("web", step)
        self.processes.await_web()
        self.visitor = Visitor(self.processes.url, self.email)
        self.form = self.visitor.open_form(self.payment_id)

    def press(self) -> None:
        self.visitor.submit(self.payment_id, self.form)

    def hand_over_to(self, step: str) -> None:
        """The web server is dead, and a worker that dies at this step takes the refund up."""
        self.press()
        self.doomed.wait(STARTED_WITHIN)
        self.doomed = self.processes.start_doomed("worker", step)

    def kill_while_portone_works(self, act: Callable[[], None]) -> None:
        self.simulator.faults.next("cancel", "slow", seconds=2)
        actor = threading.Thread(target=act, daemon=True)
        actor.start()
        await_that(
            lambda: any(call.status is None for call in self.simulator.calls("cancel")), STARTED_WITHIN
        )
        self.doomed.kill()
        actor.join()

    def does_portone_work(self) -> bool:
        return any(call.status is None for call in self.simulator.calls("cancel"))

    def await_death(self) -> float:
        assert self.doomed.wait(STARTED_WITHIN) == -signal.SIGKILL
        return time.monotonic()

    def must_end_well(self, who: str, step: str, *, since: float) -> None:
        """It settles soon, as one cancellation, and pressing the button once more changes nothing."""
        await_that(self.is_settled, STARTED_WITHIN)
        seconds = time.monotonic() - since
        await_that(self.is_nothing_held, STARTED_WITHIN)
        self.processes.await_web()
        self.press()
        assert self.visitor.status_of(self.form["intent"]) == "succeeded"
        back = self.amounts_given_back()
        rows.append((who, step, self.processes.database, f"{seconds:.1f} s", len(back)))
        assert back == [3_000]
        assert seconds < SETTLED_WITHIN

    def is_settled(self) -> bool:
        with self.app.app_context():
            g.reads_only = True  # looking on must not take the writer's turn
            refund = db.session.get(Refund, UUID(self.form["intent"]))
            return refund is not None and refund.status not in IN_FLIGHT

    def is_nothing_held(self) -> bool:
        with self.app.app_context():
            g.reads_only = True
            return balance.held(get_payment(self.payment_id)) == 0

    def amounts_given_back(self) -> list[int]:
        cancellations = self.simulator.payment(self.payment_id).get("cancellations", [])
        return [cancellation["totalAmount"] for cancellation in cancellations]


@pytest.mark.parametrize(("who", "step"), ALL if IS_WHOLE_TABLE else DECISIVE)
def test_whoever_dies_the_refund_is_made_once(story: Story, who: str, step: str) -> None:
    story.begin(step if who == "web" else "the hold is committed")
    if who == "worker":
        story.hand_over_to(step)
    act = story.press if who == "web" else lambda: None
    if step == WHILE_PORTONE_WORKS:
        story.kill_while_portone_works(act)
    else:
        act()
    died = story.await_death()
    story.processes.come_back()
    if step == "before the hold is committed":  # nothing was stored, so the person presses again
        story.processes.await_web()
        story.press()
    story.must_end_well(who, step, since=died)


@pytest.mark.skipif(not IS_WHOLE_TABLE, reason="a cancellation that was accepted is looked at after 10 s")
def test_the_end_of_an_accepted_refund_outlives_the_worker_that_learnt_it(story: Story) -> None:
    step = "the end of an accepted one is known"
    story.begin("none")
    story.simulator.faults.next("cancel", "requested")
    story.press()
    story.doomed = story.processes.start_doomed("worker", step)
    pending = story.simulator.payment(story.payment_id)["cancellations"][0]["id"]
    story.simulator.finish_cancellation(story.payment_id, pending, "SUCCEEDED")
    died = story.await_death()
    story.processes.start_worker()
    story.must_end_well("worker", step, since=died)
