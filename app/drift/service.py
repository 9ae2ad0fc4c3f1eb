"""Compare with PortOne, by duty and by hand, and close what a person has judged."""

import logging
from uuid import UUID

from flask_babel import gettext as _

from app import clock, leases
from app.accounts.models import User
from app.audit import service as audit
from app.database import begin_writing, lock
from app.drift import walking
from app.drift.differences import Difference
from app.drift.lateness import Patience
from app.drift.models import Drift, DriftKind
from app.drift.queries import get_drift
from app.drift.recording import keep_open, mark
from app.errors import DomainError
from app.extensions import db
from app.payments.models import Payment
from app.payments.queries import find_payment
from app.payments.service import SyncResult, refresh_payment
from app.payments.snapshots import when_not_found
from app.refunds import service as refunds

logger = logging.getLogger(__name__)


class AlreadyOver(DomainError):
    """The difference does not wait for anybody any more."""

    def __init__(self) -> None:
        super().__init__(_("Somebody else has closed this, or it was healed meanwhile."), status=409)


def watch(holder: str) -> int:
    """The duty: go on comparing; one worker at a time. Answers how many payments were compared."""
    seconds = 2 * walking.LONGEST_ROUND.total_seconds()
    if not leases.hold("drift", holder=holder, seconds=seconds):
        return 0
    return walking.go_on()


@when_not_found
def note_gone(payment_id: str, seen_how: str) -> None:
    """Keep that PortOne no longer knows a payment it once told us of. Commits."""
    begin_writing()
    payment = find_payment(payment_id)
    since = clock.now() - Patience.grace()
    if payment is not None and payment.snapshot is not None and (payment.reported_at or since) <= since:
        gone = Difference(
            payment.id,
            DriftKind.PAYMENT_GONE,
            {"status": [payment.status, None]},
            payment.amount,
            changed_at=payment.reported_at,
        )
        keep_open(gone, seen_how)
    db.session.commit()


def compare_now(drift_id: UUID, *, by: User) -> SyncResult:
    """Read the payment of a difference again because a person asks. Commits.

    Raises NotFound, PortOneRefused and PortOneUncertain.
    """
    result = refresh_payment(get_drift(drift_id).payment.payment_id, by=by)
    if result.change is not None:
        refunds.settle_requested_refunds_of(result.change.row_id)
    return result


def close(drift_id: UUID, note: str, *, by: User) -> None:
    """A person has judged a difference and says why it need not wait any longer. Commits.

    Raises NotFound, and `AlreadyOver` where somebody else was quicker. A refund at the PG is ended where it
    was noted (DomainError).
    """
    found = get_drift(drift_id)
    if found.kind == DriftKind.REFUNDED_AT_PG:
        raise DomainError(_("Resolve this refund on its own page, or take the note of it back there."))
    payment_row_id = found.payment_id
    begin_writing()
    payment = lock(Payment, payment_row_id)  # first, as whoever compares does
    drift = end(lock(Drift, drift_id), note, by=by)
    facts = {"kind": drift.kind, "note": note, "amount": drift.amount, "fields": drift.fields or {}}
    audit.record("drift.closed", "payment", payment.payment_id, by=by, facts=facts)
    db.session.commit()


def end(drift: Drift, note: str, *, by: User) -> Drift:
    """Close a difference that is locked, in the caller's transaction."""
    if not drift.is_open:
        db.session.rollback()
        raise AlreadyOver
    drift.closed_at, drift.closed_by, drift.note = clock.now(), by.id, note
    db.session.flush()
    mark([drift.payment_id])
    return drift
