"""PortOne's own client and, where it is at hand, PortOne's OpenAPI document judge the simulator's answers."""

import copy
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from jsonschema.exceptions import best_match
from portone_server_sdk import PortOneClient
from portone_server_sdk import payment as judged
from portone_server_sdk._generated.payment.billing_key.billing_key_info import _deserialize_billing_key_info
from portone_server_sdk._generated.payment.get_payment_transactions_response import (
    _deserialize_get_payment_transactions_response,
)
from portone_server_sdk._generated.payment.payment import _deserialize_payment
from portone_server_sdk._generated.payment.payment_schedule.payment_schedule import (
    _deserialize_payment_schedule,
)

from app.simulator import Simulator, SimulatorServer
from app.simulator.store import fill_store
from tests.simulator.conftest import API_SECRET, Api, Merchant, make_app

OPENAPI = Path(__file__).parents[3] / "shared" / "data" / "portone-v2.openapi.json"
UNTIL = datetime(2026, 8, 17, 6, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def judged_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatorServer]:
    """One server for all tests of the client, which takes its time to be made."""
    app = make_app(tmp_path_factory.mktemp("judge") / "simulator.sqlite3", Merchant())
    with SimulatorServer(app, deliver=False) as server:
        yield server
    app.simulator.close()


@pytest.fixture(scope="module")
def sdk(judged_server: SimulatorServer) -> PortOneClient:
    return PortOneClient(secret=API_SECRET, base_url=judged_server.url)


@pytest.fixture
def store(simulator: Simulator) -> Simulator:
    fill_store(simulator.state, payments=60, until=UNTIL)
    return simulator


@cache
def schemas() -> dict[str, Any]:
    """PortOne's schemas, made strict: one member of each union, and no member that is not documented."""
    if not OPENAPI.exists():
        pytest.skip("PortOne's OpenAPI document is not beside this repository")
    found: dict[str, Any] = json.loads(OPENAPI.read_text())["components"]["schemas"]
    return {name: _strict(schema) for name, schema in found.items()}


def _strict(schema: dict[str, Any]) -> dict[str, Any]:
    if "discriminator" in schema:
        member = schema["discriminator"]["propertyName"]
        mapping = schema["discriminator"]["mapping"]
        variants = [
            {"if": {"properties": {member: {"const": value}}}, "then": {"$ref": place}}
            for value, place in mapping.items()
        ]
        known = {member: {"enum": list(mapping)}}
        return {"type": "object", "properties": known, "required": [member], "allOf": variants}
    return {**schema, "additionalProperties": False} if "properties" in schema else schema


def complaints(document: dict[str, Any], schema: str) -> str:
    """What the OpenAPI document has against an answer, if anything."""
    rule = {"$ref": f"#/components/schemas/{schema}", "components": {"schemas": schemas()}}
    error = best_match(Draft7Validator(rule).iter_errors(document))
    return f"{error.json_path}: {error.message}" if error else ""


def test_the_client_decodes_every_payment_of_a_store(store: Simulator) -> None:
    for payment in store.payments():
        decoded = _deserialize_payment(copy.deepcopy(payment))
        assert decoded.id == payment["id"]
        attempts = {"items": copy.deepcopy(store.transactions(payment["id"]))}
        assert _deserialize_get_payment_transactions_response(attempts).items


def test_the_client_decodes_billing_keys_and_schedules(store: Simulator) -> None:
    for key in store.state.billing_keys():
        assert _deserialize_billing_key_info(copy.deepcopy(key)).billing_key == key["billingKey"]
    for schedule in store.state.schedules():
        assert _deserialize_payment_schedule(copy.deepcopy(schedule)).id == schedule["id"]


def test_the_schemas_accept_every_payment_of_a_store(store: Simulator) -> None:
    for payment in store.payments():
        assert complaints(payment, "Payment") == ""
        attempts = {"items": store.transactions(payment["id"])}
        assert complaints(attempts, "GetPaymentTransactionsResponse") == ""


