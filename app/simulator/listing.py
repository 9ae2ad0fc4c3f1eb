"""Which payments a list answers: the filters of `GET /payments`, read strictly and applied to documents."""

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app import clock
from app.simulator.documents import METHOD_TYPES, Document
from app.simulator.problems import Problem
from app.simulator.reading import Fields
from app.simulator.state import CLOCKS

USUAL_WINDOW = timedelta(days=90)
MAX_REACH = 60_000
MAX_CURSOR_SIZE = 1_000

#: Filter code → status of the document. PortOne says PENDING here and PAY_PENDING there.
STATUS_CODES = {
    "READY": "READY",
    "PENDING": "PAY_PENDING",
    "VIRTUAL_ACCOUNT_ISSUED": "VIRTUAL_ACCOUNT_ISSUED",
    "PAID": "PAID",
    "FAILED": "FAILED",
    "PARTIAL_CANCELLED": "PARTIAL_CANCELLED",
    "CANCELLED": "CANCELLED",
}
_WEBHOOK_STATUSES = ("SUCCEEDED", "FAILED_NOT_OK_RESPONSE", "FAILED_UNEXPECTED_ERROR")
_SORTS = {"REQUESTED_AT": "CREATED_AT", "STATUS_CHANGED_AT": "STATUS_CHANGED_AT"}

#: Search field → where its texts stand in the document; `*` walks a list.
_TEXT_PLACES = {
    "PAYMENT_ID": ("id",),
    "TX_ID": ("transactionId",),
    "SCHEDULE_ID": ("scheduleId",),
    "FAIL_REASON": ("failure.reason",),
    "CARD_ISSUER": ("method.card.issuer", "method.easyPayMethod.card.issuer"),
    "CARD_ACQUIRER": ("method.card.publisher", "method.easyPayMethod.card.publisher"),
    "CARD_BIN": ("method.card.bin", "method.easyPayMethod.card.bin"),
    "CARD_NUMBER": ("method.card.number", "method.easyPayMethod.card.number"),
    "CARD_APPROVAL_NUMBER": ("method.approvalNumber", "method.easyPayMethod.approvalNumber"),
    "CARD_RECEIPT_NAME": ("method.card.name",),
    "CARD_INSTALLMENT": ("method.installment.month",),
    "TRANS_BANK": ("method.bank",),
    "VIRTUAL_ACCOUNT_HOLDER_NAME": ("method.remitteeName",),
    "VIRTUAL_ACCOUNT_BANK": ("method.bank",),
    "VIRTUAL_ACCOUNT_NUMBER": ("method.accountNumber",),
    "PG_MERCHANT_ID": ("channel.pgMerchantId",),
    "PG_TX_ID": ("pgTxId",),
    "PG_RECEIPT_ID": ("cashReceipt.pgReceiptId",),
    "RECEIPT_APPROVAL_NUMBER": ("cashReceipt.issueNumber",),
    "PG_CANCELLATION_ID": ("cancellations.*.pgCancellationId",),
    "CANCEL_REASON": ("cancellations.*.reason",),
    "ORDER_NAME": ("orderName",),
    "CUSTOMER_NAME": ("customer.name",),
    "CUSTOMER_EMAIL": ("customer.email",),
    "CUSTOMER_PHONE_NUMBER": ("customer.phoneNumber",),
    "CUSTOMER_ADDRESS": ("customer.address.oneLine",),
    "CUSTOMER_ZIPCODE": ("customer.zipcode",),
    "USER_AGENT": ("origin.userAgent",),
    "BILLING_KEY": ("billingKey",),
    "PROMOTION_ID": ("promotionId",),
    "GIFT_CERTIFICATION_APPROVAL_NUMBER": ("method.approvalNumber",),
}
_ALL_PLACES = tuple(place for places in _TEXT_PLACES.values() for place in places)

Condition = Callable[[Document], bool]


@dataclass(frozen=True)
class Page:
    """A page of a numbered list; numbers begin at 0."""

    number: int = 0
    size: int = 10

    def cut(self, items: list[Document]) -> Document:
        """PortOne's answer to a list: the items of this page and how many there are."""
        start = self.number * self.size
        return {
            "items": items[start : start + self.size],
            "page": {"number": self.number, "size": self.size, "totalCount": len(items)},
        }


def read_page(fields: Fields) -> Page:
    """The `page` of a list. Raises INVALID_REQUEST beyond the 60,000th item."""
    part = fields.part("page")
    if part is None:
        return Page()
    number, size = part.integer("number"), part.integer("size", minimum=1)
    page = Page(0 if number is None else number, 10 if size is None else size)
    if (page.number + 1) * page.size > MAX_REACH:
        raise Problem("INVALID_REQUEST", "page")
    return page


def read_window(fields: Fields) -> tuple[datetime, datetime]:
    """`from` and `until`: by default up to now, and 90 days back from there."""
    end = fields.instant("until") or clock.now()
    return fields.instant("from") or end - USUAL_WINDOW, end


