"""Refunds to show: one, a payment's, and the list."""

from datetime import datetime
from typing import Any, cast
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import Select, exists, func, or_, select
from sqlalchemy.orm import contains_eager, joinedload

from app.errors import NotFound
from app.extensions import db
from app.payments.models import Cancellation, Payment
from app.portone.requests import RetainOption
from app.refunds.models import HAS_SUCCEEDED, Refund, RefundStatus
from app.web.pagination import Page, capped_count, list_page


def find_refund(refund_id: UUID) -> Refund | None:
    """The refund with this id, which is its intent too."""
    related = (Refund.payment, Refund.requester, Refund.approver)
    return db.session.get(Refund, refund_id, options=[joinedload(each) for each in related])


def get_refund(refund_id: UUID) -> Refund:
    """The refund with this id; raises NotFound."""
    refund = find_refund(refund_id)
    if refund is None:
        raise NotFound(_("There is no refund with this number."))
    return refund


def count_waiting_for(person_id: UUID) -> int:
    """How many refunds wait for a second person and were asked for by somebody else than this one."""
    is_by_others = or_(Refund.requested_by.is_(None), Refund.requested_by != person_id)
    waiting = select(func.count()).where(Refund.status == RefundStatus.AWAITING_APPROVAL, is_by_others)
    return db.session.scalar(waiting) or 0


def list_refunds_of(payment: Payment) -> list[Refund]:
    """Every refund of a payment, oldest first."""
    return list(
        db.session.scalars(
            select(Refund)
            .where(Refund.payment_id == payment.id)
            .options(joinedload(Refund.requester))
            .order_by(Refund.created_at, Refund.id)
        )
    )


def find_retain_option(payment: Payment) -> RetainOption | None:
    """What the first refund of a promotion payment said about its discount; None where none of ours did."""
    first = (
        select(Refund.retain_option)
        .where(Refund.payment_id == payment.id, Refund.retain_option.is_not(None))
        .where(Refund.status.not_in([RefundStatus.FAILED, RefundStatus.REJECTED]))
        .order_by(Refund.created_at, Refund.id)
        .limit(1)
    )
    return cast(RetainOption | None, db.session.scalar(first))


def list_refunds(filters: dict[str, Any], *, after: str | None) -> Page[Refund]:
    """A page of refunds, newest first. `filters`: `status` (several), `since`, `until` (moments), `text`."""
    statement = _filtered(filters).options(contains_eager(Refund.payment), joinedload(Refund.requester))
    return list_page(statement, clock=Refund.created_at, key=Refund.id, after=after)


def count_refunds(filters: dict[str, Any]) -> int:
    """How many refunds the filters find; exact up to the cap of `capped_count`."""
    return capped_count(_filtered(filters))


def _filtered(filters: dict[str, Any]) -> Select[Refund]:
    statement = select(Refund).join(Refund.payment)
    if filters.get("status"):
        statement = statement.where(Refund.status.in_(filters["status"]))
    if filters.get("since"):
        statement = statement.where(Refund.created_at >= filters["since"])
    if filters.get("until"):
        statement = statement.where(Refund.created_at < filters["until"])
    if text := filters.get("text"):
        names = (Payment.payment_id, Payment.order_name, Payment.customer_name, Refund.reason)
        found = [name.icontains(text, autoescape=True) for name in names]
        statement = statement.where(db.or_(*found, Refund.cancellation_id == text))
    return statement


def list_payments_behind(since: datetime) -> list[tuple[str, datetime | None, datetime]]:
    """Payments whose copy here lacks a cancellation of ours: id, when last read, when the refund was settled.

    Only refunds that succeeded from `since` on are looked at.
    """
    is_seen = exists().where(
        Cancellation.payment_id == Refund.payment_id, Cancellation.cancellation_id == Refund.cancellation_id
    )
    found = db.session.execute(
        select(Payment.payment_id, Payment.synced_at, Refund.settled_at)
        .join(Refund.payment)
        .where(HAS_SUCCEEDED, Refund.settled_at >= since, ~is_seen)
    )
    return [(payment_id, read_at, settled_at or since) for payment_id, read_at, settled_at in found]
