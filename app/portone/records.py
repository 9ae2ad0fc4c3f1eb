"""What PortOne keeps with a payment: cancellations, receipts, escrow, disputes, and its webhook log."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from app.portone.values import Raw, flag, integer, mapping, moment, required_amount, required_text, text


@dataclass(frozen=True, slots=True)
class Cancellation:
    """Money that went back or is on its way: `status` is SUCCEEDED, REQUESTED, FAILED or one yet to come."""

    id: str
    status: str
    total_amount: int
    tax_free_amount: int
    vat_amount: int
    easy_pay_discount_amount: int | None
    reason: str
    trigger: str | None
    requested_at: datetime | None
    cancelled_at: datetime | None
    pg_cancellation_id: str | None
    receipt_url: str | None
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def from_raw(cls, raw: Raw) -> Self:
        """Read a cancellation; UnreadableDocument without id, status or amount."""
        return cls(
            id=required_text(raw, "id"),
            status=required_text(raw, "status"),
            total_amount=required_amount(raw, "totalAmount"),
            tax_free_amount=integer(raw, "taxFreeAmount") or 0,
            vat_amount=integer(raw, "vatAmount") or 0,
            easy_pay_discount_amount=integer(raw, "easyPayDiscountAmount"),
            reason=text(raw, "reason") or "",
            trigger=text(raw, "trigger"),
            requested_at=moment(raw, "requestedAt"),
            cancelled_at=moment(raw, "cancelledAt"),
            pg_cancellation_id=text(raw, "pgCancellationId"),
            receipt_url=text(raw, "receiptUrl"),
            raw=raw,
        )

    @property
    def is_open(self) -> bool:
        """Whether the outcome is still to come; a status nobody knows counts as open."""
        return self.status not in {"SUCCEEDED", "FAILED"}


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt to pay failed, in the words of PortOne and of the PG."""

    reason: str | None
    pg_code: str | None
    pg_message: str | None

    @classmethod
    def from_raw(cls, raw: Raw) -> Self:
        """Read a failure; every member may be missing."""
        return cls(text(raw, "reason"), text(raw, "pgCode"), text(raw, "pgMessage"))


@dataclass(frozen=True, slots=True)
class CashReceipt:
    """A cash receipt of the tax office: `status` ISSUED or CANCELLED, `type` PERSONAL or CORPORATE."""

    status: str | None
    type: str | None
    issue_number: str | None
    total_amount: int | None
    tax_free_amount: int | None
    currency: str | None
    url: str | None
    issued_at: datetime | None
    cancelled_at: datetime | None

    @classmethod
    def from_raw(cls, raw: Raw) -> Self:
        """Read a cash receipt; every member may be missing."""
        return cls(
            status=text(raw, "status"),
            type=text(raw, "type"),
            issue_number=text(raw, "issueNumber"),
            total_amount=integer(raw, "totalAmount"),
            tax_free_amount=integer(raw, "taxFreeAmount"),
            currency=text(raw, "currency"),
            url=text(raw, "url"),
            issued_at=moment(raw, "issuedAt"),
            cancelled_at=moment(raw, "cancelledAt"),
        )


@dataclass(frozen=True, slots=True)
class Escrow:
    """Where an escrow payment stands between shipment and the buyer's confirmation."""

    status: str
    company: str | None
    invoice_number: str | None
    sent_at: datetime | None
    applied_at: datetime | None

    @classmethod
    def from_raw(cls, raw: Raw) -> Self:
        """Read an escrow; UnreadableDocument without a status."""
        return cls(
            status=required_text(raw, "status"),
            company=text(raw, "company"),
            invoice_number=text(raw, "invoiceNumber"),
            sent_at=moment(raw, "sentAt"),
            applied_at=moment(raw, "appliedAt"),
        )


@dataclass(frozen=True, slots=True)
class Dispute:
    """A buyer's objection at the PG: UNRESOLVED or RESOLVED."""

    status: str
    reason: str | None
    pg_dispute_id: str | None
    created_at: datetime | None
    resolved_at: datetime | None

    @classmethod
    def from_raw(cls, raw: Raw) -> Self:
        """Read a dispute; UnreadableDocument without a status."""
        return cls(
            status=required_text(raw, "status"),
            reason=text(raw, "reason"),
            pg_dispute_id=text(raw, "pgDisputeId"),
            created_at=moment(raw, "createdAt"),
            resolved_at=moment(raw, "resolvedAt"),
        )


@dataclass(frozen=True, slots=True)
class WebhookDelivery:
    """A webhook in PortOne's own log: what it sent us and what we answered. `id` is the `webhook-id`."""

    id: str
    url: str | None
    status: str | None
    payment_status: str | None
    trigger: str | None
    is_async: bool | None
    current_execution_count: int | None
    max_execution_count: int | None
    request_header: str | None
    request_body: str | None
    requested_at: datetime | None
    response_code: str | None
    response_header: str | None
    response_body: str | None
    responded_at: datetime | None
    triggered_at: datetime | None
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def from_raw(cls, raw: Raw) -> Self:
        """Read a delivery; UnreadableDocument without an id."""
        request = mapping(raw, "request") or {}
        response = mapping(raw, "response") or {}
        return cls(
            id=required_text(raw, "id"),
            url=text(raw, "url"),
            status=text(raw, "status"),
            payment_status=text(raw, "paymentStatus"),
            trigger=text(raw, "trigger"),
            is_async=flag(raw, "isAsync"),
            current_execution_count=integer(raw, "currentExecutionCount"),
            max_execution_count=integer(raw, "maxExecutionCount"),
            request_header=text(request, "header"),
            request_body=text(request, "body"),
            requested_at=moment(request, "requestedAt"),
            response_code=text(response, "code"),
            response_header=text(response, "header"),
            response_body=text(response, "body"),
            responded_at=moment(response, "respondedAt"),
            triggered_at=moment(raw, "triggeredAt"),
            raw=raw,
        )
