"""A month of charges, a day a cell: how many of each kind, and how much by currency."""

import calendar
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from flask_babel import gettext as _
from sqlalchemy import case, func, select

from app.clock import start_of_day
from app.database import sum_of, whole_sum
from app.errors import DomainError
from app.extensions import db
from app.money import Money
from app.schedules.listing import is_real
from app.schedules.models import PaymentSchedule
from app.web.forms import EARLIEST, LATEST

#: What the statuses of a day are told as, and the statuses that each stands for in the list.
KINDS: Mapping[str, tuple[str, ...]] = {
    "scheduled": ("sending", "uncertain", "scheduled", "started", "pending"),
    "succeeded": ("succeeded",),
    "failed": ("failed", "refused"),
    "revoked": ("revoked",),
}
_KIND_OF = {status: kind for kind, statuses in KINDS.items() for status in statuses}


@dataclass(slots=True)
class Tally:
    """The charges of a kind on a day: how many, and how much real money by currency (minor units)."""

    kind: str
    count: int = 0
    amounts: dict[str, int] = field(default_factory=dict)

    @property
    def money(self) -> list[Money]:
        """The amounts, won first."""
        return [
            Money(amount, currency)
            for currency, amount in sorted(self.amounts.items(), key=lambda pair: (pair[0] != "KRW", pair[0]))
        ]


@dataclass(frozen=True, slots=True)
class Day:
    """A cell of the calendar."""

    on: date
    is_in_month: bool
    tallies: Sequence[Tally]


def month_of(typed: str | None, today: date) -> date:
    """The first day of a month written `2026-11`, this month's by default; raises DomainError (422)."""
    if not typed:
        return today.replace(day=1)
    try:
        year, month = typed.split("-")
        first = date(int(year), int(month), 1)
    except ValueError:
        raise DomainError(_("Write the month as year-month, such as 2026-11."), status=422) from None
    if not EARLIEST <= first <= LATEST:
        raise DomainError(_("Choose a day between 1990 and 2199."), status=422)
    return first


def weeks_of(first: date) -> list[list[Day]]:
    """The weeks that a month touches, Sunday first."""
    weeks = calendar.Calendar(calendar.SUNDAY).monthdatescalendar(first.year, first.month)
    told = _tallies(weeks[0][0], weeks[-1][-1])
    return [[Day(on, on.month == first.month, told.get(on, ())) for on in week] for week in weeks]


def neighbours(first: date) -> tuple[date, date]:
    """The months before and after."""
    return (first - timedelta(days=1)).replace(day=1), (first + timedelta(days=32)).replace(day=1)


def _tallies(first: date, last: date) -> dict[date, list[Tally]]:
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    at = PaymentSchedule.time_to_pay
    #: Days of Seoul as the database can group by them: it knows no time zones on SQLite.
    number = case(
        *((at < start_of_day(day + timedelta(days=1)), index) for index, day in enumerate(days)), else_=0
    )
    rows = db.session.execute(
        select(
            number.label("day"),
            PaymentSchedule.status,
            PaymentSchedule.currency,
            is_real().label("is_real"),
            func.count().label("rows"),
            *sum_of(PaymentSchedule.amount),
        )
        .outerjoin(PaymentSchedule.billing_key)
        .where(at >= start_of_day(first), at < start_of_day(last + timedelta(days=1)))
        .group_by("day", PaymentSchedule.status, PaymentSchedule.currency, "is_real")
    )
    told: defaultdict[date, dict[str, Tally]] = defaultdict(dict)
    for row in rows:
        kind = _KIND_OF.get(row.status, "scheduled")
        tally = told[days[row.day]].setdefault(kind, Tally(kind))
        tally.count += row.rows
        if row.is_real:
            tally.amounts[row.currency] = tally.amounts.get(row.currency, 0) + whole_sum(row)
    return {on: [tallies[kind] for kind in KINDS if kind in tallies] for on, tallies in told.items()}
