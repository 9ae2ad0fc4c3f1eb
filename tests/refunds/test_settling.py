"""What became of a refund when the plain way to know is closed: lost, late, contradicted, or mistaken."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from app import clock
from app.accounts.models import User
from app.extensions import db
from app.payments.models import Payment
from app.payments.queries import get_payment
from app.portone.errors import PortOneRefused, PortOneUncertain
from app.portone.payloads import Cancellation as CancellationRecord
from app.refunds import balance, settling
from app.refunds.models import Refund, RefundStatus
from app.refunds.queries import get_refund
from app.refunds.service import Wish, _hold, request_refund
from app.simulator.cancel_request import CancelRequest
from app.worker import Worker
from tests.factories import make_payment, make_wish

AFTER_THE_KEY = settling.KEY_LIFETIME + timedelta(hours=1)


@contextmanager
def cancelling(monkeypatch: pytest.MonkeyPatch, act: Any) -> Iterator[None]:
    """PortOne answers a cancel as `act(cancel, *args)` does."""
    client = settling.portone._get_current_object()
    cancel = client.cancel_payment
    with monkeypatch.context() as patch:
        patch.setattr(client, "cancel_payment", lambda *args, **kwargs: act(cancel, *args, **kwargs))
        yield


def done_but_unheard(cancel: Any, *args: Any, **kwargs: Any) -> Any:
    cancel(*args, **kwargs)
    raise PortOneUncertain("timeout")


def never_arrives(cancel: Any, *args: Any, **kwargs: Any) -> Any:
    raise PortOneUncertain("timeout")


def settle_when_the_key_is_gone(wish: Wish) -> Refund:
    with clock.fixed_at(clock.now() + AFTER_THE_KEY):
        settling.follow(wish.intent)
    return get_refund(wish.intent)


def cancel_by_another_server(simulator: Any, payment: Payment, amount: int, reason: str) -> str:
    made = simulator.cancel(payment.payment_id, CancelRequest(reason=reason, amount=amount))
    return str(made["id"])


def test_no_hold_stays_when_neither_reading_nor_webhook_came(app: Flask, simulator: Any, admin: User) -> None:
    payment = make_payment(simulator, total=10_000)
    wish = make_wish(payment, 3_000)
    simulator.faults.next("get_payment", "proxy_error", times=3)
    app.extensions["portone"]._transport._sleep = lambda seconds: None
    request_refund(payment.payment_id, wish, by=admin)
    assert (get_refund(wish.intent).status, balance.held(payment)) == (RefundStatus.SUCCEEDED, 3_000)
    db.session.commit()
    with clock.fixed_at(clock.now() + timedelta(seconds=15)):
        Worker(app).run_once()
    db.session.expire_all()
    assert (balance.held(payment), balance.refundable(payment)) == (0, 7_000)


def test_a_reason_rewritten_on_its_way_hides_no_cancellation(
    simulator: Any, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = make_payment(simulator, total=10_000)
    wish = make_wish(payment, 3_000, reason="고객 변심 – “사이즈 교환” 요청")
    with cancelling(monkeypatch, never_arrives):
        request_refund(payment.payment_id, wish, by=admin)
    cut_short = cancel_by_another_server(simulator, payment, 3_000, reason="고객 변심")
    refund = settle_when_the_key_is_gone(wish)
    assert (refund.status, refund.cancellation_id) == (RefundStatus.SUCCEEDED, cut_short)


def test_a_cancel_in_the_console_is_not_taken_for_ours(
    simulator: Any, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = make_payment(simulator, total=10_000)
    wish = make_wish(payment, 3_000, reason="관리자페이지취소")
    with cancelling(monkeypatch, never_arrives):
        request_refund(payment.payment_id, wish, by=admin)
    simulator.console_cancel(payment.payment_id, 3_000)
    assert settle_when_the_key_is_gone(wish).status == RefundStatus.FAILED


def test_what_had_gone_back_before_is_not_taken_for_ours(
    simulator: Any, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = make_payment(simulator, total=10_000)
    cancel_by_another_server(simulator, payment, 3_000, reason="고객 변심")
    settling.sync_payment(payment.payment_id)
    wish = make_wish(payment, 3_000, reason="고객 변심")
    with cancelling(monkeypatch, never_arrives):
        request_refund(payment.payment_id, wish, by=admin)
    assert settle_when_the_key_is_gone(wish).status == RefundStatus.FAILED


def test_ours_is_found_beside_an_equal_one_of_the_same_minute(
    simulator: Any, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = make_payment(simulator, total=10_000)
    theirs = cancel_by_another_server(simulator, payment, 3_000, reason="고객 변심")
    settling.sync_payment(payment.payment_id)
    wish = make_wish(payment, 3_000, reason="고객 변심")
    with cancelling(monkeypatch, done_but_unheard):
        request_refund(payment.payment_id, wish, by=admin)
    refund = settle_when_the_key_is_gone(wish)
    assert refund.status == RefundStatus.SUCCEEDED
    assert refund.cancellation_id not in {None, theirs}


def test_one_that_failed_elsewhere_does_not_hide_ours_that_succeeded(
    simulator: Any, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = make_payment(simulator, total=10_000)
    simulator.cancel(payment.payment_id, CancelRequest(reason="고객 변심", amount=3_000), fault="failed")
    wish = make_wish(payment, 3_000, reason="고객 변심")
    with cancelling(monkeypatch, done_but_unheard):
        request_refund(payment.payment_id, wish, by=admin)
    assert settle_when_the_key_is_gone(wish).status == RefundStatus.SUCCEEDED


def test_our_cancellation_is_found_though_our_clock_runs_ahead(
    simulator: Any, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = make_payment(simulator, total=10_000)
    wish = make_wish(payment, 3_000)
    with cancelling(monkeypatch, done_but_unheard), clock.fixed_at(clock.now() + timedelta(hours=1)):
        request_refund(payment.payment_id, wish, by=admin)
        assert settle_when_the_key_is_gone(wish).status == RefundStatus.SUCCEEDED


@pytest.mark.parametrize("wait", [timedelta(minutes=1), AFTER_THE_KEY])
def test_a_payment_portone_suddenly_does_not_know_proves_nothing(
    simulator: Any, admin: User, monkeypatch: pytest.MonkeyPatch, wait: timedelta
) -> None:
    payment = make_payment(simulator, total=10_000)
    wish = make_wish(payment, 3_000)
    with cancelling(monkeypatch, done_but_unheard):
        request_refund(payment.payment_id, wish, by=admin)
    kept = simulator.state.find_payment(payment.payment_id)  # credentials of another store see nothing
    simulator.state.execute("DELETE FROM payments")
    simulator.state.execute("DELETE FROM answers")
    with clock.fixed_at(clock.now() + wait):
        settling.follow(wish.intent)
        assert get_refund(wish.intent).status == RefundStatus.UNCERTAIN
        simulator.state.save_payment(kept)
        settling.follow(wish.intent)
    assert get_refund(wish.intent).status == RefundStatus.SUCCEEDED


def test_a_no_without_portones_word_for_it_is_not_believed(
    simulator: Any, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def blocked_on_the_way_back(cancel: Any, *args: Any, **kwargs: Any) -> Any:
        cancel(*args, **kwargs)
        raise PortOneRefused("HTTP_403", status=403)

    payment = make_payment(simulator, total=10_000)
    wish = make_wish(payment, 3_000)
    with cancelling(monkeypatch, blocked_on_the_way_back):
        request_refund(payment.payment_id, wish, by=admin)
    assert get_refund(wish.intent).status == RefundStatus.SUCCEEDED


def test_a_first_no_is_not_believed_when_a_worker_has_asked_meanwhile(
    simulator: Any, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = make_payment(simulator, total=10_000)
    wish = make_wish(payment, 3_000)

    def slow_and_then_refused(cancel: Any, *args: Any, **kwargs: Any) -> Any:
        with cancelling(monkeypatch, lambda _, *again, **named: done_but_unheard(cancel, *again, **named)):
            settling.follow(wish.intent)
        raise PortOneRefused("UNAUTHORIZED", status=401)

    with cancelling(monkeypatch, slow_and_then_refused):
        request_refund(payment.payment_id, wish, by=admin)
    assert get_refund(wish.intent).status == RefundStatus.SUCCEEDED


def test_a_yes_that_comes_after_we_gave_up_still_counts(
    simulator: Any, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sender stood still for hours, and the worker had concluded that PortOne never got the request."""
    payment = make_payment(simulator, total=10_000)
    wish = make_wish(payment, 3_000)

    def hours_later(cancel: Any, *args: Any, **kwargs: Any) -> Any:
        assert settle_when_the_key_is_gone(wish).status == RefundStatus.FAILED
        db.session.commit()
        return cancel(*args, **kwargs)

    with cancelling(monkeypatch, hours_later):
        request_refund(payment.payment_id, wish, by=admin)
    assert get_refund(wish.intent).status == RefundStatus.SUCCEEDED
    assert balance.held(get_payment(payment.payment_id)) == 0


