"""A message is processed again by hand: PortOne is read once more, and statistics stay as they were."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from app import clock
from app.audit.models import AuditEntry
from app.errors import DomainError
from app.extensions import db
from app.portone.errors import PortOneRefused, PortOneUncertain
from app.webhooks import claiming, health
from app.webhooks.attempts import attempts_of
from app.webhooks.models import WebhookLog
from app.webhooks.replaying import replay
from tests.webhooks.messages import (
    NOON,
    FakePortOne,
    about_billing_key,
    about_payment,
    payment_document,
)

Receive = Callable[..., WebhookLog]
Work = Callable[..., int]

pytestmark = pytest.mark.usefixtures("noon")


def fail(log: WebhookLog) -> None:
    """As the worker leaves it when its tries are used up."""
    values = {"status": "failed", "attempts": 8, "processed_at": NOON, "error_message": "x"}
    db.session.execute(update(WebhookLog).where(WebhookLog.id == log.id).values(values))
    db.session.commit()


def changed(document: dict[str, Any]) -> dict[str, Any]:
    amount = document["amount"] | {"cancelled": 12_000}
    moment = {"updatedAt": "2026-03-29T04:00:00Z", "statusChangedAt": "2026-03-29T04:00:00Z"}
    return document | {"status": "CANCELLED", "amount": amount} | moment


def test_a_replay_reads_portone_again_and_says_what_changed(
    portone: FakePortOne, receive: Receive, work: Work, admin: Any
) -> None:
    portone.knows(payment_document("order-1"))
    log = receive(about_payment("order-1"))
    work()
    portone.knows(changed(payment_document("order-1")))
    result = replay(log.id, by=admin)
    assert (result.outcome, result.changes["status"]) == ("processed", ["PAID", "CANCELLED"])
    assert log.payment.status == "CANCELLED"
    assert log.changes["status"] == [None, "CANCELLED"]


def test_a_replay_that_finds_nothing_new_says_so(
    portone: FakePortOne, receive: Receive, work: Work, admin: Any
) -> None:
    portone.knows(payment_document("order-1"))
    log = receive(about_payment("order-1"))
    work()
    before = dict(log.changes)
    assert replay(log.id, by=admin).changes == {}
    assert (log.changes, log.status, portone.asked["order-1"]) == (before, "processed", 2)


def test_a_replay_heals_a_failed_message_but_not_the_statistics(
    portone: FakePortOne, receive: Receive, admin: Any
) -> None:
    portone.knows(payment_document("order-1"))
    log = receive(about_payment("order-1"))
    fail(log)
    before = health.health()
    with clock.fixed_at(NOON + timedelta(hours=1)):
        replay(log.id, by=admin)
    assert (log.status, log.first_status, log.processed_at) == ("processed", "failed", NOON)
    after = health.health()
    assert (before.failed, before.success_percent) == (after.failed, after.success_percent) == (1, 0.0)


def test_a_replay_is_an_attempt_of_its_own_and_stands_in_the_trail(
    portone: FakePortOne, receive: Receive, work: Work, admin: Any
) -> None:
    portone.knows(payment_document("order-1"))
    log = receive(about_payment("order-1"))
    work()
    replay(log.id, by=admin, reason="고객 문의")
    assert [(each.number, each.is_replay) for each in attempts_of(log)] == [(1, False), (2, True)]
    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "webhook.replayed")).one()
    assert (entry.subject_id, entry.actor_name, entry.facts["reason"]) == (str(log.id), "김서연", "고객 문의")


def test_the_trail_does_not_get_what_is_told_about_the_customer(
    portone: FakePortOne, receive: Receive, admin: Any
) -> None:
    portone.knows(payment_document("order-1"))
    replay(receive(about_payment("order-1")).id, by=admin)
    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "webhook.replayed")).one()
    assert "김하늘" not in str(entry.facts)
    assert "status" in entry.facts["changes"]


def test_a_message_that_waits_is_processed_at_once_and_only_once(
    portone: FakePortOne, receive: Receive, work: Work, admin: Any
) -> None:
    portone.knows(payment_document("order-1"))
    log = receive(about_payment("order-1"))
    replay(log.id, by=admin)
    assert (log.status, log.first_status) == ("processed", None)
    assert work() == 0


def test_a_message_that_is_being_processed_is_left_to_whoever_does(receive: Receive, admin: Any) -> None:

    log = receive(about_payment("order-1"))
    claiming.claim_batches("worker-a")
    with pytest.raises(DomainError) as refusal:
        replay(log.id, by=admin)
    assert refusal.value.status == 409


def test_a_message_nobody_vouches_for_is_refused(client: Any, admin: Any) -> None:
    client.post("/webhooks/portone", data="{}")
    log = db.session.query(WebhookLog).one()
    with pytest.raises(DomainError):
        replay(log.id, by=admin)
    assert attempts_of(log) == []


@pytest.mark.parametrize(
    ("problem", "outcome"),
    [
        (PortOneUncertain("timeout"), "postponed"),
        (PortOneRefused("FORBIDDEN", status=403), "refused"),
        (RuntimeError("boom"), "broken"),
    ],
)
def test_a_replay_without_an_answer_leaves_the_message_as_it_was(
    portone: FakePortOne, receive: Receive, admin: Any, problem: Any, outcome: str
) -> None:
    log = receive(about_payment("order-1"))
    fail(log)
    portone.problem = problem
    result = replay(log.id, by=admin)
    assert (result.outcome, bool(result.told)) == (outcome, True)
    assert (log.status, log.claimed_by) == ("failed", None)
    assert [each.outcome for each in attempts_of(log)] == [outcome]


def test_what_there_is_nothing_to_do_for_stays_ignored(receive: Receive, work: Work, admin: Any) -> None:
    log = receive(about_payment("order-1", "Transaction.SomethingNew"))
    work()
    assert replay(log.id, by=admin).outcome == "skipped"
    assert log.status == "skipped"


def test_a_billing_key_message_is_replayed_too(portone: FakePortOne, receive: Receive, admin: Any) -> None:
    log = receive(about_billing_key("billing-key-0193c6f0-2a9e-7c52-b0a4-6b1f0b0d9e77"))
    assert replay(log.id, by=admin).outcome == "processed"  # PortOne does not know it: a note
    assert log.error_message


def test_a_refund_that_waited_for_news_is_settled_by_a_replay(
    portone: FakePortOne, receive: Receive, work: Work, admin: Any
) -> None:
    from app.columns import new_id
    from app.refunds.models import Refund

    document = payment_document("order-1")
    portone.knows(document)
    log = receive(about_payment("order-1"))
    work()
    refund = Refund(
        id=new_id(), payment_id=log.payment_id, amount=12_000, status="requested", cancellation_id="c"
    )
    db.session.add(refund)
    db.session.commit()
    record = {"id": "c", "status": "SUCCEEDED", "totalAmount": 12_000, "taxFreeAmount": 0, "vatAmount": 0}
    record |= {"reason": "-", "requestedAt": "2026-03-29T03:30:00Z"}
    portone.knows(changed(document) | {"cancellations": [record]})
    replay(log.id, by=admin)
    assert db.session.get(Refund, refund.id).status == "succeeded"
