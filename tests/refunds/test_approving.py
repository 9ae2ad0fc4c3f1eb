"""The second person: never the first, never twice, never late, and always against what PortOne says now."""

import json
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet
from flask import Flask

from app import clock
from app.accounts.models import User
from app.approvals.deciding import AlreadyDecided, NotTheSecond
from app.approvals.service import AboveLimit, ApprovalRefused, Proof, ProofMissing, choose_approvers
from app.audit.queries import list_entries_of
from app.columns import new_id
from app.encryption import Vault, vault
from app.errors import DomainError
from app.extensions import db
from app.payments.models import Payment
from app.portone.client import PortOneClient
from app.portone.errors import PortOneUncertain
from app.refunds import balance, settling
from app.refunds.account_keeping import reveal_account
from app.refunds.approving import (
    DESK,
    approve_refund,
    reject_refund,
    withdraw_refund,
)
from app.refunds.models import Refund, RefundStatus
from app.refunds.queries import get_refund
from app.refunds.service import RefundRefused, Wish, claim_waiting_refunds, request_refund
from app.settings import service as settings
from tests.factories import make_payment, make_user, make_wish


@pytest.fixture
def threshold(admin: User, super_admin: User) -> None:
    """Refunds above 5,000 won wait; both people may approve."""
    choose_approvers({admin.id}, by=super_admin)
    settings.change({"refund_approval_threshold": {"KRW": 5_000}}, by=super_admin)


def wait(simulator: Any, by: User, amount: int = 6_000, **of_payment: Any) -> tuple[Payment, Wish]:
    """A refund that waits for a second person."""
    payment = make_payment(simulator, **({"total": 10_000} | of_payment))
    wish = make_wish(payment, amount)
    request_refund(payment.payment_id, wish, by=by)
    assert get_refund(wish.intent).status == RefundStatus.AWAITING_APPROVAL
    return payment, wish


def actions(refund_id: Any) -> list[str]:
    return [entry.action for entry in reversed(list_entries_of("refund", str(refund_id)))]


def cancelled_at_portone(simulator: Any, payment: Payment) -> int:
    return int(simulator.payment(payment.payment_id)["amount"]["cancelled"])


@pytest.mark.parametrize("amount", [5_000, 1])
def test_up_to_the_threshold_nobody_else_is_asked(
    simulator: Any, admin: User, threshold: None, amount: int
) -> None:
    payment = make_payment(simulator, total=10_000)
    wish = make_wish(payment, amount)
    request_refund(payment.payment_id, wish, by=admin)
    assert get_refund(wish.intent).status == RefundStatus.SUCCEEDED


def test_above_it_the_amount_is_held_and_portone_is_not_asked(
    simulator: Any, admin: User, threshold: None
) -> None:
    payment, wish = wait(simulator, admin)
    refund = get_refund(wish.intent)
    assert simulator.calls("cancel") == []
    assert balance.refundable(payment) == 4_000
    assert refund.expires_at is not None
    assert refund.expires_at - refund.created_at == timedelta(hours=72)
    assert claim_waiting_refunds(holder="worker", limit=10) == []


def test_another_currency_has_no_threshold(simulator: Any, admin: User, threshold: None) -> None:
    payment = make_payment(simulator, total=1_000_000, currency="USD")
    wish = make_wish(payment)
    request_refund(payment.payment_id, wish, by=admin)
    assert get_refund(wish.intent).status == RefundStatus.SUCCEEDED


def test_what_is_left_can_be_refunded_meanwhile(simulator: Any, admin: User, threshold: None) -> None:
    payment, _wish = wait(simulator, admin)
    second = make_wish(payment, 4_000)
    request_refund(payment.payment_id, second, by=admin)
    assert get_refund(second.intent).status == RefundStatus.SUCCEEDED
    with pytest.raises(RefundRefused):
        request_refund(payment.payment_id, make_wish(payment, 1), by=admin)


def test_all_that_is_left_can_be_refunded_meanwhile(simulator: Any, admin: User, threshold: None) -> None:
    payment, _wish = wait(simulator, admin)
    rest = make_wish(payment)
    assert type(rest.amount) is int  # PostgreSQL adds up amounts to a decimal, which no request can carry
    request_refund(payment.payment_id, rest, by=admin)
    assert get_refund(rest.intent).status == RefundStatus.SUCCEEDED


