"""The Idempotency-Key: the same call twice is the same answer and one cancellation."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from app import clock
from app.simulator import Simulator
from tests.simulator.conftest import AUTHORIZED, Api

KEY = "0b9d8a5c-6a0f-4f3c-9a46-0d6f2d1f9c11"


def test_a_repeated_call_gets_the_first_answer(api: Api, simulator: Simulator) -> None:
    payment = simulator.make_payment(total=10_000)
    answers = [api.cancel(payment, amount=4_000, key=KEY).get_data() for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]
    assert simulator.payment(payment["id"])["amount"]["cancelled"] == 4_000
    assert [call.is_replayed for call in simulator.calls("cancel")] == [False, True, True]


def test_a_refusal_is_repeated_too(api: Api, simulator: Simulator) -> None:
    payment = simulator.make_payment(status="READY", total=10_000)
    assert api.cancel(payment, key=KEY).status_code == 409
    simulator.pay(payment["id"])
    assert api.cancel(payment, key=KEY).get_json()["type"] == "PAYMENT_NOT_PAID"


def test_after_three_hours_a_key_is_forgotten(api: Api, simulator: Simulator) -> None:
    payment = simulator.make_payment(total=10_000)
    for hours in (0, 2.9, 3.1):
        with clock.fixed_at(clock.now() + timedelta(hours=hours)):
            api.cancel(payment, amount=1_000, key=KEY)
    assert simulator.payment(payment["id"])["amount"]["cancelled"] == 2_000


def test_a_call_that_still_runs_is_outstanding(api: Api, simulator: Simulator) -> None:
    payment = simulator.make_payment(total=10_000)
    simulator.faults.next("cancel", "slow", seconds=5)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(api.cancel, payment, key=KEY)
        while not simulator.faults.is_holding:
            time.sleep(0.01)
        refusal = api.cancel(payment, key=KEY)
        simulator.faults.let_go()
    assert (refusal.status_code, refusal.get_json()["type"]) == (409, "IDEMPOTENCY_OUTSTANDING_REQUEST")
    assert running.result().status_code == 200


def test_the_key_of_another_request_is_invalid(api: Api, simulator: Simulator) -> None:
    payment = simulator.make_payment(total=10_000)
    api.cancel(payment, amount=1_000, key=KEY)
    assert api.cancel(payment, amount=2_000, key=KEY).get_json()["type"] == "INVALID_REQUEST"


@pytest.mark.parametrize(
    "header", [KEY, '"short"', '"' + "x" * 257 + '"', '"열쇠열쇠열쇠열쇠열쇠열쇠열쇠열쇠"', '""']
)
def test_a_malformed_key_is_invalid(api: Api, simulator: Simulator, header: str) -> None:
    payment = simulator.make_payment()
    headers = {**AUTHORIZED, "Idempotency-Key": header}
    answer = api.client.post(f"/payments/{payment['id']}/cancel", headers=headers, json={"reason": "x"})
    assert (answer.status_code, answer.get_json()["type"]) == (400, "INVALID_REQUEST")


def test_reading_ignores_the_key(api: Api, simulator: Simulator) -> None:
    payment = simulator.make_payment()
    headers = {**AUTHORIZED, "Idempotency-Key": "whatever"}
    assert api.client.get(f"/payments/{payment['id']}", headers=headers).status_code == 200


def test_a_call_that_broke_down_gives_its_key_back(
    api: Api, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = simulator.make_payment()
    with monkeypatch.context() as broken:
        broken.setattr(simulator, "cancel", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            api.cancel(payment, key=KEY)
    assert api.cancel(payment, key=KEY).status_code == 200
