"""`kill -9` of web server and worker at each step of a charge: it settles, and the customer is charged once.

`KILL_TABLE=1 pytest -n0 -s tests/journeys/test_kill_charge.py` goes through all steps with the waits of real
life; the plain run takes the decisive one, with short waits.
"""

import contextlib
import signal
import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
import requests
from flask import Flask, g

from app.accounts.models import User
from app.charges.models import IN_FLIGHT, Charge
from app.extensions import db
from tests.factories import make_billing_key
from tests.journeys.test_kill import (
    IS_WHOLE_TABLE,
    SETTLED_WITHIN,
    STARTED_WITHIN,
    Processes,
    Visitor,
    await_that,
    processes,  # noqa: F401 - a fixture
)

BEFORE_COMMIT, COMMITTED = "charge: before it is committed", "charge: it is committed"
STEPS = [
    "charge: PortOne has answered",
    "charge: PortOne is about to be asked",
    "charge: the outcome is not committed",
    "charge: the outcome is committed",
    "charge: the payment was read",
    "charge: all is done but not answered",
]
ALL = [("web", step) for step in (BEFORE_COMMIT, COMMITTED, *STEPS)]
ALL += [("worker", step) for step in ("charge: claimed by the worker", *STEPS)]
DECISIVE = ALL[2:3]


class Cashier(Visitor):
    """An admin at a browser, with the form of a charge."""

    def open_charge(self, address: str) -> dict[str, str]:
        typed = {"amount": "19,900", "currency": "KRW", "order_name": "구독", "confirmed": "1"}
        return {**self._hidden(address), **typed}

    def press(self, address: str, form: dict[str, str]) -> None:
        """Press the button; that the server dies over it is no surprise."""
        with contextlib.suppress(requests.ConnectionError):
            self.session.post(self.url + address, data=form, timeout=30)


@dataclass
class Story:
    """A form that is about to be sent, and who is to die over it."""

    app: Flask
    simulator: Any
    processes: Processes
    address: str
    email: str

    def begin(self, step: str) -> None:
        self.doomed = self.processes.start_doomed("web", step)
        self.processes.await_web()
        self.cashier = Cashier(self.processes.url, self.email)
        self.form = self.cashier.open_charge(self.address)

    def press(self) -> None:
        self.cashier.press(self.address, self.form)

    def is_settled(self) -> bool:
        with self.app.app_context():
            g.reads_only = True  # looking on must not take the writer's turn
            charge = db.session.get(Charge, UUID(self.form["intent"]))
            return charge is not None and charge.status not in IN_FLIGHT and charge.payment_id is not None


@pytest.fixture
def story(app: Flask, simulator: Any, admin: User, processes: Processes) -> Story:  # noqa: F811
    address, email = f"/billing-keys/{make_billing_key(simulator).id}/charges/new", admin.email or ""
    db.session.commit()  # no transaction of ours may be in the way of the processes
    return Story(app, simulator, processes, address, email)


@pytest.mark.parametrize(("who", "step"), ALL if IS_WHOLE_TABLE else DECISIVE)
def test_whoever_dies_the_customer_is_charged_once(story: Story, who: str, step: str) -> None:
    story.begin(step if who == "web" else COMMITTED)
    story.press()
    assert story.doomed.wait(STARTED_WITHIN) == -signal.SIGKILL
    if who == "worker":
        story.doomed = story.processes.start_doomed("worker", step)
        assert story.doomed.wait(STARTED_WITHIN) == -signal.SIGKILL
    died = time.monotonic()
    story.processes.come_back()
    story.processes.await_web()
    if step == BEFORE_COMMIT:  # nothing was stored, so the person presses again
        story.press()
    await_that(story.is_settled, STARTED_WITHIN)
    seconds = time.monotonic() - died
    story.press()
    paid = [payment["amount"]["total"] for payment in story.simulator.payments()]
    print(f"| {who} | {step} | {story.processes.database} | {seconds:.1f} s | {len(paid)} |")
    assert paid == [19_900]
    assert seconds < SETTLED_WITHIN
