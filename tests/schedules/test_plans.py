"""Recurring plans: what is charged when, and what becomes of a plan when something goes wrong."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app.audit.models import AuditEntry
from app.billing_keys.service import sync_billing_key
from app.clock import SEOUL
from app.columns import new_id
from app.extensions import db
from app.schedules import advancing
from app.schedules.models import ChargePlan, PaymentSchedule, Stop
from app.schedules.periods import Cadence
from app.schedules.plans import (
    PlanChange,
    PlanRefused,
    change_plan,
    end_plan,
    pause_plan,
    resume_plan,
)
from app.settings import service as settings
from tests.schedules.conftest import make_plan, rows_of


def plain_key(double) -> str:
    return double.state.billing_keys()[0]["billingKey"]


def told(plan: ChargePlan) -> list[tuple[int, int, str]]:
    return [(row.period, row.plan_try, row.status) for row in rows_of(plan)]


def fresh(plan: ChargePlan) -> ChargePlan:
    return db.session.get_one(ChargePlan, plan.id, populate_existing=True)


def test_the_first_charge_is_planned_at_once_and_the_next_when_it_succeeded(double, key, admin, work, time):
    plan = make_plan(key, admin)
    assert [(row.time_to_pay, row.status) for row in rows_of(plan)] == [
        (datetime(2026, 12, 31, 1, tzinfo=UTC), "scheduled")
    ]
    time.now = datetime(2026, 12, 31, 1, 2, tzinfo=UTC)
    work()
    assert told(plan) == [(0, 1, "succeeded"), (1, 1, "scheduled")]
    assert rows_of(plan)[1].time_to_pay == datetime(2027, 1, 31, 1, tzinfo=UTC)


def test_two_years_with_failures_and_a_leap_february(double, key, admin, work, time):
    plan = make_plan(key, admin)
    refused_in = {(2027, 3): 1, (2027, 9): 2}  # so many refusals of the PG in these months
    while time.now < datetime(2028, 12, 31, tzinfo=UTC):
        rows = [row for row in rows_of(plan) if row.status == "scheduled"]
        assert len(rows) == 1
        due = rows[0].time_to_pay
        month = (due.astimezone(SEOUL).year, due.astimezone(SEOUL).month)
        if rows[0].plan_try == 1:
            double.let_charges_fail(plain_key(double), refused_in.get(month, 0))
        time.now = due + timedelta(minutes=2)
        work()
    days = [
        row["paidAt"][:10]
        for row in sorted(double.payments(), key=lambda it: it["requestedAt"])
        if row["status"] == "PAID"
    ]
    assert days == [
        *("2026-12-31", "2027-01-31", "2027-02-28", "2027-04-03", "2027-04-30", "2027-05-31", "2027-06-30"),
        *("2027-07-31", "2027-08-31", "2027-10-06", "2027-10-31", "2027-11-30", "2027-12-31", "2028-01-31"),
        *("2028-02-29", "2028-03-31", "2028-04-30", "2028-05-31", "2028-06-30", "2028-07-31", "2028-08-31"),
        *("2028-09-30", "2028-10-31", "2028-11-30", "2028-12-31"),
    ]
    assert len([row for row in double.payments() if row["status"] == "FAILED"]) == 3
    assert fresh(plan).next_period == len(days)


def test_a_failed_charge_is_tried_again_and_then_the_plan_stands_still(double, key, admin, work, time):
    plan = make_plan(key, admin)
    double.let_charges_fail(plain_key(double), 99)
    for _ in range(3):
        time.now = rows_of(plan)[-1].time_to_pay + timedelta(minutes=2)
        work()
    assert told(plan) == [(0, 1, "failed"), (0, 2, "failed"), (0, 3, "failed")]
    due = [row.time_to_pay.astimezone(SEOUL) for row in rows_of(plan)]
    assert [f"{each:%m-%d %H:%M}" for each in due] == ["12-31 10:00", "01-03 10:00", "01-06 10:00"]
    assert (fresh(plan).status, fresh(plan).stop) == ("paused", Stop.FAILURES)


def test_a_try_that_reaches_into_the_next_period_is_not_made(double, key, super_admin, work, time):
    settings.change({"plan_retry_days": 7}, by=super_admin)
    plan = make_plan(key, super_admin, cadence=Cadence.WEEKLY, day=0)
    double.let_charges_fail(plain_key(double), 1)
    time.now = rows_of(plan)[0].time_to_pay + timedelta(minutes=2)
    work()
    assert (told(plan), fresh(plan).stop) == ([(0, 1, "failed")], Stop.FAILURES)


def test_a_paused_plan_gives_up_its_schedule_and_goes_on_with_the_same_period(double, key, admin, work, time):
    plan = make_plan(key, admin)
    pause_plan(plan.id, "고객 휴면", by=admin)
    assert told(plan) == [(0, 1, "revoked")]
    resume_plan(plan.id, "복귀", by=admin)
    assert told(plan) == [(0, 1, "revoked"), (0, 2, "scheduled")]
    time.now = datetime(2026, 12, 31, 1, 2, tzinfo=UTC)
    work()
    assert len(double.payments()) == 1


def test_what_went_by_while_a_plan_was_paused_is_not_charged(double, key, admin, work, time):
    plan = make_plan(key, admin)
    pause_plan(plan.id, "고객 휴면", by=admin)
    time.now = datetime(2027, 3, 15, tzinfo=UTC)
    resume_plan(plan.id, "복귀", by=admin)
    assert rows_of(plan)[-1].time_to_pay == datetime(2027, 3, 31, 1, tzinfo=UTC)
    assert double.payments() == []


def test_whoever_resumes_may_charge_what_is_owed_at_once(double, key, admin, work, time):
    plan = make_plan(key, admin)
    double.let_charges_fail(plain_key(double), 3)
    for _ in range(3):
        time.now = rows_of(plan)[-1].time_to_pay + timedelta(minutes=2)
        work()
    resume_plan(plan.id, "카드 변경", by=admin, charges_now=True)
    work(minutes=12)
    assert told(plan)[3:] == [(0, 4, "succeeded"), (1, 1, "scheduled")]


def test_an_ended_plan_charges_no_more(double, key, admin, work, time):
    plan = make_plan(key, admin)
    end_plan(plan.id, "해지", by=admin)
    time.now = datetime(2027, 6, 1, tzinfo=UTC)
    work()
    assert (fresh(plan).status, told(plan), double.payments()) == ("ended", [(0, 1, "revoked")], [])
    with pytest.raises(PlanRefused):
        resume_plan(plan.id, "", by=admin)


def test_a_pause_that_comes_too_late_keeps_the_charge_that_was_made(double, key, admin, work, time):
    plan = make_plan(key, admin)
    time.now = datetime(2026, 12, 31, 1, 0, 30, tzinfo=UTC)
    double.charge_due()
    pause_plan(plan.id, "해지", by=admin)
    work()
    assert (fresh(plan).status, told(plan)) == ("paused", [(0, 1, "succeeded")])
    resume_plan(plan.id, "", by=admin)
    assert told(plan)[1:] == [(1, 1, "scheduled")]


def test_a_schedule_without_answer_is_revoked_once_it_has_one(double, key, admin, work, time):
    double.faults.next("schedule_payment", "done_then_silent", times=3)
    plan = make_plan(key, admin)
    pause_plan(plan.id, "해지", by=admin)
    for _ in range(3):
        time.pass_by(seconds=15)
        work()
    assert told(plan) == [(0, 1, "revoked")]
    assert [each["status"] for each in double.state.schedules()] == ["REVOKED"]


def test_somebody_who_revokes_the_schedule_elsewhere_pauses_the_plan(double, key, admin, work, time):
    plan = make_plan(key, admin)
    double.revoke_schedules([rows_of(plan)[0].schedule_id])
    time.now = datetime(2026, 12, 31, 1, 2, tzinfo=UTC)
    work()
    assert (fresh(plan).status, fresh(plan).stop) == ("paused", Stop.REVOKED)


@pytest.mark.parametrize(("lost", "status"), [("inactive", "paused"), ("deleted", "ended")])
def test_a_plan_stops_when_its_key_is_lost(key, admin, work, lost, status):
    plan = make_plan(key, admin)
    key.is_active = False
    key.status = "DELETED" if lost == "deleted" else "ISSUED"
    work()
    assert (fresh(plan).status, fresh(plan).stop) == (status, f"key_{lost}")
    work(seconds=15)
    assert told(plan) == [(0, 1, "revoked")]


def test_a_plan_goes_on_when_the_deletion_of_its_key_failed(double, key, admin, work, time):
    plan = make_plan(key, admin)
    key.deleting_since = time.now
    advancing.advance(plan.id)
    work(minutes=12)
    assert (fresh(plan).status, told(plan)) == ("active", [(0, 1, "scheduled")])
    key.deleting_since = None  # PortOne said no
    time.now = datetime(2026, 12, 31, 1, 2, tzinfo=UTC)
    work()
    assert told(plan) == [(0, 1, "succeeded"), (1, 1, "scheduled")]


def test_nothing_is_planned_while_a_key_is_being_deleted(double, key, admin, work, time):
    plan = make_plan(key, admin)
    time.now = datetime(2026, 12, 31, 1, 2, tzinfo=UTC)
    key.deleting_since = time.now
    work()
    work(minutes=12)
    assert (fresh(plan).status, told(plan)) == ("active", [(0, 1, "succeeded")])


def test_a_plan_whose_schedule_went_with_its_key_has_ended(key, admin, work, double):
    plan = make_plan(key, admin)
    double.revoke_schedules([rows_of(plan)[0].schedule_id])
    double.delete_billing_key(plain_key(double))
    sync_billing_key(plain_key(double))
    work()
    work(seconds=15)
    assert (fresh(plan).status, fresh(plan).stop) == ("ended", Stop.KEY_DELETED)
    assert told(plan) == [(0, 1, "revoked")]


def test_of_several_missed_periods_the_last_is_charged_once(double, key, admin, work, time):
    plan = make_plan(key, admin)
    time.now = datetime(2027, 4, 10, tzinfo=UTC)  # nobody was there since December
    work()
    assert told(plan) == [(0, 1, "succeeded"), (3, 1, "scheduled")]
    assert rows_of(plan)[1].time_to_pay == time.now + advancing.SOON
    assert fresh(plan).skipped_periods == 2
    assert "plan.periods_skipped" in set(db.session.scalars(select(AuditEntry.action)))
    work(minutes=12)
    assert rows_of(plan)[-1].time_to_pay == datetime(2027, 4, 30, 1, tzinfo=UTC)
    assert len(double.payments()) == 2


def test_it_ends_after_the_number_of_charges(double, key, admin, work, time):
    plan = make_plan(key, admin, most_charges=2)
    for month in (1, 2, 3):
        time.now = datetime(2027, month, 5, tzinfo=UTC)
        work()
    assert (fresh(plan).status, fresh(plan).stop, len(double.payments())) == ("ended", Stop.COMPLETED, 2)


def test_it_ends_after_its_last_day(double, key, admin, work, time):
    plan = make_plan(key, admin, ends_on=date(2027, 1, 30))
    time.now = datetime(2027, 1, 5, tzinfo=UTC)
    work()
    assert (fresh(plan).status, told(plan)) == ("ended", [(0, 1, "succeeded")])


def test_changed_terms_hold_for_the_next_period(double, key, admin, work, time):
    plan = make_plan(key, admin)
    change_plan(plan.id, PlanChange(15, 600, 12_900, "연간 멤버십", None, None), "인상", by=admin)
    time.now = datetime(2026, 12, 31, 1, 2, tzinfo=UTC)
    work()
    first, second = rows_of(plan)
    assert (first.amount, second.amount) == (9_900, 12_900)
    assert second.time_to_pay == datetime(2027, 1, 15, 1, tzinfo=UTC)


def test_portones_no_pauses_the_plan_but_an_expired_secret_does_not(double, key, admin, work, time):
    double.api_secret, secret = "another", double.api_secret
    plan = make_plan(key, admin)
    assert told(plan) == [(0, 1, "uncertain")]
    double.api_secret = secret
    work(seconds=15)
    assert told(plan) == [(0, 1, "scheduled")]
    time.now = datetime(2026, 12, 31, 1, 2, tzinfo=UTC)
    double.faults.next("schedule_payment", "pg_refuses")
    work()
    assert (fresh(plan).status, fresh(plan).problem) == ("paused", "PG_PROVIDER")


def test_a_plan_that_never_reached_portone_tries_again_under_a_new_id(double, key, admin, work, time):
    double.faults.next("schedule_payment", "silent", times=99)
    plan = make_plan(key, admin)
    time.now = datetime(2026, 12, 31, 5, tzinfo=UTC)
    double.faults.clear()
    work()
    assert told(plan) == [(0, 1, "refused"), (0, 2, "scheduled")]
    work(minutes=12)
    assert (told(plan)[1], len(double.payments())) == ((0, 2, "succeeded"), 1)


def test_a_key_that_nobody_can_open_any_more_pauses_the_plan(double, key, admin):
    key.billing_key_encrypted = "sealed with a key that is gone"
    plan = make_plan(key, admin)
    assert (fresh(plan).status, fresh(plan).problem, rows_of(plan)) == ("paused", "KEY_UNREADABLE", [])
    assert double.state.schedules() == []


def test_the_same_form_twice_begins_one_plan(double, key, admin):
    plan = make_plan(key, admin)
    again = make_plan(key, admin, intent=plan.id, amount=1)
    assert (again.amount, len(double.state.schedules())) == (9_900, 1)


@pytest.mark.parametrize(
    "values",
    [
        {"day": 10, "starts_on": date(2026, 12, 10)},
        {"ends_on": date(2026, 12, 30)},
    ],
)
def test_a_plan_that_could_not_make_its_first_charge_is_refused(double, key, admin, values):
    with pytest.raises(PlanRefused):
        make_plan(key, admin, **values)
    assert double.state.schedules() == []


@pytest.mark.parametrize("status", ["sending", "scheduled", "succeeded"])
def test_the_database_lets_a_period_be_charged_once(double, key, admin, status):
    plan = make_plan(key, admin)
    first = rows_of(plan)[0]
    twin = PaymentSchedule(
        id=new_id(),
        payment_id="twin",
        billing_key_id=key.id,
        status=status,
        amount=1,
        currency="KRW",
        time_to_pay=first.time_to_pay,
        plan_id=plan.id,
        period=0,
        plan_try=2,
    )
    db.session.add(twin)
    with pytest.raises(IntegrityError):
        db.session.commit()
    db.session.rollback()


def test_plans_are_refused_for_a_key_that_cannot_be_charged(double, key, admin):
    key.is_active = False
    db.session.commit()
    with pytest.raises(PlanRefused):
        make_plan(key, admin)
