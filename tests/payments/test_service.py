"""Snapshots become rows; notes are kept."""

import json
import threading
from datetime import timedelta
from pathlib import Path

import pytest
import responses
from flask import Flask
from sqlalchemy import func, select

from app import clock
from app.accounts.models import User
from app.audit.models import AuditEntry
from app.encryption import vault
from app.extensions import db, portone
from app.payments import search, service, snapshots
from app.payments.models import Cancellation, Note, Payment, PaymentSearch
from app.payments.queries import find_payment, get_payment
from app.portone.payloads import PaymentSnapshot
from tests.payments.documents import (
    MORNING,
    cancellation,
    card,
    document,
    snapshot,
    store,
    stored,
    virtual_account,
)

EXAMPLES = Path(__file__).parents[3] / "shared" / "data" / "examples" / "payments"


def test_a_snapshot_becomes_a_row(app):
    payment = stored()
    assert (payment.status, payment.method, payment.pg_provider) == ("PAID", "CARD", "TOSSPAYMENTS")
    assert (payment.amount, payment.cancelled_amount, payment.cancellable_amount) == (12_000, 0, 12_000)
    assert payment.paid_at == payment.status_changed_at == payment.changed_clock == MORNING
    assert payment.snapshot == document()


def test_a_new_payment_tells_all_its_fields(app):
    change = store()
    assert change.is_new
    assert change.fields["status"] == [None, "PAID"]
    assert change.fields["paid_at"] == [None, "2026-03-29T01:00:00+00:00"]
    json.dumps(change.fields)


def test_the_same_snapshot_again_changes_nothing(app):
    store(cancellations=[cancellation()])
    again = store(cancellations=[cancellation()])
    assert not again.is_new
    assert again.fields == {}
    assert db.session.scalar(select(func.count(Cancellation.id))) == 1


def test_a_change_tells_before_and_after(app):
    store()
    change = store(status="CANCELLED", cancelled=12_000, updatedAt="2026-03-29T02:00:00Z")
    assert change.fields["status"] == ["PAID", "CANCELLED"]
    assert change.fields["cancellable_amount"] == [12_000, 0]


def test_an_older_snapshot_never_overwrites_a_newer_one(app):
    store(status="CANCELLED", cancelled=12_000, updatedAt="2026-03-29T02:00:00Z")
    late = store(status="PAID", updatedAt="2026-03-29T01:00:00Z")
    assert late.is_outdated
    assert get_payment("order-1").status == "CANCELLED"


def test_snapshots_of_one_moment_are_ordered_by_the_change_of_status(app):
    store(status="CANCELLED", cancelled=12_000, statusChangedAt="2026-03-29T02:00:00Z")
    store(status="PAID", statusChangedAt="2026-03-29T01:00:00Z")
    assert get_payment("order-1").status == "CANCELLED"


def test_snapshots_of_one_second_never_take_a_cancellation_back(app):
    store(status="PARTIAL_CANCELLED", cancelled=5_000)
    assert store(status="PARTIAL_CANCELLED", cancelled=2_000).is_outdated
    assert get_payment("order-1").cancelled_amount == 5_000


def test_a_snapshot_without_its_time_never_beats_one_with_it(app):
    store(status="CANCELLED", cancelled=12_000)
    assert store(status="PAID", updatedAt=None).is_outdated


def test_a_failed_payment_can_be_paid_after_all(app):
    store(status="FAILED", paidAt=None, failedAt="2026-03-29T01:00:00Z", failure={"reason": "한도 초과"})
    store(updatedAt="2026-03-29T01:05:00Z")
    assert get_payment("order-1").status == "PAID"


def test_a_final_cancellation_never_goes_back_to_requested(app):
    store(cancellations=[cancellation("SUCCEEDED")])
    change = store(cancellations=[cancellation("REQUESTED")], updatedAt="2026-03-29T04:00:00Z")
    assert db.session.scalar(select(Cancellation.status)) == "SUCCEEDED"
    assert "cancellation cancellation-1" not in change.fields


def test_a_cancellation_that_ends_is_told(app):
    assert stored(cancellations=[cancellation("REQUESTED")]).has_pending_cancellation
    change = store(cancellations=[cancellation("FAILED")], updatedAt="2026-03-29T04:00:00Z")
    assert change.fields["cancellation cancellation-1"] == ["REQUESTED", "FAILED"]
    assert not get_payment("order-1").has_pending_cancellation


def test_a_balance_is_kept_within_the_amount(app):
    payment = stored(total=10_000, cancelled=12_000)
    assert (payment.cancelled_amount, payment.cancellable_amount) == (10_000, 0)


def test_a_customer_is_known_by_the_stores_id_alone(app, admin):
    customer = stored(customer={"id": "customer-9", "name": "김하늘", "email": admin.email}).customer
    assert customer.id != admin.id
    assert (customer.role, customer.email, customer.name) == ("customer", None, "김하늘")
    assert stored("order-2", customer={"id": "customer-9"}).customer.id == customer.id


def test_a_customer_without_an_id_is_no_user(app):
    assert stored(customer={"name": "홍길동", "email": "gildong@example.com"}).user_id is None
    assert stored("order-2", customer={"id": "x" * 300}).user_id is None


def test_a_billing_key_is_found_by_its_hash_and_stored_nowhere(app):
    key = "billing-key-0190c1d2-7a1e-0123"
    payment = stored(
        billingKey=key, customData=f'{{"key": "{key}"}}', webhooks=[{"id": "w1", "request": {"body": key}}]
    )
    assert payment.billing_key_hash == vault().fingerprint(key)
    assert key not in json.dumps(payment.snapshot)
    assert payment.snapshot["billingKey"] == "…0123"


