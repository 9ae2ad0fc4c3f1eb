"""Faults on demand, over a real connection and through the control address."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from app.simulator import Simulator, SimulatorApp, SimulatorServer
from app.simulator.faults import ENDPOINTS
from tests.simulator.conftest import AUTHORIZED, Api

KEY = {"Idempotency-Key": '"0b9d8a5c-6a0f-4f3c-9a46-0d6f2d1f9c11"'}


def cancel(server: SimulatorServer, payment_id: str, *, seconds: float = 5) -> requests.Response:
    return requests.post(
        f"{server.url}/payments/{payment_id}/cancel",
        headers={**AUTHORIZED, **KEY},
        json={"reason": "고객 변심", "amount": 1_000},
        timeout=seconds,
    )


def test_done_then_silent_has_done_its_work(server: SimulatorServer, simulator: Simulator) -> None:
    payment = simulator.make_payment()
    simulator.faults.next("cancel", "done_then_silent")
    with pytest.raises(requests.ConnectionError):
        cancel(server, payment["id"])
    assert simulator.payment(payment["id"])["amount"]["cancelled"] == 1_000
    assert cancel(server, payment["id"]).json()["cancellation"]["status"] == "SUCCEEDED"
    assert simulator.payment(payment["id"])["amount"]["cancelled"] == 1_000


def test_a_held_connection_outlasts_the_caller(server: SimulatorServer, simulator: Simulator) -> None:
    payment = simulator.make_payment()
    simulator.faults.next("cancel", "done_then_silent", seconds=60)
    with pytest.raises(requests.ReadTimeout):
        cancel(server, payment["id"], seconds=0.2)
    assert len(simulator.payment(payment["id"])["cancellations"]) == 1


def test_silent_has_done_nothing(server: SimulatorServer, simulator: Simulator) -> None:
    payment = simulator.make_payment()
    simulator.faults.next("*", "silent")
    with pytest.raises(requests.ConnectionError):
        cancel(server, payment["id"])
    assert "cancellations" not in simulator.payment(payment["id"])


def test_slow_answers_in_the_end(server: SimulatorServer, simulator: Simulator) -> None:
    payment = simulator.make_payment()
    simulator.faults.next("cancel", "slow", seconds=0.15)
    begun = time.monotonic()
    assert cancel(server, payment["id"]).status_code == 200
    assert time.monotonic() - begun >= 0.15


def test_throttled_and_broken_proxies_do_nothing(server: SimulatorServer, simulator: Simulator) -> None:
    payment = simulator.make_payment()
    simulator.faults.next("cancel", "throttled", seconds=3)
    simulator.faults.next("cancel", "proxy_error")
    throttled, broken = cancel(server, payment["id"]), cancel(server, payment["id"])
    assert (throttled.status_code, throttled.headers["Retry-After"]) == (429, "3")
    assert (broken.status_code, broken.headers["Content-Type"]) == (502, "text/html")
    assert "cancellations" not in simulator.payment(payment["id"])


def test_broken_json_is_cut_off(server: SimulatorServer, simulator: Simulator) -> None:
    payment = simulator.make_payment()
    simulator.faults.next("cancel", "broken_json")
    with pytest.raises(requests.JSONDecodeError):
        cancel(server, payment["id"]).json()
    assert cancel(server, payment["id"]).json()["cancellation"]["totalAmount"] == 1_000


def test_the_pg_refuses_with_its_own_words(api: Api, simulator: Simulator) -> None:
    payment = simulator.make_payment()
    simulator.faults.next("cancel", "pg_refuses", pg_code="8112", pg_message="한도 초과")
    answer = api.cancel(payment)
    assert (answer.status_code, answer.get_json()["type"]) == (502, "PG_PROVIDER")
    assert (answer.get_json()["pgCode"], answer.get_json()["pgMessage"]) == ("8112", "한도 초과")


@pytest.mark.parametrize(
    ("fault", "at_first", "in_the_end"),
    [
        ("requested", "REQUESTED", "SUCCEEDED"),
        ("requested_then_failed", "REQUESTED", "FAILED"),
        ("failed", "FAILED", "FAILED"),
    ],
)
def test_any_cancel_may_be_pending_or_fail(
    api: Api, simulator: Simulator, fault: str, at_first: str, in_the_end: str
) -> None:
    payment = simulator.make_payment()
    simulator.faults.next("cancel", fault)
    assert api.cancel(payment).get_json()["cancellation"]["status"] == at_first
    simulator.settle_due()
    assert simulator.payment(payment["id"])["cancellations"][0]["status"] == in_the_end


def test_a_fault_happens_as_often_as_ordered_and_only_there(api: Api, simulator: Simulator) -> None:
    payment = simulator.make_payment()
    simulator.faults.next("get_payment", "proxy_error", times=2)
    assert api.get("/payments").status_code == 200
    answers = [api.get(f"/payments/{payment['id']}").status_code for _ in range(3)]
    assert answers == [502, 502, 200]


def test_faults_are_ordered_over_http_too(api: Api, simulator: Simulator) -> None:
    order = {"endpoint": "cancel", "fault": "throttled", "times": 2, "seconds": 7}
    assert api.client.post("/_simulator/faults", json=order).status_code == 200
    assert api.client.get("/_simulator/faults").get_json()["items"][0]["times"] == 2
    assert api.cancel(simulator.make_payment()).status_code == 429
    assert api.client.delete("/_simulator/faults").status_code == 204
    assert simulator.faults.waiting() == []


@pytest.mark.parametrize(
    "order",
    [
        {"endpoint": "cancel", "fault": "explodes"},
        {"endpoint": "get_payment", "fault": "requested"},
        {"endpoint": "webhook", "fault": "slow"},
        {"endpoint": "cancel", "fault": "slow", "seconds": -1},
        {"endpoint": "cancel", "fault": "slow", "times": 0},
        {"fault": "slow"},
        {"endpoint": "cancle", "fault": "slow"},
    ],
)
def test_an_unknown_fault_is_refused(api: Api, order: dict[str, object]) -> None:
    assert api.client.post("/_simulator/faults", json=order).status_code == 400


def test_other_sites_may_not_order_faults(api: Api) -> None:
    order = {"endpoint": "cancel", "fault": "silent"}
    origin = {"Origin": "https://elsewhere.example.com"}
    assert api.client.post("/_simulator/faults", json=order, headers=origin).status_code == 403


def test_calls_are_logged_with_key_and_body(api: Api, simulator: Simulator) -> None:
    payment = simulator.make_payment(payment_id="a/b")
    api.cancel(payment, amount=1_000, key="a-key-of-sixteen")
    call = simulator.calls("cancel")[0]
    assert (call.resource_id, call.idempotency_key, call.status) == ("a/b", '"a-key-of-sixteen"', 200)
    assert '"amount": 1000' in call.body
    items = api.client.get("/_simulator/calls?endpoint=cancel").get_json()["items"]
    assert [item["resource_id"] for item in items] == ["a/b"]


def test_stopping_the_server_lets_held_connections_go(simulator_app: SimulatorApp) -> None:
    simulator = simulator_app.simulator
    simulator.faults.next("get_payment", "silent", seconds=60)
    with ThreadPoolExecutor(1) as pool:
        with SimulatorServer(simulator_app) as server:
            held = pool.submit(requests.get, f"{server.url}/payments/p", headers=AUTHORIZED, timeout=30)
            while not simulator.faults.is_holding:
                time.sleep(0.01)
        assert isinstance(held.exception(), requests.ConnectionError)


def test_every_call_of_the_api_can_go_wrong(simulator_app: SimulatorApp) -> None:
    views = {name.removeprefix("api.") for name in simulator_app.view_functions if name.startswith("api.")}
    assert views == set(ENDPOINTS) - {"*", "webhook"}
