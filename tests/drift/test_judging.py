"""What only a person can judge stays open, once, until it agrees again or they close it with a note."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from app import clock
from app.audit.models import AuditEntry
from app.drift import service, walking
from app.drift.models import Drift
from app.extensions import db
from app.payments.models import Cancellation, Payment
from app.payments.service import refresh_payment
from app.refunds.models import Refund
from app.refunds.queries import get_refund
from app.refunds.service import request_refund
from tests.factories import make_payment, make_wish

Drifts = Callable[[], list[tuple[str, str, str]]]


def compare(payment: Payment) -> None:
    walking.compare_again(payment.payment_id, seen_how="open")


def change(portone: Any, payment: Payment, **members: Any) -> None:
    """Have PortOne tell of a payment otherwise from now on."""
    document = portone.state.find_payment(payment.payment_id)
    document.update(members, updatedAt=clock.now().isoformat())
    portone.state.save_payment(document)


def amounts(portone: Any, payment: Payment, **members: int) -> dict[str, Any]:
    return {"amount": portone.payment(payment.payment_id)["amount"] | members}


@pytest.fixture
def lost_refund(portone: Any, admin: Any) -> Refund:
    """A refund of ours that succeeded, and of which PortOne's record does not tell any more."""
    payment = make_payment(portone, total=10_000)
    wish = make_wish(payment, 4_000)
    request_refund(payment.payment_id, wish, by=admin)
    document = portone.state.find_payment(payment.payment_id)
    document["cancellations"] = []
    document["status"] = "PAID"
    document["amount"] |= {"cancelled": 0}
    portone.state.save_payment(document)
    return get_refund(wish.intent)


def test_a_refund_of_ours_that_portone_does_not_show_waits_for_a_person(
    lost_refund: Refund, later: Any, drifts: Drifts
) -> None:
    with later(30):
        compare(lost_refund.payment)
        compare(lost_refund.payment)
    assert ("refund_unconfirmed", "open", "open") in drifts()
    kept = db.session.scalars(select(Drift).where(Drift.kind == "refund_unconfirmed")).one()
    assert (kept.amount, kept.subject, kept.times_seen) == (4_000, str(lost_refund.id), 2)


def test_a_refund_that_has_just_succeeded_has_its_grace(
    lost_refund: Refund, later: Any, drifts: Drifts
) -> None:
    with later(5):
        compare(lost_refund.payment)
    assert "refund_unconfirmed" not in [kind for kind, _, _ in drifts()]


def test_less_cancelled_than_before_waits_though_ours_is_not_overwritten(
    lost_refund: Refund, later: Any, drifts: Drifts
) -> None:
    with later(30):
        compare(lost_refund.payment)
    assert ("cancelled_less", "open", "open") in drifts()


def test_cancelled_money_without_a_cancellation_is_not_explained(
    portone: Any, later: Any, drifts: Drifts
) -> None:
    payment = make_payment(portone, total=10_000)
    change(portone, payment, **amounts(portone, payment, cancelled=3_000))
    with later(30):
        compare(payment)
    assert drifts() == [
        ("figures_differ", "open", "healed"),
        ("cancelled_unexplained", "open", "open"),
    ]


def test_a_pending_cancellation_may_count_or_not(portone: Any, later: Any, drifts: Drifts) -> None:
    payment = make_payment(portone, total=10_000)
    pending = {"id": "c-1", "status": "REQUESTED", "totalAmount": 3_000, "reason": "변심"}
    for counted in (0, 3_000):
        change(portone, payment, cancellations=[pending], **amounts(portone, payment, cancelled=counted))
        with later(30):
            compare(payment)
    assert "cancelled_unexplained" not in [kind for kind, _, _ in drifts()]


def test_a_pending_cancellation_that_fails_gives_its_money_back(
    portone: Any, later: Any, drifts: Drifts
) -> None:
    payment = make_payment(portone, total=10_000)
    pending = {"id": "c-1", "status": "REQUESTED", "totalAmount": 3_000, "reason": "변심"}
    change(portone, payment, cancellations=[pending], **amounts(portone, payment, cancelled=3_000))
    compare(payment)
    failed = pending | {"status": "FAILED"}
    change(portone, payment, cancellations=[failed], **amounts(portone, payment, cancelled=0))
    with later(30):
        compare(payment)
    assert drifts() == [("cancellation_behind", "open", "healed")]


