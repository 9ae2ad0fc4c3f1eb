"""A charge takes money once: late, refused, twice, and by two people at once."""

import threading
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from app import clock
from app.accounts.models import User
from app.audit.queries import list_entries_of
from app.billing_keys.models import BillingKey
from app.charges.checks import ChargeRefused, MaybeTwice, Wish
from app.charges.models import Charge, ChargeStatus, payment_id_of
from app.charges.queries import get_charge
from app.charges.service import request_charge
from app.columns import new_id
from app.extensions import db
from app.payments.queries import get_payment
from tests.factories import make_billing_key, make_charge_wish


def charge(row: BillingKey, by: User, wish: Wish | None = None, **values: Any) -> Charge:
    """Charge a key, and see what became of it."""
    wish = wish or make_charge_wish(**values)
    request_charge(row.id, wish, by=by)
    return get_charge(wish.intent)


def test_a_charge_is_one_payment_under_the_id_of_its_intent(simulator, row, admin):
    done = charge(row, admin, amount=19_900, tax_free_amount=4_900, customer_name="김하늘")
    at_portone = simulator.payment(payment_id_of(done.id))
    assert (done.status, done.problem, done.request_sealed) == (ChargeStatus.SUCCEEDED, None, None)
    assert (at_portone["status"], at_portone["amount"]["total"]) == ("PAID", 19_900)
    assert at_portone["amount"]["taxFree"] == 4_900
    assert done.payment is not None
    assert done.payment.payment_id == at_portone["id"] == done.named_payment_id
    assert row.last_used_at == done.payment.paid_at


def test_the_paymentid_is_one_that_every_pg_takes(row, admin):
    assert payment_id_of(new_id()).isalnum()
    assert len(payment_id_of(new_id())) <= 40


def test_every_step_is_in_the_audit_trail_without_the_customer(row, admin):
    done = charge(row, admin, customer_name="김하늘", reason="6월분 재청구")
    succeeded, requested = list_entries_of("charge", done.id)
    assert (requested.action, succeeded.action) == ("charge.requested", "charge.succeeded")
    assert (requested.facts["amount"], requested.facts["reason"]) == (19_900, "6월분 재청구")
    assert "김하늘" not in str(requested.facts)


def test_the_same_intent_again_charges_nothing_more(simulator, row, admin):
    wish = make_charge_wish()
    first, again = charge(row, admin, wish), charge(row, admin, wish)
    assert first.id == again.id
    assert len(simulator.payments()) == 1
    assert len(simulator.calls("pay_with_billing_key")) == 1


def test_an_intent_belongs_to_one_key(simulator, row, admin):
    wish = make_charge_wish()
    charge(row, admin, wish)
    with pytest.raises(ChargeRefused):
        request_charge(make_billing_key(simulator).id, wish, by=admin)


