"""Billing keys are charged now and by schedule, through the client that Portico uses."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from app import clock
from app.portone.client import LONG_AGO, PortOneClient
from app.portone.errors import PortOneRefused
from app.portone.requests import ChargeRequest
from app.simulator import Simulator, SimulatorApp, SimulatorServer
from tests.simulator.conftest import API_SECRET, STORE_ID

KEY_A, KEY_B = "charge-0000-0000-0001", "charge-0000-0000-0002"


@pytest.fixture
def portone(simulator_app: SimulatorApp) -> Iterator[PortOneClient]:
    with SimulatorServer(simulator_app, deliver=False) as server:
        yield PortOneClient(api_secret=API_SECRET, store_id=STORE_ID, base=server.url)


@pytest.fixture
def billing_key(simulator: Simulator) -> str:
    return str(simulator.make_billing_key()["billingKey"])


def request_of(billing_key: str, **values: Any) -> str:
    wanted = {"order_name": "멤버십", "total_amount": 19_900, "currency": "KRW"} | values
    return ChargeRequest(store_id=STORE_ID, billing_key=billing_key, **wanted).to_json()


def schedule(portone: PortOneClient, billing_key: str, *, payment_id: str = "sub1", days: float = 1) -> str:
    body = request_of(billing_key, time_to_pay=clock.now() + timedelta(days=days))
    return portone.schedule_payment(payment_id, body, idempotency_key=f"key-of-{payment_id}-{days}-00")


def test_a_billing_key_is_charged_and_the_payment_says_so(portone, simulator, billing_key):
    assert portone.pay_with_billing_key("sub1", request_of(billing_key), idempotency_key=KEY_A).paid_at
    payment = portone.get_payment("sub1")
    assert (payment.status, payment.amount.total, payment.billing_key) == ("PAID", 19_900, billing_key)


def test_the_same_call_again_charges_once(portone, simulator, billing_key):
    body = request_of(billing_key)
    first = portone.pay_with_billing_key("sub1", body, idempotency_key=KEY_A)
    assert portone.pay_with_billing_key("sub1", body, idempotency_key=KEY_A) == first
    with pytest.raises(PortOneRefused, match="ALREADY_PAID"):
        portone.pay_with_billing_key("sub1", body, idempotency_key=KEY_B)
    assert len(simulator.payments()) == 1


def test_a_refusal_of_the_pg_leaves_a_failed_payment(portone, simulator, billing_key):
    simulator.let_charges_fail(billing_key, 1)
    with pytest.raises(PortOneRefused) as refused:
        portone.pay_with_billing_key("sub1", request_of(billing_key), idempotency_key=KEY_A)
    assert (refused.value.type, refused.value.pg_code) == ("PG_PROVIDER", "EXCEED_MAX_AMOUNT")
    assert portone.get_payment("sub1").status == "FAILED"
    assert portone.pay_with_billing_key("sub2", request_of(billing_key), idempotency_key=KEY_B).paid_at


def test_what_cannot_be_charged_is_refused(portone, simulator, billing_key):
    deleted = simulator.make_billing_key(deleted_at=clock.now())["billingKey"]
    with pytest.raises(PortOneRefused, match="BILLING_KEY_ALREADY_DELETED"):
        portone.pay_with_billing_key("sub1", request_of(deleted), idempotency_key=KEY_A)
    with pytest.raises(PortOneRefused, match="BILLING_KEY_NOT_FOUND"):
        portone.pay_with_billing_key("sub1", request_of("billing-key-none"), idempotency_key=KEY_B)


def test_a_schedule_is_carried_out_when_its_time_has_come(portone, simulator, billing_key):
    schedule_id = schedule(portone, billing_key)
    simulator.outbox.flush()
    assert portone.get_schedule(schedule_id).status == "SCHEDULED"
    with clock.fixed_at(clock.now() + timedelta(days=1, seconds=1)):
        simulator.outbox.flush()
    assert portone.get_schedule(schedule_id).status == "SUCCEEDED"
    payment = portone.get_payment("sub1")
    assert (payment.status, payment.schedule_id) == ("PAID", schedule_id)


def test_a_failing_schedule_fails(portone, simulator, billing_key):
    schedule_id = schedule(portone, billing_key)
    simulator.let_charges_fail(billing_key, 1)
    with clock.fixed_at(clock.now() + timedelta(days=2)):
        simulator.outbox.flush()
    assert portone.get_schedule(schedule_id).status == "FAILED"
    assert portone.get_payment("sub1").status == "FAILED"


def test_while_a_schedule_exists_its_payment_id_is_taken(portone, billing_key):
    schedule(portone, billing_key)
    with pytest.raises(PortOneRefused, match="PAYMENT_SCHEDULE_ALREADY_EXISTS"):
        portone.pay_with_billing_key("sub1", request_of(billing_key), idempotency_key=KEY_A)
    with pytest.raises(PortOneRefused, match="PAYMENT_SCHEDULE_ALREADY_EXISTS"):
        schedule(portone, billing_key, days=2)


def test_schedules_to_come_are_listed_where_they_are_asked_for(portone, simulator, billing_key):
    ids = [schedule(portone, billing_key, payment_id=f"sub{day}", days=day) for day in (3, 1, 2)]
    listed = portone.list_schedules(
        since=LONG_AGO, until=clock.now() + timedelta(days=10), billing_key=billing_key, size=2
    )
    assert [each.payment_id for each in listed.items] == ["sub1", "sub2"]
    assert (listed.total, listed.is_last) == (3, False)
    assert all(each.is_open for each in listed.items)
    assert {each.schedule_id for each in listed.items} < set(ids)


def test_schedules_are_revoked_all_or_none(portone, simulator, billing_key):
    first, second = (schedule(portone, billing_key, payment_id=name) for name in ("sub1", "sub2"))
    assert portone.revoke_schedules([first], idempotency_key=KEY_A) == (first,)
    with pytest.raises(PortOneRefused, match="PAYMENT_SCHEDULE_ALREADY_REVOKED"):
        portone.revoke_schedules([second, first], idempotency_key=KEY_B)
    assert portone.get_schedule(second).status == "SCHEDULED"
    other = simulator.make_billing_key()["billingKey"]
    with pytest.raises(PortOneRefused, match="PAYMENT_SCHEDULE_NOT_FOUND"):
        portone.revoke_schedules([second], billing_key=other, idempotency_key="charge-0000-0000-0003")


def test_revoking_nothing_is_no_call(portone):
    with pytest.raises(ValueError, match="no schedule"):
        portone.revoke_schedules([], billing_key="billing-key-x", idempotency_key=KEY_A)


@pytest.mark.parametrize(
    "wrong",
    [{"total_amount": 0}, {"total_amount": -1}, {"tax_free_amount": 20_000}, {"order_name": " "}],
)
def test_a_charge_that_makes_no_sense_is_never_asked_for(wrong):
    with pytest.raises(ValueError, match=r"charge|amount"):
        request_of("billing-key-x", **wrong)
