"""What becomes of a charge: an outcome, or another wait for one.

Whatever PortOne tells of the payment, by whichever way it comes, settles the charge (`bring_in_line`).
"""

import logging
from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from sqlalchemy import select

from app import clock
from app.audit import service as audit
from app.billing_keys import service as billing_keys
from app.billing_keys.models import BillingKey
from app.billing_keys.sealing import KeyUnreadable, open_key
from app.charges.models import IN_FLIGHT, MOVES, Charge, ChargeStatus
from app.database import lock
from app.encryption import vault
from app.extensions import db
from app.payments.snapshots import when_stored
from app.portone.payloads import PaymentSnapshot

log = logging.getLogger(__name__)

#: The longest wait between two questions about a charge whose outcome is unknown.
UNKNOWN_SECONDS = 10

#: What PortOne's status of the payment means for the charge; what went back later was taken first.
OUTCOME_OF = {
    "PAID": ChargeStatus.SUCCEEDED,
    "PARTIAL_CANCELLED": ChargeStatus.SUCCEEDED,
    "CANCELLED": ChargeStatus.SUCCEEDED,
    "FAILED": ChargeStatus.FAILED,
}

#: Facts of an outcome that are codes, and for which a column has 80 characters.
_CODES = frozenset({"problem", "pg_code"})


def settle(charge_id: UUID, status: ChargeStatus, **facts: str | None) -> bool:
    """Record what became of a charge. Commits; False when it had got there, or further, before.

    `facts` are columns of the charge: the problem, and the PG's words for it.
    """
    has_moved = _move(lock(Charge, charge_id), status, **facts)
    db.session.commit()
    return has_moved


def keep_waiting(charge_id: UUID, problem: str, *, most_seconds: int = UNKNOWN_SECONDS) -> None:
    """No answer that counts: the charge may have happened, and is looked at again soon."""
    charge = lock(Charge, charge_id)
    before = ChargeStatus(charge.status)
    if before not in IN_FLIGHT:
        db.session.rollback()  # somebody else has the answer
        return
    is_news = problem != charge.problem
    charge.problem = problem
    charge.attempts += 1
    wait = min(2 ** min(charge.attempts, 20), most_seconds)
    charge.release(next_attempt_at=clock.now() + timedelta(seconds=wait))
    if problem != "outstanding":  # that one is still being sent
        charge.status = ChargeStatus.UNCERTAIN
    if is_news and charge.status == ChargeStatus.UNCERTAIN:  # the same silence again is counted, not told
        _record_step(charge, before, problem=problem, tries=charge.attempts)
    db.session.commit()


@when_stored
def bring_in_line(current: Mapping[UUID, PaymentSnapshot]) -> None:
    """Settle charges by what PortOne tells of their payments, in the transaction that stores it."""
    told = {snapshot.payment_id: (row_id, snapshot) for row_id, snapshot in current.items()}
    ours = [payment_id for payment_id in told if payment_id.startswith("charge")]
    if not ours:
        return
    found = db.session.scalars(
        select(Charge.id).where(Charge.named_payment_id.in_(ours)).order_by(Charge.id)
    ).all()
    for charge_id in found:
        charge = lock(Charge, charge_id)
        row_id, snapshot = told[charge.named_payment_id]
        if _is_of(charge, snapshot):
            charge.payment_id = row_id
            _move_as_told(charge, snapshot)
        else:
            log.warning("payment %s is not what charge %s asked for", charge.named_payment_id, charge_id)


def key_in(row: BillingKey) -> str | None:
    """The billing key itself, a credential; None where it was not kept or cannot be opened any more."""
    try:
        return open_key(row)
    except KeyUnreadable:
        log.warning("billing key %s cannot be read here", row.id)
        return None


def _is_of(charge: Charge, snapshot: PaymentSnapshot) -> bool:
    """Whether a payment is what was asked for: nobody else's that happens to have our paymentId."""
    key = snapshot.billing_key
    is_same_key = key is None or charge.billing_key.billing_key in vault().fingerprints(key)
    return is_same_key and (snapshot.amount.total, snapshot.currency) == (charge.amount, charge.currency)


def _move_as_told(charge: Charge, snapshot: PaymentSnapshot) -> None:
    outcome, failure = OUTCOME_OF.get(snapshot.status), snapshot.failure
    if outcome == ChargeStatus.FAILED:
        said = {
            "problem_message": failure.reason if failure else None,
            "pg_code": failure.pg_code if failure else None,
            "pg_message": failure.pg_message if failure else None,
        }
        _move(charge, outcome, problem="PG_PROVIDER", **said)
    elif outcome is not None:
        _move(charge, outcome)


def _move(charge: Charge, status: ChargeStatus, **facts: str | None) -> bool:
    """Bring a locked charge to an outcome, in the caller's transaction; False where that is no way to go."""
    before = ChargeStatus(charge.status)
    if status not in MOVES.get(before, frozenset()):
        return False
    tries = charge.attempts + 1
    charge.status, charge.attempts, charge.settled_at = status, 0, clock.now()
    charge.problem = charge.problem_message = charge.pg_code = charge.pg_message = None
    told = _fit_to_keep(charge, facts)
    for name, value in told.items():
        setattr(charge, name, value)
    charge.request_sealed = None  # nothing more is asked, and it holds the key
    charge.release()
    _record_step(charge, before, tries=tries if tries > 1 else None, **told)
    return True


def _fit_to_keep(charge: Charge, facts: Mapping[str, str | None]) -> dict[str, str | None]:
    """Words of PortOne and the PG without the key, should they hold it, and codes no longer than columns."""
    billing_key = key_in(charge.billing_key)
    told = billing_keys.without_key(facts, billing_key) if billing_key else dict(facts)
    return {name: value and (value[:80] if name in _CODES else value) for name, value in told.items()}


def _record_step(charge: Charge, before: ChargeStatus, **facts: str | int | None) -> None:
    audit.record(
        f"charge.{charge.status}",
        "charge",
        str(charge.id),
        before={"status": before},
        after={"status": charge.status},
        facts={name: value for name, value in facts.items() if value},
    )
