"""Limits of one person: in place of the role's, for one refund and for a day."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from app import clock
from app.accounts import people
from app.accounts.limits import find_limit
from app.approvals.service import AboveLimit
from app.audit.models import AuditEntry
from app.errors import DomainError
from app.extensions import db
from app.refunds import service as refunds
from app.refunds.queries import sum_of_day
from app.settings import service as settings
from tests.factories import make_payment, make_wish

NOON = datetime(2026, 3, 30, 3, 0, tzinfo=UTC)


def limit(person, by, **limits):
    people.change_limits(person.id, limits, by=by)


def refund(simulator, amount, by):
    payment = make_payment(simulator, total=10_000)
    return refunds.request_refund(payment.payment_id, make_wish(payment, amount), by=by)


def test_a_limit_of_ones_own_takes_the_place_of_the_roles_lower_or_higher(admin, super_admin):
    settings.change({"refund_limit_admin": {"KRW": 5_000, "USD": 100}}, by=super_admin)
    limit(admin, super_admin, refund_limit={"KRW": 9_000})
    assert [find_limit(admin, "refund_limit", each) for each in ("KRW", "USD", "JPY")] == [9_000, 100, None]
    limit(admin, super_admin, refund_limit={"KRW": 0})
    assert find_limit(admin, "refund_limit", "KRW") == 0
    limit(admin, super_admin, refund_limit={})
    assert (find_limit(admin, "refund_limit", "KRW"), admin.limits) == (5_000, None)


def test_a_customer_may_move_nothing(customer):
    assert find_limit(customer, "refund_limit", "KRW") == 0


def test_a_change_of_limits_is_in_the_trail_and_pressed_twice_it_is_one(admin, super_admin):
    for _press in range(2):
        limit(admin, super_admin, refund_limit={"KRW": 9_000})
    entry = db.session.query(AuditEntry).filter_by(action="account.limits_changed").one()
    assert (entry.subject_id, entry.actor_id) == (str(admin.id), super_admin.id)
    assert (entry.before, entry.after) == ({}, {"refund_limit": {"KRW": 9_000}})


def test_a_refund_above_ones_own_limit_is_refused(simulator, admin, super_admin):
    limit(admin, super_admin, refund_limit={"KRW": 3_000})
    refund(simulator, 3_000, admin)
    with pytest.raises(AboveLimit, match="3,000"):
        refund(simulator, 3_001, admin)


def test_a_day_of_refunds_that_outgrow_64_bits_together_is_added_up(simulator, signed_in, admin, super_admin):
    most = 2**63 - 1
    payments = [make_payment(simulator, total=most) for _ in range(3)]
    for payment in payments[:2]:
        refunds.request_refund(payment.payment_id, make_wish(payment), by=admin)
    assert sum_of_day(admin.id, "KRW") == 2 * most
    assert signed_in.get(f"/payments/{payments[2].payment_id}/refunds/new").status_code == 200
    limit(admin, super_admin, refund_daily_limit={"KRW": most})
    with pytest.raises(AboveLimit):
        refunds.request_refund(payments[2].payment_id, make_wish(payments[2], 1), by=admin)


def test_the_refunds_of_a_day_count_together_until_midnight_in_seoul(simulator, admin, super_admin):
    limit(admin, super_admin, refund_daily_limit={"KRW": 5_000})
    with clock.fixed_at(NOON):
        refund(simulator, 3_000, admin)
        with pytest.raises(AboveLimit, match="2,000"):
            refund(simulator, 2_001, admin)
        refund(simulator, 2_001, super_admin)
        refund(simulator, 2_000, admin)
    with clock.fixed_at(NOON + timedelta(hours=12)):  # midnight in Seoul
        refund(simulator, 5_000, admin)


def test_what_came_to_nothing_takes_nothing_of_the_day(simulator, admin, super_admin):
    limit(admin, super_admin, refund_daily_limit={"KRW": 5_000})
    simulator.faults.next("cancel", "pg_refuses", pg_code="8324", pg_message="정산 잔액 부족")
    refund(simulator, 5_000, admin)
    refund(simulator, 5_000, admin)
    with pytest.raises(AboveLimit):
        refund(simulator, 1, admin)


def test_two_refunds_at_once_do_not_both_take_what_is_left_of_the_day(app, simulator, admin, super_admin):
    limit(admin, super_admin, refund_daily_limit={"KRW": 5_000})
    payments = [make_payment(simulator, total=10_000) for _each in range(2)]
    wishes = [(payment.payment_id, make_wish(payment, 4_000)) for payment in payments]
    start, refused, admin_id = threading.Barrier(2), [], admin.id
    db.session.commit()

    def ask(payment_id, wish):
        with app.app_context():
            start.wait()
            try:
                refunds.request_refund(payment_id, wish, by=db.session.get(type(admin), admin_id))
            except DomainError as refusal:
                refused.append(refusal)

    threads = [threading.Thread(target=ask, args=each) for each in wishes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [type(each) for each in refused] == [AboveLimit]


def test_a_program_of_the_store_may_have_its_own_limits_too(super_admin):
    machine = people.machine_of("shop")
    limit(machine, super_admin, refund_limit={"KRW": 1_000})
    assert find_limit(people.machine_of("shop"), "refund_limit", "KRW") == 1_000
