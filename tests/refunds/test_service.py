"""Refunds against PortOne's double: late, refused, twice, half-done, and by two people at once."""

import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet
from flask import Flask
from sqlalchemy import select

from app import clock
from app.accounts.models import User
from app.audit.queries import list_entries_of
from app.columns import new_id
from app.encryption import Vault, vault
from app.errors import DomainError
from app.extensions import db, portone
from app.payments.service import sync_payment
from app.portone.client import PortOneClient
from app.refunds import balance, service, settling
from app.refunds.models import Refund, RefundStatus
from app.refunds.queries import get_refund
from app.refunds.service import (
    BalanceMoved,
    RefundRefused,
    claim_waiting_refunds,
    recheck_refund,
    request_refund,
)
from tests.factories import make_payment, make_wish


def cancelled_at_portone(simulator: Any, payment_id: str) -> int:
    """What PortOne itself has given back, in minor units."""
    return int(simulator.payment(payment_id)["amount"]["cancelled"])


def cancellations_at_portone(simulator: Any, payment_id: str) -> list[dict[str, Any]]:
    return list(simulator.payment(payment_id).get("cancellations", []))


def sent_body(simulator: Any) -> dict[str, Any]:
    """The body of the first cancel that reached PortOne."""
    body: dict[str, Any] = json.loads(simulator.calls("cancel")[0].body)
    return body


def test_a_full_refund_gives_everything_back_once(simulator: Any, admin: User) -> None:
    payment = make_payment(simulator, total=39_000)
    wish = make_wish(payment)
    request_refund(payment.payment_id, wish, by=admin)
    assert get_refund(wish.intent).status == RefundStatus.SUCCEEDED
    assert cancelled_at_portone(simulator, payment.payment_id) == 39_000
    assert payment.status == "CANCELLED"
    assert balance.refundable(payment) == 0


def test_a_part_leaves_the_rest_refundable(simulator: Any, admin: User) -> None:
    payment = make_payment(simulator, total=10_000)
    request_refund(payment.payment_id, make_wish(payment, 3_000), by=admin)
    assert (payment.status, balance.refundable(payment)) == ("PARTIAL_CANCELLED", 7_000)


def test_the_same_intent_twice_is_one_cancel(simulator: Any, admin: User) -> None:
    payment = make_payment(simulator, total=10_000)
    wish = make_wish(payment, 3_000)
    request_refund(payment.payment_id, wish, by=admin)
    request_refund(payment.payment_id, wish, by=admin)
    assert len(simulator.calls("cancel")) == 1


def test_portone_is_sent_its_own_balance_and_who_asks(simulator: Any, admin: User) -> None:
    payment = make_payment(simulator, total=10_000)
    wish = make_wish(payment, 3_000)
    request_refund(payment.payment_id, wish, by=admin)
    body = sent_body(simulator)
    assert (body["currentCancellableAmount"], body["requester"], body["amount"]) == (10_000, "ADMIN", 3_000)
    assert simulator.calls("cancel")[0].idempotency_key == f'"{wish.intent}"'


def test_a_virtual_account_is_refunded_to_the_account_named(simulator: Any, admin: User) -> None:
    payment = make_payment(simulator, method="VIRTUAL_ACCOUNT", pg_provider="SMARTRO_V2")
    wish = make_wish(payment)
    request_refund(payment.payment_id, wish, by=admin)
    refund = get_refund(wish.intent)
    account = sent_body(simulator)["refundAccount"]
    assert (account["bank"], account["number"]) == ("KOOKMIN", "123456789012")
    assert account["holderPhoneNumber"] == "01012345678"
    assert (refund.status, refund.account_last_digits) == (RefundStatus.SUCCEEDED, "9012")


def test_the_account_number_stands_nowhere_in_the_clear(simulator: Any, admin: User) -> None:
    payment = make_payment(simulator, method="VIRTUAL_ACCOUNT")
    wish = make_wish(payment)
    request_refund(payment.payment_id, wish, by=admin)
    refund = get_refund(wish.intent)
    stored = [str(getattr(refund, column.key)) for column in Refund.__table__.columns]
    assert not any("123456789012" in value for value in stored)
    assert "123456789012" in vault().open(refund.request_sealed or "")


