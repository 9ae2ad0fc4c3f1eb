"""Webhooks: signed, sent again until they arrive, known by one id, logged in the payment."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import portone_server_sdk.webhook as judge
import pytest

from app import clock
from app.simulator import Simulator
from app.simulator.outbox import MAX_RESENDS
from tests.simulator.conftest import WEBHOOK_SECRET, Api, Merchant, make_app


def webhooks_of(simulator: Simulator, payment: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = simulator.payment(payment["id"])["webhooks"]
    return found


def test_a_refund_is_told_with_its_cancellation(api: Api, simulator: Simulator, merchant: Merchant) -> None:
    payment = simulator.make_payment()
    cancellation = api.cancel(payment).get_json()["cancellation"]
    assert simulator.outbox.flush() == 1
    body = json.loads(merchant.received[0].body)
    assert body["type"] == "Transaction.Cancelled"
    assert body["data"] == {
        "paymentId": payment["id"],
        "storeId": payment["storeId"],
        "transactionId": payment["transactionId"],
        "cancellationId": cancellation["id"],
    }


def test_portones_client_verifies_every_kind(simulator: Simulator, merchant: Merchant) -> None:
    payment = simulator.make_payment(status="READY", method="virtual_account", notify=True)
    simulator.pay(payment["id"])
    simulator.deposit(payment["id"])
    simulator.open_dispute(payment["id"])
    simulator.resolve_dispute(payment["id"])
    simulator.console_cancel(payment["id"], 1_000)
    simulator.chargeback(payment["id"])
    simulator.make_payment(status="FAILED", notify=True)
    simulator.make_payment(status="PAY_PENDING", notify=True)
    key = simulator.make_billing_key(notify=True)
    simulator.delete_billing_key(key["billingKey"])
    simulator.outbox.flush()
    assert len(merchant.received) == 11
    for request in merchant.received:
        assert not isinstance(judge.verify(WEBHOOK_SECRET, request.body.decode(), request.headers), dict)


def test_skip_webhook_skips_it(api: Api, simulator: Simulator) -> None:
    api.cancel(simulator.make_payment(), skipWebhook=True)
    assert simulator.outbox.flush() == 0


def test_a_failed_send_is_tried_five_times_more(simulator: Simulator, merchant: Merchant) -> None:
    payment = simulator.make_payment(notify=True)
    merchant.answers = [500, 0, 302, 500, 404, 500]
    assert simulator.outbox.flush() == 6
    assert len({request.headers["webhook-id"] for request in merchant.received}) == 1
    entry = webhooks_of(simulator, payment)[0]
    assert (entry["status"], entry["currentExecutionCount"]) == ("FAILED_NOT_OK_RESPONSE", 6)
    assert entry["response"]["code"] == "500"


def test_a_send_that_never_arrives_is_an_unexpected_error(simulator: Simulator, merchant: Merchant) -> None:
    payment = simulator.make_payment(notify=True)
    merchant.answers = [0] * 6
    simulator.outbox.flush()
    entry = webhooks_of(simulator, payment)[0]
    assert entry["status"] == "FAILED_UNEXPECTED_ERROR"
    assert "response" not in entry


def test_success_ends_the_tries(simulator: Simulator, merchant: Merchant) -> None:
    payment = simulator.make_payment(notify=True)
    merchant.answers = [500, 200]
    assert simulator.outbox.flush() == 2
    assert webhooks_of(simulator, payment)[0]["status"] == "SUCCEEDED"


def test_waits_lie_between_nothing_and_the_base(tmp_path: Path, merchant: Merchant) -> None:
    app = make_app(tmp_path / "waits.sqlite3", merchant, time_scale=1)
    app.simulator.make_payment(notify=True)
    merchant.answers = [500] * 6
    moment, tries = clock.now(), []
    for minutes in (0, 1, 4, 16, 64, 256, 1_000):
        moment += timedelta(minutes=minutes)
        with clock.fixed_at(moment):
            app.simulator.outbox.flush()
        tries.append(len(merchant.received))
    app.simulator.close()
    assert tries[-1] == 6
    assert all(count >= index + 1 for index, count in enumerate(tries[:6]))


def test_a_resend_carries_the_same_id_at_once(api: Api, simulator: Simulator, merchant: Merchant) -> None:
    payment = simulator.make_payment(notify=True)
    simulator.outbox.flush()
    first = webhooks_of(simulator, payment)[0]
    answer = api.post(f"/payments/{payment['id']}/resend-webhook", {"webhookId": first["id"]}).get_json()
    assert (answer["webhook"]["status"], answer["webhook"]["trigger"]) == ("SUCCEEDED", "MANUAL")
    assert [request.headers["webhook-id"] for request in merchant.received] == [first["id"]] * 2


def test_the_latest_webhook_is_resent_by_default(api: Api, simulator: Simulator, merchant: Merchant) -> None:
    payment = simulator.make_payment(notify=True)
    simulator.console_cancel(payment["id"])
    simulator.outbox.flush()
    api.post(f"/payments/{payment['id']}/resend-webhook")
    assert merchant.types == ["Transaction.Paid", "Transaction.Cancelled", "Transaction.Cancelled"]


def test_a_resend_has_its_limits(api: Api, simulator: Simulator) -> None:
    payment = simulator.make_payment()
    path = f"/payments/{payment['id']}/resend-webhook"
    assert api.post(path).get_json()["type"] == "WEBHOOK_NOT_FOUND"
    simulator.console_cancel(payment["id"])
    simulator.outbox.flush()
    assert [api.post(path).status_code for _ in range(MAX_RESENDS)] == [200] * MAX_RESENDS
    refusal = api.post(path)
    assert (refusal.status_code, refusal.get_json()["type"]) == (400, "MAX_WEBHOOK_RETRY_COUNT_REACHED")


def test_webhooks_may_come_twice_or_be_lost(simulator: Simulator, merchant: Merchant) -> None:
    simulator.faults.next("webhook", "twice")
    simulator.make_payment(notify=True)
    simulator.outbox.flush()
    assert len(merchant.received) == 2
    simulator.faults.next("webhook", "lost")
    payment = simulator.make_payment(notify=True)
    simulator.outbox.flush()
    assert webhooks_of(simulator, payment)[0]["currentExecutionCount"] == 2


def test_webhooks_may_overtake_each_other(simulator: Simulator, merchant: Merchant) -> None:
    simulator.faults.next("webhook", "out_of_order")
    payment = simulator.make_payment(notify=True)
    assert simulator.outbox.flush() == 0
    simulator.console_cancel(payment["id"])
    with clock.fixed_at(clock.now() + timedelta(seconds=1)):
        simulator.outbox.flush()
    assert merchant.types == ["Transaction.Cancelled", "Transaction.Paid"]


def test_webhooks_may_be_late(simulator: Simulator, merchant: Merchant) -> None:
    simulator.faults.next("webhook", "late", seconds=30)
    simulator.make_payment(notify=True)
    assert simulator.outbox.flush() == 0
    with clock.fixed_at(clock.now() + timedelta(seconds=31)):
        assert simulator.outbox.flush() == 1


def test_a_round_can_go_newest_first(simulator: Simulator, merchant: Merchant) -> None:
    payment = simulator.make_payment(notify=True)
    simulator.console_cancel(payment["id"])
    simulator.outbox.flush(newest_first=True)
    assert merchant.types == ["Transaction.Cancelled", "Transaction.Paid"]


def test_the_older_version_names_things_differently(tmp_path: Path, merchant: Merchant) -> None:
    app = make_app(tmp_path / "old.sqlite3", merchant, webhook_version="2024-01-01")
    payment = app.simulator.make_payment(notify=True)
    app.simulator.open_dispute(payment["id"])
    app.simulator.outbox.flush()
    app.simulator.close()
    assert [json.loads(request.body) for request in merchant.received] == [
        {"payment_id": payment["id"], "tx_id": payment["transactionId"], "status": "Paid"}
    ]


def test_lists_find_payments_by_what_became_of_their_webhooks(
    api: Api, simulator: Simulator, merchant: Merchant
) -> None:
    payment = simulator.make_payment(notify=True)
    merchant.answers = [500] * 6
    simulator.outbox.flush()
    failed = api.get("/payments", {"filter": {"webhookStatus": "FAILED_NOT_OK_RESPONSE"}})
    assert [item["id"] for item in failed.get_json()["items"]] == [payment["id"]]
    fine = api.get("/payments", {"filter": {"webhookStatus": "SUCCEEDED"}})
    assert fine.get_json()["items"] == []


def test_it_sends_in_the_background(simulator: Simulator, merchant: Merchant) -> None:
    simulator.outbox.start()
    simulator.make_payment(notify=True)
    assert merchant.waits_for(1)
    simulator.outbox.stop()
    assert merchant.types == ["Transaction.Paid"]


@pytest.mark.parametrize("amount", [1_000, None])
def test_what_was_pending_survives_a_restart(tmp_path: Path, merchant: Merchant, amount: int | None) -> None:
    path = tmp_path / "restart.sqlite3"
    before = make_app(path, merchant)
    payment = before.simulator.make_payment(pg_provider="PAYPAL_V2", notify=True)
    api = Api(before.test_client())
    api.cancel(payment, amount=amount, key="a-key-of-sixteen")
    before.simulator.close()
    after = make_app(path, merchant)
    after.simulator.outbox.flush()
    status = "PARTIAL_CANCELLED" if amount else "CANCELLED"
    assert after.simulator.payment(payment["id"])["status"] == status
    assert Api(after.test_client()).cancel(payment, amount=amount, key="a-key-of-sixteen").status_code == 200
    assert len(merchant.received) == 3
    after.simulator.close()


def test_a_message_may_never_arrive_until_it_is_sent_again(simulator: Simulator, merchant: Merchant) -> None:
    simulator.faults.next("webhook", "never")
    payment = simulator.make_payment(notify=True)
    for hour in range(10):
        with clock.fixed_at(clock.now() + timedelta(hours=hour)):
            simulator.outbox.flush()
    (entry,) = webhooks_of(simulator, payment)
    assert (entry["status"], entry["currentExecutionCount"]) == ("FAILED_UNEXPECTED_ERROR", 6)
    assert merchant.received == []
    assert simulator.outbox.resend(payment["id"], entry["id"])["status"] == "SUCCEEDED"


def test_a_signature_may_not_fit_at_first(simulator: Simulator, merchant: Merchant) -> None:
    simulator.faults.next("webhook", "forged")
    simulator.make_payment(notify=True)
    simulator.outbox.flush()
    forged = merchant.received[0]
    with pytest.raises(judge.WebhookVerificationError):
        judge.verify(WEBHOOK_SECRET, forged.body.decode(), forged.headers)
