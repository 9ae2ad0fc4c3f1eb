"""A payment to come, as PortOne reports it at one moment."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from app.portone.parties import Customer
from app.portone.values import Raw, integer, mapping, moment, required_amount, required_text, text


@dataclass(frozen=True, slots=True)
class ScheduleInfo:
    """A charge planned with a billing key; amounts are in minor units of `currency`.

    `status` is SCHEDULED, STARTED, PENDING, SUCCEEDED, FAILED or REVOKED, or what comes later. Why a charge
    failed stands in its payment. The key is a credential: it stands in no repr.
    """

    schedule_id: str
    status: str
    payment_id: str
    billing_key: str = field(repr=False)
    order_name: str
    total_amount: int
    tax_free_amount: int | None
    currency: str
    time_to_pay: datetime | None
    created_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None
    revoked_at: datetime | None
    customer: Customer
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def from_raw(cls, raw: Raw) -> Self:
        """Read a schedule; UnreadableDocument without its id, status, payment, key, amount or currency."""
        return cls(
            schedule_id=required_text(raw, "id"),
            status=required_text(raw, "status"),
            payment_id=required_text(raw, "paymentId"),
            billing_key=required_text(raw, "billingKey"),
            order_name=text(raw, "orderName") or "",
            total_amount=required_amount(raw, "totalAmount"),
            tax_free_amount=integer(raw, "taxFreeAmount"),
            currency=required_text(raw, "currency"),
            time_to_pay=moment(raw, "timeToPay"),
            created_at=moment(raw, "createdAt"),
            started_at=moment(raw, "startedAt"),
            completed_at=moment(raw, "completedAt"),
            revoked_at=moment(raw, "revokedAt"),
            customer=Customer.from_raw(mapping(raw, "customer") or {}),
            raw=raw,
        )

    @property
    def is_open(self) -> bool:
        """Whether the charge is still to come or under way; a status nobody knows counts as open."""
        return self.status not in {"SUCCEEDED", "FAILED", "REVOKED"}


@dataclass(frozen=True, slots=True)
class SchedulePage:
    """A page of schedules. `total` counts all matches; `is_last` says that no page follows."""

    items: tuple[ScheduleInfo, ...]
    total: int
    is_last: bool