def test_a_refusal_changes_nothing_and_says_why(simulator: Any, admin: User) -> None:
    payment = make_payment(simulator, total=10_000)
    simulator.faults.next("cancel", "pg_refuses", pg_code="8324", pg_message="정산 잔액 부족")
    wish = make_wish(payment)
    request_refund(payment.payment_id, wish, by=admin)
    refund = get_refund(wish.intent)
    assert (refund.status, refund.problem) == (RefundStatus.FAILED, "PG_PROVIDER")
    assert (refund.pg_code, refund.pg_message) == ("8324", "정산 잔액 부족")
    assert balance.refundable(payment) == 10_000


def test_silence_keeps_the_money_on_hold(simulator: Any, admin: User, impatient: None) -> None:
    payment = make_payment(simulator, total=10_000)
    simulator.faults.next("cancel", "done_then_silent", seconds=3)
    wish = make_wish(payment, 3_000)
    request_refund(payment.payment_id, wish, by=admin)
    assert get_refund(wish.intent).status == RefundStatus.UNCERTAIN
    assert balance.refundable(payment) == 7_000


def test_no_second_refund_while_the_first_has_no_outcome(
    simulator: Any, admin: User, impatient: None
) -> None:
    payment = make_payment(simulator, total=10_000)
    simulator.faults.next("cancel", "done_then_silent", seconds=3)
    request_refund(payment.payment_id, make_wish(payment, 3_000), by=admin)
    with pytest.raises(RefundRefused, match="확정되지 않은 환불"):
        request_refund(payment.payment_id, make_wish(payment, 1_000), by=admin)


def test_an_answer_that_came_too_late_is_found_by_asking_again(
    simulator: Any, admin: User, impatient: None
) -> None:
    payment = make_payment(simulator, total=10_000)
    simulator.faults.next("cancel", "done_then_silent", seconds=3)
    wish = make_wish(payment, 3_000)
    request_refund(payment.payment_id, wish, by=admin)
    recheck_refund(wish.intent, by=admin)
    assert get_refund(wish.intent).status == RefundStatus.SUCCEEDED
    assert len(cancellations_at_portone(simulator, payment.payment_id)) == 1


def test_a_refund_whose_process_died_is_taken_up(simulator: Any, admin: User) -> None:
    payment = make_payment(simulator, total=10_000)
    wish = make_wish(payment, 3_000)
    from app.refunds.service import _hold

    _hold(payment.payment_id, wish, admin)  # and then the power went out
    assert claim_waiting_refunds(holder="worker", limit=10) == []
    with clock.fixed_at(clock.now() + timedelta(seconds=settling.SENDER_SECONDS + 1)):
        assert claim_waiting_refunds(holder="worker", limit=10) == [wish.intent]
        settling.follow(wish.intent)
    assert get_refund(wish.intent).status == RefundStatus.SUCCEEDED
    assert cancelled_at_portone(simulator, payment.payment_id) == 3_000


def test_what_is_sent_again_is_the_stored_text_byte_for_byte(
    simulator: Any, admin: User, impatient: None
) -> None:
    payment = make_payment(simulator, total=10_000)
    simulator.faults.next("cancel", "done_then_silent", seconds=3)
    wish = make_wish(payment, 3_000, reason="고객 변심 – “교환”")
    request_refund(payment.payment_id, wish, by=admin)
    settling.follow(wish.intent)
    first, again = simulator.calls("cancel")
    assert first.body == again.body == vault().open(get_refund(wish.intent).request_sealed or "")


@pytest.mark.parametrize("fault", ["proxy_error", "broken_json", "throttled"])
def test_no_readable_answer_is_an_unknown_outcome(
    simulator: Any, admin: User, impatient: None, fault: str
) -> None:
    payment = make_payment(simulator, total=10_000)
    simulator.faults.next("cancel", fault, times=5)
    wish = make_wish(payment, 3_000)
    request_refund(payment.payment_id, wish, by=admin)
    assert get_refund(wish.intent).status == RefundStatus.UNCERTAIN