def test_an_approved_refund_is_sent_with_portones_balance_of_that_moment(
    simulator: Any, admin: User, super_admin: User, threshold: None
) -> None:
    payment, wish = wait(simulator, admin)
    simulator.console_cancel(payment.payment_id, 1_000)
    approve_refund(wish.intent, by=super_admin, note="확인함")
    refund = get_refund(wish.intent)
    body = json.loads(simulator.calls("cancel")[0].body)
    assert (refund.status, refund.approved_by) == (RefundStatus.SUCCEEDED, super_admin.id)
    assert (body["amount"], body["currentCancellableAmount"]) == (6_000, 9_000)
    assert (refund.balance_before, refund.wish_sealed, refund.expires_at) == (9_000, None, None)
    assert actions(wish.intent) == ["refund.requested", "refund.approved", "refund.succeeded"]
    assert cancelled_at_portone(simulator, payment) == 7_000


def test_the_account_is_sealed_while_it_waits_and_reaches_portone_whole(
    simulator: Any, admin: User, super_admin: User, threshold: None
) -> None:
    _payment, wish = wait(simulator, admin, method="VIRTUAL_ACCOUNT", pg_provider="SMARTRO_V2")
    refund = get_refund(wish.intent)
    stored = [str(getattr(refund, column.key)) for column in Refund.__table__.columns]
    assert not any("123456789012" in value or "01012345678" in value for value in stored)
    approve_refund(wish.intent, by=super_admin)
    account = json.loads(simulator.calls("cancel")[0].body)["refundAccount"]
    assert (account["number"], account["holderPhoneNumber"]) == ("123456789012", "01012345678")


def test_nobody_decides_about_their_own_refund_and_trying_is_recorded(
    simulator: Any, super_admin: User, threshold: None
) -> None:
    _payment, wish = wait(simulator, super_admin)
    for decide in (approve_refund, reject_refund):
        with pytest.raises(NotTheSecond):
            decide(wish.intent, by=super_admin)
    assert actions(wish.intent)[1:] == ["refund.decision_refused"] * 2
    assert get_refund(wish.intent).status == RefundStatus.AWAITING_APPROVAL
    assert simulator.calls("cancel") == []


def test_whoever_may_not_approve_is_refused_by_the_service_too(
    simulator: Any, admin: User, threshold: None
) -> None:
    _payment, wish = wait(simulator, admin)
    third = make_user(email="third@example.com")
    with pytest.raises(ApprovalRefused):
        approve_refund(wish.intent, by=third)
    with pytest.raises(ApprovalRefused):
        reject_refund(wish.intent, by=third)
    assert simulator.calls("cancel") == []


def test_a_rejected_refund_frees_its_amount_and_cannot_come_back(
    simulator: Any, admin: User, super_admin: User, threshold: None
) -> None:
    payment, wish = wait(simulator, admin)
    reject_refund(wish.intent, by=super_admin, note="교환으로 처리")
    refund = get_refund(wish.intent)
    assert (refund.status, refund.wish_sealed) == (RefundStatus.REJECTED, None)
    assert balance.refundable(payment) == 10_000
    with pytest.raises(AlreadyDecided, match="이준호"):
        approve_refund(wish.intent, by=super_admin)
    request_refund(payment.payment_id, wish, by=admin)  # the form sent again changes nothing
    assert simulator.calls("cancel") == []


def test_an_approved_refund_is_not_approved_again(
    simulator: Any, admin: User, super_admin: User, threshold: None
) -> None:
    _payment, wish = wait(simulator, admin)
    approve_refund(wish.intent, by=super_admin)
    for decide in (approve_refund, reject_refund):
        with pytest.raises(AlreadyDecided, match="이준호"):
            decide(wish.intent, by=super_admin)
    assert len(simulator.calls("cancel")) == 1


def test_only_the_requester_takes_a_refund_back(
    simulator: Any, admin: User, super_admin: User, threshold: None
) -> None:
    payment, wish = wait(simulator, admin)
    with pytest.raises(NotTheSecond):
        withdraw_refund(wish.intent, by=super_admin)
    withdraw_refund(wish.intent, by=admin)
    refund = get_refund(wish.intent)
    assert (refund.status, refund.problem) == (RefundStatus.REJECTED, "WITHDRAWN")
    assert balance.refundable(payment) == 10_000


def test_what_waited_too_long_is_rejected_by_the_system(
    simulator: Any, admin: User, super_admin: User, threshold: None
) -> None:
    payment, wish = wait(simulator, admin)
    assert DESK.expire_waiting() == 0
    with clock.fixed_at(clock.now() + timedelta(hours=73)):
        assert DESK.expire_waiting() == 1
        assert DESK.expire_waiting() == 0
    refund, entry = get_refund(wish.intent), list_entries_of("refund", str(wish.intent))[0]
    assert (refund.status, refund.problem) == (RefundStatus.REJECTED, "EXPIRED")
    assert (entry.action, entry.actor_id) == ("refund.expired", None)
    assert balance.refundable(payment) == 10_000


