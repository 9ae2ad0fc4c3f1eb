"""Whose data an erasure is about, what there is of it, and what stands in its way."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import func, or_, select

from app import clock
from app.accounts.models import User
from app.billing_keys.models import BillingKey
from app.bulk_refunds.forgetting import is_in_open_batch
from app.bulk_refunds.models import RefundBatchRow
from app.charges import erasing as charges
from app.errors import NotFound
from app.exports.models import Export
from app.extensions import db
from app.payments.models import Note, Payment
from app.refunds.account_keeping import has_open_refunds
from app.refunds.models import AccountLink, Refund
from app.schedules import erasing as schedules
from app.webhooks.models import WebhookLog
from app.webhooks.retention import IS_OVER

#: So many payments are no one person's: a store may give all its guests one customer ID.
MOST_PAYMENTS = 2_000


@dataclass(frozen=True)
class Scope:
    """A customer with all their payments and billing keys, or, for who bought as a guest, one of either."""

    customer: User | None
    payment_ids: tuple[UUID, ...]
    billing_key_ids: tuple[UUID, ...]
    billing_key_hashes: tuple[str, ...]
    #: When this was done before.
    erased_at: datetime | None

    def counts(self) -> dict[str, int]:
        """How much there is that tells of the person, by the names of `COUNTED`."""
        of_payment = tuple(
            model.payment_id.in_(self.payment_ids) for model in (Note, Refund, AccountLink, RefundBatchRow)
        )
        notes, refunds, links, rows = of_payment
        about = or_(
            WebhookLog.payment_id.in_(self.payment_ids),
            WebhookLog.billing_key_hash.in_(self.billing_key_hashes),
        )
        has_contents = WebhookLog.contents_removed_at.is_(None)
        return {
            "payments": len(self.payment_ids),
            "billing_keys": len(self.billing_key_ids),
            "accounts": _count(Refund, refunds, Refund.account_bank.is_not(None))
            + _count(AccountLink, links, AccountLink.account_bank.is_not(None)),
            "charges": charges.count_persons(self.billing_key_ids, self.payment_ids),
            "schedules": schedules.count_persons(self.billing_key_ids, self.payment_ids),
            "batch_rows": _count(RefundBatchRow, rows),
            "webhooks": _count(WebhookLog, about, IS_OVER, has_contents),
            "notes": _count(Note, notes, Note.body != ""),
            "exports": _count(Export, *_is_unmasked_file()),
        }

    @cached_property
    def obstacles(self) -> Sequence[str]:
        """Why it cannot be done yet, in sentences: what is under way still needs the data."""
        found = []
        if len(self.payment_ids) > MOST_PAYMENTS:
            return [
                _(
                    "More than %(most)s payments carry this customer ID, so many people seem to share it. "
                    "They cannot be erased together.",
                    most=f"{MOST_PAYMENTS:,}",
                )
            ]
        if has_open_refunds(self.payment_ids):
            found.append(_("A refund of theirs is still under way. Wait until it has ended."))
        if charges.has_open_charges(self.billing_key_ids, self.payment_ids):
            found.append(_("A charge of theirs is still under way. Wait until it has ended."))
        if schedules.has_open_schedules(self.billing_key_ids, self.payment_ids):
            found.append(_("A charge of theirs is still to come. Revoke its schedule first."))
        if is_in_open_batch(self.payment_ids):
            found.append(_("A bulk refund that is not over names one of their payments."))
        if self._has_chargeable_key():
            found.append(_("They have a billing key that can still be charged. Delete it first."))
        return found

    def _has_chargeable_key(self) -> bool:
        keys = select(BillingKey.id).where(BillingKey.id.in_(self.billing_key_ids))
        return db.session.scalar(keys.where(BillingKey.status == "ISSUED").limit(1)) is not None


def scope_of_payment(payment_id: str) -> Scope:
    """Everything of the customer of a payment, or the payment alone if it names none. Raises NotFound."""
    payment = db.session.scalar(select(Payment).where(Payment.payment_id == payment_id))
    if payment is None:
        raise NotFound(_("No payment with this id is known here."))
    if payment.customer is not None:
        return _scope_of_customer(payment.customer)
    return Scope(None, (payment.id,), (), (), payment.person_erased_at)


def scope_of_billing_key(row_id: UUID) -> Scope:
    """Everything of the customer of a billing key, or the key alone if it names none. Raises NotFound."""
    row = db.session.get(BillingKey, row_id)
    if row is None:
        raise NotFound(_("No billing key with this id is known here."))
    if row.user is not None:
        return _scope_of_customer(row.user)
    return Scope(None, (), (row.id,), (row.billing_key,), row.person_erased_at)


def _scope_of_customer(customer: User) -> Scope:
    keys = select(BillingKey.id, BillingKey.billing_key).where(BillingKey.user_id == customer.id)
    rows = db.session.execute(keys.order_by(BillingKey.id)).all()
    payments = (
        select(Payment.id).where(Payment.user_id == customer.id).order_by(Payment.id).limit(MOST_PAYMENTS + 1)
    )
    return Scope(
        customer,
        tuple(db.session.scalars(payments)),
        tuple(row.id for row in rows),
        tuple(row.billing_key for row in rows),
        customer.erased_at,
    )


def _is_unmasked_file() -> tuple[object, ...]:
    return Export.is_unmasked, Export.erased_at.is_(None), Export.expires_at > clock.now()


def _count(model: type[object], *conditions: object) -> int:
    return db.session.scalar(select(func.count()).select_from(model).where(*conditions)) or 0  # type: ignore[arg-type]
