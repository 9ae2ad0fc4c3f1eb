"""Schedules: planned once, whatever PortOne answers, and given up all together or not at all."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from app import clock
from app.audit.models import AuditEntry
from app.columns import new_id
from app.extensions import db
from app.schedules.models import PaymentSchedule
from app.schedules.service import (
    ScheduleRefused,
    Wish,
    payment_id_of,
    recheck_schedule,
    request_schedule,
    revoke_schedules,
)
from tests.schedules.conftest import make_schedule


def actions_on(row: PaymentSchedule) -> list[str]:
    mine = select(AuditEntry.action).where(AuditEntry.subject_id == str(row.id)).order_by(AuditEntry.sequence)
    return list(db.session.scalars(mine))


def test_a_schedule_is_made_at_portone_under_its_own_payment_id(double, key, admin):
    row = make_schedule(key, admin)
    (known,) = double.state.schedules()
    assert (row.status, row.schedule_id) == ("scheduled", known["id"])
    assert known["paymentId"] == row.payment_id == payment_id_of(row.id)
    assert (known["totalAmount"], known["customer"]["id"]) == (19_900, "customer-9")
    assert actions_on(row) == ["schedule.requested", "schedule.scheduled"]


def test_the_same_form_twice_makes_one_schedule(double, key, admin):
    row = make_schedule(key, admin)
    wish = Wish(row.id, 500, "KRW", "다른 것", clock.now() + timedelta(days=9))
    request_schedule(key.id, wish, by=admin)
    assert [each["totalAmount"] for each in double.state.schedules()] == [19_900]


def test_a_form_of_another_key_is_refused(double, key, admin):
    row = make_schedule(key, admin)
    wish = Wish(row.id, 500, "KRW", "다른 것", clock.now() + timedelta(days=9))
    with pytest.raises(ScheduleRefused):
        request_schedule(_another_key(double).id, wish, by=admin)


@pytest.mark.parametrize(
    "fault", ["done_then_silent", "broken_json", "silent", "proxy_error", "proxy_refuses"]
)
def test_no_answer_is_settled_by_the_same_id(double, key, admin, work, fault):
    double.faults.next("schedule_payment", fault, times=3)
    row = make_schedule(key, admin)
    assert row.status == "uncertain"
    double.faults.clear()
    work(seconds=15)
    assert db.session.get_one(PaymentSchedule, row.id).status == "scheduled"
    assert len(double.state.schedules()) == 1


def test_what_portone_did_and_its_key_forgot_is_found_in_its_list(double, key, admin, work, time):
    double.faults.next("schedule_payment", "done_then_silent", times=3)
    row = make_schedule(key, admin)
    work(hours=4)
    assert db.session.get_one(PaymentSchedule, row.id).status == "scheduled"


def test_what_never_reached_portone_in_time_is_given_up_and_never_charged(double, key, admin, work, time):
    double.faults.next("schedule_payment", "silent", times=3)
    row = make_schedule(key, admin, ahead=timedelta(minutes=10))
    work(minutes=20)
    row = db.session.get_one(PaymentSchedule, row.id)
    assert (row.status, row.problem) == ("refused", "NOT_FOUND_AT_PORTONE")
    assert double.state.schedules() == [] == double.payments()


def test_portones_no_ends_the_wish(double, key, admin):
    double.delete_billing_key(_plain(double))
    row = make_schedule(key, admin)
    assert (row.status, row.problem) == ("refused", "BILLING_KEY_ALREADY_DELETED")


def test_a_charge_needs_a_usable_key_and_a_little_time(double, key, admin):
    with pytest.raises(ScheduleRefused):
        make_schedule(key, admin, ahead=timedelta(minutes=4))
    key.is_active = False
    db.session.commit()
    with pytest.raises(ScheduleRefused):
        make_schedule(key, admin)
    assert double.state.schedules() == []


def test_a_webhook_of_the_charge_settles_the_schedule(double, key, admin, work, time):
    row = make_schedule(key, admin)
    work(days=3)
    row = db.session.get_one(PaymentSchedule, row.id)
    assert row.status == "succeeded"
    assert actions_on(row)[-1] == "schedule.succeeded"


def test_a_lost_webhook_delays_but_does_not_hide_the_outcome(double, key, admin, work, time):
    row = make_schedule(key, admin)
    double.let_charges_fail(_plain(double), 1)
    double.faults.next("webhook", "never")
    work(days=3)
    work(minutes=2)
    assert db.session.get_one(PaymentSchedule, row.id).status == "failed"


def test_a_revoked_schedule_is_never_charged(double, key, admin, work, time):
    row = make_schedule(key, admin)
    revoke_schedules([row.id], "고객 요청", by=admin)
    work(days=4)
    row = db.session.get_one(PaymentSchedule, row.id)
    assert (row.status, row.revoke_reason, double.payments()) == ("revoked", "고객 요청", [])
    assert actions_on(row)[-2:] == ["schedule.revoke_requested", "schedule.revoked"]


def test_a_revocation_without_answer_is_asked_again(double, key, admin, work, time):
    row = make_schedule(key, admin)
    double.faults.next("revoke_schedules", "done_then_silent", times=3)
    revoke_schedules([row.id], "고객 요청", by=admin)
    assert db.session.get_one(PaymentSchedule, row.id).is_being_revoked
    work(seconds=15)
    assert db.session.get_one(PaymentSchedule, row.id).status == "revoked"


def test_what_was_charged_in_between_is_told_and_not_called_revoked(double, key, admin, time):
    row = make_schedule(key, admin)
    time.pass_by(days=3)
    double.charge_due()
    revoke_schedules([row.id], "고객 요청", by=admin)
    row = db.session.get_one(PaymentSchedule, row.id)
    assert (row.status, row.revoke_problem) == ("succeeded", "PAYMENT_SCHEDULE_ALREADY_PROCESSED")


def test_several_are_revoked_together_or_not_at_all(double, key, admin, time):
    soon, later = make_schedule(key, admin), make_schedule(key, admin, ahead=timedelta(days=30))
    time.pass_by(days=3)
    double.charge_due()
    revoke_schedules([soon.id, later.id], "해지", by=admin)
    states = {row.id: row.status for row in (soon, later)}
    assert states == {soon.id: "succeeded", later.id: "scheduled"}
    revoke_schedules([later.id], "해지", by=admin)
    assert later.status == "revoked"


def test_what_is_over_cannot_be_revoked(double, key, admin):
    row = make_schedule(key, admin)
    revoke_schedules([row.id], "해지", by=admin)
    with pytest.raises(ScheduleRefused):
        revoke_schedules([row.id], "해지", by=admin)


def test_checking_again_by_hand_needs_no_worker(double, key, admin, time):
    row = make_schedule(key, admin)
    time.pass_by(days=3)
    double.charge_due()
    recheck_schedule(row.id, by=admin)
    assert db.session.get_one(PaymentSchedule, row.id).status == "succeeded"


def test_the_request_is_the_same_text_each_time(double, key, admin):
    from app.schedules.settling import dispatch_of

    row = make_schedule(key, admin)
    first = dispatch_of(row)
    db.session.expire_all()
    assert dispatch_of(row) == first == replace(first)
    assert _plain(double) not in repr(first)


def _plain(double) -> str:
    return double.state.billing_keys()[0]["billingKey"]


def _another_key(double):
    from app.billing_keys.queries import find_billing_key
    from app.billing_keys.service import sync_billing_key

    plain = double.make_billing_key(customer_id=f"c-{new_id()}")["billingKey"]
    sync_billing_key(plain)
    return find_billing_key(plain)
