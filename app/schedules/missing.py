"""Keys whose last charge succeeded and for which nothing is planned: somebody may have forgotten to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import case, desc, exists, func, or_, select
from sqlalchemy.orm import aliased

from app import clock
from app.billing_keys.models import BillingKey
from app.extensions import db
from app.schedules.models import ChargePlan, PaymentSchedule, PlanStatus, ScheduleStatus

#: So many scheduled charges that succeeded look like a subscription rather than a single order.
RECURRING_FROM = 2
#: Whoever plans the next charge does so at once, or soon after the last one.
GRACE = timedelta(minutes=30)
#: Whoever was charged last before that is no subscriber any more.
REMEMBERED = timedelta(days=400)
#: The most that are shown at once.
SHOWN = 200

_any = aliased(PaymentSchedule)


@dataclass(frozen=True, slots=True)
class Missing:
    """A key without a next charge: what was charged last, and about when the next one was to be expected."""

    key: BillingKey
    charges: int
    last: PaymentSchedule
    expected_at: datetime | None

    @property
    def is_overdue(self) -> bool:
        """Whether the next charge should have come already."""
        return self.expected_at is not None and self.expected_at < clock.now()


def list_missing() -> Sequence[Missing]:
    """The keys without a next charge, that which was charged last first."""
    rows = db.session.execute(missing_keys().order_by(desc("last_at")).limit(SHOWN)).all()
    keys = {
        key.id: key for key in db.session.scalars(select(BillingKey).where(BillingKey.id.in_(_ids(rows))))
    }
    lasts = _last_charges(_ids(rows))
    return [
        Missing(
            keys[row.billing_key_id],
            row.charges,
            lasts[row.billing_key_id],
            _expected(row.first_at, row.last_at, row.charges),
        )
        for row in rows
    ]


def list_stuck_plans() -> Sequence[ChargePlan]:
    """Plans of ours that go on and have nothing scheduled although they should: does a worker run?"""
    has_open = exists().where(_any.plan_id == ChargePlan.id, _is_open())
    is_late = ChargePlan.next_attempt_at < clock.now() - GRACE
    stuck = select(ChargePlan).where(ChargePlan.status == PlanStatus.ACTIVE, is_late, ~has_open)
    return db.session.scalars(stuck.order_by(ChargePlan.next_attempt_at).limit(SHOWN)).all()


def missing_keys() -> Any:
    """Keys that can be charged, whose last schedule succeeded, and that nothing open and no plan looks after.

    What a plan of ours charges is the plan's to go on with: it shows its own trouble.
    """
    row = PaymentSchedule
    is_planned = exists().where(_any.billing_key_id == row.billing_key_id, _is_open())
    has_plan = exists().where(
        ChargePlan.billing_key_id == row.billing_key_id, ChargePlan.status != PlanStatus.ENDED
    )
    charged = case((row.status == ScheduleStatus.SUCCEEDED, row.time_to_pay))
    went_wrong = case((row.status.in_((ScheduleStatus.FAILED, ScheduleStatus.REVOKED)), row.time_to_pay))
    last = func.max(charged)
    return (
        select(
            row.billing_key_id,
            func.count(charged).label("charges"),
            func.min(charged).label("first_at"),
            last.label("last_at"),
        )
        .join(BillingKey, BillingKey.id == row.billing_key_id)
        .where(BillingKey.status == "ISSUED", BillingKey.is_active)
        .where(row.plan_id.is_(None), row.time_to_pay > clock.now() - REMEMBERED, ~is_planned, ~has_plan)
        .group_by(row.billing_key_id)
        .having(func.count(charged) >= RECURRING_FROM, last < clock.now() - GRACE)
        .having(or_(func.max(went_wrong).is_(None), func.max(went_wrong) < last))
    )


def _is_open() -> Any:
    return _any.status.not_in(("succeeded", "failed", "revoked", "refused"))


def _ids(rows: Sequence[Any]) -> list[UUID]:
    return [row.billing_key_id for row in rows]


def _last_charges(key_ids: list[UUID]) -> dict[UUID, PaymentSchedule]:
    row = PaymentSchedule
    is_done = row.status == ScheduleStatus.SUCCEEDED, row.plan_id.is_(None), row.billing_key_id.in_(key_ids)
    last = select(row.billing_key_id, func.max(row.time_to_pay).label("at")).where(*is_done)
    last_of = last.group_by(row.billing_key_id).subquery()
    is_last = (row.billing_key_id == last_of.c.billing_key_id) & (row.time_to_pay == last_of.c.at)
    found = db.session.scalars(select(row).join(last_of, is_last).where(*is_done))
    return {each.billing_key_id: each for each in found if each.billing_key_id}


def _expected(first_at: Any, last_at: Any, charges: int) -> datetime | None:
    """The usual distance of the charges so far, once more."""
    return last_at + (last_at - first_at) / (charges - 1) if charges > 1 and last_at > first_at else None
