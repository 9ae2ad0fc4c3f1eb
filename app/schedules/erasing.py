"""Charges to come without the person who pays them: erased once, and never brought back by a sync."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select

from app.accounts.erased import find_erased
from app.extensions import db
from app.payments.models import Payment
from app.portone.erasing import without_person
from app.portone.payloads import ScheduleInfo
from app.schedules.models import IS_OPEN, PaymentSchedule


def has_open_schedules(billing_key_ids: Collection[UUID], payment_ids: Collection[UUID]) -> bool:
    """Whether a charge of these (row ids) is still to come or under way."""
    found = select(PaymentSchedule.id).where(_is_of(billing_key_ids, payment_ids), IS_OPEN)
    return db.session.scalar(found.limit(1)) is not None


def count_persons(billing_key_ids: Collection[UUID], payment_ids: Collection[UUID]) -> int:
    """How many schedules there are of these (row ids)."""
    counted = select(func.count(PaymentSchedule.id)).where(_is_of(billing_key_ids, payment_ids))
    return db.session.scalar(counted) or 0


def erase_persons(billing_key_ids: Collection[UUID], payment_ids: Collection[UUID]) -> int:
    """Erase who was to be charged, in the caller's transaction; answers of how many schedules."""
    schedules = select(PaymentSchedule).where(_is_of(billing_key_ids, payment_ids))
    rows = db.session.scalars(schedules.order_by(PaymentSchedule.id).with_for_update()).all()
    for row in rows:
        row.customer_id = row.customer_name = None
        if row.snapshot is not None:
            row.snapshot = without_person(row.snapshot)
    return len(rows)


def without_erased_person(row: PaymentSchedule | None, info: ScheduleInfo) -> ScheduleInfo:
    """What may be kept of a schedule, ours or one that is new here, where its person was erased."""
    key = row.billing_key if row else None
    erased = find_erased({info.customer.id}).get(info.customer.id or "")
    is_of_erased_key = key is not None and key.person_erased_at is not None
    if is_of_erased_key or (erased is not None and erased.covers(info.created_at)):
        return ScheduleInfo.from_raw(without_person(info.raw))
    return info


def _is_of(billing_key_ids: Collection[UUID], payment_ids: Collection[UUID]) -> ColumnElement[bool]:
    named = select(Payment.payment_id).where(Payment.id.in_(payment_ids))
    return or_(PaymentSchedule.billing_key_id.in_(billing_key_ids), PaymentSchedule.payment_id.in_(named))
