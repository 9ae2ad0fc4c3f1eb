"""The list of schedules: which ones a person wants."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from flask import current_app
from sqlalchemy import ColumnElement, Select, and_, case, func, or_, select
from sqlalchemy.orm import joinedload

from app.billing_keys.models import BillingKey
from app.config import Settings
from app.extensions import db
from app.schedules.models import IS_OPEN, ChargePlan, PaymentSchedule, PlanStatus, ScheduleStatus
from app.web.pagination import Page, capped_count, list_page
from app.web.totals import Totals, totals_of


@dataclass(frozen=True, slots=True)
class ScheduleFilters:
    """Which schedules a list shows. `since` is included and `until` is not, by the time they are paid at.

    `origin` is `plan`, `unplanned` (of no plan), `ours` (made here by a person) or `elsewhere`; `text` is
    part of a name or a whole id.
    """

    text: str | None = None
    statuses: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    origin: str = ""
    billing_key_id: UUID | None = None
    plan_id: UUID | None = None


def list_schedules(filters: ScheduleFilters, *, after: str | None) -> Page[PaymentSchedule]:
    """A page of schedules, those furthest ahead first."""
    statement = select(PaymentSchedule).where(*_conditions(filters))
    statement = statement.options(joinedload(PaymentSchedule.billing_key))
    return list_page(statement, clock=PaymentSchedule.time_to_pay, key=PaymentSchedule.id, after=after)


def select_schedules(filters: ScheduleFilters, *columns: Any) -> Select[Any]:
    """Columns of every schedule the filters find, in no order."""
    return select(*columns).select_from(PaymentSchedule).where(*_conditions(filters))


def count_schedules(filters: ScheduleFilters) -> dict[str, int]:
    """How many there are in each status, whatever statuses the filters name, and under "" in all.

    Each number is exact up to the cap of `capped_count`.
    """
    wider = replace(filters, statuses=())
    wanted = {"": wider, **{each.value: replace(wider, statuses=(each.value,)) for each in ScheduleStatus}}
    return {name: capped_count(select_schedules(each, PaymentSchedule.id)) for name, each in wanted.items()}


def total_schedules(filters: ScheduleFilters) -> Totals:
    """What they add up to: to come, charged, and failed."""
    amount, status = PaymentSchedule.amount, PaymentSchedule.status
    return totals_of(
        select_schedules(filters, PaymentSchedule.id).outerjoin(PaymentSchedule.billing_key),
        currency=PaymentSchedule.currency,
        sums={
            "open": case(
                (status.in_(("sending", "uncertain", "scheduled", "started", "pending")), amount), else_=0
            ),
            "succeeded": case((status == ScheduleStatus.SUCCEEDED, amount), else_=0),
            "failed": case((status == ScheduleStatus.FAILED, amount), else_=0),
        },
        counts=is_real(),
    )


def is_real() -> ColumnElement[bool]:
    """That a charge is of real money in the mode of this install; a key that is not known counts as such."""
    settings: Settings = current_app.config["SETTINGS"]
    real = settings.real_channel_type
    return func.coalesce(BillingKey.channel_type, real) == real


def list_plans(status: str | None, stop: str | None, *, after: str | None) -> Page[ChargePlan]:
    """A page of plans, the newest first; `stop` "trouble": those that stand still though nobody wished it."""
    statement = select(ChargePlan).where(*plan_conditions(status, stop))
    statement = statement.options(joinedload(ChargePlan.billing_key))
    return list_page(statement, clock=ChargePlan.created_at, key=ChargePlan.id, after=after)


def count_plans() -> dict[str, int]:
    """How many plans there are in each status, and under "" in all."""
    counts = {
        each.value: capped_count(select(ChargePlan.id).where(ChargePlan.status == each))
        for each in PlanStatus
    }
    return {"": sum(counts.values()), **counts}


def plan_conditions(status: str | None, stop: str | None) -> list[ColumnElement[bool]]:
    """The conditions of the list of plans."""
    found: list[ColumnElement[bool]] = []
    if status:
        found.append(ChargePlan.status == status)
    if stop == "trouble":
        found.append(is_in_trouble())
    return found


def is_in_trouble() -> ColumnElement[bool]:
    """That a plan is paused although nobody wanted it to."""
    return (ChargePlan.status == PlanStatus.PAUSED) & (ChargePlan.stop != "person")


def count_in_trouble() -> int:
    """How many plans are paused although nobody wanted it."""
    return capped_count(select(ChargePlan.id).where(is_in_trouble()))


def list_next_of_plans(plan_ids: list[UUID]) -> dict[UUID, PaymentSchedule]:
    """The open schedule of each of these plans, where it has one."""
    rows = db.session.scalars(select(PaymentSchedule).where(PaymentSchedule.plan_id.in_(plan_ids), IS_OPEN))
    return {row.plan_id: row for row in rows if row.plan_id}


def _conditions(filters: ScheduleFilters) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if filters.since:
        found.append(PaymentSchedule.time_to_pay >= filters.since)
    if filters.until:
        found.append(PaymentSchedule.time_to_pay < filters.until)
    if filters.statuses:
        found.append(PaymentSchedule.status.in_(filters.statuses))
    if filters.billing_key_id:
        found.append(PaymentSchedule.billing_key_id == filters.billing_key_id)
    if filters.plan_id:
        found.append(PaymentSchedule.plan_id == filters.plan_id)
    if filters.origin:
        found.append(_of_origin(filters.origin))
    if filters.text:
        found.append(_holds(filters.text))
    return found


def _of_origin(origin: str) -> ColumnElement[bool]:
    if origin == "plan":
        return PaymentSchedule.plan_id.is_not(None)
    if origin == "unplanned":
        return PaymentSchedule.plan_id.is_(None)
    if origin == "ours":
        return and_(PaymentSchedule.is_ours, PaymentSchedule.plan_id.is_(None))
    return ~PaymentSchedule.is_ours


def _holds(text: str) -> ColumnElement[bool]:
    searched = (PaymentSchedule.order_name, PaymentSchedule.customer_name)
    named = (PaymentSchedule.payment_id, PaymentSchedule.schedule_id, PaymentSchedule.customer_id)
    parts = [column.icontains(text, autoescape=True) for column in searched]
    return or_(*parts, *(column == text for column in named))
