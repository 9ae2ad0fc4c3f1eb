"""Messages as PortOne signs them, and a PortOne that answers from memory."""

import json
import uuid
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from standardwebhooks import Webhook

from app import clock
from app.portone.errors import PortOneError, PortOneRefused
from app.portone.events import EventPage
from app.portone.payloads import BillingKeyInfo, BillingKeyPage, CursorPage, PaymentSnapshot, SchedulePage
from tests.conftest import STORE_ID, WEBHOOK_SECRET

NOON = datetime(2026, 3, 29, 3, 0, tzinfo=UTC)


def about_payment(
    payment_id: str = "order-1", event: str = "Transaction.Paid", **about: Any
) -> dict[str, Any]:
    """The body of a message about a payment."""
    told = {"storeId": STORE_ID, "paymentId": payment_id, "transactionId": "tx-1"} | about
    return {"type": event, "timestamp": "2026-03-29T03:00:00.000Z", "data": told}


def about_billing_key(billing_key: str, event: str = "BillingKey.Issued") -> dict[str, Any]:
    """The body of a message about a billing key."""
    about = {"storeId": STORE_ID, "billingKey": billing_key}
    return {"type": event, "timestamp": "2026-03-29T03:00:00.000Z", "data": about}


def signed(body: Any, *, webhook_id: str | None = None, secret: str = WEBHOOK_SECRET) -> dict[str, Any]:
    """A message for the test client: `client.post("/webhooks/portone", **signed(body))`."""
    content = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    name, moment = webhook_id or f"webhook-{uuid.uuid4()}", clock.now()
    headers = {
        "webhook-id": name,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": Webhook(secret).sign(name, moment, content.decode()),
    }
    return {"data": content, "headers": headers, "content_type": "application/json"}


def payment_document(payment_id: str = "order-1", status: str = "PAID", **changes: Any) -> dict[str, Any]:
    """A payment as PortOne reports it."""
    return {
        "status": status,
        "id": payment_id,
        "transactionId": "tx-1",
        "merchantId": "merchant-1",
        "storeId": STORE_ID,
        "version": "V2",
        "channel": {
            "type": "LIVE",
            "pgProvider": "TOSSPAYMENTS",
            "pgMerchantId": "m",
            "id": "c",
            "key": "k",
            "name": "n",
        },
        "method": {"type": "PaymentMethodCard", "approvalNumber": "30012345"},
        "requestedAt": "2026-03-29T02:59:00Z",
        "updatedAt": "2026-03-29T03:00:00Z",
        "statusChangedAt": "2026-03-29T03:00:00Z",
        "paidAt": "2026-03-29T03:00:00Z",
        "orderName": "봄 셔츠",
        "amount": {
            "total": 12000,
            "taxFree": 0,
            "discount": 0,
            "paid": 12000,
            "cancelled": 0,
            "cancelledTaxFree": 0,
        },
        "currency": "KRW",
        "customer": {"id": "customer-7", "name": "김하늘"},
        "origin": {"platformType": "PC", "ipAddress": "203.0.113.7"},
    } | changes


class FakePortOne:
    """Answers what it was given, counts what it is asked, and fails on demand."""

    def __init__(self) -> None:
        self.payments: dict[str, dict[str, Any]] = {}
        self.billing_keys: dict[str, dict[str, Any]] = {}
        self.asked: Counter[str] = Counter()
        self.problem: PortOneError | None = None

    def knows(self, document: dict[str, Any]) -> None:
        if "id" in document:
            self.payments[document["id"]] = document
        else:
            self.billing_keys[document["billingKey"]] = document

    def get_payment(self, payment_id: str) -> PaymentSnapshot:
        return PaymentSnapshot.from_raw(self._find(self.payments, payment_id, "PAYMENT_NOT_FOUND"))

    def list_payments_by_cursor(self, **_: Any) -> CursorPage:
        """None made lately: what tests of webhooks tell of is only read by its id."""
        return CursorPage((), None)

    def list_payment_events_by_cursor(self, **_: Any) -> EventPage:
        return EventPage((), None)

    def list_billing_keys(self, *, page: int, size: int) -> BillingKeyPage:
        self.asked["list"] += 1
        if self.problem is not None:
            raise self.problem
        known = [BillingKeyInfo.from_raw(document) for document in self.billing_keys.values()]
        shown = known[page * size : (page + 1) * size]
        return BillingKeyPage(tuple(shown), total=len(known), is_last=len(shown) < size)

    def list_schedules(self, **_asked: Any) -> SchedulePage:
        return SchedulePage((), total=0, is_last=True)

    def get_billing_key(self, billing_key: str) -> BillingKeyInfo:
        return BillingKeyInfo.from_raw(self._find(self.billing_keys, billing_key, "BILLING_KEY_NOT_FOUND"))

    def _find(self, known: dict[str, dict[str, Any]], key: str, refusal: str) -> dict[str, Any]:
        self.asked[key] += 1
        if self.problem is not None:
            raise self.problem
        if key not in known:
            raise PortOneRefused(refusal, status=404)
        return known[key]
