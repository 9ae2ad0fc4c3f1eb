"""Thousands of ways in which a recurring plan could go wrong, and every period charged once at most.

`SCHEDULE_MACHINE_STEPS=20000 pytest -n0 -s tests/journeys/test_schedule_machine.py` goes deep, and says
how far.
"""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from app.accounts.models import User
from app.audit.service import verify_chain
from tests.journeys.schedule_machine import ScheduleMachine, World

DEEP_STEPS = int(os.environ.get("SCHEDULE_MACHINE_STEPS", "0"))
STEPS_OF_ONE_STORY = 40 if DEEP_STEPS else 20

PLAIN = settings(
    max_examples=3,
    stateful_step_count=STEPS_OF_ONE_STORY,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
DEEP = settings(PLAIN, max_examples=max(DEEP_STEPS // STEPS_OF_ONE_STORY, 1), derandomize=False)


@pytest.fixture
def world(
    app: Flask, simulator: Any, admin: User, super_admin: User, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    played = World(app, simulator, [admin, super_admin], monkeypatch)
    yield played
    print(f"\n{played.steps.total()} steps:", dict(played.steps.most_common()))
    print(f"{played.outcomes.total()} outcomes:", dict(played.outcomes.most_common()))


def test_no_story_makes_a_plan_charge_a_period_twice(world: World) -> None:
    class Machine(ScheduleMachine):
        pass

    Machine.world = world
    run_state_machine_as_test(Machine, settings=DEEP if DEEP_STEPS else PLAIN)
    assert verify_chain() is None
