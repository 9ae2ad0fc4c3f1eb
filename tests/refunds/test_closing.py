"""Virtual accounts nobody has paid into: closed once, told in words, and settled after a crash."""

import re
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from app import clock
from app.accounts.models import User
from app.audit.queries import list_entries_of
from app.columns import new_id
from app.extensions import db
from app.payments.models import Payment
from app.payments.queries import get_payment
from app.refunds import closing
from app.refunds.models import ClosureStatus
from app.worker import Worker
from tests.conftest import Browser
from tests.factories import make_payment


@pytest.fixture
def waiting(simulator: Any) -> Payment:
    """A payment whose virtual account waits for its deposit."""
    return make_payment(simulator, method="VIRTUAL_ACCOUNT", status="VIRTUAL_ACCOUNT_ISSUED")


@pytest.fixture
def impatient(app: Flask) -> None:
    """The client repeats at once, and gives up on an answer soon."""
    app.extensions["portone"]._transport._sleep = lambda _seconds: None
    app.extensions["portone"]._transport._timeout = (1.0, 0.3)


def let_the_worker_look(app: Flask) -> None:
    db.session.commit()
    with clock.fixed_at(clock.now() + timedelta(seconds=20)):
        Worker(app, duties=()).run_once()


def press(browser: Browser, payment: Payment, **fields: str) -> Any:
    return browser.submit(f"/payments/{payment.payment_id}", {"action": "close_account"} | fields)


def test_closing_takes_a_step_of_its_own(signed_in: Browser, simulator: Any, waiting: Payment) -> None:
    assert "close_account" in signed_in.get(f"/payments/{waiting.payment_id}").text
    page = press(signed_in, waiting)
    assert page.status_code == 200
    assert simulator.calls("close_virtual_account") == []
    intent = re.findall(r'name="intent" value="([^"]+)"', page.text)[0]
    for _press in range(2):
        assert press(signed_in, waiting, intent=intent, confirmed="1").status_code == 303
    assert len(simulator.calls("close_virtual_account")) == 1
    assert simulator.payment(waiting.payment_id)["status"] == "FAILED"
    assert get_payment(waiting.payment_id).status == "FAILED"


def test_a_closed_account_is_in_the_timeline_and_the_audit_trail(
    signed_in: Browser, simulator: Any, waiting: Payment
) -> None:
    press(signed_in, waiting, intent=str(new_id()), confirmed="1")
    actions = {entry.action for entry in list_entries_of("payment", waiting.payment_id)}
    assert actions >= {"virtual_account.closing", "virtual_account.closed"}
    assert "가상계좌 말소" in signed_in.get(f"/payments/{waiting.payment_id}").text


def test_a_deposit_that_was_faster_is_told(signed_in: Browser, simulator: Any, waiting: Payment) -> None:
    simulator.deposit(waiting.payment_id)
    answer = press(signed_in, waiting, intent=str(new_id()), confirmed="1")
    assert answer.status_code == 409
    assert "가상계좌를 말소하지 못했습니다" in answer.text
    assert get_payment(waiting.payment_id).status == "PAID"


def test_the_pgs_no_is_shown_in_its_words(signed_in: Browser, simulator: Any, waiting: Payment) -> None:
    simulator.faults.next("close_virtual_account", "pg_refuses", pg_code="V801", pg_message="점검 시간")
    answer = press(signed_in, waiting, intent=str(new_id()), confirmed="1")
    assert answer.status_code == 409
    assert "V801" in answer.text
    assert "점검 시간" in answer.text


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("fault", ["done_then_silent", "silent"])
def test_silence_is_settled_by_the_worker_with_the_same_key(
    app: Flask, simulator: Any, admin: User, waiting: Payment, fault: str
) -> None:
    simulator.faults.next("close_virtual_account", fault, seconds=2)
    closure_id = closing.close_account(waiting.payment_id, new_id(), by=admin).id
    let_the_worker_look(app)
    assert closing.get_closure(closure_id).status == ClosureStatus.CLOSED
    keys = {call.idempotency_key for call in simulator.calls("close_virtual_account")}
    assert keys <= {f'"{closure_id}"', str(closure_id)}


def test_a_crash_before_the_call_is_taken_up(
    app: Flask, simulator: Any, admin: User, waiting: Payment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(closing, "_ask", lambda question: None)
    closure_id = closing.close_account(waiting.payment_id, new_id(), by=admin).id
    monkeypatch.undo()
    let_the_worker_look(app)
    assert closing.get_closure(closure_id).status == ClosureStatus.CLOSED


@pytest.mark.parametrize("outcome", ["closed", "failed"])
def test_long_after_the_key_is_forgotten_the_payment_tells(
    simulator: Any, admin: User, waiting: Payment, monkeypatch: pytest.MonkeyPatch, outcome: str
) -> None:
    monkeypatch.setattr(closing, "_ask", lambda question: None)
    closure_id = closing.close_account(waiting.payment_id, new_id(), by=admin).id
    if outcome == "closed":
        simulator.close_virtual_account(waiting.payment_id)
    db.session.commit()
    with clock.fixed_at(clock.now() + timedelta(hours=4)):
        closing.follow(closure_id)
    assert closing.get_closure(closure_id).status == outcome


def test_two_people_cannot_close_it_twice(
    simulator: Any, admin: User, waiting: Payment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(closing, "_ask", lambda question: None)
    closing.close_account(waiting.payment_id, new_id(), by=admin)
    with pytest.raises(closing.ClosingRefused):
        closing.close_account(waiting.payment_id, new_id(), by=admin)


def test_a_paid_account_is_refunded_and_not_closed(signed_in: Browser, simulator: Any) -> None:
    payment = make_payment(simulator, method="VIRTUAL_ACCOUNT")
    assert press(signed_in, payment).status_code == 409
    assert "close_account" not in signed_in.get(f"/payments/{payment.payment_id}").text
