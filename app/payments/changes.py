"""What a snapshot changed, in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from app.web.filters import local_time, money
from app.web.labels import label_of

#: What the columns of a payment are called.
FIELD_NAMES: dict[str, Any] = {
    "status": _l("Status"),
    "amount": _l("Payment amount"),
    "cancelled_amount": _l("Cancelled amount"),
    "cancellable_amount": _l("Cancellable amount"),
    "tax_free_amount": _l("Tax-free amount"),
    "cancelled_tax_free_amount": _l("Cancelled tax-free amount"),
    "currency": _l("Currency"),
    "payment_id": _l("Payment ID"),
    "transaction_id": _l("Transaction ID"),
    "pg_tx_id": _l("PG transaction ID"),
    "store_id": _l("Store ID"),
    "order_name": _l("Order name"),
    "method": _l("Payment method"),
    "pg_provider": _l("PG"),
    "channel_type": _l("Channel"),
    "customer_name": _l("Customer name"),
    "customer_email": _l("Customer e-mail"),
    "customer_phone": _l("Customer phone"),
    "approval_number": _l("Approval number"),
    "account_number": _l("Account number"),
    "card_number": _l("Card number"),
    "reasons": _l("Reason for cancellation"),
    "customer_id": _l("Customer ID"),
    "has_pending_cancellation": _l("Cancellation in progress"),
    "has_open_dispute": _l("Open dispute"),
    "is_mismatched": _l("Differs from what was initialized"),
    "account_refund_status": _l("Transfer of the refund"),
    "requested_at": _l("Requested at"),
    "paid_at": _l("Approved at"),
    "status_changed_at": _l("Status changed at"),
}

_KINDS = {
    "status": "payment_status",
    "method": "method",
    "pg_provider": "pg",
    "channel_type": "channel_type",
    "account_refund_status": "account_refund_status",
}


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A column that a snapshot changed, in words: its name, and its value before and after."""

    name: str
    before: str
    after: str


def words_of_changes(fields: Mapping[str, Sequence[Any]], currency: str) -> list[FieldChange]:
    """What changed, as `snapshots.Change.fields` tells it, for people."""
    return [
        FieldChange(_field_name(name), _in_words(name, before, currency), _in_words(name, after, currency))
        for name, (before, after) in fields.items()
    ]


def _field_name(name: str) -> str:
    cancellation_id = name.removeprefix("cancellation ")
    if cancellation_id != name:
        return str(_("Cancellation %(id)s", id=cancellation_id))
    return str(FIELD_NAMES.get(name, name))


def _in_words(name: str, value: Any, currency: str) -> str:
    if value is None:
        return "–"
    if name.endswith("_amount") or name == "amount":
        return money(value, currency)
    if name.endswith("_at"):
        return local_time(datetime.fromisoformat(value))
    if isinstance(value, bool):
        return str(_("Yes") if value else _("No"))
    kind = "cancellation_status" if name.startswith("cancellation ") else _KINDS.get(name)
    return str(label_of(kind, value).text) if kind else str(value)
