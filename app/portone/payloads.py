"""PortOne's answers as frozen dataclasses, read leniently, the raw document kept with them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from app.portone.billing_keys import BillingKeyInfo
from app.portone.methods import Card, Method
from app.portone.parties import Channel, Customer
from app.portone.payments import Amount, PaymentSnapshot
from app.portone.records import Cancellation, CashReceipt, Dispute, Escrow, Failure, WebhookDelivery
from app.portone.schedules import ScheduleInfo, SchedulePage
from app.portone.values import Raw, UnreadableDocument, moment, text

__all__ = [
    "Amount",
    "BillingKeyInfo",
    "BillingKeyPage",
    "Cancellation",
    "Card",
    "CashReceipt",
    "Channel",
    "Confirmation",
    "CursorPage",
    "Customer",
    "Dispute",
    "Escrow",
    "Failure",
    "Method",
    "PaymentPage",
    "PaymentSnapshot",
    "ScheduleInfo",
    "SchedulePage",
    "UnreadableDocument",
    "WebhookDelivery",
]


@dataclass(frozen=True, slots=True)
class PaymentPage:
    """A page of payments. `total` counts all matches; `is_last` is safer to stop on, being our own count."""

    items: tuple[PaymentSnapshot, ...]
    total: int
    is_last: bool


@dataclass(frozen=True, slots=True)
class BillingKeyPage:
    """A page of billing keys. `total` counts all matches; `is_last` says that no page follows."""

    items: tuple[BillingKeyInfo, ...]
    total: int
    is_last: bool


@dataclass(frozen=True, slots=True)
class CursorPage:
    """A stretch of all payments by creation time; `next_cursor` leads on, None at the end.

    `left_out` counts what PortOne sent and nobody could read; the log says why.
    """

    items: tuple[PaymentSnapshot, ...]
    next_cursor: str | None
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A payment approved by hand; `paid_at` says, for a virtual account, when it was issued."""

    pg_tx_id: str | None
    paid_at: datetime | None

    @classmethod
    def from_raw(cls, raw: Raw) -> Self:
        """Read the answer to a confirmation; every member may be missing."""
        return cls(text(raw, "pgTxId"), moment(raw, "paidAt"))
