"""Each endpoint: what is asked, and what comes back."""

import json
import re
from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import parse_qs, urlsplit

import pytest

from app.portone.errors import PortOneRefused, PortOneUncertain
from app.portone.requests import CancelRequest
from tests.portone.conftest import BASE

KEY = "0198b1f0-0000-7000-8000-000000000001"
CANCELLATION = {
    "status": "SUCCEEDED",
    "id": "cancel-1",
    "totalAmount": 1000,
    "requestedAt": "2026-09-01T01:00:00Z",
}


def _query(http, call=0):
    return {
        name: values[0] for name, values in parse_qs(urlsplit(http.calls[call].request.url).query).items()
    }


def _asked(http, call=0):
    """The JSON of a list call, which travels in the query."""
    return json.loads(_query(http, call)["requestBody"])


def _sent(http):
    return json.loads(http.calls[0].request.body)


def test_a_payment_is_got_by_id_within_the_store(portone, portone_http, payload):
    portone_http.get(f"{BASE}/payments/bread-0001", json=payload("paid_card"))
    assert portone.get_payment("bread-0001").order_name == "통밀 식빵 2개"
    assert _query(portone_http) == {"storeId": "store-dawn"}


def test_a_missing_payment_is_refused(portone, portone_http):
    portone_http.get(f"{BASE}/payments/bread-0009", status=404, json={"type": "PAYMENT_NOT_FOUND"})
    with pytest.raises(PortOneRefused) as caught:
        portone.get_payment("bread-0009")
    assert caught.value.type == "PAYMENT_NOT_FOUND"


def test_a_payment_that_is_none_is_uncertain(portone, portone_http):
    portone_http.get(f"{BASE}/payments/bread-0001", json={"id": "bread-0001"})
    with pytest.raises(PortOneUncertain) as caught:
        portone.get_payment("bread-0001")
    assert caught.value.reason == "unreadable"


def test_a_page_of_payments_is_asked_in_the_query(portone, portone_http, payload):
    page = {
        "items": [payload("paid_card"), {"id": "broken"}],
        "page": {"number": 1, "size": 2, "totalCount": 9},
    }
    portone_http.get(f"{BASE}/payments", json=page)
    since = datetime(2026, 9, 1, 9, tzinfo=timezone(timedelta(hours=9)))
    found = portone.list_payments({"status": ["PAID"], "from": since}, page=1, size=2)
    assert ([item.payment_id for item in found.items], found.total, found.is_last) == (
        ["bread-0001"],
        9,
        False,
    )
    assert _asked(portone_http) == {
        "page": {"number": 1, "size": 2},
        "filter": {"storeId": "store-dawn", "status": ["PAID"], "from": "2026-09-01T00:00:00Z"},
    }


def test_a_short_page_is_the_last(portone, portone_http, payload):
    portone_http.get(f"{BASE}/payments", json={"items": [payload("paid_card")], "page": {}})
    found = portone.list_payments()
    assert (found.total, found.is_last) == (1, True)


def test_a_list_without_items_is_uncertain(portone, portone_http):
    portone_http.get(f"{BASE}/payments", json={"page": {}})
    with pytest.raises(PortOneUncertain):
        portone.list_payments()


def test_a_full_page_by_cursor_leads_on(portone, portone_http, payload):
    items = [
        {"payment": payload("paid_card"), "cursor": "c1"},
        {"payment": payload("partial_cancelled"), "cursor": "c2"},
    ]
    portone_http.get(f"{BASE}/payments-by-cursor", json={"items": items})
    page = portone.list_payments_by_cursor(
        since=datetime(2026, 9, 1, tzinfo=UTC), until=None, cursor="c0", size=2
    )
    assert ([item.payment_id for item in page.items], page.next_cursor) == (
        ["bread-0001", "bread-0003"],
        "c2",
    )
    assert _asked(portone_http) == {
        "storeId": "store-dawn",
        "from": "2026-09-01T00:00:00Z",
        "cursor": "c0",
        "size": 2,
    }


def test_a_short_page_by_cursor_is_the_end(portone, portone_http, payload):
    portone_http.get(
        f"{BASE}/payments-by-cursor", json={"items": [{"payment": payload("paid_card"), "cursor": "c1"}]}
    )
    assert portone.list_payments_by_cursor(since=None, until=None, cursor=None).next_cursor is None
    assert _asked(portone_http)["size"] == 1000


