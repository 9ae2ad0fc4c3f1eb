"""What takes a second person is charged in no other way: not in parts, not later, not by plans."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import date, timedelta

import pytest

from app.accounts.models import User
from app.approvals.service import AboveLimit
from app.billing_keys.models import BillingKey
from app.charges.queries import get_charge
from app.charges.service import request_charge
from app.extensions import db
from app.schedules.periods import Cadence
from app.schedules.plans import PlanChange, change_plan, pause_plan, resume_plan
from app.schedules.service import ScheduleRefused
from app.settings import service as settings
from tests.factories import make_charge_wish, make_user
from tests.schedules.conftest import make_plan, make_schedule


@pytest.fixture(autouse=True)
def _two_decide(double, super_admin):
    make_user(role="super_admin", email="second@example.com")
    settings.change({"charge_approval_threshold": {"KRW": 30_000}}, by=super_admin)


def charge(key, by, amount=20_000, **terms) -> str:
    wish = make_charge_wish(amount=amount, **terms)
    request_charge(key.id, wish, by=by)
    return get_charge(wish.intent).status


def on(day: int, **terms) -> dict:
    return {"amount": 20_000, "starts_on": date(2026, 12, day), "day": day, **terms}


def test_what_was_charged_today_counts_for_a_schedule_soon(key, admin):
    assert charge(key, admin) == "succeeded"
    with pytest.raises(ScheduleRefused):
        make_schedule(key, admin, amount=20_000, ahead=timedelta(minutes=6))
    make_schedule(key, admin, amount=20_000, ahead=timedelta(hours=25))


def test_what_is_planned_soon_counts_for_a_charge_now(key, admin):
    make_schedule(key, admin, amount=20_000, ahead=timedelta(minutes=6))
    assert charge(key, admin) == "awaiting_approval"


def test_parts_on_both_sides_of_midnight_count_together(key, admin):
    to_midnight = timedelta(hours=14)
    make_schedule(key, admin, amount=20_000, ahead=to_midnight - timedelta(minutes=5))
    with pytest.raises(ScheduleRefused):
        make_schedule(key, admin, amount=20_000, ahead=to_midnight + timedelta(minutes=5))


def test_each_currency_counts_for_itself(key, admin, super_admin):
    settings.change({"charge_approval_threshold": {"KRW": 30_000, "JPY": 30_000}}, by=super_admin)
    make_schedule(key, admin, amount=20_000, currency="JPY", ahead=timedelta(minutes=6))
    assert charge(key, admin) == "succeeded"


def test_a_currency_that_the_threshold_does_not_name_is_no_way_past_it(key, admin):
    with pytest.raises(ScheduleRefused):
        make_schedule(key, admin, amount=1, currency="JPY")
    with pytest.raises(ScheduleRefused):
        make_plan(key, admin, **on(20, amount=1, currency="USD"))
    assert charge(key, admin, amount=1, currency="USD") == "awaiting_approval"


def test_two_plans_that_charge_on_one_day_count_together(key, admin, double):
    make_plan(key, admin, **on(20))
    with pytest.raises(ScheduleRefused):
        make_plan(key, admin, **on(20, minute=900))
    make_plan(key, admin, **on(23))
    assert len(double.state.schedules()) == 2


def test_plans_that_meet_months_later_count_together(key, admin):
    make_plan(key, admin, **on(20))
    weekly = {"amount": 20_000, "cadence": Cadence.WEEKLY, "day": 1, "starts_on": date(2026, 12, 14)}
    with pytest.raises(ScheduleRefused):
        make_plan(key, admin, **weekly)
    make_plan(key, admin, **weekly, most_charges=3)


def test_a_plan_counts_for_a_schedule_of_a_later_month(key, admin):
    make_plan(key, admin, **on(20))
    with pytest.raises(ScheduleRefused):
        make_schedule(key, admin, amount=20_000, ahead=timedelta(days=41, minutes=5))


def test_a_plan_that_has_charged_its_last_counts_no_more(key, admin):
    make_plan(key, admin, **on(20, most_charges=1))
    make_schedule(key, admin, amount=20_000, ahead=timedelta(days=41))


def test_a_plan_is_moved_to_no_day_on_which_its_key_is_charged(key, admin):
    make_plan(key, admin, **on(20))
    other = make_plan(key, admin, **on(23))
    with pytest.raises(ScheduleRefused):
        change_plan(other.id, PlanChange(20, 600, 20_000, "월간 멤버십", None, None), "이동", by=admin)
    change_plan(other.id, PlanChange(26, 600, 20_000, "월간 멤버십", None, None), "이동", by=admin)


def test_a_plan_is_not_moved_beside_its_own_last_charge(key, admin):
    plan = make_plan(key, admin, **on(31))
    with pytest.raises(ScheduleRefused):
        change_plan(plan.id, PlanChange(1, 540, 20_000, "월간 멤버십", None, None), "이동", by=admin)


def test_a_plan_that_was_paused_meanwhile_is_asked_again(key, admin):
    plan = make_plan(key, admin, **on(20))
    pause_plan(plan.id, "휴면", by=admin)
    make_plan(key, admin, **on(20))
    with pytest.raises(ScheduleRefused):
        resume_plan(plan.id, "복귀", by=admin)


def test_whoever_may_not_charge_as_much_resumes_and_lengthens_no_plan(key, admin, super_admin):
    plan = make_plan(key, super_admin, **on(20, most_charges=2))
    settings.change({"charge_limit_admin": {"KRW": 10_000}}, by=super_admin)
    longer, shorter = (PlanChange(20, 600, 20_000, "월간 멤버십", None, most) for most in (9, 1))
    with pytest.raises(AboveLimit):
        change_plan(plan.id, longer, "연장", by=admin)
    change_plan(plan.id, shorter, "단축", by=admin)
    pause_plan(plan.id, "휴면", by=admin)
    with pytest.raises(AboveLimit):
        resume_plan(plan.id, "복귀", by=admin, charges_now=True)
    resume_plan(plan.id, "복귀", by=super_admin)


def test_of_parts_asked_for_at_the_same_moment_one_goes_without_a_second_person(app, key, admin, double):
    key_id, admin_id = key.id, admin.id
    db.session.commit()

    def ask(number: int) -> None:
        with app.app_context(), suppress(ScheduleRefused):
            here, by = db.session.get_one(BillingKey, key_id), db.session.get_one(User, admin_id)
            soon = timedelta(minutes=20 + number)
            asks = (
                lambda: charge(here, by, amount=20_000 + number),
                lambda: make_schedule(here, by, amount=20_000, ahead=soon),
                lambda: make_plan(here, by, **on(10, minute=620 + number)),
            )
            asks[number % 3]()

    with ThreadPoolExecutor(9) as crowd:
        list(crowd.map(ask, range(9)))
    taken = len(double.payments()) + len(double.state.schedules())
    assert taken == 1
