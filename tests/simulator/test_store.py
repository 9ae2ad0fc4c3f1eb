"""A believable store: whole, varied, the same for the same seed, and quick to make."""

import time
from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from app.clock import SEOUL
from app.simulator.documents import METHOD_TYPES, moment_of
from app.simulator.listing import STATUS_CODES
from app.simulator.state import State
from app.simulator.store import fill_store
from app.simulator.stories import STORIES

UNTIL = datetime(2026, 8, 17, 6, 0, tzinfo=UTC)


def make_store(path: Path, **wishes: Any) -> State:
    state = State(path, store_id="store-5f0c9a1e-2d44-4a7b-9b61-3c8e7d2f6a10")
    fill_store(state, until=UNTIL, **wishes)
    return state


def payments_of(state: State) -> list[dict[str, Any]]:
    found = state.payments_after(datetime(2020, 1, 1, tzinfo=UTC), UNTIL, (-1, -1), 10_000)
    return [payment for payment, _ in found]


@pytest.fixture(scope="module")
def payments(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    state = make_store(tmp_path_factory.mktemp("store") / "state.sqlite3")
    found = payments_of(state)
    state.close()
    return found


def test_four_hundred_payments_are_made_in_no_time(tmp_path: Path) -> None:
    begun = time.perf_counter()
    state = make_store(tmp_path / "state.sqlite3")
    assert time.perf_counter() - begun < 2
    assert len(payments_of(state)) == 400
    state.close()


@pytest.mark.parametrize("count", [0, 1, len(STORIES), 90])
def test_there_are_as_many_payments_as_wished_for(tmp_path: Path, count: int) -> None:
    state = make_store(tmp_path / "state.sqlite3", payments=count)
    assert len(payments_of(state)) == count
    assert len(state.billing_keys()) == 27
    state.close()


def test_the_same_seed_makes_the_same_store(tmp_path: Path) -> None:
    stores = [
        make_store(tmp_path / name, payments=60, seed=seed) for name, seed in [("a", 1), ("b", 1), ("c", 2)]
    ]
    first, second, other = (payments_of(state) for state in stores)
    assert first == second
    assert first != other
    assert stores[0].billing_keys() == stores[1].billing_keys()
    for state in stores:
        state.close()


def test_every_status_and_method_occurs(payments: list[dict[str, Any]]) -> None:
    assert {payment["status"] for payment in payments} == set(STATUS_CODES.values())
    methods = {payment["method"]["type"] for payment in payments if "method" in payment}
    assert methods == set(METHOD_TYPES.values())
    refunds = {payment.get("method", {}).get("refundStatus") for payment in payments}
    assert refunds == {None, "PENDING", "COMPLETED", "FAILED", "PARTIAL_REFUND_FAILED"}


def test_every_outcome_of_a_cancellation_occurs(payments: list[dict[str, Any]]) -> None:
    cancellations = [item for payment in payments for item in payment.get("cancellations", [])]
    assert {item["status"] for item in cancellations} == {"SUCCEEDED", "REQUESTED", "FAILED"}
    assert {item["trigger"] for item in cancellations} == {"API", "CONSOLE", "CHARGEBACK"}


def test_it_looks_like_a_real_store(payments: list[dict[str, Any]]) -> None:
    assert {payment["currency"] for payment in payments} == {"KRW", "USD", "JPY"}
    assert {payment["version"] for payment in payments} == {"V1", "V2"}
    channels = [payment["channel"] for payment in payments if "channel" in payment]
    assert {channel["type"] for channel in channels} == {"LIVE", "TEST"}
    assert len({channel["pgProvider"] for channel in channels}) >= 12
    names = {payment["customer"].get("name", "") for payment in payments}
    assert {len(name) for name in names} >= {2, 3, 4}
    for member in ("escrow", "cashReceipt", "promotionId", "billingKey", "disputes"):
        assert any(payment.get(member) for payment in payments)


def test_it_was_busier_of_late_and_by_day(payments: list[dict[str, Any]]) -> None:
    requested = [moment_of(payment["requestedAt"]).astimezone(SEOUL) for payment in payments]
    days_ago = Counter((UNTIL.astimezone(SEOUL).date() - moment.date()).days for moment in requested)
    assert days_ago[0] >= 5
    assert sum(days_ago[day] for day in range(20)) > sum(days_ago[day] for day in range(40, 60))
    assert sum(moment.hour in range(9, 23) for moment in requested) > 300


def test_no_story_contradicts_itself(payments: list[dict[str, Any]]) -> None:
    for payment in payments:
        done = [item for item in payment.get("cancellations", []) if item["status"] == "SUCCEEDED"]
        assert payment["amount"]["cancelled"] == sum(item["totalAmount"] for item in done)
        assert (payment["status"] == "CANCELLED") == (
            0 < payment["amount"]["cancelled"] == payment["amount"]["total"]
        )
        assert payment["requestedAt"] <= payment["statusChangedAt"] <= payment["updatedAt"]
        assert moment_of(payment["updatedAt"]) <= UNTIL


def test_webhooks_tell_the_payments_story(payments: list[dict[str, Any]]) -> None:
    told = [payment for payment in payments if payment["version"] == "V2"]
    for payment in told:
        entries = payment["webhooks"]
        assert entries[-1]["paymentStatus"] == payment["status"]
        assert all(before["triggeredAt"] <= after["triggeredAt"] for before, after in pairwise(entries))
    statuses = {entry["status"] for payment in told for entry in payment["webhooks"]}
    assert statuses == {"SUCCEEDED", "FAILED_NOT_OK_RESPONSE", "FAILED_UNEXPECTED_ERROR"}


def test_billing_keys_of_every_kind(tmp_path: Path) -> None:
    state = make_store(tmp_path / "state.sqlite3", payments=0)
    keys = state.billing_keys()
    assert len({key["methods"][0]["type"] for key in keys}) == 5
    assert {key["status"] for key in keys} == {"ISSUED", "DELETED"}
    assert any(key["customer"] == {} for key in keys)
    assert all(moment_of(schedule["timeToPay"]) > UNTIL for schedule in state.schedules())
    state.close()


def test_nobody_real_is_in_it(payments: list[dict[str, Any]]) -> None:
    for payment in payments:
        customer = payment["customer"]
        assert customer.get("email", "@example.com").endswith("@example.com")
        phone = customer.get("phoneNumber", "0100").replace("-", "")
        assert phone.startswith(("0100", "0101", "+1555"))
