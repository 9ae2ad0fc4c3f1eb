"""The endpoints around payments: who may call, what lists answer, ids of any kind."""

from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest

from app import clock
from app.simulator import Simulator
from app.simulator.documents import timestamp
from tests.simulator.conftest import AUTHORIZED, STORE_ID, Api, Merchant

ODD_IDS = ["order/2026/1", "주문 1", "a%2Fb", "100%", "a?b=c&d#e", "~.-_=+", "🧴", "a//b", "a;b:c@d"]


@pytest.mark.parametrize("header", [None, "Bearer x", "PortOne wrong", "portone", "PortOne 비밀"])
def test_without_the_secret_nobody_gets_in(api: Api, header: str | None) -> None:
    headers = {"Authorization": header} if header else {}
    answer = api.client.get("/payments", headers=headers)
    assert (answer.status_code, answer.get_json()["type"]) == (401, "UNAUTHORIZED")


def test_banks_are_for_everybody(api: Api) -> None:
    items = api.client.get("/banks").get_json()["items"]
    assert len(items) == 79
    assert {"bank": "KOOKMIN", "name": {"ko": "국민은행"}} in items


def test_another_store_is_forbidden(api: Api, simulator: Simulator) -> None:
    payment = simulator.make_payment()
    answers = [
        api.client.get(f"/payments/{payment['id']}?storeId=store-x", headers=AUTHORIZED),
        api.get("/payments", {"filter": {"storeId": "store-x"}}),
        api.get("/payments-by-cursor", {"storeId": "store-x"}),
        api.cancel(payment, storeId="store-x"),
    ]
    assert [(answer.status_code, answer.get_json()["type"]) for answer in answers] == [(403, "FORBIDDEN")] * 4
    assert api.cancel(payment, storeId=STORE_ID).status_code == 200


@pytest.mark.parametrize("payment_id", ODD_IDS)
def test_ids_may_hold_any_character(api: Api, simulator: Simulator, payment_id: str) -> None:
    payment = simulator.make_payment(payment_id=payment_id)
    path = f"/payments/{quote(payment_id, safe='')}"
    assert api.get(path).get_json()["id"] == payment_id
    assert api.get(f"{path}/transactions").get_json()["items"][0]["paymentId"] == payment_id
    assert api.cancel(payment).status_code == 200


def test_an_unknown_payment_or_address_is_not_found(api: Api) -> None:
    assert api.get("/payments/none").get_json()["type"] == "PAYMENT_NOT_FOUND"
    assert api.get("/nowhere").status_code == 404


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b"\xff\xfe"])
def test_a_body_that_is_no_object_is_invalid(api: Api, simulator: Simulator, body: bytes) -> None:
    payment = simulator.make_payment()
    answer = api.client.post(f"/payments/{payment['id']}/cancel", headers=AUTHORIZED, data=body)
    assert (answer.status_code, answer.get_json()["type"]) == (400, "INVALID_REQUEST")


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, {"card", "bank", "paypal"}),
        ({"status": ["PENDING"]}, {"paypal"}),
        ({"methods": ["CARD"]}, {"card"}),
        ({"pgProvider": ["PAYPAL_V2"]}, {"paypal"}),
        ({"isTest": True}, {"bank"}),
        ({"isTest": False}, {"card", "paypal"}),
        ({"currency": "USD"}, {"paypal"}),
        ({"platformType": "SDK_MOBILE"}, {"card"}),
        ({"textSearch": [{"field": "CUSTOMER_NAME", "value": "이수"}]}, {"card"}),
        ({"textSearch": [{"field": "ALL", "value": "네일"}]}, {"card"}),
        ({"textSearch": [{"field": "ALL", "value": "일아"}]}, set()),
        ({"textSearch": [{"field": "ORDER_NAME", "value": "젤"}, {"field": "TX_ID", "value": "x"}]}, set()),
    ],
)
def test_the_list_filters(api: Api, simulator: Simulator, wanted: dict[str, Any], found: set[str]) -> None:
    simulator.make_payment(
        payment_id="card", customer_name="이수", order_name="젤 네일아트", platform_type="MOBILE"
    )
    simulator.make_payment(payment_id="bank", method="transfer", channel_type="TEST")
    simulator.make_payment(
        payment_id="paypal", status="PAY_PENDING", method="easy_pay", pg_provider="PAYPAL_V2", currency="USD"
    )
    items = api.get("/payments", {"filter": wanted}).get_json()["items"]
    assert {item["id"] for item in items} == found


