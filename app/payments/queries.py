"""One payment: found by whatever id it is known by, with what can be given back of it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from flask_babel import gettext as _
from sqlalchemy import func, select

from app import clock
from app.encryption import vault
from app.errors import NotFound
from app.extensions import db
from app.payments.filters import FLAGS
from app.payments.models import Payment, SyncRun
from app.portone.payloads import PaymentSnapshot, UnreadableDocument

#: The outcomes of a cancellation; a status nobody knows counts as open.
_ENDED = frozenset({"SUCCEEDED", "FAILED"})

#: What begins every billing key PortOne issues.
BILLING_KEY_PREFIX = "billing-key"


@dataclass(frozen=True, slots=True)
class RefundOutlook:
    """What refunds take of a payment and what they leave, in minor units, and why none can be made now."""

    held: int
    refundable: int
    obstacle: str | None


def _outlook_without_refunds(payment: Payment) -> RefundOutlook:
    is_refundable = payment.status in {"PAID", "PARTIAL_CANCELLED"} and payment.cancellable_amount > 0
    obstacle = None if is_refundable else _("Only money that was paid and is still here can be given back.")
    return RefundOutlook(0, payment.cancellable_amount, obstacle)


_tell_outlook: Callable[[Payment], RefundOutlook] = _outlook_without_refunds


def find_payment(payment_id: str) -> Payment | None:
    """The payment with PortOne's id, or None when it is not known here."""
    if "\x00" in payment_id:  # no id holds it, and PostgreSQL refuses to compare with it
        return None
    return db.session.scalar(select(Payment).where(Payment.payment_id == payment_id))


def get_payment(payment_id: str) -> Payment:
    """The payment with PortOne's id; raises NotFound when it is not known here."""
    payment = find_payment(payment_id)
    if payment is None:
        raise NotFound(_("No payment with this id is known here."))
    return payment


def snapshot_of(payment: Payment) -> PaymentSnapshot | None:
    """PortOne's last snapshot of a payment; None when there is none, or none that can be read."""
    try:
        return PaymentSnapshot.from_raw(payment.snapshot) if payment.snapshot else None
    except UnreadableDocument:
        return None


def outlook_of(payment: Payment) -> RefundOutlook:
    """What can be given back of a payment now, as the refunds domain sees it.

    A cancellation that PortOne works on takes its amount too, whoever asked for it; if it is one of our
    refunds, that holds the same amount already.
    """
    outlook = _tell_outlook(payment)
    pending = sum(row.total_amount for row in payment.cancellations if row.status not in _ENDED)
    left = max(payment.cancellable_amount - pending, 0)
    return replace(outlook, held=max(outlook.held, pending), refundable=min(outlook.refundable, left))


def tell_refund_outlook(function: Callable[[Payment], RefundOutlook]) -> Callable[[Payment], RefundOutlook]:
    """Have `function`, of the refunds domain above, say what can be given back; usable as a decorator."""
    global _tell_outlook  # noqa: PLW0603 - set once, when that domain is imported
    _tell_outlook = function
    return function


def known_hash_of(billing_key: str) -> str:
    """The keyed hash that payments with this billing key are found by, whichever key made it."""
    hashes = vault().fingerprints(billing_key)
    known = select(Payment.billing_key_hash).where(Payment.billing_key_hash.in_(hashes)).limit(1)
    return db.session.scalar(known) or hashes[0]


def last_synced_at() -> datetime | None:
    """When PortOne was last read: by a walk through everything, or for the payment that changed last."""
    return max(filter(None, db.session.execute(_LAST_SYNCED).one()), default=None)


#: Built once, since every list asks.
_LAST_SYNCED = select(
    select(func.max(SyncRun.finished_at)).scalar_subquery(),
    select(Payment.synced_at)
    .order_by(Payment.changed_clock.desc(), Payment.id.desc())
    .limit(1)
    .scalar_subquery(),
)


def count_unsettled(flag: str) -> int:
    """How many payments something is unsettled about: one of the kinds in FLAGS."""
    return db.session.scalar(select(func.count()).where(FLAGS[flag](Payment))) or 0


def is_overdue(snapshot: PaymentSnapshot) -> bool:
    """Whether a virtual account waits in vain: PortOne keeps the status when the deadline passes."""
    deadline = snapshot.method.expired_at if snapshot.method else None
    return snapshot.status == "VIRTUAL_ACCOUNT_ISSUED" and deadline is not None and deadline < clock.now()
