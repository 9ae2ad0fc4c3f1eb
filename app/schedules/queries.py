"""Schedules and plans to show: one of each, and what belongs together."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import func, select
from sqlalchemy.orm import joinedload

from app.billing_keys.models import BillingKey
from app.database import lock
from app.errors import NotFound
from app.extensions import db
from app.schedules.models import FINAL, IS_OPEN, ChargePlan, PaymentSchedule, PlanStatus, ScheduleStatus


def find_schedule(row_id: UUID) -> PaymentSchedule | None:
    """The schedule with this id of ours."""
    return db.session.get(PaymentSchedule, row_id)


def get_schedule(row_id: UUID) -> PaymentSchedule:
    """The schedule with this id of ours; raises NotFound."""
    row = find_schedule(row_id)
    if row is None:
        raise NotFound(_("There is no schedule with this number."))
    return row


def get_plan(plan_id: UUID) -> ChargePlan:
    """The plan with this id; raises NotFound."""
    plan = db.session.get(ChargePlan, plan_id, options=[joinedload(ChargePlan.billing_key)])
    if plan is None:
        raise NotFound(_("There is no plan with this number."))
    return plan


def lock_schedule(row_id: UUID) -> PaymentSchedule:
    """Lock a schedule, and the plan it belongs to first: whoever needs both takes them in this order."""
    plan_id = db.session.scalar(select(PaymentSchedule.plan_id).where(PaymentSchedule.id == row_id))
    if plan_id is not None:
        lock(ChargePlan, plan_id)
    return lock(PaymentSchedule, row_id)


def find_open_of(plan_id: UUID) -> PaymentSchedule | None:
    """The open schedule of a plan: the database lets it have one."""
    rows = select(PaymentSchedule).where(PaymentSchedule.plan_id == plan_id, IS_OPEN)
    return db.session.scalar(rows.execution_options(populate_existing=True))


def list_tries(plan_id: UUID, period: int) -> Sequence[PaymentSchedule]:
    """The schedules made for a period of a plan, in the order they were made."""
    return db.session.scalars(
        select(PaymentSchedule)
        .where(PaymentSchedule.plan_id == plan_id, PaymentSchedule.period == period)
        .order_by(PaymentSchedule.plan_try)
        .execution_options(populate_existing=True)
    ).all()


def list_open_of_key(billing_key_row_id: UUID) -> Sequence[PaymentSchedule]:
    """Every charge to come with a billing key, the next one first."""
    return db.session.scalars(
        select(PaymentSchedule)
        .where(PaymentSchedule.billing_key_id == billing_key_row_id, IS_OPEN)
        .order_by(PaymentSchedule.time_to_pay, PaymentSchedule.id)
    ).all()


def list_recent_of_key(billing_key_row_id: UUID, *, limit: int = 20) -> Sequence[PaymentSchedule]:
    """The schedules of a billing key that are done with, the latest first."""
    return db.session.scalars(
        select(PaymentSchedule)
        .where(PaymentSchedule.billing_key_id == billing_key_row_id, PaymentSchedule.status.in_(FINAL))
        .order_by(PaymentSchedule.time_to_pay.desc(), PaymentSchedule.id.desc())
        .limit(limit)
    ).all()


def find_by_payment(payment_id: str) -> PaymentSchedule | None:
    """The schedule a payment comes from; of several under its id the one that was charged, or the last."""
    rows = db.session.scalars(
        select(PaymentSchedule)
        .where(PaymentSchedule.payment_id == payment_id)
        .order_by(PaymentSchedule.created_at.desc())
    ).all()
    return next((row for row in rows if row.status == "succeeded"), rows[0] if rows else None)


def list_plans_of_key(billing_key_row_id: UUID) -> Sequence[ChargePlan]:
    """The plans of a billing key: those that go on, then the others."""
    plans = db.session.scalars(
        select(ChargePlan)
        .where(ChargePlan.billing_key_id == billing_key_row_id)
        .order_by(ChargePlan.created_at.desc(), ChargePlan.id)
    ).all()
    return sorted(plans, key=lambda plan: plan.status == PlanStatus.ENDED)


def list_history_of_plan(plan_id: UUID, *, limit: int = 100) -> Sequence[PaymentSchedule]:
    """The latest schedules a plan has made, the newest first."""
    return db.session.scalars(
        select(PaymentSchedule)
        .where(PaymentSchedule.plan_id == plan_id)
        .order_by(PaymentSchedule.period.desc(), PaymentSchedule.plan_try.desc())
        .limit(limit)
    ).all()


def list_next_charges(keys: Sequence[BillingKey]) -> dict[UUID, datetime]:
    """When each of these keys is charged next, where something is scheduled."""
    rows = db.session.execute(
        select(PaymentSchedule.billing_key_id, func.min(PaymentSchedule.time_to_pay).label("at"))
        .where(PaymentSchedule.billing_key_id.in_([key.id for key in keys]))
        .where(PaymentSchedule.status == ScheduleStatus.SCHEDULED)
        .group_by(PaymentSchedule.billing_key_id)
    )
    return {row.billing_key_id: row.at for row in rows}


@dataclass(frozen=True, slots=True)
class Outlook:
    """When a key is charged next, how its last charge ended, and how many failed since one succeeded."""

    next_at: datetime | None
    status: str | None
    failures: int


def list_outlooks(keys: Sequence[BillingKey]) -> dict[UUID, Outlook]:
    """The outlook of each of these keys that has anything scheduled, or had."""
    upcoming = list_next_charges(keys)
    rows = db.session.execute(
        select(PaymentSchedule.billing_key_id, PaymentSchedule.status)
        .where(PaymentSchedule.billing_key_id.in_([key.id for key in keys]))
        .where(PaymentSchedule.status.in_((ScheduleStatus.SUCCEEDED, ScheduleStatus.FAILED)))
        .order_by(PaymentSchedule.time_to_pay.desc(), PaymentSchedule.id.desc())
    ).all()
    charged: dict[UUID, list[Any]] = {key_id: [] for key_id in upcoming}
    for row in rows:
        charged.setdefault(row.billing_key_id, []).append(row)
    return {
        key_id: Outlook(upcoming.get(key_id), found[0].status if found else None, failures_in_a_row(found))
        for key_id, found in charged.items()
    }


def failures_in_a_row(latest_first: Sequence[Any]) -> int:
    """How many of the latest charges have failed since one succeeded."""
    failures = 0
    for row in latest_first:
        if row.status == ScheduleStatus.SUCCEEDED:
            break
        failures += row.status == ScheduleStatus.FAILED
    return failures


def count_charges(plan_id: UUID) -> int:
    """How many charges of a plan have succeeded."""
    done = PaymentSchedule.plan_id == plan_id, PaymentSchedule.status == ScheduleStatus.SUCCEEDED
    return db.session.scalar(select(func.count()).select_from(PaymentSchedule).where(*done)) or 0
