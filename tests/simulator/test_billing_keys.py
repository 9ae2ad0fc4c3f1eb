"""Billing keys and schedules: listed, read, deleted."""

from datetime import timedelta
from typing import Any

import pytest

from app import clock
from app.simulator import Simulator
from app.simulator.documents import timestamp
from tests.simulator.conftest import AUTHORIZED, Api


def listed(api: Api, wanted: dict[str, Any] | None = None) -> set[str]:
    items = api.get("/billing-keys", {"filter": wanted or {}}).get_json()["items"]
    return {item["billingKey"] for item in items}


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, {"card", "kakao", "gone"}),
        ({"from": "2020-01-01T00:00:00Z"}, {"card", "kakao", "gone", "old"}),
        ({"status": ["DELETED"]}, {"gone"}),
        ({"timeRangeField": "DELETED_AT"}, {"gone"}),
        ({"methods": ["EASY_PAY"]}, {"kakao"}),
        ({"pgProviders": ["KAKAOPAY"]}, {"kakao"}),
        ({"customerId": "user-1"}, {"card"}),
        ({"textSearch": {"field": "CUSTOMER_NAME", "value": "김하"}}, {"card", "gone"}),
    ],
)
def test_the_list_filters(api: Api, simulator: Simulator, wanted: dict[str, Any], found: set[str]) -> None:
    now = clock.now()
    simulator.make_billing_key(billing_key="card", customer_id="user-1", issued_at=now - timedelta(days=1))
    simulator.make_billing_key(billing_key="kakao", method="easy_pay", customer_name="이수")
    simulator.make_billing_key(billing_key="gone", issued_at=now - timedelta(days=9), deleted_at=now)
    simulator.make_billing_key(billing_key="old", issued_at=now - timedelta(days=100))
    assert listed(api, wanted) == found


@pytest.mark.parametrize(
    "body",
    [
        {"filter": {"methods": ["PAYPAL"]}},
        {"filter": {"status": ["GONE"]}},
        {"filter": {"textSearch": [{"field": "BILLING_KEY", "value": "x"}]}},
        {"sort": {"by": "TIME_TO_PAY"}},
    ],
)
def test_a_filter_portone_does_not_know_is_invalid(api: Api, body: dict[str, Any]) -> None:
    assert api.get("/billing-keys", body).status_code == 400


def test_a_key_is_deleted_once(api: Api, simulator: Simulator) -> None:
    simulator.make_billing_key(billing_key="a/b")
    path = "/billing-keys/a%2Fb"
    assert api.get(path).get_json()["status"] == "ISSUED"
    assert set(api.client.delete(path, headers=AUTHORIZED).get_json()) == {"deletedAt"}
    assert api.get(path).get_json()["status"] == "DELETED"
    again = api.client.delete(path, headers=AUTHORIZED)
    assert (again.status_code, again.get_json()["type"]) == (409, "BILLING_KEY_ALREADY_DELETED")


def test_an_unknown_key_is_not_found(api: Api) -> None:
    assert api.get("/billing-keys/none").get_json()["type"] == "BILLING_KEY_NOT_FOUND"
    deleted = api.client.delete("/billing-keys/none", headers=AUTHORIZED)
    assert deleted.get_json()["type"] == "BILLING_KEY_NOT_FOUND"


def test_open_schedules_keep_a_key(api: Api, simulator: Simulator) -> None:
    key = simulator.make_billing_key(billing_key="key")
    simulator.make_schedule(key["billingKey"])
    refusal = api.client.delete("/billing-keys/key", headers=AUTHORIZED)
    assert (refusal.status_code, refusal.get_json()["type"]) == (409, "PAYMENT_SCHEDULE_ALREADY_EXISTS")


def test_naver_pay_wants_to_know_why_and_who(api: Api, simulator: Simulator) -> None:
    simulator.make_billing_key(billing_key="naver", pg_provider="NAVERPAY")
    assert api.client.delete("/billing-keys/naver", headers=AUTHORIZED).status_code == 400
    told = {"reason": "탈퇴", "requester": "ADMIN"}
    answer = api.client.delete("/billing-keys/naver", headers=AUTHORIZED, query_string=told)
    assert answer.status_code == 200


def test_schedules_to_come_are_listed_only_when_asked_for(api: Api, simulator: Simulator) -> None:
    key = simulator.make_billing_key()["billingKey"]
    simulator.make_schedule(key)
    simulator.make_schedule(key, time_to_pay=clock.now() - timedelta(days=3), status="SUCCEEDED")
    past = api.get("/payment-schedules").get_json()["items"]
    assert [item["status"] for item in past] == ["SUCCEEDED"]
    until = {"filter": {"until": timestamp(clock.now() + timedelta(days=60)), "billingKey": key}}
    items = api.get("/payment-schedules", until).get_json()["items"]
    assert [item["status"] for item in items] == ["SCHEDULED", "SUCCEEDED"]
