"""What each operation takes and answers. The same models validate requests and make the OpenAPI document.

Amounts are whole numbers in the minor unit of their currency (KRW 1 = 1 won, USD 1 = 1 cent); times are UTC.
"""

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from app.money import MAX_AMOUNT
from app.portone.banks import BANKS
from app.portone.currencies import CURRENCIES

#: No control characters, which PostgreSQL cannot store or people cannot see.
_VISIBLE = r"^[^\x00-\x1f\x7f]+$"
#: 6 to 20 digits, with the spaces and hyphens that people write between them.
_ACCOUNT_NUMBER = r"^[ -]*(?:[0-9][ -]*){6,20}$"

#: No address can be made of these: HTTP software takes them for steps between folders.
_STEPS = (".", "..")


def _among(known: Collection[str], sentence: str) -> AfterValidator:
    """Refuse what is not known; unlike a Literal it does not answer with the whole list."""

    def check(value: str) -> str:
        if value not in known:
            raise PydanticCustomError("unknown", sentence)
        return value

    return AfterValidator(check)


def _no_step(value: str) -> str:
    if value in _STEPS:
        raise PydanticCustomError("unusable", "An id of dots alone cannot be asked for at PortOne")
    return value


def _enum(known: Collection[str]) -> Callable[[dict[str, Any]], None]:
    """Tell the document what `_among` takes."""
    return lambda schema: schema.update(enum=list(known))


