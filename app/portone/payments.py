"""A payment as PortOne reports it at one moment."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from app.portone.methods import Method
from app.portone.parties import Channel, Customer
from app.portone.records import Cancellation, CashReceipt, Dispute, Escrow, Failure, WebhookDelivery
from app.portone.values import (
    Raw,
    UnreadableDocument,
    integer,
    mapping,
    moment,
    part,
    parts,
    required_amount,
    required_text,
    text,
)


@dataclass(frozen=True, slots=True)
class Amount:
    """The sums of a payment, in minor units. Balances are measured on `total`, before discounts."""

    total: int
    tax_free: int
    vat: int | None
    supply: int | None
    discount: int
    paid: int
    cancelled: int
    cancelled_tax_free: int

    @classmethod
    def from_raw(cls, raw: Raw) -> Self:
        """Read the sums; UnreadableDocument if the total, or what went back of it, is no amount."""
        return cls(
            total=required_amount(raw, "total"),
            tax_free=_amount_or_zero(raw, "taxFree"),
            vat=integer(raw, "vat"),
            supply=integer(raw, "supply"),
            discount=_amount_or_zero(raw, "discount"),
            paid=_amount_or_zero(raw, "paid"),
            cancelled=_amount_or_zero(raw, "cancelled"),
            cancelled_tax_free=_amount_or_zero(raw, "cancelledTaxFree"),
        )

    @property
    def cancellable(self) -> int:
        """What PortOne can still give back. The API has no such field; this is its definition."""
        return max(self.total - self.cancelled, 0)

    @property
    def cancellable_tax_free(self) -> int:
        """The tax-free part of what can still be given back."""
        return min(max(self.tax_free - self.cancelled_tax_free, 0), self.cancellable)


@dataclass(frozen=True, slots=True)
class PaymentSnapshot:
    """A payment as PortOne reports it at one moment.

    `status` is PortOne's word, known or not; amounts are minor units of `currency`; times are UTC. Only
    payment id, status, currency and amounts are sure to be there. `raw` is the whole document.
    """

    payment_id: str
    transaction_id: str | None
    merchant_id: str | None
    store_id: str | None
    status: str
    version: str | None
    requested_at: datetime | None
    updated_at: datetime | None
    status_changed_at: datetime | None
    paid_at: datetime | None
    failed_at: datetime | None
    cancelled_at: datetime | None
    order_name: str
    currency: str
    amount: Amount
    method: Method | None
    channel: Channel | None
    customer: Customer
    pg_tx_id: str | None
    cancellations: tuple[Cancellation, ...]
    failure: Failure | None
    receipt_url: str | None
    cash_receipt: CashReceipt | None
    cash_receipt_issuance_status: str | None
    escrow: Escrow | None
    disputes: tuple[Dispute, ...]
    webhooks: tuple[WebhookDelivery, ...]
    billing_key: str | None = field(repr=False)
    schedule_id: str | None
    promotion_id: str | None
    custom_data: str | None
    country: str | None
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def from_raw(cls, raw: Raw) -> Self:
        """Read a payment; UnreadableDocument without id, status, currency or amount."""
        return cls._read(raw, payment_id=required_text(raw, "id"), transaction_id=text(raw, "transactionId"))

    @classmethod
    def from_attempt(cls, raw: Raw) -> Self:
        """Read an element of a payment's transactions, where `id` means the transaction."""
        transaction_id = required_text(raw, "id")
        return cls._read(raw, payment_id=required_text(raw, "paymentId"), transaction_id=transaction_id)

    @property
    def is_test(self) -> bool:
        """Whether the payment went through a test channel, and so is no real money."""
        return self.channel is not None and self.channel.type == "TEST"

    @property
    def open_cancellations(self) -> tuple[Cancellation, ...]:
        """Cancellations whose outcome PortOne has not told yet."""
        return tuple(cancellation for cancellation in self.cancellations if cancellation.is_open)

    @classmethod
    def _read(cls, raw: Raw, *, payment_id: str, transaction_id: str | None) -> Self:
        return cls(
            payment_id=payment_id,
            transaction_id=transaction_id,
            merchant_id=text(raw, "merchantId"),
            store_id=text(raw, "storeId"),
            status=required_text(raw, "status"),
            version=text(raw, "version"),
            requested_at=moment(raw, "requestedAt"),
            updated_at=moment(raw, "updatedAt"),
            status_changed_at=moment(raw, "statusChangedAt"),
            paid_at=moment(raw, "paidAt"),
            failed_at=moment(raw, "failedAt"),
            cancelled_at=moment(raw, "cancelledAt"),
            order_name=text(raw, "orderName") or "",
            currency=required_text(raw, "currency"),
            amount=Amount.from_raw(mapping(raw, "amount") or {}),
            method=part(raw, "method", Method.from_raw),
            channel=part(raw, "channel", Channel.from_raw),
            customer=Customer.from_raw(mapping(raw, "customer") or {}),
            pg_tx_id=text(raw, "pgTxId"),
            cancellations=parts(raw, "cancellations", Cancellation.from_raw),
            failure=part(raw, "failure", Failure.from_raw),
            receipt_url=text(raw, "receiptUrl"),
            cash_receipt=part(raw, "cashReceipt", CashReceipt.from_raw),
            cash_receipt_issuance_status=text(raw, "cashReceiptIssuanceStatus"),
            escrow=part(raw, "escrow", Escrow.from_raw),
            disputes=parts(raw, "disputes", Dispute.from_raw),
            webhooks=parts(raw, "webhooks", WebhookDelivery.from_raw),
            billing_key=text(raw, "billingKey"),
            schedule_id=text(raw, "scheduleId"),
            promotion_id=text(raw, "promotionId"),
            custom_data=text(raw, "customData"),
            country=text(raw, "country"),
            raw=raw,
        )


def _amount_or_zero(raw: Raw, key: str) -> int:
    """An amount that may be absent; one that is there and unreadable must not pass for nothing."""
    if raw.get(key) is None:
        return 0
    value = integer(raw, key)
    if value is None or value < 0:
        raise UnreadableDocument(f"{key} is no amount")
    return value