def test_an_accepted_refund_is_followed_until_it_is_final(simulator: Any, admin: User) -> None:
    payment = make_payment(simulator, total=10_000)
    simulator.faults.next("cancel", "requested")
    wish = make_wish(payment)
    request_refund(payment.payment_id, wish, by=admin)
    refund = get_refund(wish.intent)
    assert refund.status == RefundStatus.REQUESTED
    simulator.finish_cancellation(payment.payment_id, refund.cancellation_id, "SUCCEEDED")
    settling.follow(wish.intent)
    assert get_refund(wish.intent).status == RefundStatus.SUCCEEDED


def test_an_accepted_refund_may_still_fail(simulator: Any, admin: User) -> None:
    payment = make_payment(simulator, total=10_000)
    simulator.faults.next("cancel", "requested")
    wish = make_wish(payment)
    request_refund(payment.payment_id, wish, by=admin)
    cancellation_id = get_refund(wish.intent).cancellation_id
    simulator.finish_cancellation(payment.payment_id, cancellation_id, "FAILED")
    settling.follow(wish.intent)
    refund = get_refund(wish.intent)
    assert (refund.status, refund.problem) == (RefundStatus.FAILED, "CANCELLATION_FAILED")
    assert balance.refundable(payment) == 10_000


def test_a_balance_that_moved_is_told_before_portone_is_asked(simulator: Any, admin: User) -> None:
    payment = make_payment(simulator, total=10_000)
    wish = make_wish(payment, 3_000)
    simulator.console_cancel(payment.payment_id, 5_000)
    sync_payment(payment.payment_id)
    with pytest.raises(BalanceMoved, match="5,000"):
        request_refund(payment.payment_id, wish, by=admin)
    assert simulator.calls("cancel") == []


def test_a_cancellation_we_did_not_know_of_makes_portone_refuse(simulator: Any, admin: User) -> None:
    payment = make_payment(simulator, total=10_000)
    wish = make_wish(payment, 3_000)
    simulator.console_cancel(payment.payment_id, 5_000)
    request_refund(payment.payment_id, wish, by=admin)
    refund = get_refund(wish.intent)
    assert refund.problem == "CANCELLABLE_AMOUNT_CONSISTENCY_BROKEN"
    assert cancelled_at_portone(simulator, payment.payment_id) == 5_000
    assert balance.refundable(payment) == 5_000  # read again after the refusal


def test_an_old_unknown_outcome_is_settled_by_comparison(
    simulator: Any, admin: User, impatient: None
) -> None:
    payment = make_payment(simulator, total=10_000)
    simulator.faults.next("cancel", "done_then_silent", seconds=3)
    wish = make_wish(payment, 3_000)
    request_refund(payment.payment_id, wish, by=admin)
    with clock.fixed_at(clock.now() + timedelta(hours=4)):
        settling.follow(wish.intent)
    assert get_refund(wish.intent).status == RefundStatus.SUCCEEDED
    assert len(simulator.calls("cancel")) == 1


def test_an_old_unknown_outcome_that_never_reached_portone_has_failed(
    simulator: Any, admin: User, impatient: None
) -> None:
    payment = make_payment(simulator, total=10_000)
    simulator.faults.next("cancel", "silent", seconds=3)
    wish = make_wish(payment, 3_000)
    request_refund(payment.payment_id, wish, by=admin)
    with clock.fixed_at(clock.now() + timedelta(hours=4)):
        settling.follow(wish.intent)
    refund = get_refund(wish.intent)
    assert (refund.status, refund.problem) == (RefundStatus.FAILED, "NOT_FOUND_AT_PORTONE")
    assert cancelled_at_portone(simulator, payment.payment_id) == 0