def test_a_page_of_unreadable_payments_still_leads_on(portone, portone_http):
    items = [{"payment": {"id": "broken"}, "cursor": "c1"}, {"payment": None, "cursor": "c2"}, "nonsense"]
    portone_http.get(f"{BASE}/payments-by-cursor", json={"items": items})
    page = portone.list_payments_by_cursor(since=None, until=None, cursor=None, size=3)
    assert (page.items, page.next_cursor) == ((), "c2")


def test_a_page_by_cursor_counts_what_could_not_be_read(portone, portone_http, payload):
    items = [{"payment": payload("paid_card"), "cursor": "c1"}, {"payment": {"id": "broken"}}, "nonsense"]
    portone_http.get(f"{BASE}/payments-by-cursor", json={"items": items})
    page = portone.list_payments_by_cursor(since=None, until=None, cursor=None)
    assert (len(page.items), page.left_out) == (1, 2)


@pytest.mark.parametrize("item", [{"payment": {}}, {"payment": {}, "cursor": "c1"}, None])
def test_a_full_page_that_leads_nowhere_is_uncertain(portone, portone_http, item):
    portone_http.get(f"{BASE}/payments-by-cursor", json={"items": [item]})
    with pytest.raises(PortOneUncertain):
        portone.list_payments_by_cursor(since=None, until=None, cursor="c1", size=1)


def test_events_by_cursor_tell_what_moved_money(portone, portone_http):
    refund = {"id": "e2", "type": "PARTIAL_CANCELLED", "paymentId": "bread-0003", "eventAmount": -1000}
    items = [
        {"paymentEvent": {"id": "e1", "type": "PAID", "paymentId": "bread-0001"}, "cursor": "c1"},
        {"paymentEvent": refund | {"cancellation": CANCELLATION, "currency": "KRW"}, "cursor": "c2"},
        {"paymentEvent": {"id": "e3"}, "cursor": "c3"},
    ]
    portone_http.get(f"{BASE}/payment-events-by-cursor", json={"items": items})
    page = portone.list_payment_events_by_cursor(since=datetime(2026, 9, 1, tzinfo=UTC), size=3)
    told = [(event.payment_id, event.amount, event.cancellation_id) for event in page.items]
    assert told == [("bread-0001", None, None), ("bread-0003", -1000, "cancel-1")]
    assert (page.next_cursor, page.left_out) == ("c3", 1)


def test_a_cancel_is_sent_byte_for_byte_with_its_key(portone, portone_http):
    portone_http.post(f"{BASE}/payments/bread-0001/cancel", json={"cancellation": CANCELLATION})
    body = CancelRequest("bread-0001", "store-dawn", "단순 변심", 24_000, "ADMIN", amount=1_000).to_json()
    cancellation = portone.cancel_payment("bread-0001", body, idempotency_key=KEY)
    request = portone_http.calls[0].request
    assert (cancellation.id, cancellation.status, cancellation.total_amount) == (
        "cancel-1",
        "SUCCEEDED",
        1_000,
    )
    assert (request.body, request.headers["Idempotency-Key"]) == (body.encode(), f'"{KEY}"')


@pytest.mark.parametrize("answer", [{}, {"cancellation": None}, {"cancellation": {"id": "cancel-1"}}])
def test_a_cancel_answered_without_a_cancellation_is_uncertain(portone, portone_http, answer):
    portone_http.post(f"{BASE}/payments/bread-0001/cancel", json=answer)
    with pytest.raises(PortOneUncertain) as caught:
        portone.cancel_payment("bread-0001", "{}", idempotency_key=KEY)
    assert caught.value.reason == "unreadable"


def test_pre_registering_tells_amount_and_currency(portone, portone_http):
    portone_http.post(f"{BASE}/payments/bread-0005/pre-register", json={})
    portone.pre_register("bread-0005", total_amount=24_000, currency="KRW", tax_free_amount=0)
    assert _sent(portone_http) == {
        "storeId": "store-dawn",
        "totalAmount": 24_000,
        "taxFreeAmount": 0,
        "currency": "KRW",
    }


def test_a_confirmation_leaves_out_what_is_not_given(portone, portone_http):
    answer = {"pgTxId": "pg-1", "paidAt": "2026-09-01T01:00:00Z"}
    portone_http.post(f"{BASE}/payments/bread-0005/confirm", json=answer)
    confirmation = portone.confirm_payment("bread-0005", payment_token="token", total_amount=24_000)
    assert (confirmation.pg_tx_id, confirmation.paid_at) == ("pg-1", datetime(2026, 9, 1, 1, tzinfo=UTC))
    assert _sent(portone_http) == {"storeId": "store-dawn", "paymentToken": "token", "totalAmount": 24_000}


