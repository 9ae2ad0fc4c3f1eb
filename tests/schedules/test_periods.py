"""When plans are due: every month and every week once, whatever the calendar does."""

import calendar
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.clock import SEOUL
from app.schedules.periods import Cadence, Rhythm, anchor_of, weekday_of

DAYS = st.dates(date(2024, 1, 1), date(2090, 12, 31))
MINUTES = st.integers(0, 1439)
CADENCES = st.sampled_from(
    [(Cadence.MONTHLY, day) for day in range(1, 32)] + [(Cadence.WEEKLY, day) for day in range(7)]
)


def rhythm(cadence: Cadence, day: int, starts_on: date, minute: int = 600) -> Rhythm:
    return Rhythm(cadence, day, minute, anchor_of(cadence, day, starts_on))


def test_the_31st_is_the_last_day_of_short_months_and_comes_back():
    plan = rhythm(Cadence.MONTHLY, 31, date(2027, 12, 1))
    due = [plan.due_on(period) for period in range(6)]
    assert [f"{day:%m-%d}" for day in due] == ["12-31", "01-31", "02-29", "03-31", "04-30", "05-31"]


@pytest.mark.parametrize(("year", "last"), [(2027, 28), (2028, 29), (2100, 28)])
def test_february_has_the_days_it_has(year, last):
    plan = rhythm(Cadence.MONTHLY, 30, date(year, 2, 1))
    assert plan.due_on(0) == date(year, 2, last)
    assert plan.due_on(1) == date(year, 3, 30)


def test_a_plan_that_starts_after_its_day_begins_next_month():
    assert rhythm(Cadence.MONTHLY, 10, date(2026, 11, 11)).due_on(0) == date(2026, 12, 10)
    assert rhythm(Cadence.MONTHLY, 31, date(2026, 11, 30)).due_on(0) == date(2026, 11, 30)


def test_a_day_in_seoul_begins_the_evening_before_in_utc():
    assert rhythm(Cadence.MONTHLY, 1, date(2027, 1, 1), minute=30).due_at(0) == datetime(
        2026, 12, 31, 15, 30, tzinfo=UTC
    )


@given(CADENCES, DAYS, MINUTES, st.integers(0, 120))
@settings(max_examples=150, deadline=None)
def test_each_period_is_due_once_on_its_day(cadence, starts_on, minute, period):
    plan = rhythm(*cadence, starts_on, minute)
    due, following = plan.due_on(period), plan.due_on(period + 1)
    assert plan.due_on(0) >= starts_on
    if plan.cadence == Cadence.WEEKLY:
        assert (weekday_of(due), following - due) == (plan.day, timedelta(days=7))
    else:
        assert due.day == min(plan.day, calendar.monthrange(due.year, due.month)[1])
        assert (following.year * 12 + following.month) - (due.year * 12 + due.month) == 1
    local = plan.due_at(period).astimezone(SEOUL)
    assert (local.date(), local.hour * 60 + local.minute) == (due, minute)


@given(CADENCES, DAYS, MINUTES, st.integers(-400, 4_000))
@settings(max_examples=150, deadline=None)
def test_no_moment_lies_between_the_last_period_and_the_first_after(cadence, starts_on, minute, days):
    plan = rhythm(*cadence, starts_on, minute)
    moment = plan.due_at(0) + timedelta(days=days, minutes=days % 3 - 1)
    after, until = plan.first_after(moment), plan.last_until(moment)
    assert plan.due_at(after) > moment
    assert after == 0 if until is None else (until == after - 1 and plan.due_at(until) <= moment)


@given(CADENCES, DAYS)
@settings(max_examples=150, deadline=None)
def test_nothing_earlier_would_have_been_the_first(cadence, starts_on):
    plan = rhythm(*cadence, starts_on)
    assert plan.due_on(-1) < starts_on <= plan.due_on(0)