def at_once(app: Flask, number: int, act: Any) -> list[Exception | None]:
    """Do something in many threads at the same moment; what each raised."""
    start, raised = threading.Barrier(number), []

    def run(index: int) -> None:
        with app.app_context():
            start.wait()
            try:
                act(index)
                raised.append(None)
            except DomainError as problem:
                raised.append(problem)

    db.session.commit()
    threads = [threading.Thread(target=run, args=(index,)) for index in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def test_twenty_identical_submissions_at_once_are_one_cancel(app: Flask, simulator: Any, admin: User) -> None:
    payment = make_payment(simulator, total=10_000)
    wish, payment_id = make_wish(payment, 3_000), payment.payment_id
    admin_id = admin.id

    def submit(_index: int) -> None:
        request_refund(payment_id, wish, by=db.session.get_one(User, admin_id))

    assert at_once(app, 20, submit) == [None] * 20
    assert len(simulator.calls("cancel")) == 1
    assert cancelled_at_portone(simulator, payment_id) == 3_000


def test_two_people_at_once_refund_only_what_there_is(app: Flask, simulator: Any, admin: User) -> None:
    payment = make_payment(simulator, total=10_000)
    wishes = [make_wish(payment, 6_000), make_wish(payment, 6_000)]
    payment_id, admin_id = payment.payment_id, admin.id

    def submit(index: int) -> None:
        request_refund(payment_id, wishes[index], by=db.session.get_one(User, admin_id))

    raised = at_once(app, 2, submit)
    assert sum(isinstance(problem, RefundRefused) for problem in raised) == 1
    assert cancelled_at_portone(simulator, payment_id) == 6_000


@pytest.mark.parametrize("status", ["READY", "FAILED", "VIRTUAL_ACCOUNT_ISSUED", "PAY_PENDING", "CANCELLED"])
def test_what_is_not_paid_cannot_be_refunded(simulator: Any, admin: User, status: str) -> None:
    method = "VIRTUAL_ACCOUNT" if status == "VIRTUAL_ACCOUNT_ISSUED" else "CARD"
    payment = make_payment(simulator, status=status, method=method)
    with pytest.raises(RefundRefused):
        request_refund(payment.payment_id, make_wish(payment, 1_000), by=admin)
    assert simulator.calls("cancel") == []


def test_the_tax_free_part_is_sent_and_bounded(simulator: Any, admin: User) -> None:
    payment = make_payment(simulator, total=10_000, tax_free=4_000)
    with pytest.raises(RefundRefused, match="4,000"):
        request_refund(payment.payment_id, make_wish(payment, 6_000, tax_free_amount=5_000), by=admin)
    request_refund(payment.payment_id, make_wish(payment, 6_000, tax_free_amount=2_400), by=admin)
    assert sent_body(simulator)["taxFreeAmount"] == 2_400
    assert balance.refundable_tax_free(payment) == 1_600


def test_every_step_of_a_refund_is_in_the_audit_trail(simulator: Any, admin: User, impatient: None) -> None:
    payment = make_payment(simulator, total=10_000)
    simulator.faults.next("cancel", "done_then_silent", seconds=3)
    wish = make_wish(payment, 3_000)
    request_refund(payment.payment_id, wish, by=admin)
    recheck_refund(wish.intent, by=admin)
    actions = [entry.action for entry in list_entries_of("refund", str(wish.intent))]
    assert sorted(actions) == ["refund.rechecked", "refund.requested", "refund.succeeded", "refund.uncertain"]


def test_no_transaction_is_open_while_portone_is_asked(
    simulator: Any, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = make_payment(simulator, total=10_000)
    wish, seen = make_wish(payment, 3_000), []
    transport = portone._transport
    send = transport.send

    def watch(call: Any) -> Any:
        seen.append(db.session().in_transaction())
        return send(call)

    monkeypatch.setattr(transport, "send", watch)
    request_refund(payment.payment_id, wish, by=admin)
    assert seen == [False, False]


def refuse_us(app: Flask) -> None:
    """PortOne no longer takes our secret: it has expired."""
    known = app.extensions["portone"]
    app.extensions["portone"] = PortOneClient(
        api_secret="expired", store_id=known.store_id, base=known._transport._base
    )


def test_a_refusal_after_silence_is_not_believed(
    app: Flask, simulator: Any, admin: User, impatient: None
) -> None:
    payment = make_payment(simulator, total=10_000)
    simulator.faults.next("cancel", "done_then_silent", seconds=3)
    wish = make_wish(payment, 3_000)
    request_refund(payment.payment_id, wish, by=admin)
    client = app.extensions["portone"]
    refuse_us(app)
    settling.follow(wish.intent)
    refund = get_refund(wish.intent)
    assert (refund.status, refund.problem) == (RefundStatus.UNCERTAIN, "UNAUTHORIZED")
    assert balance.refundable(payment) == 7_000
    app.extensions["portone"] = client
    settling.follow(wish.intent)
    assert get_refund(wish.intent).status == RefundStatus.SUCCEEDED
    assert len(cancellations_at_portone(simulator, payment.payment_id)) == 1


def test_a_repeat_that_is_refused_though_the_first_was_done_is_found(
    simulator: Any, admin: User, impatient: None
) -> None:
    payment = make_payment(simulator, total=10_000)
    simulator.faults.next("cancel", "done_then_silent", seconds=3)
    wish = make_wish(payment, 3_000)
    request_refund(payment.payment_id, wish, by=admin)
    simulator.faults.next("cancel", "pg_refuses")
    settling.follow(wish.intent)
    assert get_refund(wish.intent).status == RefundStatus.SUCCEEDED


def test_a_repeat_that_is_refused_and_was_never_done_has_failed(
    simulator: Any, admin: User, impatient: None
) -> None:
    payment = make_payment(simulator, total=10_000)
    simulator.faults.next("cancel", "silent", seconds=3)
    wish = make_wish(payment, 3_000)
    request_refund(payment.payment_id, wish, by=admin)
    simulator.console_cancel(payment.payment_id, 2_000)
    settling.follow(wish.intent)
    refund = get_refund(wish.intent)
    assert (refund.status, refund.problem) == (RefundStatus.FAILED, "CANCELLABLE_AMOUNT_CONSISTENCY_BROKEN")
    assert balance.refundable(payment) == 8_000


def test_a_first_refusal_of_us_is_final(app: Flask, simulator: Any, admin: User) -> None:
    payment = make_payment(simulator, total=10_000)
    refuse_us(app)
    wish = make_wish(payment, 3_000)
    request_refund(payment.payment_id, wish, by=admin)
    assert get_refund(wish.intent).status == RefundStatus.FAILED


def test_a_refund_another_tool_wrote_is_settled_by_comparison(simulator: Any, admin: User) -> None:
    payment = make_payment(simulator, total=10_000)
    db.session.add(Refund(id=new_id(), payment_id=payment.id, amount=3_000, status="sending", reason="x"))
    db.session.commit()
    refund_id = db.session.scalars(select(Refund.id)).one()
    recheck_refund(refund_id, by=admin)
    refund = get_refund(refund_id)
    assert (refund.status, refund.problem) == (RefundStatus.FAILED, "NOT_FOUND_AT_PORTONE")


def test_a_request_sealed_with_a_lost_key_waits_before_it_is_compared(
    simulator: Any, admin: User, impatient: None
) -> None:
    payment = make_payment(simulator, total=10_000)
    simulator.faults.next("cancel", "done_then_silent", seconds=3)
    wish = make_wish(payment, 3_000)
    request_refund(payment.payment_id, wish, by=admin)
    get_refund(wish.intent).request_sealed = Vault((Fernet.generate_key().decode(),)).seal("{}")
    db.session.commit()
    settling.follow(wish.intent)
    assert get_refund(wish.intent).problem == "REQUEST_UNREADABLE"
    with clock.fixed_at(clock.now() + timedelta(minutes=3)):
        settling.follow(wish.intent)
    assert get_refund(wish.intent).status == RefundStatus.SUCCEEDED


def test_a_balance_settled_since_our_copy_was_read_is_read_again_first(
    simulator: Any, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = make_payment(simulator, total=10_000)
    with monkeypatch.context() as patch:
        for module in (service, settling):
            patch.setattr(module, "sync_quietly", lambda _payment_id: None)  # no time for it yet
        request_refund(payment.payment_id, make_wish(payment, 3_000), by=admin)
        with pytest.raises(RefundRefused):
            request_refund(payment.payment_id, make_wish(payment, 2_000), by=admin)
        db.session.rollback()
    wish = make_wish(payment, 2_000)
    request_refund(payment.payment_id, wish, by=admin)
    assert get_refund(wish.intent).status == RefundStatus.SUCCEEDED
    assert get_refund(wish.intent).balance_before == 7_000
