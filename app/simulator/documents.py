"""The parts of PortOne's documents: identifiers, times, amounts, channels, methods, customers."""

import random
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

#: A JSON object as PortOne answers it. Members that begin with `_` are ours and never leave the simulator.
Document = dict[str, Any]

_NAMESPACE = uuid.UUID("5f0c1d8e-9d0a-4a53-8f4e-1a6c1c1f7b20")

#: PG → (channel name, the merchant's id at that PG). Others get a plain name.
_CHANNELS = {
    "TOSSPAYMENTS": ("토스페이먼츠 일반결제", "im_portico7k2"),
    "KCP_V2": ("NHN KCP 일반", "AB9PT"),
    "INICIS_V2": ("KG이니시스 일반", "MOIportico01"),
    "INICIS_JP": ("이니시스 일본결제", "A0000417"),
    "SMARTRO_V2": ("스마트로 일반", "t_2409118m"),
    "KSNET": ("KSNET 일반", "2999199999"),
    "NICE_V2": ("나이스페이 일반", "portico001m"),
    "KAKAOPAY": ("카카오페이", "CPORTICO01"),
    "NAVERPAY": ("네이버페이 결제형", "np_portico88"),
    "PAYPAL_V2": ("페이팔", "8KF3PORTICO77"),
    "DANAL": ("다날 휴대폰", "A010009117"),
    "EXIMBAY_V2": ("엑심베이 해외카드", "849705P017"),
    "TRIPLE_A": ("트리플에이", "mkey-portico"),
}

#: The PG that a method goes through when nobody says otherwise.
USUAL_PG = {
    "CARD": "TOSSPAYMENTS",
    "TRANSFER": "NICE_V2",
    "VIRTUAL_ACCOUNT": "TOSSPAYMENTS",
    "EASY_PAY": "KAKAOPAY",
    "MOBILE": "DANAL",
    "GIFT_CERTIFICATE": "TOSSPAYMENTS",
    "CONVENIENCE_STORE": "INICIS_JP",
    "CRYPTO": "TRIPLE_A",
}

#: Short code in filters → `type` of the method in documents.
METHOD_TYPES = {
    "CARD": "PaymentMethodCard",
    "TRANSFER": "PaymentMethodTransfer",
    "VIRTUAL_ACCOUNT": "PaymentMethodVirtualAccount",
    "EASY_PAY": "PaymentMethodEasyPay",
    "MOBILE": "PaymentMethodMobile",
    "GIFT_CERTIFICATE": "PaymentMethodGiftCertificate",
    "CONVENIENCE_STORE": "PaymentMethodConvenienceStore",
    "CRYPTO": "PaymentMethodCrypto",
}


class Ids:
    """Makes identifiers; from a seeded source they are the same in every run."""

    def __init__(self, source: random.Random | None = None) -> None:
        self._source = source or random.SystemRandom()

    def uuid(self) -> str:
        """A random UUID."""
        return str(uuid.UUID(int=self._source.getrandbits(128), version=4))

    def digits(self, count: int) -> str:
        """`count` decimal digits, the first of them not zero."""
        return str(self._source.randrange(10 ** (count - 1), 10**count))

    def pg_transaction(self, pg_provider: str, at: datetime) -> str:
        """A transaction id in the manner of PGs: who, when, a number."""
        return f"{pg_provider[:5].lower()}{at:%Y%m%d%H%M%S}{self.digits(6)}"


RANDOM_IDS = Ids()


def timestamp(moment: datetime) -> str:
    """A moment as PortOne writes it: RFC 3339 in UTC."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment_of(text: str) -> datetime:
    """The moment that a timestamp in a document names."""
    return datetime.fromisoformat(text)


def public(document: Document) -> Document:
    """The document as it leaves the simulator, without our own notes."""
    return {name: value for name, value in document.items() if not name.startswith("_")}


def amount_document(currency: str, total: int, *, tax_free: int = 0, discount: int = 0) -> Document:
    """PortOne's amount object, all in minor units; Korean VAT is an eleventh of the taxable part."""
    vat = vat_of(total - tax_free) if currency == "KRW" else 0
    return {
        "total": total,
        "taxFree": tax_free,
        "vat": vat,
        "supply": total - tax_free - vat,
        "discount": discount,
        "paid": total - discount,
        "cancelled": 0,
        "cancelledTaxFree": 0,
    }


