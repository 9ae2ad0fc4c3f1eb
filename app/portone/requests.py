"""What Portico asks of PortOne, as values that always become the same text."""

import json
from dataclasses import dataclass, field
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
    refund_account: RefundAccount | None = None
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
        if self.current_cancellable_amount < 0:
            raise ValueError("a cancellable amount is not negative")

    def to_json(self) -> str:
        """The body of the call: equal requests give equal text, and absent values leave no key."""
        account = self.refund_account
        body = _present(
            storeId=self.store_id,
            amount=self.amount,
            taxFreeAmount=self.tax_free_amount,
            reason=self.reason,
            requester=self.requester,
            promotionDiscountRetainOption=self.promotion_discount_retain_option,
            currentCancellableAmount=self.current_cancellable_amount,
            refundAccount=account.to_raw() if account else None,
            skipWebhook=self.skip_webhook,
        )
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
        text.encode()  # half a surrogate pair is refused here, before anything is stored or sent
        return text


def _present(**values: Any) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _digits_together(number: str) -> str:
    return "".join(number.split()).replace("-", "")
