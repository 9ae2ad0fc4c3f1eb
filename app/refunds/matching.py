"""Recognise a refund among the cancellations PortOne tells of, when its key is of no more use."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from app.extensions import db
from app.payments.models import Cancellation
from app.refunds.models import Refund

#: How far PortOne's clock and ours may be apart.
CLOCK_SKEW = timedelta(minutes=5)

#: Triggers of cancellations that somebody made past the API, so that they are none of ours.
NOT_BY_API = frozenset({"CONSOLE", "PORTONE_ADMIN", "CHARGEBACK"})


def find_our_cancellation(refund: Refund) -> Cancellation | None:
    """The cancellation that is this refund: by the API, of its amount, made since, and no other refund's.

    Where several are, one that did not fail counts more, then the reason. Nothing hangs on the reason alone,
    because a PG may cut or rewrite it, and a refund that is taken for failed is made again.
    """
    of_payment = select(Cancellation).where(Cancellation.payment_id == refund.payment_id)
    known = db.session.scalars(of_payment.order_by(Cancellation.requested_at, Cancellation.id)).all()
    claimed = set(
        db.session.scalars(select(Refund.cancellation_id).where(Refund.payment_id == refund.payment_id))
    )
    alike = [
        record
        for record in known
        if record.total_amount == refund.amount
        and record.trigger not in NOT_BY_API
        and record.cancellation_id not in claimed
        and not _was_there_before(refund, record, known)
    ]
    return min(alike, key=lambda each: (each.status == "FAILED", each.reason != refund.reason), default=None)


def _was_there_before(refund: Refund, record: Cancellation, known: Sequence[Cancellation]) -> bool:
    """Whether a cancellation is older than the refund.

    Of money that went back the balance tells, which PortOne compares when we ask, and none was open then;
    clocks only tell the rest.
    """
    if record.status == "FAILED" or refund.balance_before is None:
        since = (refund.sent_at or refund.created_at) - CLOCK_SKEW
        return record.requested_at is not None and record.requested_at < since
    if record.status != "SUCCEEDED":
        return False
    up_to_it = [each for each in known if each.status == "SUCCEEDED" and _gone_at(each) <= _gone_at(record)]
    return sum(each.total_amount for each in up_to_it) <= refund.payment.amount - refund.balance_before


def _gone_at(record: Cancellation) -> datetime:
    return record.cancelled_at or record.requested_at or datetime.max.replace(tzinfo=UTC)
