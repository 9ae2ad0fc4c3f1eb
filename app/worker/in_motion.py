"""Payments in motion: read again, each as often as it is likely to have moved."""

import logging
from datetime import datetime, timedelta

from sqlalchemy import func, select, text

from app import clock, leases
from app.database import reading
from app.extensions import db
from app.payments.models import Payment
from app.payments.service import sync_payment
from app.portone.errors import PortOneRefused, PortOneUncertain
from app.refunds import service as refunds
from app.refunds.queries import list_payments_behind

#: Payments whose cancellation, or whose transfer to the customer's account, is still under way: PortOne
#: does not always announce how it ends. Spelled out so that a partial index can serve.
IN_MOTION = text("(payments.has_pending_cancellation OR payments.account_refund_status = 'PENDING')")
#: Such a payment is read again after a tenth of the time it has stood still, within these bounds.
SHORTEST_WAIT, LONGEST_WAIT = timedelta(seconds=10), timedelta(hours=6)
#: So long a payment is read again when our copy lacks a cancellation of ours: whoever made it died before
#: reading the payment, or PortOne was away just then, and the webhook was lost.
BEHIND_FOR = timedelta(days=1)
#: Candidates looked at, and payments read, in one round.
IN_MOTION_SEEN, IN_MOTION_READ = 1_000, 50

logger = logging.getLogger(__name__)


def sync_payments_in_motion(holder: str) -> int:
    """Read again those payments in motion that are due; answers how many were read. One worker at a time."""
    if not leases.hold("payments in motion", holder=holder, seconds=2 * leases.BEAT_SECONDS):
        return 0
    read = 0
    for payment_id in _due_in_motion():
        try:
            change = sync_payment(payment_id).change
        except PortOneUncertain as uncertain:
            logger.info("Payments in motion wait, PortOne gave no answer: %s", uncertain.reason)
            break
        except PortOneRefused as refusal:
            logger.warning("A payment in motion could not be read: %s", refusal)
            continue
        read += 1
        if change:
            refunds.settle_requested_refunds_of(change.row_id)
    return read


def _due_in_motion() -> list[str]:
    stood_still_since = func.coalesce(Payment.reported_at, Payment.status_changed_at, Payment.created_at)
    looked_at = (
        select(Payment.payment_id, Payment.synced_at, stood_still_since)
        .where(IN_MOTION)
        .order_by(Payment.synced_at.nulls_first())
        .limit(IN_MOTION_SEEN)
    )
    moment = clock.now()
    with reading():
        behind = list_payments_behind(moment - BEHIND_FOR)
        candidates = db.session.execute(looked_at).all()
    moving = [*behind, *candidates]
    due = list(dict.fromkeys(key for key, synced_at, since in moving if _is_due(synced_at, since, moment)))
    return due[:IN_MOTION_READ]


def _is_due(synced_at: datetime | None, since: datetime, moment: datetime) -> bool:
    wait = min(max((moment - since) / 10, SHORTEST_WAIT), LONGEST_WAIT)
    return synced_at is None or synced_at + wait <= moment
