"""What a worker makes of stored messages: one reading for many, nothing twice, nothing backwards."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from app import clock
from app.billing_keys.models import BillingKey
from app.encryption import vault
from app.extensions import db
from app.payments.models import Cancellation, Payment
from app.portone.errors import PortOneRefused, PortOneUncertain
from app.webhooks import claiming, handlers, service
from app.webhooks.models import WebhookLog
from tests.webhooks.messages import (
    NOON,
    FakePortOne,
    about_billing_key,
    about_payment,
    payment_document,
)

Receive = Callable[..., WebhookLog]
Work = Callable[..., int]

KEY = "billing-key-0193c6f0-2a9e-7c52-b0a4-6b1f0b0d9e77"

pytestmark = pytest.mark.usefixtures("noon")


def payment(payment_id: str = "order-1") -> Payment:
    return db.session.scalars(select(Payment).where(Payment.payment_id == payment_id)).one()


def test_the_payment_is_read_at_portone_and_stored(
    portone: FakePortOne, receive: Receive, work: Work
) -> None:
    portone.knows(payment_document(status="PAID"))
    log = receive(about_payment(event="Transaction.Failed"))  # a message is a hint: PortOne says PAID
    assert work() == 1
    assert (log.status, log.attempts, log.error_message) == ("processed", 1, None)
    assert log.payment_id == payment().id
    assert log.changes["status"] == [None, "PAID"]
    assert payment().status == "PAID"


def test_messages_of_one_payment_cost_one_reading(portone: FakePortOne, receive: Receive, work: Work) -> None:
    portone.knows(payment_document())
    logs = [receive(about_payment(), f"webhook-{number}") for number in range(5)]
    assert work() == 5
    assert portone.asked == {"order-1": 1}
    assert {log.status for log in logs} == {"processed"}
    assert [bool(log.changes) for log in logs] == [False] * 4 + [True]


def test_a_failed_attempt_may_still_be_paid(portone: FakePortOne, receive: Receive, work: Work) -> None:
    portone.knows(payment_document(status="FAILED", updatedAt="2026-03-29T02:59:30Z", paidAt=None))
    receive(about_payment(event="Transaction.Failed"), "webhook-1")
    work()
    portone.knows(payment_document(status="PAID"))
    log = receive(about_payment(event="Transaction.Paid"), "webhook-2")
    work()
    assert log.changes["status"] == ["FAILED", "PAID"]


def test_an_older_reading_changes_nothing(portone: FakePortOne, receive: Receive, work: Work) -> None:
    portone.knows(payment_document(status="CANCELLED", updatedAt="2026-03-29T04:00:00Z"))
    receive(about_payment(event="Transaction.Cancelled"), "webhook-1")
    work()
    portone.knows(payment_document(status="PAID", updatedAt="2026-03-29T03:00:00Z"))
    late = receive(about_payment(event="Transaction.Paid"), "webhook-2")
    work()
    assert (late.status, late.changes) == ("processed", {})
    assert payment().status == "CANCELLED"


def test_a_cancellation_is_stored_with_its_payment(
    portone: FakePortOne, receive: Receive, work: Work
) -> None:
    cancellation = {
        "status": "SUCCEEDED", "id": "c-1", "totalAmount": 3000, "taxFreeAmount": 0, "vatAmount": 272,
        "reason": "관리자페이지취소", "trigger": "CONSOLE", "requestedAt": "2026-03-29T03:00:00Z",
    }  # fmt: skip
    amount = payment_document()["amount"] | {"cancelled": 3000}
    portone.knows(payment_document(status="PARTIAL_CANCELLED", amount=amount, cancellations=[cancellation]))
    receive(about_payment(event="Transaction.PartialCancelled", cancellationId="c-1"))
    work()
    assert payment().cancellable_amount == 9000
    assert db.session.scalars(select(Cancellation.cancellation_id)).all() == ["c-1"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (about_payment(event="Transaction.SomethingNew"), handlers.UNKNOWN_TYPE),
        (about_payment(event="Transaction.Confirm", totalAmount=1), handlers.CONFIRMATION),
        ({"type": "TaxInvoice.Issued", "data": {"taxInvoiceId": "t"}}, handlers.TAX_INVOICE),
        (about_payment(storeId="store-of-somebody-else"), handlers.OTHER_STORE),
        ({"type": "Transaction.Paid", "data": {}}, handlers.NO_PAYMENT),
        ({"type": "BillingKey.Issued", "data": {}}, handlers.NO_BILLING_KEY),
    ],
    ids=["unknown type", "confirmation", "tax invoice", "other store", "no payment", "no key"],
)
def test_what_does_not_concern_us_is_skipped_with_a_reason(
    portone: FakePortOne, receive: Receive, work: Work, body: Any, reason: str
) -> None:
    log = receive(body)
    work()
    assert (log.status, log.error_message, portone.asked) == ("skipped", reason, {})


@pytest.mark.parametrize("status", ["Paid", "Cancelled", "PayPending"])
def test_bodies_of_the_older_version_are_understood(
    portone: FakePortOne, receive: Receive, work: Work, status: str
) -> None:
    portone.knows(payment_document())
    log = receive({"payment_id": "order-1", "tx_id": "tx-9", "status": status})
    work()
    assert (log.status, log.webhook_type, log.provider_transaction_id) == (
        "processed",
        f"Transaction.{status}",
        "tx-9",
    )


def test_a_payment_that_portone_does_not_know_is_processed_with_a_note(
    portone: FakePortOne, receive: Receive, work: Work
) -> None:
    log = receive(about_payment("of-the-test-button"))
    work()
    assert (log.status, log.error_message) == ("processed", handlers.PAYMENT_UNKNOWN)
    assert db.session.scalar(select(func.count()).select_from(Payment)) == 0


def test_an_error_of_our_own_is_tried_again_and_then_given_up(
    portone: FakePortOne, receive: Receive, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    portone.knows(payment_document())
    monkeypatch.setattr(handlers.payments, "store_snapshots", lambda *_, **__: 1 / 0)
    log, moment = receive(about_payment()), NOON
    for attempt in range(1, 9):
        with clock.fixed_at(moment):
            work()
        assert (log.attempts, log.status) == (attempt, "failed" if attempt == 8 else "received")
        moment = log.next_attempt_at
    assert log.error_message == service.UNPROCESSABLE
    assert timedelta(minutes=40) < moment - NOON < timedelta(minutes=75)


def test_a_repeat_of_a_failed_message_is_tried_again(
    portone: FakePortOne, receive: Receive, work: Work
) -> None:
    portone.knows(payment_document())
    log = receive(about_payment())
    db.session.execute(
        update(WebhookLog).values(status="failed", attempts=8, next_attempt_at=NOON + timedelta(1))
    )
    assert (receive(about_payment()), log.status, log.attempts) == (log, "received", 0)
    assert work() == 1
    assert (log.status, log.deliveries) == ("processed", 2)


def test_a_repeat_of_a_processed_message_changes_nothing(
    portone: FakePortOne, receive: Receive, work: Work
) -> None:
    portone.knows(payment_document())
    log = receive(about_payment())
    work()
    receive(about_payment())
    assert work() == 0
    assert (log.status, log.deliveries, portone.asked["order-1"]) == ("processed", 2, 1)


@pytest.mark.parametrize("reason", ["unreachable", "throttled", "server_error", "timeout"])
def test_an_outage_uses_up_no_try_and_the_wait_stays_short(
    portone: FakePortOne, receive: Receive, work: Work, reason: str
) -> None:
    portone.problem = PortOneUncertain(reason, retry_after=3600)
    log, moment = receive(about_payment()), NOON
    for _ in range(12):
        with clock.fixed_at(moment):
            work()
        assert (log.status, log.attempts) == ("received", 0)
        assert timedelta(seconds=1) < log.next_attempt_at - moment <= timedelta(seconds=10)
        moment = log.next_attempt_at
    portone.problem = None
    portone.knows(payment_document())
    with clock.fixed_at(moment):
        assert work() == 1


def test_a_refusal_by_portone_uses_up_a_try(portone: FakePortOne, receive: Receive, work: Work) -> None:
    portone.problem = PortOneRefused("INVALID_REQUEST", status=400)
    log = receive(about_payment())
    work()
    assert (log.status, log.attempts) == ("received", 1)


def test_an_expired_secret_uses_up_no_try(portone: FakePortOne, receive: Receive, work: Work) -> None:
    portone.problem = PortOneRefused("UNAUTHORIZED", status=401)
    log = receive(about_payment())
    work()
    assert (log.status, log.attempts) == ("received", 0)
    assert "API secret" in (log.error_message or "")


def test_what_another_worker_has_taken_up_is_left_to_it(portone: FakePortOne, receive: Receive) -> None:
    portone.knows(payment_document())
    log = receive(about_payment())
    (slow,) = claiming.claim_batches("slow")
    with clock.fixed_at(NOON + timedelta(seconds=13)):
        (quick,) = claiming.claim_batches("quick")
        assert service.process(slow, "slow") == 0
        assert (log.status, log.claimed_by) == ("received", "quick")
        assert service.process(quick, "quick") == 1
    assert (log.status, log.attempts) == ("processed", 1)


def test_no_transaction_is_open_while_portone_is_asked(
    portone: FakePortOne, receive: Receive, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    portone.knows(payment_document())
    answer, seen = portone.get_payment, []

    def ask(payment_id: str) -> Any:
        seen.append(db.session().in_transaction())
        return answer(payment_id)

    monkeypatch.setattr(portone, "get_payment", ask)
    receive(about_payment())
    work()
    assert seen == [False]


def test_what_is_read_meanwhile_is_written_in_one_commit(
    portone: FakePortOne, receive: Receive, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []
    store = handlers.payments.store_snapshots

    def count(snapshots: Any, **when: Any) -> Any:
        written.append(len(snapshots))
        return store(snapshots, **when)

    monkeypatch.setattr(handlers.payments, "store_snapshots", count)
    assert _process_side_by_side(portone, receive, "order-1", "order-2", "order-3") == 3
    assert written == [3]


def test_billing_keys_are_written_before_payments_as_whoever_charges_one_locks_them(
    portone: FakePortOne, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [f"billing-key-0193c6f0-2a9e-7c52-b0a4-6b1f0b0d9e7{number}" for number in range(4)]
    for key in keys:
        portone.knows({"status": "ISSUED", "billingKey": key, "customer": {}, "methods": [], "channels": []})
    portone.knows(payment_document(billingKey=keys[0]))
    about = [handlers.PaymentSubject("order-1")]
    about += [handlers.BillingKeySubject(vault().fingerprint(key), vault().seal(key)) for key in keys[1:]]
    readings, written = [handlers.read(subject) for subject in about], []
    for module, name in [
        (handlers.billing_keys, "record_use"),
        (handlers.billing_keys, "store_billing_key"),
        (handlers.payments, "store_snapshots"),
    ]:
        monkeypatch.setattr(module, name, _noting(written, name, getattr(module, name)))
    assert set(handlers.write(readings)) == set(about)
    assert written.pop() == "store_snapshots"
    assert written == sorted(written, key=vault().fingerprint)
    assert set(written) == set(keys)


def _noting(written: list[str], name: str, act: Callable[..., Any]) -> Callable[..., Any]:
    """Do as before, and note which key was written, or that payments were."""

    def note(first: Any, *args: Any, **kwargs: Any) -> Any:
        written.append(name if name == "store_snapshots" else getattr(first, "billing_key", first))
        return act(first, *args, **kwargs)

    return note


def test_a_payment_that_cannot_be_written_spoils_no_other(
    portone: FakePortOne, receive: Receive, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = handlers.payments.store_snapshots

    def stumble(snapshots: Any, **when: Any) -> Any:
        assert "order-2" not in [snapshot.payment_id for snapshot in snapshots]
        return store(snapshots, **when)

    monkeypatch.setattr(handlers.payments, "store_snapshots", stumble)
    assert _process_side_by_side(portone, receive, "order-1", "order-2", "order-3") == 2
    outcomes = db.session.execute(
        select(WebhookLog.status, WebhookLog.attempts).order_by(WebhookLog.webhook_id)
    )
    assert [tuple(row) for row in outcomes] == [("processed", 1), ("received", 1), ("processed", 1)]


def _process_side_by_side(portone: FakePortOne, receive: Receive, *payment_ids: str) -> int:
    """Process messages of several payments, whose readings all end before the first is written."""
    for payment_id in payment_ids:
        portone.knows(payment_document(payment_id))
        receive(about_payment(payment_id), f"webhook-{payment_id}")
    first, *others = claiming.claim_batches("worker-a")
    processor = service.Processor("worker-a")
    with processor._turn:  # somebody is writing, and so the others read on
        assert [processor.process(batch) for batch in others] == [0] * len(others)
    return processor.process(first)


def test_a_billing_key_is_read_and_stored(portone: FakePortOne, receive: Receive, work: Work) -> None:
    portone.knows({"status": "ISSUED", "billingKey": KEY, "customer": {}, "methods": [], "channels": []})
    log = receive(about_billing_key(KEY))
    assert work() == 1
    row = db.session.scalars(select(BillingKey)).one()
    assert (log.status, log.changes["status"]) == ("processed", [None, "ISSUED"])
    assert row.billing_key == log.billing_key_hash == vault().fingerprint(KEY)


def test_a_billing_key_portone_does_not_know_is_noted(
    portone: FakePortOne, receive: Receive, work: Work
) -> None:
    log = receive(about_billing_key(KEY, "BillingKey.Failed"))
    work()
    assert (log.status, log.error_message) == ("processed", handlers.BILLING_KEY_UNKNOWN)


def test_a_payment_by_billing_key_notes_the_last_use(
    portone: FakePortOne, receive: Receive, work: Work
) -> None:
    portone.knows({"status": "ISSUED", "billingKey": KEY, "customer": {}, "methods": [], "channels": []})
    receive(about_billing_key(KEY), "webhook-1")
    work()
    portone.knows(payment_document(billingKey=KEY))
    receive(about_payment(), "webhook-2")
    work()
    assert db.session.scalars(select(BillingKey.last_used_at)).one() == NOON


def test_deleting_a_payment_keeps_its_messages(portone: FakePortOne, receive: Receive, work: Work) -> None:
    portone.knows(payment_document())
    log = receive(about_payment())
    work()
    db.session.delete(payment())
    db.session.commit()
    db.session.refresh(log)
    assert (log.payment_id, log.named_payment_id) == (None, "order-1")
