"""A refund's page tells its whole story, what to ask the PG, and where PortOne has come to another end."""

from typing import Any

import pytest
from flask import Flask

from app.accounts.models import User
from app.connections import act_as
from app.extensions import db
from app.payments.models import Cancellation
from app.payments.service import sync_payment
from app.payments.timeline import timeline_of
from app.refunds import matching, settling
from app.refunds.inquiry import inquiry_of
from app.refunds.models import Refund, RefundStatus
from app.refunds.queries import get_refund
from app.refunds.service import Wish, recheck_refund, request_refund
from app.refunds.steps import find_drift, steps_of
from tests.conftest import Browser
from tests.factories import make_payment, make_wish


@pytest.fixture(autouse=True)
def english(app: Flask) -> Any:
    with app.test_request_context(headers={"Accept-Language": "en"}):
        act_as("system")
        yield


def refund(simulator: Any, admin: User, **of_payment: Any) -> Wish:
    payment = make_payment(simulator, **({"total": 10_000} | of_payment))
    wish = make_wish(payment)
    request_refund(payment.payment_id, wish, by=admin)
    return wish


def titles(wish: Wish) -> list[str]:
    return [step.title for step in reversed(steps_of(get_refund(wish.intent)))]


def test_a_refund_is_told_from_the_wish_to_the_end(simulator: Any, admin: User) -> None:
    wish = refund(simulator, admin)
    assert titles(wish) == ["Refund requested", "Sent to PortOne", "Refund confirmed by PortOne"]
    first = steps_of(get_refund(wish.intent))[-1]
    assert (first.actor, first.detail) == ("김서연", "₩10,000")


def test_a_refund_to_an_account_tells_where_the_transfer_stands(simulator: Any, admin: User) -> None:
    wish = refund(simulator, admin, method="VIRTUAL_ACCOUNT")
    assert any(title.startswith("Transfer to the account") for title in titles(wish))


def test_the_same_silence_is_told_once_and_another_one_too(
    simulator: Any, admin: User, impatient: None
) -> None:
    simulator.faults.next("cancel", "silent", seconds=2)
    wish = refund(simulator, admin)
    for fault in ("silent", "broken_json"):
        simulator.faults.next("cancel", fault, **({"seconds": 2} if fault == "silent" else {"times": 3}))
        settling.follow(wish.intent)
    assert titles(wish).count("No answer from PortOne; asking again") == 2
    simulator.faults.clear()
    settling.follow(wish.intent)
    assert "tries: 4" in steps_of(get_refund(wish.intent))[0].detail


def test_the_inquiry_names_all_that_the_pg_asks_for(simulator: Any, admin: User) -> None:
    simulator.faults.next("cancel", "pg_refuses", pg_code="8324", pg_message="정산 잔액 부족")
    wish = refund(simulator, admin)
    refused = get_refund(wish.intent)
    text = inquiry_of(refused) or ""
    snapshot = refused.payment.snapshot or {}
    for part in (
        refused.payment.payment_id,
        refused.payment.transaction_id,
        snapshot["pgTxId"],
        snapshot["channel"]["pgMerchantId"],
        "10,000원",
        "8324",
        "정산 잔액 부족",
        str(wish.intent),
    ):
        assert part in text


def test_a_refund_that_is_done_has_nothing_to_ask(simulator: Any, admin: User) -> None:
    assert inquiry_of(get_refund(refund(simulator, admin).intent)) is None


def record_of(wish: Wish) -> Cancellation:
    cancellation_id = get_refund(wish.intent).cancellation_id
    return db.session.query(Cancellation).filter_by(cancellation_id=cancellation_id).one()


@pytest.mark.parametrize(
    ("settled", "recorded", "words"),
    [("succeeded", "FAILED", "did not go back"), ("failed", "SUCCEEDED", "did go back")],
)
def test_portone_coming_to_another_end_is_told(
    simulator: Any, admin: User, settled: str, recorded: str, words: str
) -> None:
    wish = refund(simulator, admin)
    assert find_drift(get_refund(wish.intent)) is None
    get_refund(wish.intent).status, record_of(wish).status = settled, recorded
    db.session.commit()
    assert words in (find_drift(get_refund(wish.intent)) or "")


def test_looking_again_at_a_settled_refund_reads_the_payment(simulator: Any, admin: User) -> None:
    wish = refund(simulator, admin)
    record_of(wish).status = "FAILED"
    db.session.commit()
    before = len(simulator.calls("get_payment"))
    recheck_refund(wish.intent, by=admin)
    assert len(simulator.calls("get_payment")) == before + 1
    assert get_refund(wish.intent).status == RefundStatus.SUCCEEDED


def test_a_failed_record_of_an_earlier_try_does_not_pass_for_ours(
    simulator: Any, admin: User, impatient: None
) -> None:
    payment = make_payment(simulator, total=10_000)
    simulator.faults.next("cancel", "done_then_silent", seconds=2)
    wish = make_wish(payment, 3_000)
    request_refund(payment.payment_id, wish, by=admin)
    sync_payment(payment.payment_id)
    ours = payment.cancellations[0]
    db.session.add(
        Cancellation(
            payment_id=payment.id,
            cancellation_id="an earlier try",
            status="FAILED",
            trigger="API",
            total_amount=3_000,
            reason=wish.reason,
            requested_at=ours.requested_at - matching.CLOCK_SKEW / 2,
        )
    )
    db.session.commit()
    assert settling._settle_as_found(wish.intent)
    assert (get_refund(wish.intent).status, get_refund(wish.intent).cancellation_id) == (
        RefundStatus.SUCCEEDED,
        ours.cancellation_id,
    )


def test_a_cancellation_in_the_console_is_not_taken_for_ours(
    simulator: Any, admin: User, impatient: None
) -> None:
    payment = make_payment(simulator, total=10_000)
    simulator.faults.next("cancel", "silent", seconds=2)
    wish = make_wish(payment, 3_000, reason="관리자페이지취소")
    request_refund(payment.payment_id, wish, by=admin)
    simulator.console_cancel(payment.payment_id, 3_000)
    settling.follow(wish.intent)
    assert get_refund(wish.intent).status == RefundStatus.FAILED


def test_our_refund_and_portones_record_are_one_entry_of_the_payment(simulator: Any, admin: User) -> None:
    payment = make_payment(simulator, total=10_000)
    request_refund(payment.payment_id, make_wish(payment, 3_000), by=admin)
    simulator.console_cancel(payment.payment_id, 2_000)
    sync_payment(payment.payment_id)
    told = [
        entry.title for entry in timeline_of(payment) if "000" in entry.title and "Payment" not in entry.title
    ]
    assert sorted(told) == ["Cancelled: ₩2,000", "Refund of ₩3,000: Refunded"]


def test_a_refund_that_failed_offers_the_inquiry_and_a_look_again(
    signed_in: Browser, simulator: Any, admin: User
) -> None:
    simulator.faults.next("cancel", "pg_refuses", pg_code="8324", pg_message="<정산> 부족")
    wish = refund(simulator, admin)
    page = signed_in.get(f"/refunds/{wish.intent}").text
    assert "&lt;정산&gt; 부족" in page
    assert "문의드립니다" in page
    assert f'action="/refunds/{wish.intent}/recheck"' in page
    assert db.session.get(Refund, wish.intent) is not None
