"""What is left to refund: PortOne's balance less what is spoken for."""

from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from app.extensions import db
from app.payments.models import Cancellation, Payment
from app.payments.queries import snapshot_of
from app.refunds.cases import REFUNDABLE_STATUSES
from app.refunds.models import HOLDING, IN_FLIGHT, Refund, RefundStatus


def find_in_flight(payment: Payment) -> Refund | None:
    """The refund of this payment that PortOne was asked for and that has no final outcome yet."""
    return db.session.scalar(
        select(Refund).where(Refund.payment_id == payment.id, Refund.status.in_(IN_FLIGHT))
    )


def held(payment: Payment) -> int:
    """What refunds take that PortOne's last snapshot does not show yet, in minor units."""
    return _sum(payment, Refund.amount)


def refundable(payment: Payment) -> int:
    """What may still be given back, in minor units; nothing of a payment that is not paid."""
    if payment.status not in REFUNDABLE_STATUSES:
        return 0
    return max(payment.cancellable_amount - held(payment), 0)


def refundable_tax_free(payment: Payment) -> int:
    """The tax-free part of what may still be given back, in minor units."""
    left = payment.tax_free_amount - payment.cancelled_tax_free_amount - _sum(payment, Refund.tax_free_amount)
    return min(max(left, 0), refundable(payment))


def has_vat(payment: Payment) -> bool:
    """Whether the payment was charged with VAT, so that a refund of it has a VAT part."""
    snapshot = snapshot_of(payment)
    return bool(snapshot and snapshot.amount.vat)


def usual_vat(taxable: int) -> int:
    """The VAT within a taxable amount, in minor units: an eleventh, as PortOne computes it."""
    return (taxable * 2 + 11) // 22


def _sum(payment: Payment, column: InstrumentedAttribute[int]) -> int:
    return (
        db.session.scalar(
            select(func.coalesce(func.sum(column), 0)).where(Refund.payment_id == payment.id, _takes_unseen())
        )
        or 0
    )


def _takes_unseen() -> ColumnElement[bool]:
    """Refunds without a final outcome, and those whose cancellation our copy of the payment lacks."""
    is_seen = exists().where(
        Cancellation.payment_id == Refund.payment_id, Cancellation.cancellation_id == Refund.cancellation_id
    )
    return or_(Refund.status.in_(HOLDING), and_(Refund.status == RefundStatus.SUCCEEDED, ~is_seen))
