"""Every example of the fact sheet is read with the right values (where ../shared is present)."""

import json
from datetime import datetime
from urllib.parse import urlencode

from app import clock
from app.portone.labels import bank_name, card_company_name, easy_pay_name, pg_name
from app.portone.payloads import BillingKeyInfo, Cancellation, PaymentSnapshot, WebhookDelivery
from app.portone.requests import CancelRequest, RefundAccount
from app.portone.webhooks import InvalidWebhook, event_from, verify


def _documents(folder):
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def _time(value):
    return datetime.fromisoformat(value) if value else None


def test_every_payment_is_read_whole(shared_data, caplog):
    documents = _documents(shared_data / "examples" / "payments")
    assert len(documents) >= 26
    for raw in documents.values():
        snapshot = PaymentSnapshot.from_raw(raw)
        assert (snapshot.payment_id, snapshot.transaction_id, snapshot.status) == (
            raw["id"],
            raw["transactionId"],
            raw["status"],
        )
        assert snapshot.amount.cancellable == raw["amount"]["total"] - raw["amount"]["cancelled"]
        assert snapshot.paid_at == _time(raw.get("paidAt"))
        assert snapshot.updated_at == _time(raw["updatedAt"])
        assert len(snapshot.cancellations) == len(raw.get("cancellations", []))
        assert len(snapshot.webhooks) == len(raw.get("webhooks", []))
        assert len(snapshot.disputes) == len(raw.get("disputes", []))
        assert (snapshot.method is None) == ("method" not in raw)
        assert (snapshot.escrow is None) == ("escrow" not in raw)
        assert (snapshot.cash_receipt is None) == ("cashReceipt" not in raw)
    assert not caplog.records


def test_every_method_has_its_filter_code(shared_data):
    methods = json.loads((shared_data / "enums.json").read_text())["paymentMethod"]
    codes = {method["code"]: method["filterCode"] for method in methods}
    documents = _documents(shared_data / "examples" / "payments").values()
    seen = [PaymentSnapshot.from_raw(raw).method for raw in documents if "method" in raw]
    assert all(method.code == codes[method.type] for method in seen)


def test_every_name_in_a_payment_is_known(shared_data):
    for raw in _documents(shared_data / "examples" / "payments").values():
        snapshot = PaymentSnapshot.from_raw(raw)
        method, channel = snapshot.method, snapshot.channel
        for name, code in (
            (pg_name, channel and channel.pg_provider),
            (bank_name, method and method.bank),
            (easy_pay_name, method and method.provider),
            (card_company_name, method and method.any_card and method.any_card.issuer),
        ):
            assert not code or name(code, "ko") != code


def test_every_billing_key_is_read(shared_data, caplog):
    documents = _documents(shared_data / "examples" / "billing-keys")
    infos = {name: BillingKeyInfo.from_raw(raw) for name, raw in documents.items()}
    assert all(infos[name].billing_key == raw["billingKey"] for name, raw in documents.items())
    assert all(len(infos[name].methods) == len(raw["methods"]) for name, raw in documents.items())
    assert infos["issued-card"].first_card.number == "51004200****318*"
    assert infos["issued-easy-pay"].methods[0].inner.code == "CHARGE"
    assert [method.code for method in infos["issued-paypal"].methods] == ["PAYPAL"]
    assert infos["deleted"].deleted_at is not None
    assert not caplog.records


def test_every_webhook_event_is_read(shared_data):
    folder = shared_data / "examples" / "webhooks"
    for path in folder.glob("2024-04-25/*.json"):
        event, raw = event_from("hook-1", path.read_bytes()), json.loads(path.read_text())
        is_transaction = raw["type"].startswith("Transaction.")
        assert (event.version, event.type) == ("2024-04-25", raw["type"])
        assert event.payment_id == (raw["data"].get("paymentId") if is_transaction else None)
        assert event.billing_key == raw["data"].get("billingKey")
        assert event.cancellation_id == raw["data"].get("cancellationId")
        assert event.occurred_at == _time(raw["timestamp"])


def test_every_older_webhook_is_read_as_json_and_as_form(shared_data):
    for path in (shared_data / "examples" / "webhooks").glob("2024-01-01/*.json"):
        raw = json.loads(path.read_text())
        for body in (path.read_bytes(), urlencode(raw).encode()):
            event = event_from("hook-1", body)
            assert (event.version, event.type) == ("2024-01-01", f"Transaction.{path.stem}")
            assert (event.payment_id, event.transaction_id) == (raw["payment_id"], raw["tx_id"])


def test_every_signature_vector_comes_out_as_given(shared_data):
    cases = json.loads((shared_data / "webhook-signature-vectors.json").read_text())["cases"]
    for case in cases:
        with clock.fixed_at(datetime.fromtimestamp(case["now"], clock.SEOUL)):
            try:
                verify(case["body"].encode(), case["headers"], case["secrets"])
                outcome = (True, None)
            except InvalidWebhook as problem:
                outcome = (False, problem.reason)
        assert outcome == (case["valid"], case.get("reason")), case["name"]


def test_answers_to_changes_are_read(shared_data):
    answers = _documents(shared_data / "examples" / "responses")
    for name in ("cancel-succeeded", "cancel-requested", "cancel-failed"):
        cancellation = Cancellation.from_raw(answers[name]["cancellation"])
        assert cancellation.status == name.removeprefix("cancel-").upper()
    assert WebhookDelivery.from_raw(answers["resend-webhook-failed"]["webhook"]).response_code == "500"
    attempts = [PaymentSnapshot.from_attempt(raw) for raw in answers["get-payment-transactions"]["items"]]
    assert [attempt.status for attempt in attempts] == ["FAILED", "PAID"]


def test_a_refund_reads_like_the_example(shared_data):
    example = json.loads((shared_data / "examples/requests/cancel-virtual-account-smartro.json").read_text())
    account = RefundAccount("KOOKMIN", "00000-104-123456", "이수민", "010-5520-1834")
    request = CancelRequest(
        "pay20260814000352", "store-1", "고객 요청 (계좌 환불)", 300_000, refund_account=account
    )
    assert json.loads(request.to_json()) == {"storeId": "store-1", **example}