@pytest.mark.parametrize(
    "body",
    [
        {"filter": {"status": ["PAY_PENDING"]}},
        {"filter": {"status": "PAID"}},
        {"filter": {"methods": ["PaymentMethodCard"]}},
        {"filter": {"from": "yesterday"}},
        {"filter": {"from": "2026-02-30T00:00:00Z"}},
        {"filter": {"textSearch": {"field": "ALL", "value": "x"}}},
        {"page": {"number": 600, "size": 100}},
        {"page": {"size": 0}},
    ],
)
def test_a_filter_portone_does_not_know_is_invalid(api: Api, body: dict[str, Any]) -> None:
    answer = api.get("/payments", body)
    assert (answer.status_code, answer.get_json()["type"]) == (400, "INVALID_REQUEST")


def test_the_list_goes_by_the_change_of_status_unless_told_otherwise(api: Api, simulator: Simulator) -> None:
    long_ago = clock.now() - timedelta(days=30)
    payment = simulator.make_payment(requested_at=long_ago)
    api.cancel(payment)
    window = {"from": timestamp(long_ago - timedelta(1)), "until": timestamp(long_ago + timedelta(1))}
    assert api.get("/payments", {"filter": window}).get_json()["items"] == []
    by_creation = {**window, "timestampType": "CREATED_AT"}
    assert api.get("/payments", {"filter": by_creation}).get_json()["page"]["totalCount"] == 1


def test_the_list_reaches_90_days_back_unless_told_otherwise(api: Api, simulator: Simulator) -> None:
    simulator.make_payment(requested_at=clock.now() - timedelta(days=91))
    assert api.get("/payments").get_json()["items"] == []
    since = {"filter": {"from": "2020-01-01T00:00:00Z"}}
    assert len(api.get("/payments", since).get_json()["items"]) == 1


def test_pages_are_numbered_from_zero(api: Api, simulator: Simulator) -> None:
    for number in range(5):
        simulator.make_payment(requested_at=clock.now() - timedelta(hours=number), payment_id=f"{number}")
    wanted = {"page": {"number": 1, "size": 2}, "filter": {"sortBy": "REQUESTED_AT", "sortOrder": "ASC"}}
    answer = api.get("/payments", wanted).get_json()
    assert [item["id"] for item in answer["items"]] == ["2", "1"]
    assert answer["page"] == {"number": 1, "size": 2, "totalCount": 5}


def test_a_cursor_walks_all_payments_by_creation(api: Api, simulator: Simulator) -> None:
    for number in range(5):
        simulator.make_payment(requested_at=clock.now() - timedelta(hours=number), payment_id=f"{number}")
    seen, cursor = [], None
    while page := api.get("/payments-by-cursor", {"size": 2, "cursor": cursor}).get_json()["items"]:
        seen += [item["payment"]["id"] for item in page]
        cursor = page[-1]["cursor"]
    assert seen == ["4", "3", "2", "1", "0"]


@pytest.mark.parametrize("body", [{"size": 1001}, {"size": 0}, {"cursor": "누구"}, {"cursor": "eA=="}])
def test_a_cursor_that_nobody_gave_is_invalid(api: Api, body: dict[str, Any]) -> None:
    assert api.get("/payments-by-cursor", body).status_code == 400
    assert api.get("/payment-events-by-cursor", body).status_code == 400


def test_events_tell_of_money_in_and_money_back(api: Api, simulator: Simulator) -> None:
    payment = simulator.make_payment(total=10_000)
    for seconds, cancelled in ((1, {"amount": 4_000}), (2, {})):  # events of one moment have no order
        with clock.fixed_at(clock.now() + timedelta(seconds=seconds)):
            api.cancel(payment, **cancelled)
    with clock.fixed_at(clock.now() + timedelta(seconds=3)):
        items = api.get("/payment-events-by-cursor").get_json()["items"]
        rest = api.get("/payment-events-by-cursor", {"cursor": items[0]["cursor"]}).get_json()["items"]
    told = [(item["paymentEvent"]["type"], item["paymentEvent"]["eventAmount"]) for item in items]
    assert told == [("PAID", 10_000), ("PARTIAL_CANCELLED", -4_000), ("CANCELLED", -6_000)]
    assert rest == items[1:]


