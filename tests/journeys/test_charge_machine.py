"""Thousands of ways in which a charge could go wrong, and the customer is charged once all the same.

`CHARGE_MACHINE_STEPS=20000 pytest -n0 -s tests/journeys/test_charge_machine.py` goes deep, and says how far;
`CHARGE_MUTANTS=1` shows besides that mistakes which would charge twice, or lie about it, are found.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from app.accounts.models import User
from app.approvals.queries import Kind
from app.approvals.service import choose_approvers
from app.audit.service import verify_chain
from app.charges import outcomes, settling
from app.charges.models import Charge, ChargeStatus, payment_id_of
from app.columns import new_id
from app.portone.client import PortOneClient
from tests.journeys.charge_machine import ChargeMachine, ChargeWorld

DEEP_STEPS = int(os.environ.get("CHARGE_MACHINE_STEPS", "0"))
STEPS_OF_ONE_STORY = 40 if DEEP_STEPS else 25

PLAIN = settings(
    max_examples=3,
    stateful_step_count=STEPS_OF_ONE_STORY,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
FINDING = settings(PLAIN, max_examples=50, stateful_step_count=30, phases=[Phase.generate])
DEEP = settings(PLAIN, max_examples=max(DEEP_STEPS // STEPS_OF_ONE_STORY, 1), derandomize=False)


@pytest.fixture
def world(
    app: Flask, simulator: Any, admin: User, super_admin: User, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ChargeWorld]:
    choose_approvers({admin.id}, by=super_admin, kind=Kind.CHARGE)
    played = ChargeWorld(app, simulator, [admin, super_admin], monkeypatch)
    yield played
    print(f"\n{played.steps.total()} steps:", dict(played.steps.most_common()))
    print(f"{played.outcomes.total()} charges:", dict(played.outcomes.most_common()))


def test_no_story_charges_the_customer_twice(world: ChargeWorld) -> None:
    class Machine(ChargeMachine):
        pass

    Machine.world = world
    run_state_machine_as_test(Machine, settings=DEEP if DEEP_STEPS else PLAIN)
    assert verify_chain() is None


def a_retry_makes_a_new_payment_id(patch: pytest.MonkeyPatch) -> None:
    find = settling._find_dispatch
    patch.setattr(
        settling,
        "_find_dispatch",
        lambda charge: (found := find(charge)) and replace(found, payment_id=payment_id_of(new_id())),
    )


def a_retry_has_a_key_of_its_own(patch: pytest.MonkeyPatch) -> None:
    pay, asked = PortOneClient.pay_with_billing_key, set()

    def pay_anew(client: Any, payment_id: str, body: str, *, idempotency_key: str) -> Any:
        key = f"{idempotency_key}-again" if payment_id in asked else idempotency_key
        asked.add(payment_id)
        return pay(client, payment_id, body, idempotency_key=key)

    patch.setattr(PortOneClient, "pay_with_billing_key", pay_anew)


def a_retry_asks_in_other_words(patch: pytest.MonkeyPatch) -> None:
    find = settling._find_dispatch
    patch.setattr(
        settling,
        "_find_dispatch",
        lambda charge: (found := find(charge)) and replace(found, body=found.body.replace('"KRW"', '"KRW" ')),
    )


def silence_counts_as_failure(patch: pytest.MonkeyPatch) -> None:
    def give_up(charge_id: Any, problem: str, **_how: Any) -> None:
        settling.settle(charge_id, ChargeStatus.FAILED, problem=problem)

    patch.setattr(settling, "keep_waiting", give_up)


def a_no_to_a_repeat_counts_as_failure(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(settling, "_may_have_been_done", lambda *_about: False)
    patch.setattr(settling, "_take_no_to_a_repeat", settling._settle_refused)
    patch.setattr(settling, "_look", lambda *_about: settling.Seen.NOTHING)


def a_second_person_is_not_waited_for(patch: pytest.MonkeyPatch) -> None:
    def send(charge_id: Any) -> None:
        dispatch = settling._find_dispatch(settling.get_charge(charge_id))
        if dispatch:
            settling.send(dispatch)

    patch.setattr(settling, "follow", send)
    patch.setattr("app.charges.service.settling.follow", send)


def the_body_is_kept(patch: pytest.MonkeyPatch) -> None:
    move = outcomes._move

    def forgetful(charge: Charge, *how: Any, **facts: Any) -> bool:
        sealed, has_moved = charge.request_sealed, move(charge, *how, **facts)
        charge.request_sealed = sealed
        return has_moved

    patch.setattr(outcomes, "_move", forgetful)


MUTANTS = (
    a_retry_makes_a_new_payment_id,
    a_retry_has_a_key_of_its_own,
    a_retry_asks_in_other_words,
    silence_counts_as_failure,
    a_no_to_a_repeat_counts_as_failure,
    a_second_person_is_not_waited_for,
    the_body_is_kept,
)


@pytest.mark.skipif("CHARGE_MUTANTS" not in os.environ, reason="a look at the machine, not at the app")
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_the_machine_finds_a_mistake(
    world: ChargeWorld, monkeypatch: pytest.MonkeyPatch, mutant: Callable[[pytest.MonkeyPatch], None]
) -> None:
    class Machine(ChargeMachine):
        pass

    Machine.world = world
    mutant(monkeypatch)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(Machine, settings=FINDING)
