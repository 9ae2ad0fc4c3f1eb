"""Event type → what it means: what to read again at PortOne, or why there is nothing to do.

A message is a hint where to look. What is true comes from PortOne, so late, repeated and reordered
messages are harmless: whatever they say of a payment, the payment is read as it is now.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from flask import current_app

from app import clock
from app.billing_keys import service as billing_keys
from app.config import Settings
from app.encryption import vault
from app.extensions import portone
from app.payments import snapshots as payments
from app.payments.expectations import is_expected
from app.payments.queries import find_payment
from app.portone.errors import PortOneRefused
from app.portone.meanings import N_
from app.portone.payloads import BillingKeyInfo, PaymentSnapshot
from app.schedules.mirror import wake_by_payment
from app.webhooks.models import WebhookLog, WebhookStatus

#: Events of a payment, in words. Each is served by reading the payment again.
PAYMENT_EVENTS = {
    "Transaction.Ready": N_("Payment window opened"),
    "Transaction.PayPending": N_("Authorisation pending"),
    "Transaction.VirtualAccountIssued": N_("Virtual account issued"),
    "Transaction.Paid": N_("Payment approved"),
    "Transaction.Failed": N_("Attempt to pay failed"),
    "Transaction.CancelPending": N_("Cancellation accepted"),
    "Transaction.PartialCancelled": N_("Partly cancelled"),
    "Transaction.Cancelled": N_("Fully cancelled"),
    "Transaction.DisputeCreated": N_("Dispute opened"),
    "Transaction.DisputeResolved": N_("Dispute resolved"),
}

#: Events of a billing key, in words. Each is served by reading the key again.
BILLING_KEY_EVENTS = {
    "BillingKey.Ready": N_("Billing key window opened"),
    "BillingKey.Issued": N_("Billing key issued"),
    "BillingKey.Failed": N_("Billing key not issued"),
    "BillingKey.Updated": N_("Billing key updated"),
    "BillingKey.Deleted": N_("Billing key deleted"),
}

#: A question before the approval, not news: whoever is asked and answers 200 lets the payment go on.
CONFIRM = "Transaction.Confirm"

EVENTS = {
    **PAYMENT_EVENTS,
    **BILLING_KEY_EVENTS,
    CONFIRM: N_("Confirmation of a payment asked"),
}

OTHER_STORE = N_("The message is about another store.")
CONFIRMATION = N_(
    "PortOne asked whether the payment may go on, and Portico always says yes. Let confirmUrl name the "
    "store's own server, which knows the order."
)
TAX_INVOICE = N_("Tax invoices are another product of PortOne.")
UNKNOWN_TYPE = N_("Portico does not act upon this type of event.")
NO_PAYMENT = N_("The message names no payment.")
NO_BILLING_KEY = N_("The message names no billing key.")
PAYMENT_UNKNOWN = N_("PortOne does not know this payment.")
BILLING_KEY_UNKNOWN = N_("PortOne does not know this billing key.")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What writing a reading came to: `changes` is {field: [before, after]}, `note` a sentence (msgid)."""

    changes: Mapping[str, Any] = field(default_factory=dict)
    payment_row_id: UUID | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class PaymentSubject:
    """Messages about this payment are served by one reading of it."""

    payment_id: str

    def ask(self) -> PaymentSnapshot:
        """The payment as PortOne has it."""
        return portone.get_payment(self.payment_id)


@dataclass(frozen=True, slots=True)
class BillingKeySubject:
    """Messages about the billing key of this fingerprint are served by one reading of it."""

    fingerprint: str
    sealed: str = field(repr=False, compare=False)

    def ask(self) -> BillingKeyInfo:
        """The billing key as PortOne has it."""
        return portone.get_billing_key(vault().open(self.sealed))


Subject = PaymentSubject | BillingKeySubject


@dataclass(frozen=True, slots=True)
class Reading:
    """What PortOne said of a subject when it was asked; None if it does not know it."""

    subject: Subject
    answer: PaymentSnapshot | BillingKeyInfo | None
    read_at: datetime


@dataclass(frozen=True, slots=True)
class Skip:
    """There is nothing to do, and why (msgid)."""

    reason: str


def subject_of(log: WebhookLog) -> Subject | Skip:
    """What a stored message asks us to read again."""
    event_type = log.webhook_type or ""
    if _store_of(log) not in {None, _our_store()} and not _is_awaited(log):
        return Skip(OTHER_STORE)
    if event_type in PAYMENT_EVENTS:
        return PaymentSubject(log.named_payment_id) if log.named_payment_id else Skip(NO_PAYMENT)
    if event_type in BILLING_KEY_EVENTS:
        return _billing_key_subject(log) or Skip(NO_BILLING_KEY)
    return Skip(_why_not(event_type))


