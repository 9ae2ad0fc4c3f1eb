"""The second person: approve a refund that waits, reject it, or take it back."""

from dataclasses import replace
from uuid import UUID

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from app.access.permissions import Permission
from app.accounts.models import User
from app.approvals.deciding import Desk, unreadable
from app.approvals.queries import Kind, may
from app.approvals.service import Proof, refuse_unproven, refuse_without
from app.database import lock
from app.encryption import InvalidToken, vault
from app.payments.models import Payment
from app.payments.service import sync_payment
from app.refunds import balance, settling
from app.refunds.models import Refund
from app.refunds.queries import get_refund
from app.refunds.service import (
    BalanceOutdated,
    RefundRefused,
    Wish,
    commit_alone,
    make_ready,
    refuse_if_impossible,
    rules_set_aside,
)
from app.refunds.settling import Dispatch

DESK = Desk(
    kind=Kind.REFUND,
    model=Refund,
    erased="wish_sealed",
    decisions={
        "approved": _l("%(who)s has approved this refund already (%(at)s)."),
        "rejected": _l("%(who)s has rejected this refund already (%(at)s)."),
        "withdrawn": _l("%(who)s, who had asked for this refund, has taken it back (%(at)s)."),
        "expired": _l("Nobody approved this refund in time, so it was rejected by itself (%(at)s)."),
    },
    own=_l("You asked for this refund yourself, so somebody else has to decide about it."),
    not_theirs=_l("Only whoever asked for this refund can take it back."),
    not_waiting=_l("This refund does not wait for approval."),
)


def approve_refund(refund_id: UUID, *, by: User, note: str = "", proof: Proof | None = None) -> None:
    """Approve a waiting refund, and send it, if it still fits what PortOne says now.

    Raises `RefundRefused` or `ApprovalRefused` and leaves it waiting where it does not, and PortOne's errors
    where PortOne does not say.
    """
    refund = get_refund(refund_id)
    payment_id = refund.payment.payment_id
    DESK.refuse_own(refund_id, by)
    DESK.refuse_decided(refund)
    if not sync_payment(payment_id).is_found:
        raise RefundRefused(_("PortOne does not know this payment any more, so nothing can be refunded."))
    try:
        dispatch = _approve(refund_id, by, note, proof)
    except BalanceOutdated:
        sync_payment(payment_id)
        dispatch = _approve(refund_id, by, note, proof)
    settling.send(dispatch, is_first=True)


def reject_refund(refund_id: UUID, *, by: User, note: str = "") -> None:
    """Say no to a waiting refund; its amount is free again. Commits."""
    DESK.reject(get_refund(refund_id).id, by=by, note=note)


def withdraw_refund(refund_id: UUID, *, by: User) -> None:
    """Take back a waiting refund that one asked for oneself. Commits."""
    DESK.withdraw(get_refund(refund_id).id, by=by)


def _approve(refund_id: UUID, by: User, note: str, proof: Proof | None) -> Dispatch:
    """Make ready what is sent: under both locks everything is looked at once more."""
    payment = lock(Payment, get_refund(refund_id).payment_id)
    refund: Refund = DESK.lock_waiting(refund_id)
    DESK.refuse_expired(refund)
    refuse_without(by, Permission.REFUND_APPROVE)
    refuse_unproven(by, proof, refund.amount, payment.currency)
    requester = refund.requester
    if requester is None or not may(requester, Permission.REFUND_CREATE):
        raise RefundRefused(_("Whoever asked for this refund may no longer refund. Reject it, or ask anew."))
    wish = _wish_of(refund, payment)
    refuse_if_impossible(payment, wish)
    rules_set_aside(payment, wish, requester)
    dispatch = make_ready(refund, payment, wish)
    refund.approved_by = by.id
    DESK.record("approved", refund, by=by, note=note, proof=proof.method if proof else None)
    commit_alone()
    return dispatch


def _wish_of(refund: Refund, payment: Payment) -> Wish:
    """What was asked for, against the balance as it is now; its own hold does not count against it."""
    left = balance.refundable(payment, besides=refund.id)
    if refund.wish_sealed is None:
        return Wish(
            intent=refund.id,
            amount=refund.amount,
            tax_free_amount=refund.tax_free_amount,
            expected_refundable=left,
            reason=refund.reason or "-",
            reason_code=refund.reason_code,
        )
    try:
        wish = Wish.from_text(vault().open(refund.wish_sealed))
    except InvalidToken:
        raise RefundRefused(unreadable()) from None
    return replace(wish, expected_refundable=left)