def test_a_failed_attempt_stays_in_the_transactions(api: Api, simulator: Simulator) -> None:
    payment = simulator.make_payment(status="FAILED")
    simulator.pay(payment["id"])
    items = api.get(f"/payments/{payment['id']}/transactions").get_json()["items"]
    assert [item["status"] for item in items] == ["FAILED", "PAID"]
    assert items[0]["id"] != items[1]["id"]


def test_a_paid_payment_cannot_be_registered_again(api: Api, simulator: Simulator) -> None:
    expected = {"totalAmount": 1_000, "currency": "KRW"}
    assert api.post("/payments/new/pre-register", expected).get_json() == {}
    assert simulator.state.find_preregistration("new") == {**expected, "taxFreeAmount": None}
    simulator.make_payment(payment_id="new")
    assert api.post("/payments/new/pre-register", expected).get_json()["type"] == "ALREADY_PAID"


def test_confirming_needs_the_token_and_the_truth(api: Api, simulator: Simulator, merchant: Merchant) -> None:
    simulator.make_payment(payment_id="p", status="READY", total=5_000, payment_token="t")
    wrong_token = api.post("/payments/p/confirm", {"paymentToken": "x"})
    assert (wrong_token.status_code, wrong_token.get_json()["type"]) == (400, "INVALID_PAYMENT_TOKEN")
    wrong_amount = api.post("/payments/p/confirm", {"paymentToken": "t", "totalAmount": 4_999})
    assert (wrong_amount.status_code, wrong_amount.get_json()["type"]) == (409, "INFORMATION_MISMATCH")
    right = {"paymentToken": "t", "totalAmount": 5_000, "currency": "KRW", "isTest": False}
    assert set(api.post("/payments/p/confirm", right).get_json()) == {"pgTxId", "paidAt"}
    assert api.post("/payments/p/confirm", right).get_json()["type"] == "ALREADY_PAID"
    simulator.outbox.flush()
    assert merchant.types == ["Transaction.Paid"]


def test_a_virtual_account_can_be_closed_before_the_deposit(api: Api, simulator: Simulator) -> None:
    payment = simulator.make_payment(status="VIRTUAL_ACCOUNT_ISSUED", method="virtual_account")
    path = f"/payments/{payment['id']}/virtual-account/close"
    assert set(api.post(path).get_json()) == {"closedAt"}
    closed = simulator.payment(payment["id"])
    assert (closed["status"], closed["failure"]["reason"]) == ("FAILED", "계좌말소")
    assert api.post(path).get_json()["type"] == "PAYMENT_NOT_WAITING_FOR_DEPOSIT"


def test_a_deposit_pays_the_virtual_account(simulator: Simulator, merchant: Merchant) -> None:
    payment = simulator.make_payment(status="READY", method="virtual_account", notify=True)
    assert simulator.pay(payment["id"])["status"] == "VIRTUAL_ACCOUNT_ISSUED"
    assert simulator.deposit(payment["id"])["status"] == "PAID"
    simulator.outbox.flush()
    assert merchant.types == [
        "Transaction.Ready",
        "Transaction.VirtualAccountIssued",
        "Transaction.Paid",
    ]


def test_the_console_cancels_with_its_fixed_reason(simulator: Simulator, merchant: Merchant) -> None:
    payment = simulator.make_payment(method="virtual_account", total=10_000)
    cancellation = simulator.console_cancel(payment["id"], 3_000)
    assert (cancellation["trigger"], cancellation["reason"]) == ("CONSOLE", "관리자페이지취소")
    assert simulator.chargeback(payment["id"])["trigger"] == "CHARGEBACK"
    simulator.outbox.flush()
    assert merchant.types == ["Transaction.PartialCancelled", "Transaction.Cancelled"]


def test_disputes_are_opened_and_settled(simulator: Simulator, merchant: Merchant) -> None:
    payment = simulator.make_payment()
    assert simulator.open_dispute(payment["id"])["disputes"][0]["status"] == "UNRESOLVED"
    assert simulator.resolve_dispute(payment["id"])["disputes"][0]["status"] == "RESOLVED"
    simulator.outbox.flush()
    assert merchant.types == ["Transaction.DisputeCreated", "Transaction.DisputeResolved"]
