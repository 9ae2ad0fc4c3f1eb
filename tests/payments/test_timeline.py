"""One story out of PortOne's document, our notes and what other domains add."""

import pytest
from flask_babel import force_locale

from app.extensions import db
from app.payments import service, timeline
from app.payments.changes import words_of_changes
from app.payments.models import Payment
from app.payments.timeline import Entry, contribute, timeline_of
from tests.factories import make_payment
from tests.payments.documents import MORNING, cancellation, snapshot, store, stored, virtual_account

WEBHOOK = {
    "id": "webhook-1",
    "status": "FAILED_NOT_OK_RESPONSE",
    "paymentStatus": "PAID",
    "url": "https://shop.example.com/hook",
    "currentExecutionCount": 2,
    "maxExecutionCount": 6,
    "response": {"code": "500"},
    "triggeredAt": "2026-03-29T01:00:02Z",
}


@pytest.fixture(autouse=True)
def english(app):
    with force_locale("en"):
        yield


@pytest.fixture
def contributors(monkeypatch):
    """No domain tells anything but what the test has it tell."""
    monkeypatch.setattr(timeline, "_contributors", [])


def titles(payment: Payment) -> list[str]:
    return [entry.title for entry in timeline_of(payment)]


def test_a_story_is_told_newest_first(app, contributors):
    payment = stored(cancelled=1_000, cancellations=[cancellation()])
    assert titles(payment) == ["Cancelled: ₩1,000", "Paid", "Payment of ₩12,000 requested"]


def test_a_failure_tells_why(app, contributors):
    failure = {"reason": "한도 초과", "pgCode": "F102", "pgMessage": "거절"}
    payment = stored(status="FAILED", paidAt=None, failedAt="2026-03-29T01:00:00Z", failure=failure)
    assert timeline_of(payment)[0].detail == "한도 초과 · F102 · 거절"


def test_a_cancellation_that_took_long_has_a_beginning_and_an_end(app, contributors):
    payment = stored(cancellations=[cancellation(cancelledAt="2026-03-30T03:00:00Z", trigger="CONSOLE")])
    assert titles(payment)[:2] == ["Cancelled: ₩1,000", "Cancellation of ₩1,000 requested"]
    assert timeline_of(payment)[0].source == "PortOne console"


def test_what_happens_around_a_payment_is_in_its_story(app, contributors):
    payment = stored(
        method=virtual_account(issuedAt="2026-03-29T00:59:30Z"),
        disputes=[
            {"status": "RESOLVED", "createdAt": "2026-03-29T02:00:00Z", "resolvedAt": "2026-03-29T03:00:00Z"}
        ],
        cashReceipt={"status": "ISSUED", "issueNumber": "123", "issuedAt": "2026-03-29T01:30:00Z"},
        escrow={
            "status": "DELIVERED",
            "company": "CJ",
            "invoiceNumber": "55",
            "sentAt": "2026-03-29T04:00:00Z",
        },
    )
    assert titles(payment)[:-2] == [
        "Shipped under escrow",
        "Dispute resolved",
        "Dispute opened",
        "Cash receipt issued",
        "Paid",
    ]
    assert titles(payment)[-2] == "Virtual account issued"


def test_a_change_of_status_nothing_else_tells_is_told(app, contributors):
    payment = stored(status="PAY_PENDING", paidAt=None)
    assert titles(payment)[0] == "Status became Awaiting authorisation"


def test_a_webhook_both_know_is_told_once(app, contributors):
    payment = stored(webhooks=[WEBHOOK])
    contribute(
        lambda _payment: [Entry(MORNING, "Webhook received", detail="Processed", key="webhook webhook-1")]
    )
    told = [entry for entry in timeline_of(payment) if "Webhook" in entry.title]
    assert [entry.title for entry in told] == ["Webhook received"]
    assert told[0].detail.startswith("Processed · Answered with an error · HTTP 500 · tries: 2/6")
    assert told[0].raw["id"] == "webhook-1"


def test_a_webhook_only_portone_knows_is_told_too(app, contributors):
    assert "Webhook sent: Paid" in titles(stored(webhooks=[WEBHOOK]))


def test_a_domain_contributes_once(contributors):
    def tell(_payment):
        return []

    contribute(tell)
    contribute(tell)
    assert timeline._contributors == [tell]


def test_notes_and_fresh_looks_of_people_are_in_the_story(app, contributors, simulator, admin):
    simulator.make_payment(payment_id="order-1")
    service.refresh_payment("order-1", by=admin)
    service.add_note("order-1", "전화함", by=admin)
    payment = db.session.scalars(db.select(Payment)).one()
    told = {entry.title: entry for entry in timeline_of(payment)}
    assert (told["Note"].detail, told["Note"].actor) == ("전화함", "김서연")
    assert "Status: – → Paid" in told["Checked again at PortOne"].detail


def test_attempts_are_told_once_they_were_read(app, contributors):
    attempt = snapshot(status="FAILED", failure={"reason": "한도 초과"})
    entry = next(entry for entry in timeline_of(stored(), [attempt]) if "Attempt" in entry.title)
    assert entry.title == "Attempt to pay: Payment failed"
    assert entry.detail == "transaction of order-1 · Card · 한도 초과"


def test_an_initialised_payment_has_no_story(app, contributors):
    db.session.add(Payment(payment_id="order-1", status="READY"))
    db.session.commit()
    assert timeline_of(db.session.scalars(db.select(Payment)).one()) == []


def test_changes_are_told_in_words(app):
    store()
    change = store(
        status="PARTIAL_CANCELLED",
        cancelled=1_000,
        cancellations=[cancellation()],
        channel={"type": "TEST"},
        updatedAt="2026-03-29T03:00:01Z",
        statusChangedAt="2026-03-29T03:00:01Z",
    )
    told = {line.name: (line.before, line.after) for line in words_of_changes(change.fields, "KRW")}
    assert told["Status"] == ("Paid", "Partly cancelled")
    assert told["Cancelled amount"] == ("₩0", "₩1,000")
    assert told["Status changed at"] == ("2026-03-29 10:00:00", "2026-03-29 12:00:01")
    assert told["Cancellation cancellation-1"] == ("–", "Cancelled")
    assert told["Channel"] == ("Live channel", "TEST")


def test_a_chargeback_is_called_one(simulator):
    payment = make_payment(simulator, total=10_000)
    simulator.chargeback(payment.payment_id)
    service.sync_payment(payment.payment_id)
    told = [entry.title for entry in timeline_of(payment) if entry.tone == "bad"]
    assert [title.partition(":")[0] in {"Chargeback", "차지백"} for title in told] == [True]
