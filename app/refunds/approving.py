"""The second person: approve a refund that waits, reject it, take it back, or let it run out.

Whoever comes second, a person or the clock, reads what the first decided: the row is locked.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import ColumnElement, and_, or_, select

from app import clock
from app.access.permissions import Permission
from app.accounts.models import User
from app.approvals.queries import may
from app.approvals.service import Proof, refuse_unproven, refuse_without
from app.audit import service as audit
from app.audit.queries import list_entries_of
from app.database import lock
from app.encryption import InvalidToken, vault
from app.extensions import db
from app.payments.models import Payment
from app.payments.service import sync_payment
from app.refunds import balance, settling
from app.refunds.models import Refund, RefundStatus
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
from app.settings.service import value_of
from app.web.filters import local_time

#: What a rejected refund keeps in `problem` when it was no second person's no.
EXPIRED, WITHDRAWN = "EXPIRED", "WITHDRAWN"


class NotTheSecond(RefundRefused):
    """Whoever asked for a refund wants to decide about it, or somebody else wants to take it back."""

    status = 403


class AlreadyDecided(RefundRefused):
    """Somebody was faster; the message says who, and what they decided."""


def approve_refund(refund_id: UUID, *, by: User, note: str = "", proof: Proof | None = None) -> None:
    """Approve a waiting refund, and send it, if it still fits what PortOne says now.

    Raises `RefundRefused` or `ApprovalRefused` and leaves it waiting where it does not, and PortOne's errors
    where PortOne does not say.
    """
    _refuse_own(refund_id, by)
    refund = get_refund(refund_id)
    payment_id = refund.payment.payment_id
    _refuse_decided(refund)
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
    _refuse_own(refund_id, by)
    refund = _lock_waiting(refund_id)
    refuse_without(by, Permission.REFUND_APPROVE)
    _close(refund, "refund.rejected", by=by, note=note)


def withdraw_refund(refund_id: UUID, *, by: User) -> None:
    """Take back a waiting refund that one asked for oneself. Commits."""
    refund = _lock_waiting(refund_id)
    if refund.requested_by != by.id:
        raise NotTheSecond(_("Only whoever asked for this refund can take it back."))
    _close(refund, "refund.withdrawn", by=by, problem=WITHDRAWN)


def expire_waiting() -> int:
    """Reject what waited too long; answers how many. Safe beside people who decide, and other workers."""
    due = db.session.scalars(select(Refund.id).where(*_is_overdue())).all()
    db.session.rollback()
    return sum(_expire(refund_id) for refund_id in due)


def expires_at(refund: Refund) -> datetime:
    """Until when a refund waits; one another tool wrote waits from its creation."""
    return refund.expires_at or refund.created_at + timedelta(hours=value_of("refund_approval_hours"))


def _approve(refund_id: UUID, by: User, note: str, proof: Proof | None) -> Dispatch:
    """Make ready what is sent: under both locks everything is looked at once more."""
    payment = lock(Payment, get_refund(refund_id).payment_id)
    refund = _lock_waiting(refund_id)
    if expires_at(refund) <= clock.now():
        _close(refund, "refund.expired", problem=EXPIRED)
        raise AlreadyDecided(_tell_decision(get_refund(refund_id)))
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
    _record("refund.approved", refund, by=by, note=note, proof=proof.method if proof else None)
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
        raise RefundRefused(
            _(
                "What was asked for cannot be read any more: its encryption key is gone. "
                "Reject it, and ask anew."
            )
        ) from None
    return replace(wish, expected_refundable=left)


def _lock_waiting(refund_id: UUID) -> Refund:
    get_refund(refund_id)
    refund = lock(Refund, refund_id)
    _refuse_decided(refund)
    return refund


def _refuse_own(refund_id: UUID, by: User) -> None:
    """Nobody is their own second person; that somebody tried is kept."""
    refund = get_refund(refund_id)
    if refund.requested_by != by.id:
        return
    _refuse_decided(refund)
    audit.record("refund.decision_refused", "refund", str(refund_id), by=by, facts={"why": "own_refund"})
    db.session.commit()
    raise NotTheSecond(_("You asked for this refund yourself, so somebody else has to decide about it."))


def _refuse_decided(refund: Refund) -> None:
    if refund.status != RefundStatus.AWAITING_APPROVAL:
        raise AlreadyDecided(_tell_decision(refund))


def _tell_decision(refund: Refund) -> str:
    """Who decided what, and when, for whoever comes second."""
    decisions = [entry for entry in list_entries_of("refund", refund.id) if entry.action in _DECISIONS]
    if not decisions:
        return str(_("This refund does not wait for approval."))
    who, at = decisions[0].actor_name, local_time(decisions[0].at)
    return str(_DECISIONS[decisions[0].action]) % {"who": who, "at": at}


_DECISIONS = {
    "refund.approved": _l("%(who)s has approved this refund already (%(at)s)."),
    "refund.rejected": _l("%(who)s has rejected this refund already (%(at)s)."),
    "refund.withdrawn": _l("%(who)s, who had asked for this refund, has taken it back (%(at)s)."),
    "refund.expired": _l("Nobody approved this refund in time, so it was rejected by itself (%(at)s)."),
}


def _close(
    refund: Refund, action: str, *, by: User | None = None, problem: str | None = None, note: str = ""
) -> None:
    """Let a waiting refund end without a question to PortOne. Commits."""
    refund.status, refund.problem, refund.settled_at = RefundStatus.REJECTED, problem, clock.now()
    refund.wish_sealed = refund.expires_at = None
    _record(action, refund, by=by, note=note)
    db.session.commit()


def _record(action: str, refund: Refund, *, by: User | None, **facts: str | None) -> None:
    audit.record(
        action,
        "refund",
        str(refund.id),
        by=by,
        before={"status": RefundStatus.AWAITING_APPROVAL},
        after={"status": refund.status},
        facts={name: value for name, value in facts.items() if value},
    )


def _expire(refund_id: UUID) -> bool:
    try:
        refund = _lock_waiting(refund_id)
    except AlreadyDecided:
        db.session.rollback()
        return False
    if expires_at(refund) > clock.now():
        db.session.rollback()
        return False
    _close(refund, "refund.expired", problem=EXPIRED)
    return True


def _is_overdue() -> tuple[ColumnElement[bool], ...]:
    moment = clock.now()
    long_ago = moment - timedelta(hours=value_of("refund_approval_hours"))
    is_over = or_(
        Refund.expires_at <= moment, and_(Refund.expires_at.is_(None), Refund.created_at <= long_ago)
    )
    return Refund.status == RefundStatus.AWAITING_APPROVAL, is_over
