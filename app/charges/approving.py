"""The second person: approve a charge that waits, reject it, take it back, or let it run out.

Whoever comes second, a person or the clock, reads what the first decided: the row is locked.
"""

from datetime import datetime, timedelta
from uuid import UUID

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import select

from app import clock
from app.access.permissions import Permission
from app.accounts.models import User
from app.approvals.queries import Kind, may
from app.approvals.service import Proof, refuse_unproven, refuse_without
from app.audit import service as audit
from app.audit.queries import list_entries_of
from app.charges import settling
from app.charges.models import Charge, ChargeStatus
from app.charges.queries import find_twin_in_flight, get_charge
from app.charges.service import ChargeRefused, be_alone_with, commit_alone, find_obstacle, make_ready
from app.charges.settling import Dispatch
from app.database import lock
from app.encryption import InvalidToken
from app.extensions import db
from app.settings.service import value_of
from app.web.filters import local_time

#: What a rejected charge keeps in `problem` when it was no second person's no.
EXPIRED, WITHDRAWN = "EXPIRED", "WITHDRAWN"

_DECISIONS = {
    "charge.approved": _l("%(who)s has approved this charge already (%(at)s)."),
    "charge.rejected": _l("%(who)s has rejected this charge already (%(at)s)."),
    "charge.withdrawn": _l("%(who)s, who had asked for this charge, has taken it back (%(at)s)."),
    "charge.expired": _l("Nobody approved this charge in time, so it was rejected by itself (%(at)s)."),
}


class NotTheSecond(ChargeRefused):
    """Whoever asked for a charge wants to decide about it, or somebody else wants to take it back."""

    status = 403


class AlreadyDecided(ChargeRefused):
    """Somebody was faster; the message says who, and what they decided."""


def approve_charge(charge_id: UUID, *, by: User, note: str = "", proof: Proof | None = None) -> None:
    """Approve a waiting charge, and send it, if the key can still be charged.

    Raises `ChargeRefused` or `ApprovalRefused`, and leaves it waiting, where that is not so.
    """
    _refuse_own(charge_id, by)
    settling.send(_approve(charge_id, by, note, proof), is_first=True)


def reject_charge(charge_id: UUID, *, by: User, note: str = "") -> None:
    """Say no to a waiting charge. Commits."""
    _refuse_own(charge_id, by)
    charge = _lock_waiting(charge_id)
    refuse_without(by, Permission.CHARGE_APPROVE)
    _close(charge, "charge.rejected", by=by, note=note)


def withdraw_charge(charge_id: UUID, *, by: User) -> None:
    """Take back a waiting charge that one asked for oneself. Commits."""
    charge = _lock_waiting(charge_id)
    if charge.requested_by != by.id:
        raise NotTheSecond(_("Only whoever asked for this charge can take it back."))
    _close(charge, "charge.withdrawn", by=by, problem=WITHDRAWN)


def expire_waiting() -> int:
    """Reject what waited too long; answers how many. Safe beside people who decide, and other workers."""
    overdue = select(Charge.id).where(
        Charge.status == ChargeStatus.AWAITING_APPROVAL, Charge.expires_at <= clock.now()
    )
    due = db.session.scalars(overdue).all()
    db.session.rollback()
    return sum(_expire(charge_id) for charge_id in due)


def expires_at(charge: Charge) -> datetime:
    """Until when a charge waits."""
    return charge.expires_at or charge.created_at + timedelta(hours=value_of("charge_approval_hours"))


def _approve(charge_id: UUID, by: User, note: str, proof: Proof | None) -> Dispatch:
    """Make ready what is sent: under both locks everything is looked at once more."""
    row = be_alone_with(get_charge(charge_id).billing_key_id)
    charge = _lock_waiting(charge_id)
    if expires_at(charge) <= clock.now():
        _close(charge, "charge.expired", problem=EXPIRED)
        raise AlreadyDecided(_tell_decision(get_charge(charge_id)))
    refuse_without(by, Permission.CHARGE_APPROVE)
    refuse_unproven(by, proof, charge.amount, charge.currency, Kind.CHARGE)
    if not may(charge.requester, Permission.CHARGE_CREATE):
        raise ChargeRefused(_("Whoever asked for this charge may no longer charge. Reject it, or ask anew."))
    if obstacle := find_obstacle(row):
        raise ChargeRefused(obstacle)
    if find_twin_in_flight(row.id, charge.amount, charge.currency, besides=charge.id):
        raise ChargeRefused(
            _("A charge of the same amount to this key has no outcome yet. Wait until it is settled.")
        )
    try:
        dispatch = make_ready(charge)
    except InvalidToken:
        sentence = _(
            "What was asked for cannot be read any more: its encryption key is gone. Reject it, and ask anew."
        )
        raise ChargeRefused(sentence) from None
    charge.approved_by = by.id
    _record("charge.approved", charge, by=by, note=note, proof=proof.method if proof else None)
    commit_alone()
    return dispatch


def _lock_waiting(charge_id: UUID) -> Charge:
    get_charge(charge_id)
    charge = lock(Charge, charge_id)
    _refuse_decided(charge)
    return charge


def _refuse_own(charge_id: UUID, by: User) -> None:
    """Nobody is their own second person; that somebody tried is kept."""
    charge = get_charge(charge_id)
    if charge.requested_by != by.id:
        return
    _refuse_decided(charge)
    audit.record("charge.decision_refused", "charge", str(charge_id), by=by, facts={"why": "own_charge"})
    db.session.commit()
    raise NotTheSecond(_("You asked for this charge yourself, so somebody else has to decide about it."))


def _refuse_decided(charge: Charge) -> None:
    if charge.status != ChargeStatus.AWAITING_APPROVAL:
        raise AlreadyDecided(_tell_decision(charge))


def _tell_decision(charge: Charge) -> str:
    """Who decided what, and when, for whoever comes second."""
    decisions = [entry for entry in list_entries_of("charge", charge.id) if entry.action in _DECISIONS]
    if not decisions:
        return str(_("This charge does not wait for approval."))
    who, at = decisions[0].actor_name, local_time(decisions[0].at)
    return str(_DECISIONS[decisions[0].action]) % {"who": who, "at": at}


def _close(
    charge: Charge, action: str, *, by: User | None = None, problem: str | None = None, note: str = ""
) -> None:
    """Let a waiting charge end without a question to PortOne. Commits."""
    charge.status, charge.problem, charge.settled_at = ChargeStatus.REJECTED, problem, clock.now()
    charge.request_sealed = charge.expires_at = None
    _record(action, charge, by=by, note=note)
    db.session.commit()


def _record(action: str, charge: Charge, *, by: User | None, **facts: str | None) -> None:
    audit.record(
        action,
        "charge",
        str(charge.id),
        by=by,
        before={"status": ChargeStatus.AWAITING_APPROVAL},
        after={"status": charge.status},
        facts={name: value for name, value in facts.items() if value},
    )


def _expire(charge_id: UUID) -> bool:
    try:
        charge = _lock_waiting(charge_id)
    except AlreadyDecided:
        db.session.rollback()
        return False
    if expires_at(charge) > clock.now():
        db.session.rollback()
        return False
    _close(charge, "charge.expired", problem=EXPIRED)
    return True