PaymentId = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200, pattern=_VISIBLE),
    AfterValidator(_no_step),
    Field(
        description="The merchant's id of the payment.",
        examples=["p20260329a1B2c3D4e5F6g7H8"],
        json_schema_extra={"not": {"enum": list(_STEPS)}},
    ),
]
Amount = Annotated[
    int, Field(gt=0, le=MAX_AMOUNT, description="Minor units of the currency.", examples=[12_000])
]
TaxFreeAmount = Annotated[
    int, Field(ge=0, le=MAX_AMOUNT, description="Minor units; part of the amount, at most all of it.")
]
Currency = Annotated[
    str,
    _among(CURRENCIES, "PortOne knows no such currency; write it as in ISO 4217, such as KRW"),
    Field(
        description="ISO 4217, as PortOne knows it.", examples=["KRW"], json_schema_extra=_enum(CURRENCIES)
    ),
]
Bank = Annotated[
    str,
    _among(BANKS, "PortOne takes no such bank; write its REST code, such as KOOKMIN"),
    Field(description="PortOne's REST code.", examples=["KOOKMIN"], json_schema_extra=_enum(BANKS)),
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

    customer_id: str | None = Field(None, max_length=200, examples=["customer-1"])
    full_name: str | None = Field(None, max_length=200, examples=["홍길동"])
    email: str | None = Field(None, max_length=320, examples=["hong@example.com"])
    phone_number: str | None = Field(None, max_length=40, examples=["010-1234-5678"])


class InitializeRequest(_Asked):
    """A payment the store expects. The same content again answers the same; other content is a 409."""

    payment_id: PaymentId | None = Field(
        None, description="Left out, Portico makes one of 25 letters and digits, which every PG takes."
    )
    order_name: str = Field(min_length=1, max_length=500, pattern=_VISIBLE, examples=["속눈썹 펌"])
    amount: Amount
    currency: Currency
    tax_free_amount: TaxFreeAmount | None = None
    customer: Customer | None = None
    custom_data: str | None = Field(
        None, max_length=4_000, description="Handed through to the browser SDK.", examples=["cart-7"]
    )


class InitializeAnswer(_Message):
    """What the browser hands to `PortOne.requestPayment()`, together with its channel key."""

    store_id: str
    payment_id: str
    order_name: str
    total_amount: int = Field(description="Minor units, as all amounts.")
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
    payment_token: str = Field(
        min_length=1, max_length=2_000, pattern=_VISIBLE, description="What the browser SDK answered with."
    )
    tx_id: str | None = Field(
        None, max_length=200, description="The SDK's `txId`; PortOne refuses if it is another attempt."
    )


class VirtualAccount(_Message):
    """Where the buyer pays in."""

    bank: str | None = None
    account_number: str | None = None
    remittee_name: str | None = None
    expires_at: datetime | None = None


class PaymentAnswer(_Message):
    """Where a payment stands. Fulfil the order on `paid` alone."""

    payment_id: str
    status: Literal["paid", "waiting_for_deposit", "pending", "failed", "cancelled"] = Field(
        description=(
            "`paid` also where a part was given back since; `waiting_for_deposit` comes with the account; "
            "`pending` is anything that may still be paid; `cancelled` is given back in full."
        )
    )
    portone_status: str | None = Field(None, description="PortOne's own word; none before it knows of it.")
    transaction_id: str | None = None
    total_amount: int
    cancelled_amount: int
    currency: str
    paid_at: datetime | None = None
    virtual_account: VirtualAccount | None = None


class RefundAccount(_Asked):
    """Where the money of a paid virtual account goes back to, or of a phone bill of an earlier month."""

    bank: Bank
    number: str = Field(
        max_length=40, pattern=_ACCOUNT_NUMBER, description="6 to 20 digits.", examples=["123456-78-901234"]
    )
    holder_name: str = Field(min_length=1, max_length=50, pattern=_VISIBLE, examples=["홍길동"])
    holder_phone_number: str | None = Field(
        None, max_length=20, pattern=_VISIBLE, description="Only Smartro's virtual accounts ask for it."
    )


class CancelRequest(_Asked):
    """Give back part of a payment, or all that is left. `Idempotency-Key` makes repeating it safe."""

    payment_id: PaymentId
    amount: Amount | None = Field(None, description="Left out: all that is refundable.")
    tax_free_amount: TaxFreeAmount | None = None
    reason: str = Field(min_length=1, max_length=200, pattern=_VISIBLE, examples=["고객 변심"])
    expected_refundable: int | None = Field(
        None, ge=0, le=MAX_AMOUNT, description="What the store believes is left; another balance is a 409."
    )
    refund_account: RefundAccount | None = None
    refund_email: str | None = Field(
        None, max_length=320, pattern=_VISIBLE, description="For Triple-A alone."
    )


class CancelAnswer(_Message):
    """Where the refund stands: 200 once the money is on its way back, 202 while that is open."""

    refund_id: str
    payment_id: str
    status: Literal["awaiting_approval", "sending", "uncertain", "requested", "succeeded"] = Field(
        description=(
            "`awaiting_approval`: a person decides first, PortOne was not asked; `sending` and `uncertain`: "
            "no final answer yet, Portico finds out by itself; `requested`: the PG finishes it later."
        )
    )
    amount: int
    currency: str
    refundable_amount: int = Field(description="What is left to give back after this refund.")
    cancellation_id: str | None = Field(None, description="PortOne's id of it, once there is one.")


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
    """RFC 9457. Branch on `type`; `title` and `detail` are for people, and members may be added."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldError] | None = Field(None, description="`invalid`: every field to mend.")
    differences: list[Difference] | None = Field(None, description="`mismatch`: all that differs.")
    payment_id: str | None = None
    reason: Literal["balance_moved", "rule", "not_permitted"] | None = Field(
        None,
        description=(
            "`refund-refused`: the balance is not what was expected or asked for; a rule of PG, method or "
            "status; or a limit, a step that only a person can take."
        ),
    )
    refund_id: str | None = None
    refund_status: Literal["failed", "rejected"] | None = Field(
        None, description="`refund-failed`: PortOne or the PG said no, or the second person did."
    )
    portone_type: str | None = Field(None, description="PortOne's own word for its refusal.")
    pg_code: str | None = None
    pg_message: str | None = None
