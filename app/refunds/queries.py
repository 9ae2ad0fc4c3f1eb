"""Refunds to show: one, a payment's, and the list."""

from collections.abc import Collection
from datetime import datetime
from typing import cast
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import exists, func, or_, select
from sqlalchemy.orm import joinedload

from app import clock
from app.database import sum_of, whole_sum
from app.errors import NotFound
from app.extensions import db
from app.payments.models import Cancellation, Payment
from app.portone.requests import RetainOption
from app.refunds.models import HAS_SUCCEEDED, WENT_ALONE, Refund, RefundStatus


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


def sum_without_approval(payment: Payment) -> int:
    """What was given back of a payment here, or is under way, without a second person (minor units).

    Parts count together, or a large amount in small parts would go round the threshold.
    """
    alone = Refund.payment_id == payment.id, Refund.approved_by.is_(None), Refund.status.in_(WENT_ALONE)
    return int(db.session.scalar(select(func.coalesce(func.sum(Refund.amount), 0)).where(*alone)) or 0)


def sum_of_day(person_id: UUID, currency: str) -> int:
    """What one person has asked to give back today (Asia/Seoul), in minor units; what came to nothing not."""
    theirs = (
        Refund.requested_by == person_id,
        Refund.created_at >= clock.start_of_day(clock.today()),
        Refund.status.not_in((RefundStatus.FAILED, RefundStatus.REJECTED)),
        Payment.currency == currency,
    )
    total = select(*sum_of(Refund.amount)).join(Payment, Refund.payment_id == Payment.id)
    return whole_sum(db.session.execute(total.where(*theirs)).one())


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


def list_succeeded_of(row_ids: Collection[UUID], *, until: datetime) -> dict[UUID, list[Refund]]:
    """The refunds of payments, by payment row, that were settled as given back by then."""
    settled = select(Refund).where(Refund.payment_id.in_(row_ids), HAS_SUCCEEDED, Refund.settled_at <= until)
    found: dict[UUID, list[Refund]] = {}
    for refund in db.session.scalars(settled):
        found.setdefault(refund.payment_id, []).append(refund)
    return found