def read(subject: Subject) -> Reading:
    """Ask PortOne about a subject, with no transaction open; raises PortOneRefused and PortOneUncertain."""
    read_at = clock.now()
    try:
        return Reading(subject, subject.ask(), read_at)
    except PortOneRefused as refusal:
        if refusal.type not in {"PAYMENT_NOT_FOUND", "BILLING_KEY_NOT_FOUND"}:
            raise
        return Reading(subject, None, read_at)


def write(readings: Sequence[Reading]) -> dict[Subject, Outcome]:
    """Write what PortOne said, in the caller's transaction, payments all at once.

    Billing keys come before payments, their charges and the trail: whoever charges a key takes them so, too.
    """
    keys = _store_billing_keys(readings)
    changes = _store_payments(readings)
    outcomes: dict[Subject, Outcome] = {}
    for reading in readings:
        match reading.answer:
            case PaymentSnapshot(payment_id=payment_id):
                change = changes[payment_id]
                outcomes[reading.subject] = Outcome(change.fields, payment_row_id=change.row_id)
            case BillingKeyInfo():
                outcomes[reading.subject] = Outcome(keys[reading.subject].fields)
            case None:
                is_payment = isinstance(reading.subject, PaymentSubject)
                outcomes[reading.subject] = Outcome(
                    note=PAYMENT_UNKNOWN if is_payment else BILLING_KEY_UNKNOWN
                )
    return outcomes


def _store_billing_keys(readings: Sequence[Reading]) -> dict[Subject, billing_keys.Change]:
    """Write the keys, and the use of those that payments were made with, in one order for all workers."""
    read = {
        vault().fingerprint(reading.answer.billing_key): (reading, reading.answer)
        for reading in readings
        if isinstance(reading.answer, BillingKeyInfo)
    }
    used = _uses_in(readings)
    stored: dict[Subject, billing_keys.Change] = {}
    for fingerprint in sorted(read.keys() | used.keys()):
        if fingerprint in read:
            reading, known = read[fingerprint]
            stored[reading.subject] = billing_keys.store_billing_key(known, read_at=reading.read_at)
        if fingerprint in used:
            billing_keys.record_use(*used[fingerprint])
    return stored


def _uses_in(readings: Sequence[Reading]) -> dict[str, tuple[str, datetime]]:
    """The keys that these payments were made with, and when that was last, by fingerprint."""
    uses: dict[str, tuple[str, datetime]] = {}
    for reading in readings:
        answer = reading.answer
        if isinstance(answer, PaymentSnapshot) and answer.billing_key and answer.paid_at:
            fingerprint = vault().fingerprint(answer.billing_key)
            _, before = uses.get(fingerprint, ("", answer.paid_at))
            uses[fingerprint] = answer.billing_key, max(before, answer.paid_at)
    return uses


def _store_payments(readings: Sequence[Reading]) -> dict[str, payments.Change]:
    read = [(r.answer, r.read_at) for r in readings if isinstance(r.answer, PaymentSnapshot)]
    if not read:
        return {}
    snapshots = [snapshot for snapshot, _ in read]
    wake_by_payment([snapshot.payment_id for snapshot in snapshots if snapshot.billing_key])
    stored = payments.store_snapshots(snapshots, read_at=min(read_at for _, read_at in read))
    return {change.payment_id: change for change in stored}


def words_of(log: WebhookLog) -> str:
    """What a message says has happened, in words (msgid)."""
    event_type = log.webhook_type or ""
    if log.status == WebhookStatus.REJECTED:
        return N_("Unverified message")
    general = N_("Tax invoice") if event_type.startswith("TaxInvoice.") else N_("Unknown event")
    return EVENTS.get(event_type, general)


def _billing_key_subject(log: WebhookLog) -> BillingKeySubject | None:
    if log.billing_key_hash is None or log.billing_key_sealed is None:
        return None
    return BillingKeySubject(log.billing_key_hash, log.billing_key_sealed)


def _why_not(event_type: str) -> str:
    if event_type == CONFIRM:
        return CONFIRMATION
    return TAX_INVOICE if event_type.startswith("TaxInvoice.") else UNKNOWN_TYPE


def _store_of(log: WebhookLog) -> str | None:
    """The store a message names; messages of older versions name none."""
    body = log.request_body if isinstance(log.request_body, dict) else {}
    about = body.get("data")
    store_id = about.get("storeId") if isinstance(about, dict) else None
    return store_id if isinstance(store_id, str) else None


def _is_awaited(log: WebhookLog) -> bool:
    """Whether our store announced the payment: that another one has it then, is for a person to know."""
    payment = find_payment(log.named_payment_id or "")
    return payment is not None and is_expected(payment)


def _our_store() -> str:
    settings: Settings = current_app.config["SETTINGS"]
    return settings.portone_store_id