@pytest.mark.parametrize(
    ("members", "kind"),
    [
        ({"currency": "USD"}, "currency_differs"),
        ({"storeId": "store-of-somebody"}, "store_differs"),
    ],
)
def test_another_currency_or_store_waits_for_a_person(
    portone: Any, later: Any, drifts: Drifts, members: Any, kind: str
) -> None:
    payment = make_payment(portone)
    change(portone, payment, **members)
    with later(30):
        compare(payment)
        compare(payment)
    assert (kind, "open", "open") in drifts()


def test_the_amount_of_a_paid_payment_may_not_change_unseen(portone: Any, later: Any, drifts: Drifts) -> None:
    payment = make_payment(portone, total=10_000)
    change(portone, payment, **amounts(portone, payment, total=9_000))
    with later(30):
        compare(payment)
    assert ("amount_differs", "open", "open") in drifts()
    assert payment.amount == 9_000


def test_what_the_store_did_not_expect_waits_until_it_is_as_expected(
    portone: Any, later: Any, drifts: Drifts
) -> None:
    payment = make_payment(portone, total=10_000)
    db.session.execute(update(Payment).values(expected_amount=12_000))
    db.session.commit()
    change(portone, payment)
    with later(30):
        compare(payment)
        assert drifts() == [("not_expected", "open", "open")]
        db.session.execute(update(Payment).values(expected_amount=10_000))
        db.session.commit()
        compare(payment)
    assert drifts() == [("not_expected", "open", "healed")]


def test_a_closed_difference_is_not_brought_up_again_unless_it_is_another(
    lost_refund: Refund, later: Any, drifts: Drifts, admin: Any
) -> None:
    with later(30):
        compare(lost_refund.payment)
        for kept in db.session.scalars(select(Drift.id)).all():
            service.close(kept, "PG에 확인함", by=admin)
        assert not lost_refund.payment.has_drift
        compare(lost_refund.payment)
    assert {state for _, _, state in drifts()} == {"closed"}
    assert not lost_refund.payment.has_drift


def test_closing_is_in_the_trail_and_done_once(
    lost_refund: Refund, later: Any, admin: Any, super_admin: Any
) -> None:
    with later(30):
        compare(lost_refund.payment)
    kept = db.session.scalars(select(Drift).where(Drift.kind == "refund_unconfirmed")).one().id
    service.close(kept, "PG에 확인함", by=admin)
    with pytest.raises(service.AlreadyOver):
        service.close(kept, "나도", by=super_admin)
    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "drift.closed")).one()
    assert (entry.actor_id, entry.facts["note"]) == (admin.id, "PG에 확인함")


def test_a_look_by_hand_keeps_what_it_found(portone: Any, later: Any, drifts: Drifts, admin: Any) -> None:
    payment = make_payment(portone, status="READY")
    portone.pay(payment.payment_id)
    with later(30):
        refresh_payment(payment.payment_id, by=admin)
    assert drifts() == [("status_behind", "hand", "healed")]


def test_a_refund_page_that_heals_a_difference_says_so(
    portone: Any, later: Any, drifts: Drifts, signed_in: Any
) -> None:
    payment = make_payment(portone, total=10_000)
    portone.console_cancel(payment.payment_id, 4_000)
    with later(30):
        signed_in.get(f"/payments/{payment.payment_id}/refunds/new")
    assert drifts() == [("cancellation_unknown", "page", "healed")]
    assert db.session.scalars(select(Cancellation.total_amount)).all() == [4_000]


def test_settled_long_ago_counts_as_well(lost_refund: Refund, drifts: Drifts, later: Any) -> None:
    lost_refund.settled_at = clock.now() - timedelta(days=40)
    db.session.commit()
    with later(30):
        service.watch("worker-a")
    assert ("refund_unconfirmed", "cursor", "open") in drifts()
