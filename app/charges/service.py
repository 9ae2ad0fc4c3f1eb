"""Charge a billing key, once: store what is wanted, then ask PortOne and settle (`settling`).

Above the threshold it is stored, and a second person decides first (`approving`). No transaction is open
while PortOne is asked.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy.exc import IntegrityError

from app import clock
from app.access.permissions import Permission
from app.accounts.models import User
from app.approvals.queries import Kind
from app.approvals.service import Proof, refuse_above_limit, refuse_unproven, refuse_without
from app.audit import service as audit
from app.billing_keys.models import BillingKey
from app.billing_keys.queries import get_billing_key
from app.billing_keys.sealing import open_key
from app.charges import settling
from app.charges.checks import ChargeRefused, Wish, needs_approval, refuse_if_impossible
from app.charges.models import IS_IN_FLIGHT, Charge, ChargeStatus
from app.charges.queries import (
    find_charge,
    get_charge,
)
from app.charges.settling import SENDER_SECONDS, Dispatch
from app.database import lock
from app.encryption import vault
from app.extensions import db, portone
from app.leases import claim
from app.portone.requests import ChargeRequest
from app.settings.service import value_of


def request_charge(row_id: UUID, wish: Wish, *, by: User, proof: Proof | None = None) -> None:
    """Charge a billing key; the same intent again changes nothing.

    Above the approval threshold it is kept until a second person decides. `proof` is that `by` has just
    proven who they are, where the amount asks for it.

    Raises `ChargeRefused`, `MaybeTwice` or `ApprovalRefused` where PortOne need not be asked. What PortOne
    answers, or that it does not, is recorded on the charge.
    """
    dispatch = _hold(row_id, wish, by, proof)
    if dispatch is not None:
        settling.send(dispatch, is_first=True)


def recheck_charge(charge_id: UUID, *, by: User) -> None:
    """Find out now what became of a charge, because a person wants to know."""
    charge = get_charge(charge_id)
    audit.record("charge.rechecked", "charge", str(charge.id), by=by, facts={"status": charge.status})
    db.session.commit()
    settling.follow(charge_id)


def claim_waiting_charges(*, holder: str, limit: int) -> list[UUID]:
    """Claim charges without an outcome that are due to be looked at. Commits."""
    return list(claim(Charge, IS_IN_FLIGHT, holder=holder, limit=limit))


def be_alone_with(row_id: UUID) -> BillingKey:
    """The billing key as it is now; until the commit nobody charges it, switches it off or deletes it."""
    get_billing_key(row_id)
    return lock(BillingKey, row_id)


def new_charge(row: BillingKey, wish: Wish, by: User) -> Charge:
    """A charge that is not stored yet, with what will be asked for it, sealed. Raises `KeyUnreadable`."""
    request = ChargeRequest(
        store_id=row.store_id or portone.store_id,
        billing_key=open_key(row),
        order_name=wish.order_name,
        total_amount=wish.amount,
        currency=wish.currency,
        tax_free_amount=wish.tax_free_amount or None,
        customer_id=row.user.customer_id if row.user else None,
        customer_name=wish.customer_name,
    )
    return Charge(
        id=wish.intent,
        billing_key_id=row.id,
        named_payment_id=wish.payment_id,
        amount=wish.amount,
        tax_free_amount=wish.tax_free_amount,
        currency=wish.currency,
        order_name=wish.order_name,
        customer_id=request.customer_id,
        customer_name=wish.customer_name,
        reason=wish.reason,
        request_sealed=vault().seal(request.to_json()),
        requested_by=by.id,
        created_at=clock.now(),
    )


def make_ready(charge: Charge) -> Dispatch:
    """Have a charge be sent: from here on what is asked never changes. Raises InvalidToken."""
    moment, body = clock.now(), vault().open(charge.request_sealed or "")
    charge.status, charge.expires_at, charge.sent_at = ChargeStatus.SENDING, None, moment
    charge.next_attempt_at = moment + timedelta(seconds=SENDER_SECONDS)
    return Dispatch(charge.id, charge.named_payment_id, body)


def commit_alone() -> None:
    """Commit, with the database as the last fence against a second charge under way."""
    try:
        db.session.commit()
    except IntegrityError as clash:
        db.session.rollback()
        raise ChargeRefused(_("Another charge was made at the same moment. Open the form again.")) from clash


def _hold(row_id: UUID, wish: Wish, by: User, proof: Proof | None) -> Dispatch | None:
    """Store the charge and what will be asked; None when that was done before, or waits for approval."""
    row = be_alone_with(row_id)
    first = find_charge(wish.intent)
    if first is not None:
        if first.billing_key_id != row.id:
            raise ChargeRefused(_("This form belongs to a charge of another key. Open the form again."))
        db.session.rollback()
        return None
    refuse_if_impossible(row, wish)
    refuse_without(by, Permission.CHARGE_CREATE)
    refuse_above_limit(by, wish.amount, wish.currency, Kind.CHARGE)
    refuse_unproven(by, proof, wish.amount, wish.currency, Kind.CHARGE)
    charge, dispatch = new_charge(row, wish, by), None
    if needs_approval(row, wish):
        charge.status = ChargeStatus.AWAITING_APPROVAL
        charge.expires_at = charge.created_at + timedelta(hours=value_of("charge_approval_hours"))
    else:
        dispatch = make_ready(charge)
    db.session.add(charge)
    audit.record(
        "charge.requested",
        "charge",
        str(charge.id),
        by=by,
        after={"status": charge.status},
        facts=_facts(charge, wish, proof),
    )
    commit_alone()
    return dispatch


def _facts(charge: Charge, wish: Wish, proof: Proof | None) -> Mapping[str, Any]:
    """What the trail keeps: nothing that names the customer, since it can never be erased."""
    return {
        "billing_key_id": str(charge.billing_key_id),
        "payment_id": charge.named_payment_id,
        "amount": charge.amount,
        "tax_free_amount": charge.tax_free_amount,
        "currency": charge.currency,
        "order_name": charge.order_name,
        "reason": charge.reason,
        "not_twin": str(wish.not_twin) if wish.not_twin else None,
        "proof": proof.method if proof else None,
    }
