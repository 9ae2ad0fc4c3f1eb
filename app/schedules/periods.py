"""When a recurring plan is due: days of months and weeks in Asia/Seoul, as plain arithmetic.

Period 0 is the first one on or after the day a plan starts, and each month or week has exactly one.
"""

import calendar
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum

from app.clock import SEOUL


class Cadence(StrEnum):
    """How often a plan charges."""

    MONTHLY = "monthly"
    WEEKLY = "weekly"


@dataclass(frozen=True, slots=True)
class Rhythm:
    """A day of each month (1-31; a shorter month has its last day) or week (0 = Sunday), and a time of day.

    `anchor` is the first day of the month, or the Sunday, of period 0; `minute` counts from midnight there.
    """

    cadence: Cadence
    day: int
    minute: int
    anchor: date

    def due_on(self, period: int) -> date:
        """The day a period is charged on."""
        if self.cadence == Cadence.WEEKLY:
            return self.anchor + timedelta(weeks=period, days=self.day)
        months = self.anchor.year * 12 + self.anchor.month - 1 + period
        return day_of_month(months // 12, months % 12 + 1, self.day)

    def due_at(self, period: int) -> datetime:
        """The moment a period is charged at, in UTC."""
        return at_minute(self.due_on(period), self.minute)

    def first_after(self, moment: datetime) -> int:
        """The first period that is due later than a moment."""
        period = self._around(moment)
        while self.due_at(period) <= moment:
            period += 1
        return period

    def last_until(self, moment: datetime) -> int | None:
        """The last period that is due by a moment; None before the first."""
        period = self.first_after(moment) - 1
        return period if period >= 0 else None

    def _around(self, moment: datetime) -> int:
        """A period shortly before a moment, to begin looking at."""
        day = moment.astimezone(SEOUL).date()
        if self.cadence == Cadence.WEEKLY:
            passed = (day - self.anchor).days // 7
        else:
            passed = (day.year - self.anchor.year) * 12 + day.month - self.anchor.month
        return max(passed - 1, 0)


def anchor_of(cadence: Cadence, day: int, starts_on: date) -> date:
    """What the periods of a plan are counted from: the month or week of its first charge."""
    if cadence == Cadence.WEEKLY:
        sunday = starts_on - timedelta(days=weekday_of(starts_on))
        return sunday if day >= weekday_of(starts_on) else sunday + timedelta(weeks=1)
    month = starts_on.replace(day=1)
    if day_of_month(month.year, month.month, day) >= starts_on:
        return month
    return (month + timedelta(days=32)).replace(day=1)


def weekday_of(day: date) -> int:
    """The day of the week, Sunday first: 0 to 6."""
    return (day.weekday() + 1) % 7


def day_of_month(year: int, month: int, day: int) -> date:
    """A day of a month, or the last one of a month that has fewer."""
    return date(year, month, min(day, calendar.monthrange(year, month)[1]))


def at_minute(day: date, minute: int) -> datetime:
    """A minute of a day in Seoul, in UTC."""
    return datetime.combine(day, time(minute // 60, minute % 60), SEOUL).astimezone(UTC)
