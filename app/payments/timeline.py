"""Attempts, refunds, deliveries and notes of a payment as one story.

Domains above this one add their part through `contribute`, since imports point down only.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from app.audit.models import AuditEntry
from app.audit.queries import list_entries_of
from app.extensions import db
from app.payments.changes import words_of_changes
from app.payments.models import Cancellation, Note, Payment
from app.payments.queries import snapshot_of
from app.portone.payloads import PaymentSnapshot, WebhookDelivery
from app.portone.values import mapping, text
from app.web.filters import money
from app.web.labels import label_of

#: A cancellation that took longer than this has a beginning and an end of its own in the story.
_AT_ONCE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that happened to a payment; the texts are translated already.

    `source` says who knows it (PortOne, the PG, us) and `actor` who did it. `tone` and `icon` are those of
    the chips (see `app.web.labels`). Entries with the same `key` are one happening told twice.
    """

    at: datetime
    title: str
    actor: str = ""
    source: str = ""
    detail: str = ""
    url: str | None = None
    tone: str = "plain"
    icon: str = "circle"
    raw: Any = None
    key: str | None = None


Contributor = Callable[[Payment], Iterable[Entry]]

_contributors: list[Contributor] = []


def contribute(function: Contributor) -> Contributor:
    """Have `function` add its entries to every payment's timeline; usable as a decorator."""
    if function not in _contributors:
        _contributors.append(function)
    return function


def timeline_of(payment: Payment, attempts: Sequence[PaymentSnapshot] = ()) -> list[Entry]:
    """The story of a payment, newest first; with PortOne's list of attempts where that was read."""
    contributed = [entry for function in _contributors for entry in function(payment)]
    ours = [*_notes(payment), *_staff_actions(payment), *contributed]
    snapshot = snapshot_of(payment)
    theirs = [*_cancellations(payment), *(_attempt(attempt, payment) for attempt in attempts)]
    if snapshot is not None:
        theirs += [*_milestones(snapshot), *_disputes(snapshot), *_papers(snapshot)]
        theirs += [_delivery(delivery, payment) for delivery in snapshot.webhooks]
    theirs += _unexplained_change(payment, theirs)
    return sorted(_told_once(ours, theirs), key=lambda entry: entry.at, reverse=True)


def _told_once(ours: Sequence[Entry], theirs: Sequence[Entry]) -> Iterator[Entry]:
    """What both we and PortOne know is told as ours, with what PortOne adds."""
    known = {entry.key: entry for entry in theirs if entry.key}
    for entry in ours:
        twin = known.pop(entry.key, None) if entry.key else None
        yield _told_by_both(entry, twin) if twin else entry
    for entry in theirs:
        if entry.key is None or entry.key in known:
            yield entry


def _told_by_both(ours: Entry, theirs: Entry) -> Entry:
    return replace(ours, detail=_joined(ours.detail, theirs.detail), raw=ours.raw or theirs.raw)


def _joined(*details: str | None) -> str:
    return " · ".join(detail for detail in details if detail)


def _source(code: str) -> str:
    return _label("source", code)


def _label(kind: str, code: str | None) -> str:
    return str(label_of(kind, code).text)


def _notes(payment: Payment) -> Iterator[Entry]:
    notes = select(Note).where(Note.payment_id == payment.id).options(joinedload(Note.author))
    for note in db.session.scalars(notes):
        yield Entry(
            note.created_at,
            _("Note"),
            actor=note.author.name or note.author.email or "" if note.author else "",
            source=_source("ours"),
            detail=note.body,
            icon="chat-left-text",
        )


def _staff_actions(payment: Payment) -> Iterator[Entry]:
    """What people did with the payment itself; a note tells itself."""
    for entry in list_entries_of("payment", payment.payment_id):
        if entry.action == "payment.refreshed":
            yield _refreshed(entry, payment.currency)


def _refreshed(entry: AuditEntry, currency: str) -> Entry:
    changes = words_of_changes(entry.facts or {}, currency)
    return Entry(
        entry.at,
        _("Checked again at PortOne"),
        actor=entry.actor_name,
        source=_source("ours"),
        detail="\n".join(f"{change.name}: {change.before} → {change.after}" for change in changes),
        icon="arrow-clockwise",
    )


def _milestones(snapshot: PaymentSnapshot) -> Iterator[Entry]:
    method, failure = snapshot.method, snapshot.failure
    if snapshot.requested_at:
        yield Entry(
            snapshot.requested_at,
            _("Payment of %(amount)s requested", amount=money(snapshot.amount.total, snapshot.currency)),
            actor=snapshot.customer.name or "",
            source=text(mapping(snapshot.raw, "origin") or {}, "platformType") or "",
            icon="cart",
        )
    if method and method.issued_at:
        yield Entry(
            method.issued_at,
            _("Virtual account issued"),
            source=_source("pg"),
            detail=_joined(_label("bank", method.bank), method.account_number),
            tone="calm",
            icon="bank",
        )
    if snapshot.paid_at:
        yield Entry(
            snapshot.paid_at,
            _("Paid"),
            source=_source("pg"),
            detail=_joined(_label("method", method.code) if method else "", snapshot.pg_tx_id),
            tone="good",
            icon="check-circle-fill",
        )
    if snapshot.failed_at:
        yield Entry(
            snapshot.failed_at,
            _("Payment failed"),
            source=_source("pg"),
            detail=_joined(failure.reason, failure.pg_code, failure.pg_message) if failure else "",
            icon="x-circle",
        )


