"""What Portico asks of PortOne, as values that always become the same text."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

Requester = Literal["ADMIN", "CUSTOMER"]
RetainOption = Literal["RETAIN", "RELEASE"]


@dataclass(frozen=True, slots=True)
class RefundAccount:
    """The bank account a refund is paid into. `bank` is a REST bank code such as KOOKMIN (see `banks`)."""

    bank: str
    number: str = field(repr=False)
    holder_name: str = field(repr=False)
    holder_phone_number: str | None = field(default=None, repr=False)

    def to_raw(self) -> dict[str, Any]:
        """The account as PortOne wants it: numbers without hyphens and spaces."""
        phone = self.holder_phone_number
        return _present(
            bank=self.bank,
            number=_digits_together(self.number),
            holderName=self.holder_name,
            holderPhoneNumber=_digits_together(phone) if phone else None,
        )


@dataclass(frozen=True, slots=True)
class CancelRequest:
    """A refund to ask for: `amount` in minor units, or None for all that PortOne has left.

    `current_cancellable_amount` is the balance we believe in; PortOne refuses if it knows another one.
    Raises ValueError for an amount of 0 or less, since a falsy amount must never become a full refund.
    """

    payment_id: str
    store_id: str
    reason: str
    current_cancellable_amount: int
    requester: Requester = "ADMIN"
    amount: int | None = None
    tax_free_amount: int | None = None
    #: Absent, PortOne computes it: an eleventh of what is taxable.
    vat_amount: int | None = None
    refund_account: RefundAccount | None = None
    #: Triple-A alone: where it asks the buyer for a wallet.
    refund_email: str | None = field(default=None, repr=False)
    promotion_discount_retain_option: RetainOption | None = None
    skip_webhook: bool | None = None

    def __post_init__(self) -> None:
        if not self.reason.strip():
            raise ValueError("a cancellation needs a reason")
        if self.requester not in {"ADMIN", "CUSTOMER"}:
            raise ValueError("the requester is ADMIN or CUSTOMER")
        if self.amount is not None and self.amount <= 0:
            raise ValueError("an amount to cancel is greater than 0")
        if self.tax_free_amount is not None and self.tax_free_amount < 0:
            raise ValueError("a tax-free amount is not negative")
        if self.vat_amount is not None and self.vat_amount < 0:
            raise ValueError("a VAT amount is not negative")
        if self.current_cancellable_amount < 0:
            raise ValueError("a cancellable amount is not negative")

    def to_json(self) -> str:
        """The body of the call: equal requests give equal text, and absent values leave no key."""
        account = self.refund_account
        body = _present(
            storeId=self.store_id,
            amount=self.amount,
            taxFreeAmount=self.tax_free_amount,
            vatAmount=self.vat_amount,
            reason=self.reason,
            requester=self.requester,
            promotionDiscountRetainOption=self.promotion_discount_retain_option,
            currentCancellableAmount=self.current_cancellable_amount,
            refundAccount=account.to_raw() if account else None,
            refundEmail=self.refund_email,
            skipWebhook=self.skip_webhook,
        )
        return _json_of(body)


@dataclass(frozen=True, slots=True)
class ChargeRequest:
    """A payment to make with a billing key, now or at `time_to_pay`; amounts in minor units.

    Raises ValueError for an amount of 0 or less, or a tax-free part beyond it. The key is a credential: the
    text made of this is stored sealed or not at all.
    """

    store_id: str
    billing_key: str = field(repr=False)
    order_name: str
    total_amount: int
    currency: str
    tax_free_amount: int | None = None
    customer_id: str | None = None
    customer_name: str | None = field(default=None, repr=False)
    custom_data: str | None = None
    time_to_pay: datetime | None = None

    def __post_init__(self) -> None:
        if not self.order_name.strip():
            raise ValueError("a charge needs a name that the buyer knows it by")
        if self.total_amount <= 0:
            raise ValueError("an amount to charge is greater than 0")
        if self.tax_free_amount is not None and not 0 <= self.tax_free_amount <= self.total_amount:
            raise ValueError("a tax-free amount lies within the amount")

    def to_json(self) -> str:
        """The body of the call: equal requests give equal text, and absent values leave no key."""
        name = {"full": self.customer_name} if self.customer_name else None
        payment = _present(
            storeId=self.store_id,
            billingKey=self.billing_key,
            orderName=self.order_name,
            customer=_present(id=self.customer_id, name=name) or None,
            customData=self.custom_data,
            amount=_present(total=self.total_amount, taxFree=self.tax_free_amount),
            currency=self.currency,
        )
        moment = self.time_to_pay
        body = {"payment": payment, "timeToPay": _rfc3339(moment)} if moment else payment
        return _json_of(body)


def _json_of(body: dict[str, Any]) -> str:
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    text.encode()  # half a surrogate pair is refused here, before anything is stored or sent
    return text


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _present(**values: Any) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _digits_together(number: str) -> str:
    return "".join(number.split()).replace("-", "")
