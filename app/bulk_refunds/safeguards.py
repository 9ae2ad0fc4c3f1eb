"""What keeps one person from giving away too much: limits, the second person, the password again.

Every question a batch asks about that stands here, and so does the one call that makes a refund.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from flask_babel import gettext as _

from app.access.permissions import Permission, holds, is_permitted
from app.accounts.models import User
from app.accounts.service import SignInRefused, SignInThrottled
from app.approvals.service import (
    AboveLimit,
    Proof,
    ProofMissing,
    confirm_identity,
    refuse_above_daily_limit,
    refuse_above_limit,
)
from app.bulk_refunds.models import RefundBatch
from app.errors import DomainError
from app.refunds.queries import sum_of_day
from app.refunds.service import Wish, request_refund
from app.settings.service import amount_of


@dataclass(frozen=True, slots=True)
class Sum:
    """What a batch would give back in one currency: over how many rows, and its largest row."""

    currency: str
    count: int
    amount: int
    largest: int


def find_excess(user: User, amount: int, currency: str) -> str | None:
    """Why this person may not refund so much at once, in a sentence; None when they may."""
    try:
        refuse_above_limit(user, amount, currency)
    except AboveLimit as refusal:
        return refusal.message
    return None


def find_daily_excess(user: User, amount: int, currency: str) -> str | None:
    """Why this person may not refund so much more today, in a sentence; None when they may."""
    try:
        refuse_above_daily_limit(user, amount, currency, spent=sum_of_day(user.id, currency))
    except AboveLimit as refusal:
        return refusal.message
    return None


def needs_approval(sums: Iterable[Sum]) -> bool:
    """Whether a second person has to approve: for the whole of a currency, or for one of its rows."""
    return any(_is_above("refund_approval_threshold", each) for each in sums)


def needs_password(sums: Iterable[Sum]) -> bool:
    """Whether whoever confirms this types their password once more."""
    return any(_is_above("refund_step_up_threshold", each) for each in sums)


def is_own_password(user: User, password: str) -> bool:
    """Whether this is the person's own password. Commits. Raises `SignInThrottled` after too many others."""
    try:
        confirm_identity(user, password)
    except SignInThrottled:
        raise
    except (ProofMissing, SignInRefused):
        return False
    return True


def may_carry_out(user: User | None) -> bool:
    """Whether the person in whose name a batch runs may still do so."""
    return user is not None and user.is_active and is_permitted(user.role, Permission.REFUND_BULK)


def may_approve(user: User, *, involved: Iterable[object]) -> bool:
    """Whether this person may decide about a batch: never one they uploaded or confirmed themselves."""
    return holds(user, Permission.REFUND_APPROVE) and user.id not in set(involved)


def refund(payment_id: str, wish: Wish, *, batch: RefundBatch) -> None:
    """Make one refund of a batch that was confirmed, and approved where it had to be."""
    if batch.confirmer is None:
        raise DomainError(_("Whoever confirmed this is gone."))
    proof = Proof(batch.confirmer.id, batch.proof) if batch.proof else None
    request_refund(payment_id, wish, by=batch.confirmer, proof=proof, approved_by=batch.decider)


def _is_above(setting: str, total: Sum) -> bool:
    threshold = amount_of(setting, total.currency)
    return threshold is not None and max(total.amount, total.largest) > threshold
