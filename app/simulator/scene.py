"""One payment's story being told: who buys what and when, and each thing that happens leaves its webhook."""

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from app.simulator import cancelling, lifecycle
from app.simulator.documents import Document, Ids, timestamp
from app.simulator.messages import write_body
from app.simulator.shop import REFUND_REASONS, Item, make_card

#: PGs that take letters and digits only in a payment id.
_STRICT_ABOUT_IDS = frozenset({"SMARTRO_V2", "KCP_V2", "KPN", "PAYLETTER", "KSNET"})


@dataclass
class Scene:
    """The frame of a story. `moment` is the time it has come to; nothing happens after `until`."""

    rng: random.Random
    ids: Ids
    store_id: str
    webhook_url: str
    number: int
    moment: datetime
    until: datetime
    customer: Document
    item: Item
    #: The merchant's id of the payment, where it is known beforehand.
    payment_id: str | None = None
    #: What was sent: (event type, entry of `webhooks[]`).
    told: list[tuple[str, Document]] = field(default_factory=list)
    #: Attempts that a later one replaced.
    earlier_attempts: list[Document] = field(default_factory=list)

    def later(self, least: timedelta, most: timedelta) -> datetime:
        """Let some time pass, as far as there is any left."""
        left = max(self.until - self.moment, timedelta(0))
        self.moment += min(least, left) + (min(most, left) - min(least, left)) * self.rng.random()
        return self.moment

    def soon(self) -> datetime:
        """A minute or so later."""
        return self.later(timedelta(seconds=25), timedelta(seconds=150))

    def open(
        self,
        method: str | Mapping[str, Any] | None = "CARD",
        pg_provider: str = "TOSSPAYMENTS",
        *,
        total: int | None = None,
        tax_free: int = 0,
        discount: int = 0,
        currency: str = "KRW",
        channel_type: str = "LIVE",
        version: str = "V2",
        platform_type: str | None = None,
        order_name: str | None = None,
    ) -> Document:
        """Open the payment window for the item."""
        payment = lifecycle.open_payment(
            payment_id=self.payment_id or self._payment_id(pg_provider),
            store_id=self.store_id,
            requested_at=self.moment,
            order_name=order_name or self.item.name,
            total=self.item.price if total is None else total,
            currency=currency,
            tax_free=tax_free,
            discount=discount,
            method=method,
            pg_provider=pg_provider,
            channel_type=channel_type,
            customer=self.customer,
            version=version,
            platform_type=platform_type or self.rng.choice(["PC", "MOBILE", "MOBILE"]),
            ids=self.ids,
        )
        self._add_order(payment)
        if payment["origin"]["platformType"] != "API":
            self.tell(payment, "Transaction.Ready")
        return payment

    def card(self, *, month: int = 0) -> Document:
        """Payment by some card, in instalments if `month` is two or more."""
        return {
            "type": "PaymentMethodCard",
            "card": make_card(self.rng, self.ids),
            "approvalNumber": self.ids.digits(8),
            "installment": {"month": month, "isInterestFree": month > 0 and self.rng.random() < 0.5},
            "pointUsed": False,
        }

    def pay(self, payment: Document, *, trigger: str | None = None) -> Document:
        """The money comes in."""
        lifecycle.pay(payment, self.soon(), ids=self.ids)
        self.tell(payment, "Transaction.Paid", trigger=trigger)
        return payment

    def issue_account(self, payment: Document) -> Document:
        """The buyer is given an account number."""
        lifecycle.issue_account(payment, self.soon(), ids=self.ids)
        self.tell(payment, "Transaction.VirtualAccountIssued")
        return payment

    def deposit(self, payment: Document) -> Document:
        """Some hours later the money arrives on the account."""
        self.later(timedelta(minutes=4), timedelta(hours=20))
        payment["method"]["remitterName"] = payment["customer"].get("name", "입금자")
        return self.pay(payment, trigger="VIRTUAL_ACCOUNT_DEPOSIT")

    def refund(
        self,
        payment: Document,
        amount: int | None = None,
        *,
        status: str = "SUCCEEDED",
        trigger: str = "API",
        reason: str | None = None,
        wait: tuple[timedelta, timedelta] = (timedelta(minutes=20), timedelta(days=3)),
    ) -> Document:
        """Give money back, all that is left unless an amount is given; answers the payment."""
        at = self.later(*wait)
        said = reason or self.rng.choice(REFUND_REASONS)
        cancellation = cancelling.decide_without_pg(payment, amount, said, at, ids=self.ids)
        cancellation.update(status=status, trigger=trigger)
        if status != "SUCCEEDED":
            del cancellation["cancelledAt"], cancellation["receiptUrl"]
        cancelling.record_cancellation(payment, cancellation, at)
        if status == "REQUESTED":
            self.tell(payment, "Transaction.CancelPending", cancellation)
        elif status == "SUCCEEDED":
            is_full = payment["status"] == "CANCELLED"
            kind = "Transaction.Cancelled" if is_full else "Transaction.PartialCancelled"
            self.tell(payment, kind, cancellation)
        return payment

    def tell(
        self,
        payment: Document,
        kind: str,
        cancellation: Document | None = None,
        *,
        trigger: str | None = None,
    ) -> None:
        """The webhook of what just happened, and how it fared."""
        if payment["version"] == "V1":
            return
        data = {
            "paymentId": payment["id"],
            "storeId": payment["storeId"],
            "transactionId": payment["transactionId"],
        }
        if cancellation is not None:
            data["cancellationId"] = cancellation["id"]
        body = write_body(kind, data, self.moment, "2024-04-25") or ""
        entry = self._entry(payment, body, trigger)
        self.told.append((kind, entry))
        payment["webhooks"] = [*payment.get("webhooks", []), entry]

    def _entry(self, payment: Document, body: str, trigger: str | None) -> Document:
        webhook_id, sent = self.ids.uuid(), timestamp(self.moment + timedelta(milliseconds=310))
        entry: Document = {
            "paymentStatus": payment["status"],
            "id": webhook_id,
            "url": self.webhook_url,
            "isAsync": trigger is not None,
            "maxExecutionCount": 6,
            "request": {
                "header": f"content-type: application/json\nwebhook-id: {webhook_id}",
                "body": body,
                "requestedAt": sent,
            },
            "triggeredAt": timestamp(self.moment),
            **self._fate(sent),
        }
        return {**entry, "trigger": trigger} if trigger else entry

    def _fate(self, sent: str) -> Document:
        """Nearly all arrive at once."""
        luck = self.rng.random()
        answer = {"header": "content-type: text/plain", "respondedAt": sent}
        if luck < 0.985:
            response = {**answer, "code": "200", "body": ""}
            return {"status": "SUCCEEDED", "currentExecutionCount": 1, "response": response}
        if luck < 0.993:
            response = {**answer, "code": "500", "body": "Internal Server Error"}
            return {"status": "FAILED_NOT_OK_RESPONSE", "currentExecutionCount": 6, "response": response}
        return {"status": "FAILED_UNEXPECTED_ERROR", "currentExecutionCount": 6}

    def _payment_id(self, pg_provider: str) -> str:
        day = f"{self.moment:%Y%m%d}"
        if pg_provider in _STRICT_ABOUT_IDS:
            return f"pay{day}{self.number:06}"
        style = self.rng.choice(["payment-{}-{:06}", "ORD-{}-{:05}", "order_{}{:05}"])
        return style.format(day, self.number)

    def _add_order(self, payment: Document) -> None:
        total = payment["amount"]["total"]
        product = {"id": self.item.code, "name": self.item.name, "amount": total, "quantity": 1}
        payment["products"] = [product]
        payment["productCount"] = 1
        if self.rng.random() < 0.4:
            payment["customData"] = json.dumps({"orderId": f"ORD-{80_000 + self.number}"})
        if payment["origin"]["platformType"] == "PC":
            payment["origin"]["url"] = "https://shop.example.com/checkout"


@dataclass(frozen=True)
class Story:
    """A way a payment can go: how often, and between how many days ago it began."""

    tell: Callable[[Scene], Document]
    weight: int
    days_ago: tuple[float, float] | None = None
    is_abroad: bool = False
