"""Refunds to show: one, and a payment's."""

from typing import cast
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from app.errors import NotFound
from app.extensions import db
from app.payments.models import Payment
from app.portone.requests import RetainOption
from app.refunds.models import Refund, RefundStatus


def find_refund(refund_id: UUID) -> Refund | None:
    """The refund with this id, which is its intent too."""
    return db.session.get(
        Refund, refund_id, options=[joinedload(Refund.payment), joinedload(Refund.requester)]
    )


def get_refund(refund_id: UUID) -> Refund:
    """The refund with this id; raises NotFound."""
    refund = find_refund(refund_id)
    if refund is None:
        raise NotFound(_("There is no refund with this number."))
    return refund


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
