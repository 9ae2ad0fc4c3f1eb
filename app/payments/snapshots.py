"""PortOne's snapshots become our rows: safe to repeat, and an older one never overwrites a newer one."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import String, select

from app.accounts.customers import know_customers
from app.audit import service as audit
from app.columns import new_id
from app.database import begin_writing, insert_into
from app.encryption import masked, vault
from app.extensions import db
from app.payments import search
from app.payments.erasing import take_persons_out
from app.payments.expectations import differences_of
from app.payments.models import Cancellation, Payment
from app.portone import payloads
from app.portone.payloads import PaymentSnapshot

#: How many characters a column takes. What PortOne adds one day may be longer: the snapshot has it whole.
_ROOM = {
    column.name: column.type.length
    for table in (Payment.__table__, Cancellation.__table__)
    for column in table.columns
    if isinstance(column.type, String) and column.type.length
}

#: Columns a change is not told by: they are bookkeeping, or hold what other columns tell.
_UNTOLD = frozenset(
    {"snapshot", "reported_at", "synced_at", "user_id", "billing_key_hash", "person_erased_at"}
)

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Change:
    """What storing a snapshot changed here.

    `fields` maps a column, or `cancellation <id>`, to its value before and after, fit for JSON. It is empty
    when we knew everything already, and when the snapshot was older than ours (`is_outdated`).
    """

    row_id: UUID
    payment_id: str
    is_new: bool = False
    is_outdated: bool = False
    fields: dict[str, list[Any]] = field(default_factory=dict)


#: Is told of what is now PortOne's last word on payments, by payment row, in the transaction that stores it.
Listener = Callable[[Mapping[UUID, PaymentSnapshot]], object]

_listeners: list[Listener] = []


def when_stored(listener: Listener) -> Listener:
    """Have a function of a domain above told of every snapshot that is stored; usable as a decorator.

    What it writes is in the same commit, and it must ask nobody outside.
    """
    _listeners.append(listener)
    return listener


#: Is told what storing snapshots changed here, with the snapshots by paymentId and how they were seen.
Comparer = Callable[[Collection[Change], Mapping[str, PaymentSnapshot], str], object]

_comparers: list[Comparer] = []


def when_compared(comparer: Comparer) -> Comparer:
    """Have a function of a domain above told what snapshots that were read to compare have changed."""
    _comparers.append(comparer)
    return comparer


#: Is told of a payment that PortOne does not know, by its row here, and how that was seen.
_missing_listeners: list[Callable[[str, str], object]] = []


def when_not_found(listener: Callable[[str, str], object]) -> Callable[[str, str], object]:
    """Have a function of a domain above told of a paymentId that PortOne does not know; it may commit."""
    _missing_listeners.append(listener)
    return listener


def tell_not_found(payment_id: str, seen_how: str) -> None:
    """PortOne does not know this payment."""
    for listener in _missing_listeners:
        listener(payment_id, seen_how)


def store_snapshot(snapshot: PaymentSnapshot, *, read_at: datetime, seen_how: str | None = None) -> Change:
    """Write what PortOne reported of a payment, in the caller's transaction; `read_at` is when it was asked.

    The payment stays locked until the commit. Snapshots are ordered by PortOne's `updatedAt`, then by
    `statusChangedAt`, never by when they reach us; where both are equal, by what has gone back, which never
    grows less.
    """
    return store_snapshots([snapshot], read_at=read_at, seen_how=seen_how)[0]


def store_snapshots(
    snapshots: Iterable[PaymentSnapshot], *, read_at: datetime, seen_how: str | None = None
) -> list[Change]:
    """Write many snapshots as `store_snapshot` does, in a few statements; one change for each payment.

    `seen_how` says by which kind of look they were read; none for a webhook, whose news are no difference.
    """
    begin_writing()
    newest = _newest_of_each(snapshots)
    known = _lock_known(newest)
    instead = take_persons_out(newest, known)
    values = _values_of(newest, read_at, instead)
    changes = _insert(newest.keys() - known.keys(), values)
    known |= _lock_known(newest.keys() - known.keys() - changes.keys())  # another worker was faster
    for payment_id, payment in known.items():
        changes[payment_id] = _bring_in_line(payment, newest[payment_id], values[payment_id])
    current = {change.row_id: newest[key] for key, change in changes.items() if not change.is_outdated}
    for row_id, told in _store_cancellations(current).items():
        changes[current[row_id].payment_id].fields.update(told)
    search.store_texts({row_id: search.searchable_text(snapshot) for row_id, snapshot in current.items()})
    for listener in _listeners:
        listener(current)
    if seen_how:
        for comparer in _comparers:
            comparer(changes.values(), newest, seen_how)
    return list(changes.values())


def _newest_of_each(snapshots: Iterable[PaymentSnapshot]) -> dict[str, PaymentSnapshot]:
    newest: dict[str, PaymentSnapshot] = {}
    for snapshot in snapshots:
        other = newest.get(snapshot.payment_id)
        if other is None or _order_of(snapshot) >= _order_of(other):
            newest[snapshot.payment_id] = snapshot
    return newest


def _order_of(snapshot: PaymentSnapshot) -> tuple[datetime, datetime, int]:
    return snapshot.updated_at or _NEVER, snapshot.status_changed_at or _NEVER, snapshot.amount.cancelled


def _values_of(
    snapshots: Mapping[str, PaymentSnapshot], read_at: datetime, instead: Mapping[str, dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    """The columns of each payment as its snapshot has them, or `instead` where the person was erased."""
    users = know_customers({each.customer.id: each.customer.name for each in snapshots.values()})
    return {
        payment_id: {
            **_columns(snapshot),
            "user_id": users.get(snapshot.customer.id or ""),
            "synced_at": read_at,
            "person_erased_at": None,
            **instead.get(payment_id, {}),
        }
        for payment_id, snapshot in snapshots.items()
    }


def _columns(snapshot: PaymentSnapshot) -> dict[str, Any]:
    amount, method, channel, customer = snapshot.amount, snapshot.method, snapshot.channel, snapshot.customer
    return _fitted(
        transaction_id=snapshot.transaction_id,
        pg_tx_id=snapshot.pg_tx_id,
        store_id=snapshot.store_id,
        status=snapshot.status,
        order_name=snapshot.order_name or None,
        currency=snapshot.currency,
        amount=amount.total,
        cancelled_amount=min(amount.cancelled, amount.total),
        cancellable_amount=amount.cancellable,
        tax_free_amount=amount.tax_free,
        cancelled_tax_free_amount=amount.cancelled_tax_free,
        method=method.code if method else None,
        pg_provider=channel.pg_provider if channel else None,
        channel_type=channel.type if channel else None,
        customer_name=customer.name,
        customer_email=customer.email,
        customer_phone=customer.phone_number,
        billing_key_hash=vault().fingerprint(snapshot.billing_key) if snapshot.billing_key else None,
        has_pending_cancellation=bool(snapshot.open_cancellations),
        has_open_dispute=any(dispute.status != "RESOLVED" for dispute in snapshot.disputes),
        account_refund_status=method.refund_status if method else None,
        requested_at=snapshot.requested_at,
        paid_at=snapshot.paid_at,
        status_changed_at=snapshot.status_changed_at,
        reported_at=snapshot.updated_at,
        snapshot=_document(snapshot),
    )


def _fitted(**values: Any) -> dict[str, Any]:
    return {
        name: value[: _ROOM[name]] if name in _ROOM and isinstance(value, str) else value
        for name, value in values.items()
    }


def _document(snapshot: PaymentSnapshot) -> Any:
    """PortOne's answer as it came, but for the billing key: it is a credential wherever it stands."""
    key = snapshot.billing_key
    return masked(snapshot.raw, key, f"…{key[-4:]}") if key else snapshot.raw