def vat_of(taxable: int) -> int:
    """The VAT within a taxable amount, rounded half up."""
    return (taxable * 2 + 11) // 22


def channel_document(store_id: str, pg_provider: str, *, channel_type: str = "LIVE") -> Document:
    """The channel of a PG; the same one for the same store, PG and type."""
    name, pg_merchant_id = _CHANNELS.get(pg_provider, (pg_provider.replace("_", " ").title(), "portico"))
    known_as = f"{store_id}/{pg_provider}/{channel_type}"
    return {
        "type": channel_type,
        "id": f"channel-id-{uuid.uuid5(_NAMESPACE, known_as)}",
        "key": f"channel-key-{uuid.uuid5(_NAMESPACE, known_as + '/key')}",
        "name": name if channel_type == "LIVE" else f"{name} (테스트)",
        "pgProvider": pg_provider,
        "pgMerchantId": pg_merchant_id,
    }


def customer_document(
    customer_id: str | None = None,
    name: str | None = None,
    email: str | None = None,
    phone_number: str | None = None,
) -> Document:
    """The buyer, with what is known of them."""
    known = {"id": customer_id, "name": name, "email": email, "phoneNumber": phone_number}
    return {member: value for member, value in known.items() if value}


def card_document(
    publisher: str = "SHINHAN_CARD",
    name: str = "신한카드",
    *,
    number: str = "51004200****318*",
    brand: str = "LOCAL",
    card_type: str = "CREDIT",
    owner_type: str = "PERSONAL",
) -> Document:
    """A card with its masked number."""
    return {
        "publisher": publisher,
        "issuer": publisher,
        "brand": brand,
        "type": card_type,
        "ownerType": owner_type,
        "bin": number[:8],
        "name": name,
        "number": number,
    }


def method_document(method: str | Mapping[str, Any] | None, at: datetime, ids: Ids) -> Document | None:
    """A payment method by its short code (`card`, `VIRTUAL_ACCOUNT`), or one given in full."""
    if method is None:
        return None
    if isinstance(method, Mapping):
        return dict(method)
    code = method.upper()
    return {"type": METHOD_TYPES[code], **_method_details(code, at, ids)}


def _method_details(code: str, at: datetime, ids: Ids) -> Document:
    details: dict[str, Document] = {
        "CARD": {
            "card": card_document(),
            "approvalNumber": ids.digits(8),
            "installment": {"month": 0, "isInterestFree": False},
            "pointUsed": False,
        },
        "TRANSFER": {"bank": "KAKAO"},
        "VIRTUAL_ACCOUNT": {
            "bank": "WOORI",
            "accountNumber": ids.digits(14),
            "accountType": "NORMAL",
            "remitteeName": "포티코뷰티",
            "issuedAt": timestamp(at),
            "expiredAt": timestamp(at + timedelta(days=3)),
        },
        "EASY_PAY": {"provider": "KAKAOPAY", "easyPayMethod": {"type": "PaymentMethodEasyPayMethodCharge"}},
        "MOBILE": {"phoneNumber": "0102345****"},
        "GIFT_CERTIFICATE": {"giftCertificateType": "CULTURELAND", "approvalNumber": ids.digits(14)},
        "CONVENIENCE_STORE": {
            "convenienceStoreBrand": "LAWSON",
            "confirmationNumber": ids.digits(6),
            "receiptNumber": ids.digits(8),
            "paymentDeadline": timestamp(at + timedelta(days=3)),
        },
        "CRYPTO": {},
    }
    return details[code]
