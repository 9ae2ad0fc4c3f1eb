"""What became of a charge when the plain way to know is closed: lost, late, refused, or told by others."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from app import clock
from app.accounts.models import User
from app.billing_keys.models import BillingKey
from app.charges import settling
from app.charges.checks import Wish
from app.charges.models import Charge, ChargeStatus
from app.charges.outcomes import key_in, settle
from app.charges.queries import get_charge
from app.charges.service import _hold, recheck_charge, request_charge
from app.charges.settling import ASK_AGAIN_FOR
from app.extensions import db
from app.payments.service import sync_payment
from app.simulator.charging import Charge as Asked
from app.worker import Worker
from tests.factories import make_charge_wish

PAY = "pay_with_billing_key"


def charge(row: BillingKey, by: User, **values: Any) -> Charge:
    wish = make_charge_wish(**values)
    request_charge(row.id, wish, by=by)
    return get_charge(wish.intent)


def follow(charge: Charge, *, later: timedelta = timedelta(0)) -> Charge:
    charge_id = charge.id
    with clock.fixed_at(clock.now() + later):
        settling.follow(charge_id)
    return get_charge(charge_id)


def paid_at_portone(simulator: Any, row: BillingKey, wish: Wish, **changes: Any) -> None:
    """PortOne charges what was wished, and nobody of us hears of it."""
    asked = Asked(
        billing_key=key_in(row) or "",
        order_name=wish.order_name,
        total=wish.amount,
        tax_free=0,
        currency="KRW",
        customer=None,
        custom_data="",
    )
    simulator.charge(wish.payment_id, Asked(**{**vars(asked), **changes}))


@pytest.mark.parametrize("fault", ["done_then_silent", "broken_json"])
def test_done_but_unheard_is_found_and_not_asked_again(simulator, row, admin, impatient, fault):
    simulator.faults.next(PAY, fault, seconds=2)
    unknown = charge(row, admin)
    assert unknown.status in {ChargeStatus.UNCERTAIN, ChargeStatus.SUCCEEDED}
    assert follow(unknown).status == ChargeStatus.SUCCEEDED
    assert len(simulator.calls(PAY)) == len(simulator.payments()) == 1


@pytest.mark.parametrize(
    "fault", ["silent", "proxy_error", "throttled", "portal", "redirect", "proxy_refuses"]
)
def test_what_never_arrived_is_asked_again_in_the_same_words(simulator, row, admin, impatient, fault):
    simulator.faults.next(PAY, fault, times=3)
    unknown = charge(row, admin)
    assert (unknown.status, unknown.request_sealed is not None) == (ChargeStatus.UNCERTAIN, True)
    simulator.faults.clear()
    assert follow(unknown).status == ChargeStatus.SUCCEEDED
    asked = {(call.path, call.body, call.idempotency_key) for call in simulator.calls(PAY)}
    assert len(asked) == len(simulator.payments()) == 1


def test_a_slow_portone_is_not_asked_twice_at_once(app, simulator, row, admin, impatient):
    simulator.faults.next(PAY, "slow", seconds=20)
    unknown = charge(row, admin)
    assert follow(unknown).problem == "outstanding"
    simulator.faults.let_go()
    while any(call.status is None for call in simulator.calls(PAY)):
        threading.Event().wait(0.005)
    assert follow(unknown).status == ChargeStatus.SUCCEEDED
    assert len(simulator.payments()) == 1


def test_a_refusal_of_the_pg_is_told_in_its_words(simulator, row, admin):
    simulator.let_charges_fail(key_in(row), 1)
    failed = charge(row, admin)
    assert (failed.status, failed.problem) == (ChargeStatus.FAILED, "PG_PROVIDER")
    assert (failed.pg_code, failed.pg_message) == ("EXCEED_MAX_AMOUNT", "카드 한도가 초과되었습니다.")
    assert failed.payment is not None
    assert failed.payment.status == "FAILED"


def test_the_words_of_a_pg_are_kept_without_the_key_and_however_long_they_are(simulator, row, admin):
    key = key_in(row) or ""
    simulator.faults.next(PAY, "pg_refuses", pg_code="C" * 300, pg_message=f"{key} 거절")
    failed = charge(row, admin)
    assert failed.pg_code == "C" * 80
    assert key not in failed.pg_message
    assert "거절" in failed.pg_message


def test_a_key_deleted_at_portone_is_refused_and_then_known_here(simulator, row, admin):
    simulator.delete_billing_key(key_in(row))
    failed = charge(row, admin)
    assert (failed.status, failed.problem) == (ChargeStatus.FAILED, "BILLING_KEY_ALREADY_DELETED")
    assert not failed.billing_key.is_chargeable


def test_a_wrong_secret_at_the_first_question_charged_nothing(simulator, row, admin):
    simulator.api_secret = "another"
    assert charge(row, admin).problem == "UNAUTHORIZED"


def test_a_wrong_secret_at_a_repeat_decides_nothing(simulator, row, admin, impatient):
    simulator.faults.next(PAY, "done_then_silent", seconds=2)
    unknown, secret = charge(row, admin), simulator.api_secret
    simulator.api_secret = "another"
    assert follow(unknown).status == ChargeStatus.UNCERTAIN
    simulator.api_secret = secret
    assert follow(unknown).status == ChargeStatus.SUCCEEDED


def test_already_paid_is_the_success_of_a_try_we_did_not_hear_of(simulator, row, admin):
    wish = make_charge_wish()
    paid_at_portone(simulator, row, wish)
    request_charge(row.id, wish, by=admin)
    assert get_charge(wish.intent).status == ChargeStatus.SUCCEEDED
    assert len(simulator.payments()) == 1


def test_a_payment_of_another_amount_is_not_taken_for_ours(simulator, row, admin):
    wish = make_charge_wish()
    paid_at_portone(simulator, row, wish, total=100)
    request_charge(row.id, wish, by=admin)
    assert get_charge(wish.intent).status == ChargeStatus.UNCERTAIN


def test_a_refusal_of_a_repeat_ends_it_where_portone_has_no_payment(simulator, row, admin, impatient):
    simulator.faults.next(PAY, "silent", times=3)
    unknown = charge(row, admin)
    simulator.faults.clear()
    simulator.delete_billing_key(key_in(row))
    assert follow(unknown).problem == "BILLING_KEY_ALREADY_DELETED"
    assert simulator.payments() == []


def test_a_key_switched_off_meanwhile_is_only_looked_at(simulator, row, admin, impatient):
    simulator.faults.next(PAY, "silent", times=3)
    unknown = charge(row, admin)
    simulator.faults.clear()
    row.is_active = False
    db.session.commit()
    assert follow(unknown).problem == "NOT_ASKED_AGAIN"
    assert follow(unknown, later=timedelta(minutes=3)).problem == "NOT_FOUND_AT_PORTONE"
    assert get_charge(unknown.id).status == ChargeStatus.FAILED
    assert simulator.payments() == []


def test_nobody_is_charged_long_after_they_were_to_be(simulator, row, admin, impatient):
    simulator.faults.next(PAY, "silent", times=3)
    unknown = charge(row, admin)
    simulator.faults.clear()
    late = follow(unknown, later=ASK_AGAIN_FOR + timedelta(minutes=1))
    assert (late.status, late.problem) == (ChargeStatus.FAILED, "NOT_FOUND_AT_PORTONE")
    assert simulator.payments() == []


def test_a_pg_that_decides_later_is_waited_for_and_not_asked_twice(simulator, row, admin):
    wish = make_charge_wish()
    request = _hold(row.id, wish, admin, None)
    simulator.make_payment(
        payment_id=wish.payment_id, status="PAY_PENDING", total=wish.amount, order_name=wish.order_name
    )
    assert request is not None
    settling.follow(wish.intent)
    pending = get_charge(wish.intent)
    assert (pending.status, pending.problem) == (ChargeStatus.UNCERTAIN, "PAYMENT_PENDING")
    assert simulator.calls(PAY) == []


def test_a_webhook_that_comes_first_settles_the_charge(app, simulator, row, admin, client):
    wish = make_charge_wish()
    _hold(row.id, wish, admin, None)  # and the process died
    simulator.outbox.url = "http://portico.example/webhooks/portone"
    simulator.outbox.send = lambda message: client.post(
        "/webhooks/portone", data=message.body, headers=message.headers
    )
    paid_at_portone(simulator, row, wish)
    simulator.outbox.flush()
    simulator.outbox.flush()
    Worker(app, duties=()).run_once()
    db.session.expire_all()
    settled = get_charge(wish.intent)
    assert (settled.status, settled.request_sealed) == (ChargeStatus.SUCCEEDED, None)
    assert simulator.calls(PAY) == []


def test_what_the_worker_finds_it_settles(app, simulator, row, admin):
    wish = make_charge_wish()
    _hold(row.id, wish, admin, None)
    with clock.fixed_at(clock.now() + timedelta(seconds=9)):
        Worker(app, duties=()).run_once()
    db.session.expire_all()
    assert get_charge(wish.intent).status == ChargeStatus.SUCCEEDED


def test_a_failure_we_concluded_gives_way_to_a_payment_that_was_made(simulator, row, admin):
    wish = make_charge_wish()
    _hold(row.id, wish, admin, None)
    settle(wish.intent, ChargeStatus.FAILED, problem="NOT_FOUND_AT_PORTONE")
    paid_at_portone(simulator, row, wish)
    sync_payment(wish.payment_id)
    charge = get_charge(wish.intent)
    assert (charge.status, charge.problem) == (ChargeStatus.SUCCEEDED, None)


def test_a_payment_nobody_read_is_read_later(app, simulator, row, admin):
    simulator.faults.next("get_payment", "proxy_refuses", times=1)
    done = charge(row, admin)
    assert (done.status, done.payment_id) == (ChargeStatus.SUCCEEDED, None)
    assert settling.read_missing_payments() == 1
    assert get_charge(done.id).payment_id is not None
    assert settling.read_missing_payments() == 0


def test_a_person_can_ask_now(simulator, row, admin, impatient):
    simulator.faults.next(PAY, "done_then_silent", seconds=2)
    unknown = charge(row, admin)
    recheck_charge(unknown.id, by=admin)
    assert get_charge(unknown.id).status == ChargeStatus.SUCCEEDED


def test_the_database_lets_one_charge_of_an_amount_be_under_way(app: Flask, row, admin):
    from sqlalchemy.exc import IntegrityError

    _hold(row.id, make_charge_wish(), admin, None)
    first = db.session.scalars(select(Charge)).one()
    copy = {"billing_key_id": row.id, "amount": first.amount, "currency": "KRW", "order_name": "x"}
    db.session.add(Charge(named_payment_id="another", status="uncertain", **copy))
    with pytest.raises(IntegrityError):
        db.session.commit()
    db.session.rollback()