def _lock_known(payment_ids: Collection[str]) -> dict[str, Payment]:
    """The payments we have, read afresh and locked in one order for all workers."""
    if not payment_ids:
        return {}
    found = db.session.scalars(
        select(Payment)
        .where(Payment.payment_id.in_(payment_ids))
        .order_by(Payment.payment_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return {payment.payment_id: payment for payment in found}


def _insert(payment_ids: Collection[str], values: Mapping[str, dict[str, Any]]) -> dict[str, Change]:
    """Insert payments, but for those another worker inserted meanwhile."""
    if not payment_ids:
        return {}
    inserted = db.session.execute(
        insert_into(Payment)
        .on_conflict_do_nothing(index_elements=[Payment.payment_id])
        .returning(Payment.payment_id, Payment.id),
        [{"id": new_id(), "payment_id": key, **values[key]} for key in sorted(payment_ids)],
    )
    return {
        payment_id: Change(row_id, payment_id, is_new=True, fields=_told({}, values[payment_id]))
        for payment_id, row_id in inserted
    }


def _bring_in_line(payment: Payment, snapshot: PaymentSnapshot, values: Mapping[str, Any]) -> Change:
    ours = payment.reported_at or _NEVER, payment.status_changed_at or _NEVER, payment.cancelled_amount
    if payment.snapshot is not None and _order_of(snapshot) < ours:
        return Change(payment.id, payment.payment_id, is_outdated=True)
    fields = _assign(payment, values)
    return Change(payment.id, payment.payment_id, fields=fields | _compare_with_expectation(payment))


def _compare_with_expectation(payment: Payment) -> dict[str, list[Any]]:
    """Mark a payment that is not what the store announced; the audit trail keeps how it differs."""
    differences = differences_of(payment)
    told = _assign(payment, {"is_mismatched": bool(differences)})
    if differences and told:
        audit.record(
            "payment.mismatched",
            "payment",
            payment.payment_id,
            facts={each.field: {"expected": each.expected, "actual": each.actual} for each in differences},
        )
    return told


def _assign(row: Payment | Cancellation, values: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Set what differs, and tell it."""
    before = {name: getattr(row, name) for name in values}
    differing = {name: value for name, value in values.items() if before[name] != value}
    for name, value in differing.items():
        setattr(row, name, value)
    return _told(before, differing)


def _told(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, list[Any]]:
    return {
        name: [_plain(before.get(name)), _plain(value)]
        for name, value in after.items()
        if name not in _UNTOLD and before.get(name) != value
    }


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _store_cancellations(snapshots: Mapping[UUID, PaymentSnapshot]) -> dict[UUID, dict[str, list[Any]]]:
    """Write what PortOne reports of money going back, by payment row; tell the statuses that changed."""
    reported = {
        (row_id, cancellation.id): cancellation
        for row_id, snapshot in snapshots.items()
        for cancellation in snapshot.cancellations
    }
    rows = _cancellations_of({row_id for row_id, _ in reported})
    told: dict[UUID, dict[str, list[Any]]] = {}
    for (row_id, cancellation_id), cancellation in reported.items():
        row = rows.get((row_id, cancellation_id))
        before = row.status if row else None
        if _store_cancellation(row, row_id, cancellation) and before != cancellation.status:
            told.setdefault(row_id, {})[f"cancellation {cancellation_id}"] = [before, cancellation.status]
    return told


def _cancellations_of(row_ids: Collection[UUID]) -> dict[tuple[UUID, str], Cancellation]:
    if not row_ids:
        return {}
    found = db.session.scalars(
        select(Cancellation)
        .where(Cancellation.payment_id.in_(row_ids))
        .execution_options(populate_existing=True)
    )
    return {(row.payment_id, row.cancellation_id): row for row in found}


def _store_cancellation(row: Cancellation | None, row_id: UUID, reported: payloads.Cancellation) -> bool:
    """Write one cancellation; False when its outcome is known here and no longer there."""
    values = _fitted(
        status=reported.status,
        total_amount=reported.total_amount,
        tax_free_amount=reported.tax_free_amount,
        vat_amount=reported.vat_amount,
        reason=reported.reason,
        trigger=reported.trigger,
        pg_cancellation_id=reported.pg_cancellation_id,
        receipt_url=reported.receipt_url,
        requested_at=reported.requested_at,
        cancelled_at=reported.cancelled_at,
    )
    if row is None:
        db.session.add(Cancellation(payment_id=row_id, cancellation_id=reported.id, **values))
        return True
    if reported.is_open and row.status in {"SUCCEEDED", "FAILED"}:
        return False
    _assign(row, values)
    return True