def test_an_approval_that_comes_too_late_rejects(
    simulator: Any, admin: User, super_admin: User, threshold: None
) -> None:
    _payment, wish = wait(simulator, admin)
    with clock.fixed_at(clock.now() + timedelta(hours=73)), pytest.raises(AlreadyDecided):
        approve_refund(wish.intent, by=super_admin)
    assert get_refund(wish.intent).problem == "EXPIRED"
    assert simulator.calls("cancel") == []


def test_an_amount_that_no_longer_fits_stays_waiting(
    simulator: Any, admin: User, super_admin: User, threshold: None
) -> None:
    payment, wish = wait(simulator, admin)
    simulator.console_cancel(payment.payment_id, 5_000)
    with pytest.raises(RefundRefused, match="5,000"):
        approve_refund(wish.intent, by=super_admin)
    db.session.rollback()
    assert get_refund(wish.intent).status == RefundStatus.AWAITING_APPROVAL
    assert simulator.calls("cancel") == []


def test_another_refund_under_way_is_waited_for(
    simulator: Any, admin: User, super_admin: User, threshold: None
) -> None:
    payment, wish = wait(simulator, admin)
    simulator.faults.next("cancel", "requested")
    other = make_wish(payment, 1_000)
    request_refund(payment.payment_id, other, by=admin)
    with pytest.raises(RefundRefused, match="확정되지 않은 환불"):
        approve_refund(wish.intent, by=super_admin)
    db.session.rollback()
    record = simulator.payment(payment.payment_id)["cancellations"][0]["id"]
    simulator.finish_cancellation(payment.payment_id, record, "SUCCEEDED")
    settling.follow(other.intent)
    approve_refund(wish.intent, by=super_admin)
    assert cancelled_at_portone(simulator, payment) == 7_000


@pytest.mark.parametrize("loss", [{"is_active": False}, {"role": "customer"}])
def test_a_requester_who_may_no_longer_refund_is_not_refunded_for(
    simulator: Any, admin: User, super_admin: User, threshold: None, loss: dict[str, Any]
) -> None:
    _payment, wish = wait(simulator, admin)
    for name, value in loss.items():
        setattr(admin, name, value)
    db.session.commit()
    with pytest.raises(RefundRefused, match="권한"):
        approve_refund(wish.intent, by=super_admin)
    db.session.rollback()
    reject_refund(wish.intent, by=super_admin)
    assert get_refund(wish.intent).status == RefundStatus.REJECTED


def test_a_threshold_raised_meanwhile_does_not_let_a_waiting_refund_go(
    simulator: Any, admin: User, super_admin: User, threshold: None
) -> None:
    _payment, wish = wait(simulator, admin)
    settings.change({"refund_approval_threshold": {}}, by=super_admin)
    assert get_refund(wish.intent).status == RefundStatus.AWAITING_APPROVAL
    with pytest.raises(NotTheSecond):
        approve_refund(wish.intent, by=admin)
    approve_refund(wish.intent, by=super_admin)
    assert get_refund(wish.intent).status == RefundStatus.SUCCEEDED


def test_portone_away_leaves_it_waiting(
    app: Flask, simulator: Any, admin: User, super_admin: User, threshold: None
) -> None:
    _payment, wish = wait(simulator, admin)
    known = app.extensions["portone"]
    app.extensions["portone"] = PortOneClient(
        api_secret="x", store_id=known.store_id, base="http://127.0.0.1:9", sleep=lambda _: None
    )
    with pytest.raises(PortOneUncertain):
        approve_refund(wish.intent, by=super_admin)
    assert get_refund(wish.intent).status == RefundStatus.AWAITING_APPROVAL


