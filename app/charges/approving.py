"""The second person: approve a charge that waits, reject it, or take it back."""

from uuid import UUID

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from app.access.permissions import Permission
from app.accounts.models import User
from app.approvals.deciding import Desk, unreadable
from app.approvals.queries import Kind, may
from app.approvals.service import Proof, refuse_unproven, refuse_without
from app.charges import settling
from app.charges.checks import ChargeRefused, find_obstacle
from app.charges.models import Charge
from app.charges.queries import find_twin_in_flight, get_charge
from app.charges.service import be_alone_with, commit_alone, make_ready
from app.charges.settling import Dispatch
from app.encryption import InvalidToken

DESK = Desk(
    kind=Kind.CHARGE,
    model=Charge,
    erased="request_sealed",
    decisions={
        "approved": _l("%(who)s has approved this charge already (%(at)s)."),
        "rejected": _l("%(who)s has rejected this charge already (%(at)s)."),
        "withdrawn": _l("%(who)s, who had asked for this charge, has taken it back (%(at)s)."),
        "expired": _l("Nobody approved this charge in time, so it was rejected by itself (%(at)s)."),
    },
    own=_l("You asked for this charge yourself, so somebody else has to decide about it."),
    not_theirs=_l("Only whoever asked for this charge can take it back."),
    not_waiting=_l("This charge does not wait for approval."),
)


def approve_charge(charge_id: UUID, *, by: User, note: str = "", proof: Proof | None = None) -> None:
    """Approve a waiting charge, and send it, if the key can still be charged.

    Raises `ChargeRefused` or `ApprovalRefused`, and leaves it waiting, where that is not so.
    """
    DESK.refuse_own(get_charge(charge_id).id, by)
    settling.send(_approve(charge_id, by, note, proof), is_first=True)


def reject_charge(charge_id: UUID, *, by: User, note: str = "") -> None:
    """Say no to a waiting charge. Commits."""
    DESK.reject(get_charge(charge_id).id, by=by, note=note)


def withdraw_charge(charge_id: UUID, *, by: User) -> None:
    """Take back a waiting charge that one asked for oneself. Commits."""
    DESK.withdraw(get_charge(charge_id).id, by=by)


def _approve(charge_id: UUID, by: User, note: str, proof: Proof | None) -> Dispatch:
    """Make ready what is sent: under both locks everything is looked at once more."""
    row = be_alone_with(get_charge(charge_id).billing_key_id)
    charge: Charge = DESK.lock_waiting(charge_id)
    DESK.refuse_expired(charge)
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
        raise ChargeRefused(unreadable()) from None
    charge.approved_by = by.id
    DESK.record("approved", charge, by=by, note=note, proof=proof.method if proof else None)
    commit_alone()
    return dispatch
