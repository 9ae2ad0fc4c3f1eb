"""Payments as PortOne would report them, for tests that need no PortOne."""

from datetime import UTC, datetime
from typing import Any

from app import clock
from app.extensions import db
from app.payments.models import Payment
from app.payments.queries import get_payment
from app.payments.snapshots import Change, store_snapshot
from app.portone.payloads import PaymentSnapshot
from tests.conftest import STORE_ID

MORNING = datetime(2026, 3, 29, 1, 0, tzinfo=UTC)


def card(**values: Any) -> dict[str, Any]:
    return {
        "type": "PaymentMethodCard",
        "card": {"issuer": "SHINHAN_CARD", "number": "5387****1234"},
    } | values


def virtual_account(**values: Any) -> dict[str, Any]:
    return {
        "type": "PaymentMethodVirtualAccount",
        "bank": "KOOKMIN",
        "accountNumber": "110-123-456789",
    } | values


def cancellation(status: str = "SUCCEEDED", total: int = 1_000, **values: Any) -> dict[str, Any]:
    defaults = {
        "id": "cancellation-1",
        "status": status,
        "totalAmount": total,
        "taxFreeAmount": 0,
        "vatAmount": 0,
        "reason": "고객 변심",
        "requestedAt": "2026-03-29T03:00:00Z",
    }
    if status == "SUCCEEDED":
        defaults["cancelledAt"] = "2026-03-29T03:00:01Z"
    return defaults | values


def document(
    payment_id: str = "order-1", *, total: int = 12_000, cancelled: int = 0, **values: Any
) -> dict[str, Any]:
    """A paid card payment; further values replace PortOne's fields by their own names."""
    return {
        "id": payment_id,
        "transactionId": f"transaction of {payment_id}",
        "merchantId": "merchant-1",
        "storeId": STORE_ID,
        "version": "V2",
        "status": "PAID",
        "orderName": "속눈썹 펌",
        "currency": "KRW",
        "amount": {
            "total": total,
            "taxFree": 0,
            "discount": 0,
            "paid": total,
            "cancelled": cancelled,
            "cancelledTaxFree": 0,
        },
        "method": card(),
        "channel": {"type": "LIVE", "pgProvider": "TOSSPAYMENTS", "pgMerchantId": "m1"},
        "customer": {
            "id": "customer-1",
            "name": "홍길동",
            "email": "gildong@example.com",
            "phoneNumber": "010-1234-5678",
        },
        "requestedAt": "2026-03-29T00:59:00Z",
        "updatedAt": "2026-03-29T01:00:00Z",
        "statusChangedAt": "2026-03-29T01:00:00Z",
        "paidAt": "2026-03-29T01:00:00Z",
    } | values


def snapshot(payment_id: str = "order-1", **values: Any) -> PaymentSnapshot:
    return PaymentSnapshot.from_raw(document(payment_id, **values))


def store(payment_id: str = "order-1", **values: Any) -> Change:
    """Store a snapshot, and say what that changed."""
    change = store_snapshot(snapshot(payment_id, **values), read_at=clock.now())
    db.session.commit()
    return change


def stored(payment_id: str = "order-1", **values: Any) -> Payment:
    """The payment after its snapshot was stored."""
    store(payment_id, **values)
    return get_payment(payment_id)


def at(moment: str) -> dict[str, str]:
    """The times of a payment that was made and changed at one moment."""
    return {"requestedAt": moment, "updatedAt": moment, "statusChangedAt": moment, "paidAt": moment}
