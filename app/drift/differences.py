"""What differs between a payment here and PortOne's snapshot, and whether PortOne's word settles it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from app.drift.models import HEALED, DriftKind
from app.payments.expectations import differences_of
from app.payments.models import Payment
from app.payments.snapshots import Change
from app.portone.payloads import PaymentSnapshot
from app.refunds.models import Refund

#: No money came: that such a payment was not known here loses nobody anything.
WITHOUT_MONEY = frozenset({"READY", "FAILED"})

#: The columns that tell of status and money; a receipt or a name that is newer at PortOne is no difference.
_FIGURES = (
    "amount",
    "cancelled_amount",
    "cancellable_amount",
    "tax_free_amount",
    "cancelled_tax_free_amount",
)
_COMPARED = frozenset({"status", "currency", "store_id", *_FIGURES})
_CANCELLATION = "cancellation "

Fields = dict[str, list[Any]]

#: How an expectation is called in the API, and the column it is about.
_EXPECTED = {"taxFreeAmount": "tax_free_amount", "storeId": "store_id", "channelType": "channel_type"}


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference of a payment; see `Drift` for what the fields mean."""

    row_id: UUID
    kind: DriftKind
    fields: Fields = field(default_factory=dict)
    amount: int = 0
    subject: str = ""
    changed_at: datetime | None = None

    @property
    def is_healed(self) -> bool:
        """Whether taking PortOne's word has settled it."""
        return self.kind in HEALED


def changed_at(snapshot: PaymentSnapshot) -> datetime | None:
    """When PortOne's side last changed."""
    return max(filter(None, (snapshot.updated_at, snapshot.status_changed_at)), default=None)


def healed_by(change: Change, snapshot: PaymentSnapshot) -> Iterator[Difference]:
    """What a stored snapshot has overwritten here: at most one that is healed, and what a person should see.

    What a person should see is money that PortOne tells of otherwise than it did before.
    """
    fields = {name: told for name, told in change.fields.items() if _is_compared(name)}
    at = changed_at(snapshot)
    if change.is_new:
        if snapshot.status not in WITHOUT_MONEY:
            told: Fields = {"status": [None, snapshot.status], "amount": [None, snapshot.amount.total]}
            yield Difference(
                change.row_id, DriftKind.PAYMENT_UNKNOWN, told, snapshot.amount.total, changed_at=at
            )
        return
    for grave, told, amount in _grave(fields, snapshot, was_paid="paid_at" not in change.fields):
        yield Difference(change.row_id, grave, told, amount, changed_at=at)
    kind = _kind_of(fields)
    if kind is not None:
        amount = _amount_of(kind, fields, snapshot)
        yield Difference(change.row_id, kind, fields, amount, changed_at=at)


def left_to_judge(
    payment: Payment, snapshot: PaymentSnapshot, refunds: Iterable[Refund]
) -> Iterator[Difference]:
    """What still differs when ours holds what PortOne reports; `refunds` are ours that succeeded."""
    at = changed_at(snapshot)
    if payment.is_mismatched and payment.status not in WITHOUT_MONEY:
        told = {
            _EXPECTED.get(each.field, each.field): [each.expected, each.actual]
            for each in differences_of(payment)
        }
        yield Difference(payment.id, DriftKind.NOT_EXPECTED, told, payment.amount, changed_at=at)
    done = {each.id for each in snapshot.cancellations if each.status == "SUCCEEDED"}
    for refund in refunds:
        if refund.cancellation_id in done:
            continue
        told = {"cancelled_amount": [refund.amount, None]}
        subject = str(refund.id)
        yield Difference(
            payment.id, DriftKind.REFUND_UNCONFIRMED, told, refund.amount, subject, refund.settled_at
        )
    gap = unexplained_amount(snapshot)
    if gap:
        told = {"cancelled_amount": [_succeeded(snapshot), snapshot.amount.cancelled]}
        yield Difference(payment.id, DriftKind.CANCELLED_UNEXPLAINED, told, gap, changed_at=at)
    lacks = payment.cancelled_amount - snapshot.amount.cancelled
    if lacks > 0:
        told = {"cancelled_amount": [payment.cancelled_amount, snapshot.amount.cancelled]}
        yield Difference(payment.id, DriftKind.CANCELLED_LESS, told, lacks, changed_at=at)


def unexplained_amount(snapshot: PaymentSnapshot) -> int:
    """How much PortOne counts as cancelled beyond, or short of, the cancellations it tells of.

    Whether a pending one counts already is undocumented, so either is fine; payments of V1 name none.
    """
    if snapshot.version == "V1":
        return 0
    done, counted = _succeeded(snapshot), snapshot.amount.cancelled
    most = done + sum(each.total_amount for each in snapshot.open_cancellations)
    return max(done - counted, counted - most, 0)


def _succeeded(snapshot: PaymentSnapshot) -> int:
    return sum(each.total_amount for each in snapshot.cancellations if each.status == "SUCCEEDED")


def _is_compared(name: str) -> bool:
    return name in _COMPARED or name.startswith(_CANCELLATION)


def _grave(
    fields: Fields, snapshot: PaymentSnapshot, *, was_paid: bool
) -> Iterator[tuple[DriftKind, Fields, int]]:
    """Money that was told otherwise before. What a customer pays may change until they pay."""
    total = snapshot.amount.total
    for name, kind in (("currency", DriftKind.CURRENCY_DIFFERS), ("store_id", DriftKind.STORE_DIFFERS)):
        if name in fields and fields[name][0] is not None and was_paid and snapshot.paid_at:
            yield kind, {name: fields[name]}, total
    if "amount" in fields and was_paid and snapshot.paid_at:
        before, after = fields["amount"]
        yield DriftKind.AMOUNT_DIFFERS, {"amount": fields["amount"]}, abs(after - before)
    has_failed = any(name.startswith(_CANCELLATION) and told[1] == "FAILED" for name, told in fields.items())
    if "cancelled_amount" in fields and not has_failed:
        before, after = fields["cancelled_amount"]
        if after < before:
            yield DriftKind.CANCELLED_LESS, {"cancelled_amount": [before, after]}, before - after


def _kind_of(fields: Fields) -> DriftKind | None:
    """The kind that says most of a payment that was behind."""
    cancellations = [told for name, told in fields.items() if name.startswith(_CANCELLATION)]
    if any(before is None for before, _ in cancellations):
        return DriftKind.CANCELLATION_UNKNOWN
    if cancellations:
        return DriftKind.CANCELLATION_BEHIND
    if "status" in fields:
        return DriftKind.STATUS_BEHIND
    return DriftKind.FIGURES_DIFFER if fields.keys() & set(_FIGURES) else None


def _amount_of(kind: DriftKind, fields: Fields, snapshot: PaymentSnapshot) -> int:
    """The money that a difference is about."""
    if kind in {DriftKind.CANCELLATION_UNKNOWN, DriftKind.CANCELLATION_BEHIND}:
        told = {name.removeprefix(_CANCELLATION) for name in fields if name.startswith(_CANCELLATION)}
        return sum(each.total_amount for each in snapshot.cancellations if each.id in told)
    if kind == DriftKind.FIGURES_DIFFER:
        told_of = [fields[name] for name in _FIGURES if name in fields]
        return max(abs(int(after or 0) - int(before or 0)) for before, after in told_of)
    return 0 if snapshot.status in WITHOUT_MONEY else snapshot.amount.total