def test_what_portone_adds_one_day_is_stored_as_it_comes(app):
    payment = stored(status="HALF_PAID_" + "X" * 50, method={"type": "PaymentMethodBarter"}, currency="XYZ")
    assert payment.status.startswith("HALF_PAID_")
    assert (payment.method, payment.currency) == ("PaymentMethodBarter", "XYZ")
    assert payment.snapshot["status"] == "HALF_PAID_" + "X" * 50


def test_a_payment_of_another_store_is_stored_as_it_is(app):
    assert stored(storeId="store-elsewhere").store_id == "store-elsewhere"


def test_disputes_and_transfers_are_marked(app):
    payment = stored(
        method=virtual_account(refundStatus="PENDING"),
        disputes=[{"status": "UNRESOLVED", "createdAt": "2026-03-29T01:00:00Z"}],
    )
    assert payment.has_open_dispute
    assert payment.account_refund_status == "PENDING"


def test_what_the_store_expects_is_never_touched(app):
    db.session.add(
        Payment(payment_id="order-1", status="READY", expected_amount=9_900, expected_currency="KRW")
    )
    db.session.commit()
    payment = stored()
    assert (payment.status, payment.amount, payment.expected_amount) == ("PAID", 12_000, 9_900)


def test_a_payment_portone_does_not_know_stays_as_it_is(app, simulator):
    db.session.add(Payment(payment_id="order-1", status="READY", expected_amount=9_900))
    db.session.commit()
    assert not service.sync_payment("order-1").is_found
    assert get_payment("order-1").status == "READY"


def test_no_transaction_is_open_while_portone_is_asked(app, simulator, monkeypatch):
    simulator.make_payment(payment_id="order-1")
    assert find_payment("order-1") is None  # reads, and so begins a transaction
    ask = portone.get_payment
    seen = []
    monkeypatch.setattr(
        app.extensions["portone"],
        "get_payment",
        lambda key: seen.append(db.session().in_transaction()) or ask(key),
    )
    service.sync_payment("order-1")
    assert seen == [False]


@responses.activate
def test_a_nul_from_portone_does_not_stop_a_payment(app):
    body = json.dumps(document(orderName="속눈썹\0펌", customData="\0"))
    responses.get("http://127.0.0.1:9/payments/order-1", body=body, content_type="application/json")
    service.sync_payment("order-1")
    assert get_payment("order-1").order_name == "속눈썹\N{REPLACEMENT CHARACTER}펌"


def test_two_workers_that_meet_a_payment_at_once_make_one_row(app):
    changes, both = [], threading.Barrier(2)

    def work():
        with app.app_context():
            both.wait()
            changes.append(snapshots.store_snapshot(snapshot(), read_at=clock.now()))
            db.session.commit()
            db.session.remove()

    db.session.remove()
    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(change.is_new for change in changes) == [False, True]
    assert (
        db.session.scalar(select(func.count(Payment.id)))
        == db.session.scalar(select(func.count(User.id)))
        == 1
    )


def test_many_snapshots_are_stored_as_one_each(app):
    store("order-1")
    newer = snapshot("order-1", status="CANCELLED", cancelled=12_000, updatedAt="2026-03-29T02:00:00Z")
    changes = snapshots.store_snapshots(
        [newer, snapshot("order-2"), snapshot("order-1")], read_at=clock.now()
    )
    db.session.commit()
    assert {change.payment_id: change.is_new for change in changes} == {"order-1": False, "order-2": True}
    assert get_payment("order-1").status == "CANCELLED"


def test_the_search_text_is_written_only_when_it_or_its_day_changed(app):
    row_id = store().row_id
    text = db.session.scalar(select(PaymentSearch.text))
    assert search.store_texts({row_id: text}) == 0
    get_payment("order-1").status_changed_at += timedelta(hours=1)
    assert search.store_texts({row_id: text}) == 0
    get_payment("order-1").status_changed_at += timedelta(days=1)
    assert search.store_texts({row_id: text}) == 1


def test_a_fresh_look_that_changed_something_is_in_the_audit_trail(app, simulator, admin):
    simulator.make_payment(payment_id="order-1")
    service.refresh_payment("order-1", by=admin)
    service.refresh_payment("order-1", by=admin)
    entries = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "payment.refreshed")).all()
    assert [(entry.subject_id, entry.actor_id) for entry in entries] == [("order-1", admin.id)]
    assert "status" in entries[0].facts
    assert "customer_name" not in entries[0].facts


def test_a_note_is_kept_with_its_author(app, admin):
    stored()
    service.add_note("order-1", "고객이 다시 전화함", by=admin)
    note = db.session.scalars(select(Note)).one()
    assert (note.body, note.author.name) == ("고객이 다시 전화함", "김서연")


@pytest.mark.skipif(not EXAMPLES.is_dir(), reason="the shared examples are not beside this checkout")
def test_every_example_of_portones_documents_is_stored(app: Flask):
    documents = [json.loads(path.read_text()) for path in sorted(EXAMPLES.glob("*.json"))]
    changes = snapshots.store_snapshots(
        [PaymentSnapshot.from_raw(raw) for raw in documents], read_at=clock.now()
    )
    db.session.commit()
    assert len(changes) == len({raw["id"] for raw in documents})
    for raw in documents:
        assert (
            get_payment(raw["id"]).cancellable_amount == raw["amount"]["total"] - raw["amount"]["cancelled"]
        )


def test_an_approval_number_is_searchable_text(app):
    stored(method=card(approvalNumber="30012345"))
    assert "30012345" in db.session.scalar(select(PaymentSearch.text))
