"""Erase a person: everywhere at once, or nowhere. Amounts, ids and times stay; so does what the law wants."""

from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import select

from app import clock
from app.accounts.erased import erase_customer
from app.accounts.models import User
from app.audit import service as audit
from app.billing_keys.erasing import erase_person
from app.billing_keys.models import BillingKey
from app.bulk_refunds import forgetting
from app.charges import erasing as charges
from app.columns import new_id
from app.database import begin_writing, lock
from app.erasure.models import Erasure
from app.erasure.scope import Scope, scope_of_billing_key, scope_of_payment
from app.errors import DomainError
from app.exports.service import expire_unmasked
from app.extensions import db
from app.payments.erasing import erase_persons
from app.refunds import account_keeping
from app.schedules import erasing as schedules
from app.webhooks.retention import forget_persons


class ErasureRefused(DomainError):
    """Something still needs the data, or it was erased already; nothing was changed."""

    status = 409


def erase(subject: str | UUID, reason: str, *, with_notes: bool, by: User) -> Erasure:
    """Erase the customer of a payment (its paymentId) or of a billing key (its row's id). Commits.

    Raises NotFound and `ErasureRefused`. What PortOne and older backups hold is not ours to erase; later
    syncs do not bring it back.
    """
    begin_writing()
    scope = scope_of(subject)
    if scope.customer is not None:
        lock(User, scope.customer.id)
        scope = scope_of(subject)  # what it looked like before the lock may be over
    if refusal := _refusal(scope):
        db.session.rollback()
        raise ErasureRefused(refusal)
    erasure = Erasure(id=new_id(), at=clock.now(), requested_by=by.id, reason=reason, counts={})
    erasure.counts = _erase(scope, erasure, with_notes=with_notes)
    db.session.add(erasure)
    facts = {"reason": reason, "counts": erasure.counts}
    audit.record("person.erased", "erasure", erasure.id, by=by, facts=facts)
    db.session.commit()
    return erasure


def scope_of(subject: str | UUID) -> Scope:
    """What an erasure would be about; raises NotFound."""
    return scope_of_billing_key(subject) if isinstance(subject, UUID) else scope_of_payment(subject)


def _refusal(scope: Scope) -> str | None:
    if scope.erased_at is not None:
        return str(_("Somebody has erased this person's data already."))
    return " ".join(scope.obstacles) or None


def _erase(scope: Scope, erasure: Erasure, *, with_notes: bool) -> dict[str, int]:
    """How much was erased, by the names that `Scope.counts` has."""
    keys = select(BillingKey).where(BillingKey.id.in_(scope.billing_key_ids))
    in_order = keys.order_by(BillingKey.billing_key)  # and before payments, as webhooks take them
    for row in db.session.scalars(in_order.with_for_update()):
        erase_person(row, erasure.at)
    notes = erase_persons(scope.payment_ids, erasure.at, with_notes=with_notes)
    counts = {
        "payments": len(scope.payment_ids),
        "billing_keys": len(scope.billing_key_ids),
        "accounts": account_keeping.erase_persons(scope.payment_ids, erasure.at),
        "charges": charges.erase_persons(scope.billing_key_ids, scope.payment_ids),
        "schedules": schedules.erase_persons(scope.billing_key_ids, scope.payment_ids),
        "batch_rows": forgetting.erase_persons(scope.payment_ids),
        "webhooks": forget_persons(scope.payment_ids, scope.billing_key_hashes),
        "notes": notes,
        "exports": expire_unmasked(),
    }
    if scope.customer is not None:
        erase_customer(scope.customer, erasure.at)
    return counts