def test_an_approval_whose_process_died_is_taken_up(
    simulator: Any, admin: User, super_admin: User, threshold: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment, wish = wait(simulator, admin)
    with monkeypatch.context() as patch:
        patch.setattr(settling, "send", lambda *_args, **_kwargs: None)  # and then the power went out
        approve_refund(wish.intent, by=super_admin)
    with clock.fixed_at(clock.now() + timedelta(seconds=settling.SENDER_SECONDS + 1)):
        assert claim_waiting_refunds(holder="worker", limit=10) == [wish.intent]
        settling.follow(wish.intent)
    assert cancelled_at_portone(simulator, payment) == 6_000


def test_a_wish_sealed_with_a_lost_key_can_only_be_rejected(
    simulator: Any, admin: User, super_admin: User, threshold: None
) -> None:
    _payment, wish = wait(simulator, admin)
    get_refund(wish.intent).wish_sealed = Vault((Fernet.generate_key().decode(),)).seal("{}")
    db.session.commit()
    with pytest.raises(RefundRefused, match="암호화 키"):
        approve_refund(wish.intent, by=super_admin)
    db.session.rollback()
    reject_refund(wish.intent, by=super_admin)


def test_a_waiting_refund_another_tool_wrote_can_be_approved(
    simulator: Any, admin: User, super_admin: User, threshold: None
) -> None:
    payment, refund_id = make_payment(simulator, total=10_000), new_id()
    db.session.add(
        Refund(
            id=refund_id,
            payment_id=payment.id,
            amount=7_000,
            status="awaiting_approval",
            reason="x",
            requested_by=admin.id,
        )
    )
    db.session.commit()
    approve_refund(refund_id, by=super_admin)
    assert cancelled_at_portone(simulator, payment) == 7_000


def test_a_wish_comes_back_as_it_was_sealed(simulator: Any, admin: User) -> None:
    wish = make_wish(make_payment(simulator, method="VIRTUAL_ACCOUNT"), 3_000, reason="고객 “변심”\n🎁")
    assert Wish.from_text(vault().open(vault().seal(wish.to_text()))) == wish


def test_a_limit_refuses_and_a_super_admin_has_their_own(
    simulator: Any, admin: User, super_admin: User
) -> None:
    settings.change({"refund_limit_admin": {"KRW": 5_000}}, by=super_admin)
    payment = make_payment(simulator, total=10_000)
    with pytest.raises(AboveLimit, match="5,000"):
        request_refund(payment.payment_id, make_wish(payment, 5_001), by=admin)
    db.session.rollback()
    request_refund(payment.payment_id, make_wish(payment, 5_001), by=super_admin)
    assert cancelled_at_portone(simulator, payment) == 5_001


def test_a_proof_is_demanded_of_whoever_asks_and_of_whoever_approves(
    simulator: Any, admin: User, super_admin: User, threshold: None
) -> None:
    settings.change({"refund_step_up_threshold": {"KRW": 5_000}}, by=super_admin)
    payment = make_payment(simulator, total=10_000)
    wish = make_wish(payment)
    with pytest.raises(ProofMissing):
        request_refund(payment.payment_id, wish, by=admin, proof=Proof(super_admin.id))
    db.session.rollback()
    request_refund(payment.payment_id, wish, by=admin, proof=Proof(admin.id))
    with pytest.raises(ProofMissing):
        approve_refund(wish.intent, by=super_admin, proof=Proof(admin.id))
    db.session.rollback()
    approve_refund(wish.intent, by=super_admin, proof=Proof(super_admin.id))
    proven = [(entry.facts or {}).get("proof") for entry in list_entries_of("refund", str(wish.intent))]
    assert proven.count("password") == 2


def test_a_row_of_an_approved_batch_needs_no_approval_of_its_own(
    simulator: Any, admin: User, super_admin: User, threshold: None
) -> None:
    payment = make_payment(simulator, total=20_000)
    wish = make_wish(payment, 6_000)
    request_refund(payment.payment_id, wish, by=admin, approved_by=super_admin)
    refund = get_refund(wish.intent)
    assert (refund.status, refund.approved_by) == (RefundStatus.SUCCEEDED, super_admin.id)
    third = make_user(email="third@example.com")
    for wrong in (admin, third):
        with pytest.raises(ApprovalRefused):
            request_refund(payment.payment_id, make_wish(payment, 6_000), by=admin, approved_by=wrong)
        db.session.rollback()
    settings.change({"refund_limit_admin": {"KRW": 100}}, by=super_admin)
    with pytest.raises(AboveLimit):
        request_refund(payment.payment_id, make_wish(payment, 101), by=admin, approved_by=super_admin)


def at_once(app: Flask, *acts: Callable[[], None]) -> list[type[DomainError] | None]:
    """Do things in threads at the same moment; what each raised."""
    start, raised = threading.Barrier(len(acts)), {}

    def run(act: Callable[[], None]) -> None:
        with app.app_context():
            start.wait()
            try:
                act()
                raised[act] = None
            except DomainError as problem:
                raised[act] = type(problem)
                db.session.rollback()

    db.session.commit()
    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [raised[act] for act in acts]


def test_two_people_at_once_approve_once(
    app: Flask, simulator: Any, admin: User, super_admin: User, threshold: None
) -> None:
    payment, wish = wait(simulator, admin)
    second_id = make_user(role="super_admin", email="second@example.com").id
    people = [super_admin.id, second_id]

    def approval(person_id: Any) -> Callable[[], None]:
        return lambda: approve_refund(wish.intent, by=db.session.get_one(User, person_id))

    raised = at_once(app, *map(approval, people))
    assert sorted(raised, key=str) == sorted([None, AlreadyDecided], key=str)
    assert len(simulator.calls("cancel")) == 1
    assert cancelled_at_portone(simulator, payment) == 6_000


def test_of_approval_rejection_withdrawal_and_clock_one_wins(
    app: Flask, simulator: Any, admin: User, super_admin: User, threshold: None
) -> None:
    payment, wish = wait(simulator, admin)
    get_refund(wish.intent).expires_at = clock.now()
    db.session.commit()
    admin_id, owner_id = admin.id, super_admin.id

    at_once(
        app,
        lambda: approve_refund(wish.intent, by=db.session.get_one(User, owner_id)),
        lambda: reject_refund(wish.intent, by=db.session.get_one(User, owner_id)),
        lambda: withdraw_refund(wish.intent, by=db.session.get_one(User, admin_id)),
        lambda: DESK.expire_waiting() or None,
    )
    decisions = [action for action in actions(wish.intent) if action != "refund.requested"]
    assert len(decisions) == 1, decisions
    assert get_refund(wish.intent).status == RefundStatus.REJECTED
    assert simulator.calls("cancel") == []
    assert balance.refundable(payment) == 10_000


def test_two_waiting_refunds_approved_at_once_give_back_both_in_turn(
    app: Flask, simulator: Any, admin: User, super_admin: User, threshold: None
) -> None:
    payment, first = wait(simulator, admin, total=20_000)
    second = make_wish(payment, 7_000)
    request_refund(payment.payment_id, second, by=admin)
    owner_id, payment_id = super_admin.id, payment.payment_id

    def approval(refund_id: Any) -> Callable[[], None]:
        return lambda: approve_refund(refund_id, by=db.session.get_one(User, owner_id))

    raised = at_once(app, approval(first.intent), approval(second.intent))
    for refund_id, problem in zip((first.intent, second.intent), raised, strict=True):
        if problem is not None:
            approve_refund(refund_id, by=super_admin)
    assert int(simulator.payment(payment_id)["amount"]["cancelled"]) == 13_000
    assert len(simulator.payment(payment_id)["cancellations"]) == 2


def test_the_account_of_a_waiting_refund_can_be_looked_at_too(
    simulator: Any, admin: User, super_admin: User, threshold: None
) -> None:
    _payment, wish = wait(simulator, admin, method="VIRTUAL_ACCOUNT", pg_provider="SMARTRO_V2")
    account = reveal_account(wish.intent, "고객 문의", by=super_admin)
    assert (account["number"], account["holderPhoneNumber"]) == ("123456789012", "01012345678")


def test_a_rule_that_stops_it_since_keeps_a_refund_waiting(
    simulator: Any, admin: User, super_admin: User, threshold: None
) -> None:
    _payment, wish = wait(simulator, admin, 10_000, method="MOBILE")
    with clock.fixed_at(clock.now() + timedelta(days=40)):
        get_refund(wish.intent).expires_at = clock.now() + timedelta(hours=1)
        db.session.commit()
        with pytest.raises(RefundRefused):
            approve_refund(wish.intent, by=super_admin)
    db.session.rollback()
    assert get_refund(wish.intent).status == RefundStatus.AWAITING_APPROVAL


def test_parts_of_a_payment_count_together(simulator: Any, admin: User, super_admin: User) -> None:
    make_user(role="super_admin", email="another-owner@example.com")
    settings.change({"refund_approval_threshold": {"KRW": 5_000}}, by=super_admin)
    payment = make_payment(simulator, total=20_000)
    statuses = []
    for _part in range(3):
        wish = make_wish(payment, 2_000)
        request_refund(payment.payment_id, wish, by=admin)
        statuses.append(get_refund(wish.intent).status)
        db.session.refresh(payment)
    assert statuses == [RefundStatus.SUCCEEDED, RefundStatus.SUCCEEDED, RefundStatus.AWAITING_APPROVAL]