def _cancellations(payment: Payment) -> Iterator[Entry]:
    snapshot = snapshot_of(payment)
    documents = {record.id: record.raw for record in snapshot.cancellations} if snapshot else {}
    for row in payment.cancellations:
        yield from _cancellation(row, payment.currency, documents.get(row.cancellation_id))


def _cancellation(row: Cancellation, currency: str, document: Any) -> Iterator[Entry]:
    amount = money(row.total_amount, currency)
    source = _label("trigger", row.trigger)
    begun, ended = row.requested_at or row.created_at, row.cancelled_at
    if ended and ended - begun > _AT_ONCE:
        yield Entry(
            begun,
            _("Cancellation of %(amount)s requested", amount=amount),
            source=source,
            icon="arrow-return-left",
        )
    label = label_of("cancellation_status", row.status)
    if row.trigger == "CHARGEBACK" and row.status == "SUCCEEDED":  # the buyer's bank took it: nobody gave it
        label = label_of("trigger", row.trigger)
    yield Entry(
        ended or begun,
        f"{label.text}: {amount}",
        source=source,
        detail=_joined(row.reason, row.pg_cancellation_id),
        tone=label.tone,
        icon=label.icon,
        raw=document,
        key=f"cancellation {row.cancellation_id}",
    )


def _disputes(snapshot: PaymentSnapshot) -> Iterator[Entry]:
    for dispute in snapshot.disputes:
        if dispute.created_at:
            yield Entry(
                dispute.created_at,
                _("Dispute opened"),
                source=_source("pg"),
                detail=_joined(dispute.reason, dispute.pg_dispute_id),
                tone="bad",
                icon="exclamation-triangle-fill",
            )
        if dispute.resolved_at:
            yield Entry(
                dispute.resolved_at,
                _("Dispute resolved"),
                source=_source("pg"),
                tone="good",
                icon="check-circle",
            )


def _papers(snapshot: PaymentSnapshot) -> Iterator[Entry]:
    """The cash receipt and the shipment of an escrow payment."""
    receipt, escrow = snapshot.cash_receipt, snapshot.escrow
    if receipt and receipt.issued_at:
        number = receipt.issue_number or ""
        yield Entry(receipt.issued_at, _("Cash receipt issued"), detail=number, icon="receipt")
    if receipt and receipt.cancelled_at:
        yield Entry(receipt.cancelled_at, _("Cash receipt cancelled"), tone="back", icon="receipt")
    if escrow and escrow.sent_at:
        yield Entry(
            escrow.sent_at,
            _("Shipped under escrow"),
            detail=_joined(escrow.company, escrow.invoice_number),
            icon="truck",
        )


def _delivery(delivery: WebhookDelivery, payment: Payment) -> Entry:
    label = label_of("delivery_status", delivery.status)
    status = label_of("payment_status", delivery.payment_status)
    tries = f"{delivery.current_execution_count}/{delivery.max_execution_count}"
    return Entry(
        delivery.triggered_at or delivery.requested_at or delivery.responded_at or payment.changed_clock,
        _("Webhook sent: %(status)s", status=status.text),
        source=_source("portone"),
        detail=_joined(
            str(label.text),
            f"HTTP {delivery.response_code}" if delivery.response_code else "",
            _("tries: %(tries)s", tries=tries) if delivery.current_execution_count else "",
            delivery.url,
        ),
        tone=label.tone,
        icon="broadcast",
        raw=delivery.raw,
        key=f"webhook {delivery.id}",
    )


def _attempt(attempt: PaymentSnapshot, payment: Payment) -> Entry:
    label = label_of("payment_status", attempt.status)
    failure = attempt.failure
    return Entry(
        attempt.status_changed_at or attempt.requested_at or payment.changed_clock,
        _("Attempt to pay: %(status)s", status=label.text),
        source=_source("portone"),
        detail=_joined(
            attempt.transaction_id,
            _label("method", attempt.method.code) if attempt.method else "",
            _joined(failure.reason, failure.pg_code, failure.pg_message) if failure else "",
        ),
        tone=label.tone,
        icon=label.icon,
        raw=attempt.raw,
    )


def _unexplained_change(payment: Payment, told: Iterable[Entry]) -> Iterator[Entry]:
    """The last change of status, if nothing else in the story is of that moment."""
    at = payment.status_changed_at
    if at is None or any(abs(entry.at - at) < timedelta(seconds=2) for entry in told):
        return
    label = label_of("payment_status", payment.status)
    yield Entry(
        at,
        _("Status became %(status)s", status=label.text),
        source=_source("portone"),
        tone=label.tone,
        icon=label.icon,
    )