def test_the_schemas_accept_every_other_answer(store: Simulator, api: Api) -> None:
    since = {"from": "2026-01-01T00:00:00Z", "until": "2027-01-01T00:00:00Z"}
    wide = {"filter": since, "page": {"size": 200}}
    paid = store.make_payment()
    answers = {
        "GetPaymentsResponse": api.get("/payments", wide),
        "GetAllPaymentsByCursorResponse": api.get("/payments-by-cursor", {**since, "size": 200}),
        "GetAllPaymentEventsByCursorResponse": api.get("/payment-events-by-cursor", {**since, "size": 200}),
        "GetPaymentTransactionsResponse": api.get(f"/payments/{paid['id']}/transactions"),
        "GetBillingKeyInfosResponse": api.get("/billing-keys", wide),
        "GetPaymentSchedulesResponse": api.get("/payment-schedules", wide),
        "CancelPaymentResponse": api.cancel(paid, amount=1_000),
    }
    for schema, answer in answers.items():
        assert answer.status_code == 200
        assert complaints(answer.get_json(), schema) == ""


def test_the_schemas_accept_refusals(simulator: Simulator, api: Api) -> None:
    refused = simulator.make_payment(method="virtual_account")
    assert complaints(api.cancel(refused).get_json(), "PgProviderError") == ""
    assert complaints(api.cancel({"id": "none"}).get_json(), "PaymentNotFoundError") == ""


def test_the_client_lists_and_reads(judged_server: SimulatorServer, sdk: PortOneClient) -> None:
    fill_store(judged_server.app.simulator.state, payments=60, until=UNTIL)
    since = judged.PaymentFilterInput(
        from_=(UNTIL - timedelta(days=500)).isoformat(), until=UNTIL.isoformat()
    )
    page = sdk.payment.get_payments(filter=since)
    assert page.page.total_count > 50
    assert sdk.payment.get_payment(payment_id=page.items[0].id).id == page.items[0].id
    cursors = sdk.payment.get_all_payments_by_cursor(from_=since.from_, until=since.until, size=1_000)
    assert len(cursors.items) == 60
    events = sdk.payment.get_all_payment_events_by_cursor(from_=since.from_, until=since.until, size=1_000)
    assert sum(item.payment_event.event_amount < 0 for item in events.items) > 10


@pytest.mark.parametrize("payment_id", ["plain-1", "slash/and 공백?#%2F"])
def test_the_client_cancels(judged_server: SimulatorServer, sdk: PortOneClient, payment_id: str) -> None:
    judged_server.app.simulator.make_payment(payment_id=payment_id, total=10_000)
    answer = sdk.payment.cancel_payment(
        payment_id=payment_id, amount=4_000, reason="고객 변심", current_cancellable_amount=10_000
    )
    assert isinstance(answer.cancellation, judged.SucceededPaymentCancellation)
    with pytest.raises(judged.CancelPaymentError):
        sdk.payment.cancel_payment(payment_id=payment_id, amount=6_001, reason="고객 변심")


def test_the_client_understands_the_other_calls(judged_server: SimulatorServer, sdk: PortOneClient) -> None:
    judged_server.app.simulator.make_payment(payment_id="p", status="READY", payment_token="token")
    sdk.payment.pre_register_payment(payment_id="new", total_amount=1_000, currency="KRW")
    assert sdk.payment.confirm_payment(payment_id="p", payment_token="token").pg_tx_id
    judged_server.app.simulator.outbox.flush()
    assert sdk.payment.resend_webhook(payment_id="p").webhook.status == "SUCCEEDED"
    assert len(sdk.payment.get_payment_transactions(payment_id="p").items) == 1
    judged_server.app.simulator.make_payment(
        payment_id="va", status="VIRTUAL_ACCOUNT_ISSUED", method="virtual_account"
    )
    assert sdk.payment.close_virtual_account(payment_id="va").closed_at


def test_the_client_understands_billing_keys(judged_server: SimulatorServer, sdk: PortOneClient) -> None:
    key = judged_server.app.simulator.make_billing_key()["billingKey"]
    assert sdk.payment.billing_key.get_billing_key_info(billing_key=key).billing_key == key
    assert sdk.payment.billing_key.get_billing_key_infos().page.total_count >= 1
    judged_server.app.simulator.make_schedule(key)
    with pytest.raises(judged.billing_key.DeleteBillingKeyError):
        sdk.payment.billing_key.delete_billing_key(billing_key=key)
