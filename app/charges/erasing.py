"""Charges without the person whose key was charged."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select

from app.charges.models import IN_FLIGHT, Charge, ChargeStatus
from app.extensions import db


def has_open_charges(billing_key_ids: Collection[UUID], payment_ids: Collection[UUID]) -> bool:
    """Whether a charge of these (row ids) is on its way, or waits for a second person."""
    is_open = Charge.status.in_({*IN_FLIGHT, ChargeStatus.AWAITING_APPROVAL})
    found = select(Charge.id).where(_is_of(billing_key_ids, payment_ids), is_open)
    return db.session.scalar(found.limit(1)) is not None


def count_persons(billing_key_ids: Collection[UUID], payment_ids: Collection[UUID]) -> int:
    """How many charges there are of these (row ids)."""
    counted = select(func.count(Charge.id)).where(_is_of(billing_key_ids, payment_ids))
    return db.session.scalar(counted) or 0


def erase_persons(billing_key_ids: Collection[UUID], payment_ids: Collection[UUID]) -> int:
    """Erase who was charged, in the caller's transaction; answers of how many charges."""
    charges = select(Charge).where(_is_of(billing_key_ids, payment_ids)).order_by(Charge.id)
    rows = db.session.scalars(charges.with_for_update()).all()
    for row in rows:
        row.customer_id = row.customer_name = row.request_sealed = None
    return len(rows)


def _is_of(billing_key_ids: Collection[UUID], payment_ids: Collection[UUID]) -> ColumnElement[bool]:
    return or_(Charge.billing_key_id.in_(billing_key_ids), Charge.payment_id.in_(payment_ids))