def at_once(app: Flask, number: int, act: Any) -> list[Exception]:
    """Do something in so many threads; what was raised."""
    start, raised = threading.Barrier(number), []
    db.session.commit()

    def run(index: int) -> None:
        with app.app_context():
            start.wait()
            try:
                act(index)
            except ChargeRefused as refusal:
                raised.append(refusal)
                db.session.rollback()

    threads = [threading.Thread(target=run, args=(index,)) for index in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def test_twenty_presses_of_one_form_charge_once(app, simulator, row, admin):
    wish, row_id, admin_id = make_charge_wish(), row.id, admin.id
    raised = at_once(
        app, 20, lambda _index: request_charge(row_id, wish, by=db.session.get_one(User, admin_id))
    )
    assert raised == []
    assert len(simulator.payments()) == 1
    assert db.session.scalar(select(func.count()).select_from(Charge)) == 1


def test_of_two_people_at_once_one_is_told_of_the_other(app, simulator, row, admin, super_admin):
    row_id, ids, wishes = row.id, [admin.id, super_admin.id], [make_charge_wish(), make_charge_wish()]
    raised = at_once(
        app, 2, lambda index: request_charge(row_id, wishes[index], by=db.session.get_one(User, ids[index]))
    )
    assert len(raised) == 1
    assert len(simulator.payments()) == 1


def test_the_same_amount_again_is_asked_about_and_can_be_meant(simulator, row, admin):
    first = charge(row, admin)
    with pytest.raises(MaybeTwice) as warning:
        charge(row, admin)
    assert warning.value.twin_id == first.id
    assert charge(row, admin, not_twin=first.id).status == ChargeStatus.SUCCEEDED
    with pytest.raises(MaybeTwice):  # another came meanwhile, which nobody was told of
        charge(row, admin, not_twin=first.id)
    assert charge(row, admin, amount=19_901).status == ChargeStatus.SUCCEEDED
    assert len(simulator.payments()) == 3


def test_what_failed_warns_of_nothing(simulator, row, admin):
    simulator.faults.next("pay_with_billing_key", "pg_refuses")
    assert charge(row, admin).status == ChargeStatus.FAILED
    assert charge(row, admin).status == ChargeStatus.SUCCEEDED


def test_while_an_outcome_is_unknown_the_same_amount_cannot_be_charged(simulator, row, admin, impatient):
    simulator.faults.next("pay_with_billing_key", "done_then_silent", seconds=2)
    first = charge(row, admin)
    assert first.status == ChargeStatus.UNCERTAIN
    with pytest.raises(ChargeRefused, match="결과"):
        charge(row, admin, not_twin=first.id)
    assert charge(row, admin, amount=5_000).status == ChargeStatus.SUCCEEDED


@pytest.mark.parametrize(
    "gone",
    [
        {"status": "DELETED"},
        {"is_active": False},
        {"deleting_since": clock.now()},
        {"billing_key_encrypted": None},
        {"billing_key_encrypted": "unreadable"},
    ],
    ids=lambda gone: next(iter(gone)),
)
def test_a_key_that_went_away_since_the_form_was_opened_is_not_charged(simulator, row, admin, gone):
    wish = make_charge_wish()
    for column, value in gone.items():
        setattr(row, column, value)
    db.session.commit()
    with pytest.raises(ChargeRefused):
        request_charge(row.id, wish, by=admin)
    assert simulator.calls("pay_with_billing_key") == []


def test_a_customer_charges_nothing(row, customer):
    with pytest.raises(Exception, match="더 이상"):
        charge(row, customer)


@pytest.mark.parametrize(
    ("amount", "currency"), [(2_999, "USD"), (1_500, "BHD"), (300, "JPY"), (2**63 - 1, "KRW")]
)
def test_amounts_are_minor_units_of_any_currency(simulator, row, admin, amount, currency):
    done = charge(row, admin, amount=amount, currency=currency)
    at_portone = simulator.payment(done.named_payment_id)
    assert (at_portone["amount"]["total"], at_portone["currency"]) == (amount, currency)
    assert (done.payment.amount, done.payment.currency) == (amount, currency)


@pytest.mark.parametrize("name", ["뷁 구독 “프리미엄” – 7월", "구독🎁", "a" * 500])
def test_names_arrive_as_they_were_typed(simulator, row, admin, name):
    done = charge(row, admin, order_name=name)
    assert simulator.payment(done.named_payment_id)["orderName"] == name


@pytest.mark.parametrize("amount", [0, -1])
def test_the_database_takes_no_charge_of_nothing(row, admin, amount):
    with pytest.raises(ValueError, match="greater than 0"):
        charge(row, admin, amount=amount)


def test_the_key_itself_is_nowhere_in_the_rows(simulator, row, admin):
    billing_key = simulator.payment(charge(row, admin).named_payment_id)["billingKey"]
    for table in ("charges", "payments", "audit_entries", "billing_keys"):
        rows = db.session.execute(db.text(f"SELECT * FROM {table}")).all()
        assert rows
        assert billing_key not in str(rows), table
    assert get_payment(charge(row, admin, amount=1).named_payment_id).billing_key_hash == row.billing_key
