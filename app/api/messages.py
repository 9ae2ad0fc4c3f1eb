"""What each operation takes and answers. The same models validate requests and make the OpenAPI document.

Amounts are whole numbers in the minor unit of their currency (KRW 1 = 1 won, USD 1 = 1 cent); times are UTC.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from app.money import MAX_AMOUNT

#: No control characters, which PostgreSQL cannot store or people cannot see.
_VISIBLE = r"^[^\x00-\x1f\x7f]+$"

PaymentId = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200, pattern=_VISIBLE),
    Field(description="The merchant's id of the payment.", examples=["p20260329a1B2c3D4e5F6g7H8"]),
]
Amount = Annotated[int, Field(gt=0, le=MAX_AMOUNT, description="Minor units of the currency.")]
TaxFreeAmount = Annotated[int, Field(ge=0, le=MAX_AMOUNT, description="Minor units; part of the amount.")]
Currency = Annotated[
    str, StringConstraints(pattern="^[A-Z]{3}$"), Field(description="ISO 4217.", examples=["KRW"])
]


class _Message(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, strict=True
    )


class _Asked(_Message):
    """A request: what it does not know is a slip of the store's, and refused."""

    model_config = ConfigDict(extra="forbid")


class Customer(_Asked):
    """Who pays, for the browser SDK; Portico keeps what PortOne reports, not this."""

    customer_id: str | None = Field(None, max_length=200)
    full_name: str | None = Field(None, max_length=200)
    email: str | None = Field(None, max_length=320)
    phone_number: str | None = Field(None, max_length=40)


class InitializeRequest(_Asked):
    """A payment the store expects. The same content again answers the same; other content is a 409."""

    payment_id: PaymentId | None = Field(None, description="Left out, Portico makes one.")
    order_name: str = Field(min_length=1, max_length=500, pattern=_VISIBLE)
    amount: Amount
    currency: Currency
    tax_free_amount: TaxFreeAmount | None = None
    customer: Customer | None = None
    custom_data: str | None = Field(None, max_length=4_000)


class InitializeAnswer(_Message):
    """What the browser hands to `PortOne.requestPayment()`, together with its channel key."""

    store_id: str
    payment_id: str
    order_name: str
    total_amount: int
    currency: str
    tax_free_amount: int | None = None
    customer: dict[str, Any] | None = None
    custom_data: str | None = None


class VerifyRequest(_Asked):
    """Which payment to compare with what was initialized."""

    payment_id: PaymentId


class ConfirmRequest(_Asked):
    """Approve a payment of a channel with manual approval; what was initialized is what is approved."""

    payment_id: PaymentId
    payment_token: str = Field(min_length=1, max_length=2_000, pattern=_VISIBLE)
    tx_id: str | None = Field(None, max_length=200)


class VirtualAccount(_Message):
    """Where the buyer pays in."""

    bank: str | None = None
    account_number: str | None = None
    remittee_name: str | None = None
    expires_at: datetime | None = None


class PaymentAnswer(_Message):
    """Where a payment stands. Fulfil the order on `paid` alone."""

    payment_id: str
    status: Literal["paid", "waiting_for_deposit", "pending", "failed", "cancelled"]
    portone_status: str | None = Field(None, description="PortOne's own word; none before it knows of it.")
    transaction_id: str | None = None
    total_amount: int
    cancelled_amount: int
    currency: str
    paid_at: datetime | None = None
    virtual_account: VirtualAccount | None = None


class RefundAccount(_Asked):
    """Where the money of a paid virtual account goes back to. `bank` is a REST code such as KOOKMIN."""

    bank: str = Field(min_length=1, max_length=60)
    number: str = Field(min_length=6, max_length=30)
    holder_name: str = Field(min_length=1, max_length=50, pattern=_VISIBLE)
    holder_phone_number: str | None = Field(None, max_length=20)


class CancelRequest(_Asked):
    """Give back part of a payment, or all that is left. `Idempotency-Key` makes repeating it safe."""

    payment_id: PaymentId
    amount: Amount | None = Field(None, description="Left out: all that is refundable.")
    tax_free_amount: TaxFreeAmount | None = None
    reason: str = Field(min_length=1, max_length=200, pattern=_VISIBLE)
    expected_refundable: int | None = Field(
        None, ge=0, le=MAX_AMOUNT, description="What the store believes is left; another balance is a 409."
    )
    refund_account: RefundAccount | None = None
    refund_email: str | None = Field(None, max_length=320, description="For Triple-A alone.")


class CancelAnswer(_Message):
    """Where the refund stands: 200 once the money is on its way back, 202 while that is open."""

    refund_id: str
    payment_id: str
    status: Literal["awaiting_approval", "sending", "uncertain", "requested", "succeeded"]
    amount: int
    currency: str
    refundable_amount: int
    cancellation_id: str | None = None


class FieldError(_Message):
    """A field that cannot be used, and why."""

    field: str
    message: str


class Difference(_Message):
    """One thing in which a payment is not what was initialized."""

    field: Literal["amount", "currency", "taxFreeAmount", "storeId", "channelType"]
    expected: int | str | None
    actual: int | str | None


class ProblemDocument(_Message):
    """RFC 9457. Branch on `type`; `detail` is for people."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldError] | None = None
    differences: list[Difference] | None = None
    portone_type: str | None = None
