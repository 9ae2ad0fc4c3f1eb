"""What is left to refund: PortOne's balance less what is spoken for."""

from uuid import UUID

from flask_babel import gettext as _
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


def held(payment: Payment, *, besides: UUID | None = None) -> int:
    """What refunds take that PortOne's last snapshot does not show yet, in minor units.

    `besides` is a refund whose own hold does not count: one that waited, and is to be made now.
    """
    return _sum(payment, Refund.amount, besides)


def refundable(payment: Payment, *, besides: UUID | None = None) -> int:
    """What may still be given back, in minor units; nothing of a payment that is not paid."""
    if payment.status not in REFUNDABLE_STATUSES:
        return 0
    return max(payment.cancellable_amount - held(payment, besides=besides), 0)


def refundable_tax_free(payment: Payment, *, besides: UUID | None = None) -> int:
    """The tax-free part of what may still be given back, in minor units."""
    taken = _sum(payment, Refund.tax_free_amount, besides)
    left = payment.tax_free_amount - payment.cancelled_tax_free_amount - taken
    return min(max(left, 0), refundable(payment, besides=besides))


def usual_tax_free(amount: int, *, refundable: int, tax_free: int) -> int:
    """The tax-free part of a refund of `amount`: its share of what is left, within bounds."""
    if not refundable:
        return 0
    return max(amount * tax_free // refundable, amount - (refundable - tax_free))


def has_vat(payment: Payment) -> bool:
    """Whether the payment was charged with VAT, so that a refund of it has a VAT part."""
    snapshot = snapshot_of(payment)
    return bool(snapshot and snapshot.amount.vat)


def usual_vat(taxable: int) -> int:
    """The VAT within a taxable amount, in minor units: an eleventh, as PortOne computes it."""
    return (taxable * 2 + 11) // 22


def is_outdated(payment: Payment) -> bool:
    """Whether a refund was settled after our copy was read, so that PortOne has another balance by now."""
    if payment.synced_at is None:
        return False
    newer = select(Refund.id).where(
        Refund.payment_id == payment.id,
        Refund.status == RefundStatus.SUCCEEDED,
        Refund.settled_at > payment.synced_at,
        ~_is_seen(),
    )
    return db.session.scalar(newer.limit(1)) is not None


def find_hold(payment: Payment) -> str | None:
    """Why nothing can be refunded although PortOne has a balance: refunds that wait take all of it."""
    if payment.status not in REFUNDABLE_STATUSES or payment.cancellable_amount <= 0 or refundable(payment):
        return None
    return str(_("All that is left of this payment is on hold for refunds that are not final yet."))


def _sum(payment: Payment, column: InstrumentedAttribute[int], besides: UUID | None) -> int:
    total = select(func.coalesce(func.sum(column), 0)).where(Refund.payment_id == payment.id, _takes_unseen())
    if besides is not None:
        total = total.where(Refund.id != besides)
    return int(db.session.scalar(total) or 0)  # PostgreSQL adds up to a Decimal


def _takes_unseen() -> ColumnElement[bool]:
    """Refunds without a final outcome, and those whose cancellation our copy of the payment lacks."""
    return or_(Refund.status.in_(HOLDING), and_(Refund.status == RefundStatus.SUCCEEDED, ~_is_seen()))


def _is_seen() -> ColumnElement[bool]:
    return exists().where(
        Cancellation.payment_id == Refund.payment_id, Cancellation.cancellation_id == Refund.cancellation_id
    )
