"""Payment events: money in and money back as a ledger, told from the payments themselves."""

import uuid
from collections.abc import Iterator
from datetime import datetime

from app.simulator.documents import Document, moment_of, public
from app.simulator.state import milliseconds

_NAMESPACE = uuid.UUID("0b9d8a5c-6a0f-4f3c-9a46-0d6f2d1f9c11")

_KEPT = (
    "transactionId",
    "merchantId",
    "storeId",
    "method",
    "channel",
    "version",
    "scheduleId",
    "requestedAt",
    "orderName",
    "currency",
    "customer",
    "customData",
    "country",
    "pgTxId",
    "promotionId",
    "escrow",
    "origin",
)


def events_of(payment: Document) -> Iterator[Document]:
    """PAID, then one event for each cancellation that succeeded; refunds have a negative amount."""
    if "paidAt" in payment:
        paid = _event(payment, "PAID", payment["paidAt"], payment["amount"]["total"])
        yield {**paid, "disputes": payment.get("disputes", [])}
    cancelled = 0
    done = [item for item in payment.get("cancellations", []) if item["status"] == "SUCCEEDED"]
    for cancellation in sorted(done, key=lambda item: moment_of(item["cancelledAt"])):
        cancelled += cancellation["totalAmount"]
        is_full = cancelled == payment["amount"]["total"]
        kind = "CANCELLED" if is_full else "PARTIAL_CANCELLED"
        event = _event(payment, kind, cancellation["cancelledAt"], -cancellation["totalAmount"])
        yield {**event, "cancellation": cancellation}


def place_of(event: Document) -> tuple[int, int]:
    """Where the event stands in the order of events."""
    return milliseconds(moment_of(event["createdAt"])), uuid.UUID(event["id"]).int >> 64


def is_between(event: Document, window: tuple[datetime, datetime]) -> bool:
    """Whether the event happened within the window, both ends included."""
    return window[0] <= moment_of(event["createdAt"]) <= window[1]


def _event(payment: Document, kind: str, created_at: str, amount: int) -> Document:
    kept = {name: payment[name] for name in _KEPT if name in payment}
    return {
        **public(kept),
        "type": kind,
        "id": str(uuid.uuid5(_NAMESPACE, f"{payment['id']}/{kind}/{created_at}/{amount}")),
        "paymentId": payment["id"],
        "createdAt": created_at,
        "totalAmount": payment["amount"],
        "eventAmount": amount,
    }
