"""What people have planned to charge a billing key: it counts towards the threshold of a second person.

Nobody approves charges to come, so a large amount in small parts, some of them now, some on a day to come and
some by plans, would go round the second person.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from itertools import count, islice, takewhile
from typing import Self
from uuid import UUID

from sqlalchemy import select

from app.billing_keys.tally import contribute_amounts
from app.extensions import db
from app.schedules.models import ChargePlan, PaymentSchedule, PlanStatus, ScheduleStatus
from app.schedules.periods import Rhythm
from app.schedules.queries import count_charges, find_open_of, list_tries

#: So many charges of a plan are compared with what else its key is charged.
LOOK_AHEAD = 60

#: By these nothing is taken.
_NOTHING = frozenset({ScheduleStatus.FAILED, ScheduleStatus.REVOKED, ScheduleStatus.REFUSED})


@dataclass(frozen=True, slots=True)
class Course:
    """The charges of a plan that PortOne does not have yet: from period `first` on, `most` in all."""

    rhythm: Rhythm
    first: int = 0
    #: How many have been made, or are planned at PortOne.
    made: int = 0
    most: int | None = None
    ends_on: date | None = None

    @classmethod
    def of(cls, plan: ChargePlan) -> Self:
        """That of a plan as it stands."""
        is_planned = find_open_of(plan.id) is not None
        is_spent = any(row.status not in _NOTHING for row in list_tries(plan.id, plan.next_period))
        made = count_charges(plan.id) + is_planned
        return cls(plan.rhythm, plan.next_period + is_spent, made, plan.most_charges, plan.ends_on)

    def dates(self, since: datetime | None = None) -> Iterator[datetime]:
        """When they are due, without end where the plan has none; `since` skips what went by, uncharged."""
        first = max(self.first, self.rhythm.first_after(since)) if since else self.first
        left = None if self.most is None else max(self.most - self.made, 0)
        for period in islice(count(first), left):
            if self.ends_on is not None and self.rhythm.due_on(period) > self.ends_on:
                return
            yield self.rhythm.due_at(period)

    def near(self, since: datetime | None = None) -> list[datetime]:
        """Those that are compared with what else a key is charged."""
        return list(islice(self.dates(since), LOOK_AHEAD))


@contribute_amounts
def list_planned(
    row_id: UUID, currency: str, since: datetime, until: datetime, plan_id: UUID | None = None
) -> list[tuple[datetime, int]]:
    """When a key is charged by what people have planned here, and how much (minor units).

    Of the plans those that go on; whoever resumes another is asked then. `plan_id` is one whose dates to come
    are left out.
    """
    rows = db.session.scalars(
        select(PaymentSchedule).where(
            PaymentSchedule.billing_key_id == row_id,
            PaymentSchedule.currency == currency,
            PaymentSchedule.is_ours,
            PaymentSchedule.status.not_in(_NOTHING),
            PaymentSchedule.time_to_pay > since,
            PaymentSchedule.time_to_pay < until,
        )
    ).all()
    told = [(row.time_to_pay, row.amount) for row in rows]
    plans = db.session.scalars(
        select(ChargePlan).where(
            ChargePlan.billing_key_id == row_id,
            ChargePlan.currency == currency,
            ChargePlan.status == PlanStatus.ACTIVE,
        )
    ).all()
    for plan in plans:
        if plan.id != plan_id:
            dates = takewhile(lambda at: at < until, Course.of(plan).dates())
            told += [(at, plan.amount) for at in dates if at > since]
    return told
