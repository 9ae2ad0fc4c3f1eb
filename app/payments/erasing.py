"""Payments without the person who paid: erased once, and never brought back by a sync."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, update

from app.accounts.erased import Erased, find_erased
from app.extensions import db
from app.payments import search
from app.payments.models import Note, Payment
from app.portone.erasing import without_person
from app.portone.payloads import PaymentSnapshot

#: Payments written at once.
_BATCH = 200


def take_persons_out(
    snapshots: dict[str, PaymentSnapshot], known: Mapping[str, Payment]
) -> dict[str, dict[str, Any]]:
    """Replace the snapshots of erased persons by what may be kept; answers what their rows say instead.

    A payment counts as erased when it was, or when it is from before its customer was. The payments in
    `known` are locked: an erasure that is under way is waited for.
    """
    customers = find_erased({each.customer.id for each in snapshots.values()})
    instead: dict[str, dict[str, Any]] = {}
    for payment_id, snapshot in list(snapshots.items()):
        payment, erased = known.get(payment_id), customers.get(snapshot.customer.id or "")
        if payment is not None and payment.person_erased_at is not None:
            erased = Erased(payment.user_id, payment.person_erased_at)
        elif erased is not None and not erased.covers(snapshot.requested_at):
            erased = None
        if erased is not None:
            snapshots[payment_id] = PaymentSnapshot.from_raw(without_person(snapshot.raw))
            instead[payment_id] = {"user_id": erased.user_id, "person_erased_at": erased.at}
    return instead


def erase_persons(row_ids: Collection[UUID], at: datetime, *, with_notes: bool) -> int:
    """Erase who paid, from payments and the index they are found by, and the notes where asked.

    In the caller's transaction. Answers how many notes were erased.
    """
    ids, notes = sorted(row_ids), 0
    for start in range(0, len(ids), _BATCH):
        some = ids[start : start + _BATCH]
        payments = db.session.scalars(
            select(Payment).where(Payment.id.in_(some)).order_by(Payment.payment_id).with_for_update()
        )
        for payment in payments:
            _erase(payment, at)
        if with_notes:
            notes += _erase_notes(some)
        db.session.flush()
        search.renew(some)
    return notes


def _erase(payment: Payment, at: datetime) -> None:
    payment.customer_name = payment.customer_email = payment.customer_phone = None
    payment.person_erased_at = at
    if payment.snapshot is not None:
        payment.snapshot = without_person(payment.snapshot)


def _erase_notes(row_ids: Collection[UUID]) -> int:
    emptied = update(Note).where(Note.payment_id.in_(row_ids), Note.body != "").values(body="")
    return int(db.session.execute(emptied).rowcount)  # type: ignore[attr-defined]