def test_text_that_is_no_unicode_is_sent_as_an_escape(portone, portone_http):
    portone_http.post(f"{BASE}/payments/bread-0005/confirm", json={})
    portone.confirm_payment("bread-0005", payment_token="\ud800")
    assert b'"paymentToken":"\\ud800"' in portone_http.calls[0].request.body


def test_transactions_are_attempts_of_the_payment(portone, portone_http, payload):
    attempts = [payload("paid_card") | {"id": f"tx-{number}", "paymentId": "bread-0001"} for number in (1, 2)]
    portone_http.get(f"{BASE}/payments/bread-0001/transactions", json={"items": attempts})
    found = portone.list_transactions("bread-0001")
    assert [(attempt.payment_id, attempt.transaction_id) for attempt in found] == [
        ("bread-0001", "tx-1"),
        ("bread-0001", "tx-2"),
    ]


@pytest.mark.parametrize(
    ("webhook_id", "body"),
    [(None, {"storeId": "store-dawn"}), ("hook-0001", {"storeId": "store-dawn", "webhookId": "hook-0001"})],
)
def test_a_webhook_is_sent_again(portone, portone_http, payload, webhook_id, body):
    answer = {"webhook": payload("paid_card")["webhooks"][0]}
    portone_http.post(f"{BASE}/payments/bread-0001/resend-webhook", json=answer)
    assert portone.resend_webhook("bread-0001", webhook_id).response_code == "500"
    assert _sent(portone_http) == body


def test_closing_a_virtual_account_has_no_body(portone, portone_http):
    url = f"{BASE}/payments/bread-0002/virtual-account/close"
    portone_http.post(url, json={"closedAt": "2026-09-02T02:00:00Z"})
    closed_at = portone.close_virtual_account("bread-0002", idempotency_key=KEY)
    request = portone_http.calls[0].request
    assert closed_at == datetime(2026, 9, 2, 2, tzinfo=UTC)
    assert (request.body, request.headers["Idempotency-Key"]) == (None, f'"{KEY}"')
    assert _query(portone_http) == {"storeId": "store-dawn"}


def test_a_billing_key_is_got_by_the_key(portone, portone_http, payload):
    portone_http.get(f"{BASE}/billing-keys/billing-key-dawn-1", json=payload("billing_key_card"))
    assert portone.get_billing_key("billing-key-dawn-1").first_card.name == "현대카드"


def test_old_billing_keys_are_listed_too(portone, portone_http, payload):
    answer = {"items": [payload("billing_key_card"), {}], "page": {"totalCount": 2}}
    portone_http.get(f"{BASE}/billing-keys", json=answer)
    page = portone.list_billing_keys({"customerId": "guest-77"}, size=20)
    assert ([key.status for key in page.items], page.total, page.is_last) == (["ISSUED"], 2, True)
    assert _asked(portone_http)["filter"] == {
        "storeId": "store-dawn",
        "timeRangeField": "ISSUED_AT",
        "from": "2014-01-01T00:00:00Z",
        "customerId": "guest-77",
    }


def test_a_billing_key_is_deleted_by_query_without_body(portone, portone_http):
    portone_http.delete(f"{BASE}/billing-keys/billing-key-dawn-1", json={"deletedAt": "2026-09-02T02:00:00Z"})
    deleted_at = portone.delete_billing_key(
        "billing-key-dawn-1", reason="고객 요청 & 탈퇴", requester="ADMIN"
    )
    assert deleted_at == datetime(2026, 9, 2, 2, tzinfo=UTC)
    assert _query(portone_http) == {
        "storeId": "store-dawn",
        "reason": "고객 요청 & 탈퇴",
        "requester": "ADMIN",
    }
    assert portone_http.calls[0].request.body is None


def test_banks_are_codes_with_korean_names(portone, portone_http):
    items = [{"bank": "KOOKMIN", "name": {"ko": "국민은행"}}, {"bank": "NEW_BANK"}, {"name": {}}, None]
    portone_http.get(f"{BASE}/banks", json={"items": items})
    assert portone.list_banks() == {"KOOKMIN": "국민은행", "NEW_BANK": "NEW_BANK"}


def test_a_change_without_a_given_key_has_a_fresh_one(portone, portone_http):
    portone_http.post(f"{BASE}/payments/bread-0005/pre-register", json={})
    for _ in range(2):
        portone.pre_register("bread-0005", total_amount=1, currency="KRW")
    keys = {call.request.headers["Idempotency-Key"] for call in portone_http.calls}
    assert len(keys) == 2
    assert all(re.fullmatch(r'"[0-9a-f-]{36}"', key) for key in keys)
