"""Payment events: money in and money back, as PortOne's ledger tells it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from app.portone.values import Raw, integer, mapping, moment, required_text, text


@dataclass(frozen=True, slots=True)
class PaymentEvent:
    """One move of money: `type` is PAID, PARTIAL_CANCELLED, CANCELLED or one yet to come.

    `amount` is in minor units of `currency`, negative for a refund.
    """

    id: str
    type: str
    payment_id: str
    created_at: datetime | None
    amount: int | None
    currency: str | None
    cancellation_id: str | None

    @classmethod
    def from_raw(cls, raw: Raw) -> Self:
        """Read an event; UnreadableDocument without id, type or payment."""
        return cls(
            id=required_text(raw, "id"),
            type=required_text(raw, "type"),
            payment_id=required_text(raw, "paymentId"),
            created_at=moment(raw, "createdAt"),
            amount=integer(raw, "eventAmount"),
            currency=text(raw, "currency"),
            cancellation_id=text(mapping(raw, "cancellation") or {}, "id"),
        )


@dataclass(frozen=True, slots=True)
class EventPage:
    """A stretch of all events by the time they happened; `next_cursor` leads on, None at the end."""

    items: tuple[PaymentEvent, ...]
    next_cursor: str | None
    left_out: int = 0