@dataclass(frozen=True)
class PaymentFilter:
    """What `GET /payments` was asked for."""

    clock: str
    window: tuple[datetime, datetime]
    order_by: str
    is_descending: bool
    conditions: list[Condition]

    def matches(self, payment: Document) -> bool:
        """Whether the payment meets every condition; the window is looked up elsewhere."""
        return all(condition(payment) for condition in self.conditions)


def read_payment_filter(fields: Fields) -> PaymentFilter:
    """Read the `filter` of `GET /payments`. Unknown codes, PAY_PENDING among them, are INVALID_REQUEST."""
    sort = fields.text("sortBy", choices=_SORTS) or "STATUS_CHANGED_AT"
    return PaymentFilter(
        clock=fields.text("timestampType", choices=CLOCKS) or "STATUS_CHANGED_AT",
        window=read_window(fields),
        order_by=_SORTS[sort],
        is_descending=(fields.text("sortOrder", choices=("DESC", "ASC")) or "DESC") == "DESC",
        conditions=[*_codes(fields), *_flags(fields), *_singles(fields), *_searches(fields)],
    )


def _codes(fields: Fields) -> Iterator[Condition]:
    statuses = {STATUS_CODES[code] for code in fields.texts("status", choices=STATUS_CODES)}
    methods = {METHOD_TYPES[code] for code in fields.texts("methods", choices=METHOD_TYPES)}
    pg_providers = set(fields.texts("pgProvider"))
    if statuses:
        yield lambda payment: payment["status"] in statuses
    if methods:
        yield lambda payment: payment.get("method", {}).get("type") in methods
    if pg_providers:
        yield lambda payment: payment.get("channel", {}).get("pgProvider") in pg_providers


def _flags(fields: Fields) -> Iterator[Condition]:
    is_test, is_scheduled, is_escrow = (fields.flag(name) for name in ("isTest", "isScheduled", "isEscrow"))
    if is_test is not None:
        yield lambda payment: (payment.get("channel", {}).get("type") == "TEST") is is_test
    if is_scheduled is not None:
        yield lambda payment: ("scheduleId" in payment) is is_scheduled
    if is_escrow is not None:
        yield lambda payment: ("escrow" in payment) is is_escrow


def _singles(fields: Fields) -> Iterator[Condition]:
    """Conditions that compare one member of the document with one value."""
    places = {
        "version": "version",
        "currency": "currency",
        "escrowStatus": "escrow.status",
        "cardBrand": "method.card.brand",
        "cardType": "method.card.type",
        "cardOwnerType": "method.card.ownerType",
        "giftCertificateType": "method.giftCertificateType",
        "cashReceiptType": "cashReceipt.type",
        "cashReceiptStatus": "cashReceipt.status",
    }
    for name, place in places.items():
        value = fields.text(name)
        if value is not None:
            yield _holds(place, value)
    webhook_status = fields.text("webhookStatus", choices=_WEBHOOK_STATUSES)
    if webhook_status is not None:
        yield _holds("webhooks.*.status", webhook_status)
    platform = fields.text("platformType", choices=("SDK_MOBILE", "SDK_PC", "API"))
    if platform is not None:
        yield _holds("origin.platformType", platform.removeprefix("SDK_"))


def _holds(place: str, value: str) -> Condition:
    return lambda payment: value in texts_at(payment, place)


def _searches(fields: Fields) -> Iterator[Condition]:
    for part in fields.parts("textSearch"):
        name = part.required_text("field", choices=("ALL", *_TEXT_PLACES))
        wanted = part.required_text("value").casefold()
        places = _ALL_PLACES if name == "ALL" else _TEXT_PLACES[name]
        yield _begins(places, wanted)


def _begins(places: tuple[str, ...], wanted: str) -> Condition:
    return lambda payment: any(
        begins_a_word(text, wanted) for place in places for text in texts_at(payment, place)
    )


def begins_a_word(text: str, wanted: str) -> bool:
    """PortOne's search finds beginnings of words only, never their middle; `wanted` is casefolded."""
    folded = text.casefold()
    return folded.startswith(wanted) or f" {wanted}" in folded


def texts_at(document: Any, place: str) -> list[str]:
    """The values at a dotted place of a document, as texts."""
    found = [document]
    for member in place.split("."):
        if member == "*":
            found = [item for value in found for item in value]
        else:
            found = [value[member] for value in found if isinstance(value, dict) and member in value]
    return [str(value) for value in found]


def write_cursor(place: tuple[int, int]) -> str:
    """A cursor that nobody should look into."""
    return base64.urlsafe_b64encode(f"{place[0]}:{place[1]}".encode()).decode()


def read_cursor(fields: Fields) -> tuple[int, int]:
    """The place that a cursor names; without one, the place before the first."""
    text = fields.text("cursor")
    if text is None:
        return -1, -1
    try:
        first, second = base64.urlsafe_b64decode(text).decode().split(":")
        return int(first), int(second)
    except ValueError:
        raise Problem("INVALID_REQUEST", "cursor") from None


def read_cursor_size(fields: Fields) -> int:
    """How many items a cursor page holds: 10 by default, 1,000 at most."""
    return fields.integer("size", minimum=1, maximum=MAX_CURSOR_SIZE) or 10