def test_an_unknown_status_of_a_cancellation_keeps_the_money_on_hold(
    simulator: Any, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def of_a_status_to_come(cancel: Any, *args: Any, **kwargs: Any) -> Any:
        return CancellationRecord.from_raw({"id": "c-1", "status": "ON_ITS_WAY", "totalAmount": 3_000})

    payment = make_payment(simulator, total=10_000)
    wish = make_wish(payment, 3_000)
    with cancelling(monkeypatch, of_a_status_to_come):
        request_refund(payment.payment_id, wish, by=admin)
    assert get_refund(wish.intent).status == RefundStatus.REQUESTED
    assert balance.refundable(payment) == 7_000


def test_a_refund_held_long_before_it_is_sent_is_asked_for_once(
    simulator: Any, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = make_payment(simulator, total=10_000)
    wish = make_wish(payment, 3_000)
    _hold(payment.payment_id, wish, admin)
    for _ in range(3):
        settling.follow(wish.intent)
    assert len(simulator.payment(payment.payment_id)["cancellations"]) == 1


@pytest.mark.parametrize("fault", ["portal", "redirect", "proxy_refuses", "trickles"])
def test_what_is_no_answer_of_portones_is_asked_again(
    app: Flask, simulator: Any, admin: User, fault: str
) -> None:
    payment = make_payment(simulator, total=10_000)
    wish = make_wish(payment, 3_000)
    simulator.faults.next("cancel", fault, seconds=30)
    app.extensions["portone"]._transport._timeout = (5.0, 0.5)
    request_refund(payment.payment_id, wish, by=admin)
    simulator.faults.let_go()
    assert get_refund(wish.intent).status == RefundStatus.UNCERTAIN
    app.extensions["portone"]._transport._timeout = (5.0, 10.0)
    settling.follow(wish.intent)
    assert get_refund(wish.intent).status == RefundStatus.SUCCEEDED
    assert len(simulator.payment(payment.payment_id)["cancellations"]) == 1
