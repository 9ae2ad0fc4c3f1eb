"""SIGTERM while PortOne takes its time: what is held is finished, and nothing new is begun.

Stopping is the processes' affair, not the databases', so each is shown on one of them.
"""

import os
import signal
import subprocess
import sys
import threading
from typing import Any

import pytest
import requests

from app.extensions import db
from app.webhooks.models import WebhookLog
from tests.conftest import ENVIRONMENT
from tests.journeys.test_kill import Processes, Story, Visitor, await_that, processes, story
from tests.webhooks.messages import about_payment, signed

__all__ = ["processes", "story"]  # fixtures

SECONDS = 1.0
ENDED_WITHIN = 30.0


def only_on(database: str, processes: Processes) -> None:
    if processes.database != database:
        pytest.skip(f"shown on {database}")


def test_the_web_server_finishes_a_refund_and_takes_no_other_request(story: Story) -> None:
    only_on("PostgreSQL", story.processes)
    web = story.processes.start_web()
    story.processes.await_web()
    story.visitor = Visitor(story.processes.url, story.email)
    story.form = story.visitor.open_form(story.payment_id)
    story.simulator.faults.next("cancel", "slow", seconds=SECONDS)
    answers: list[requests.Response] = []
    address = f"{story.processes.url}/payments/{story.payment_id}/refunds/new"

    def press() -> None:
        answers.append(
            story.visitor.session.post(address, data=story.form, timeout=60, allow_redirects=False)
        )

    person = threading.Thread(target=press)
    person.start()
    await_that(story.does_portone_work, ENDED_WITHIN)
    web.send_signal(signal.SIGTERM)
    person.join(ENDED_WITHIN)
    assert [answer.status_code for answer in answers] == [303]
    assert web.wait(ENDED_WITHIN) == 0
    assert story.is_settled()
    assert story.amounts_given_back() == [3_000]
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{story.processes.url}/health", timeout=5)


def test_the_worker_finishes_what_it_holds_and_gives_back_the_rest(
    client: Any, simulator: Any, processes: Processes
) -> None:
    only_on("SQLite", processes)
    payment_id = simulator.make_payment()["id"]
    simulator.faults.next("get_payment", "slow", seconds=SECONDS)
    assert client.post("/webhooks/portone", **signed(about_payment(payment_id))).status_code == 200
    worker = processes.start_worker()
    await_that(lambda: simulator.faults.is_holding, ENDED_WITHIN)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(ENDED_WITHIN) == 0
    db.session.rollback()
    log = db.session.scalars(db.select(WebhookLog)).one()
    assert (log.status, log.claimed_by) == ("processed", None)


def test_gunicorn_takes_the_settings_as_they_stand() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "gunicorn", "-c", "app/deployment/gunicorn.py", "--print-config"],
        env=os.environ | ENVIRONMENT,
        capture_output=True,
        text=True,
        check=True,
    )
    settings = dict(line.split(" = ", 1) for line in told.stdout.splitlines() if " = " in line)
    found = {name.strip(): value.strip() for name, value in settings.items()}
    assert int(found["timeout"]) == int(found["graceful_timeout"]) == 90
    assert found["control_socket_disable"] == "True"
