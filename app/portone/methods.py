"""How a payment was paid, or what a billing key charges."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from app.portone.values import Raw, flag, integer, mapping, moment, part, required_text, text

#: Wire names of methods, and the codes PortOne uses for the same methods in filters. The last one has none.
METHOD_CODES = {
    "PaymentMethodCard": "CARD",
    "PaymentMethodTransfer": "TRANSFER",
    "PaymentMethodVirtualAccount": "VIRTUAL_ACCOUNT",
    "PaymentMethodEasyPay": "EASY_PAY",
    "PaymentMethodMobile": "MOBILE",
    "PaymentMethodGiftCertificate": "GIFT_CERTIFICATE",
    "PaymentMethodConvenienceStore": "CONVENIENCE_STORE",
    "PaymentMethodCrypto": "CRYPTO",
    "BillingKeyPaymentMethodCard": "CARD",
    "BillingKeyPaymentMethodTransfer": "TRANSFER",
    "BillingKeyPaymentMethodEasyPay": "EASY_PAY",
    "BillingKeyPaymentMethodMobile": "MOBILE",
    "BillingKeyPaymentMethodPaypal": "PAYPAL",
    "PaymentMethodEasyPayMethodCharge": "CHARGE",
    "BillingKeyPaymentMethodEasyPayCharge": "CHARGE",
}


@dataclass(frozen=True, slots=True)
class Card:
    """A card as PortOne describes it: `number` is masked, and an expiry is never given.

    `issuer` and `publisher` are free texts, usually codes such as SHINHAN_CARD (see `labels`).
    """

    issuer: str | None
    publisher: str | None
    brand: str | None
    type: str | None
    owner_type: str | None
    bin: str | None
    name: str | None
    number: str | None

    @classmethod
    def from_raw(cls, raw: Raw) -> Self:
        """Read a card; every member may be missing."""
        return cls(
            issuer=text(raw, "issuer"),
            publisher=text(raw, "publisher"),
            brand=text(raw, "brand"),
            type=text(raw, "type"),
            owner_type=text(raw, "ownerType"),
            bin=text(raw, "bin"),
            name=text(raw, "name"),
            number=text(raw, "number"),
        )


@dataclass(frozen=True, slots=True)
class Method:
    """A method of payment. `type` is PortOne's wire name, `code` its filter code, or `type` if unknown.

    Of the other members only those of the method are filled: `card`, `approval_number` and
    `installment_months` for cards (0 = paid at once); `bank`, `account_number` and the names and times for
    virtual accounts; `provider` and `inner` for easy pay, where `inner` is the card or account in the wallet.
    """

    type: str
    code: str
    card: Card | None
    approval_number: str | None
    installment_months: int | None
    is_interest_free: bool | None
    bank: str | None
    account_number: str | None
    account_type: str | None
    remittee_name: str | None
    remitter_name: str | None
    issued_at: datetime | None
    expired_at: datetime | None
    refund_status: str | None
    provider: str | None
    phone_number: str | None
    gift_certificate_type: str | None
    convenience_store_brand: str | None
    confirmation_number: str | None
    receipt_number: str | None
    payment_deadline: datetime | None
    inner: "Method | None"
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def from_raw(cls, raw: Raw) -> Self:
        """Read a method, and the method inside an easy-pay wallet; UnreadableDocument without a type."""
        inner = part(raw, "easyPayMethod", cls._read) or part(raw, "method", cls._read)
        return cls._read(raw, inner=inner)

    @property
    def any_card(self) -> Card | None:
        """The card that was charged: the method's own, or the one in the wallet."""
        return self.card or (self.inner.card if self.inner else None)

    @classmethod
    def _read(cls, raw: Raw, *, inner: "Method | None" = None) -> Self:
        wire_name = required_text(raw, "type")
        installment = mapping(raw, "installment") or {}
        return cls(
            type=wire_name,
            code=METHOD_CODES.get(wire_name, wire_name),
            card=part(raw, "card", Card.from_raw),
            approval_number=text(raw, "approvalNumber"),
            installment_months=integer(installment, "month"),
            is_interest_free=flag(installment, "isInterestFree"),
            bank=text(raw, "bank"),
            account_number=text(raw, "accountNumber"),
            account_type=text(raw, "accountType"),
            remittee_name=text(raw, "remitteeName"),
            remitter_name=text(raw, "remitterName"),
            issued_at=moment(raw, "issuedAt"),
            expired_at=moment(raw, "expiredAt"),
            refund_status=text(raw, "refundStatus"),
            provider=text(raw, "provider"),
            phone_number=text(raw, "phoneNumber"),
            gift_certificate_type=text(raw, "giftCertificateType"),
            convenience_store_brand=text(raw, "convenienceStoreBrand"),
            confirmation_number=text(raw, "confirmationNumber"),
            receipt_number=text(raw, "receiptNumber"),
            payment_deadline=moment(raw, "paymentDeadline"),
            inner=inner,
            raw=raw,
        )
