"""Billing keys and schedules: their documents, and which of them a list answers."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from app import clock
from app.simulator.documents import (
    RANDOM_IDS,
    Document,
    Ids,
    card_document,
    channel_document,
    customer_document,
    moment_of,
    timestamp,
    vat_of,
)
from app.simulator.listing import Condition, begins_a_word, read_window, texts_at
from app.simulator.reading import Fields

#: Short code in filters → (`type` of the method in documents, its usual PG, details).
_METHODS: dict[str, tuple[str, str, Document]] = {
    "CARD": ("BillingKeyPaymentMethodCard", "TOSSPAYMENTS", {"card": card_document()}),
    "EASY_PAY": (
        "BillingKeyPaymentMethodEasyPay",
        "KAKAOPAY",
        {"provider": "KAKAOPAY", "method": {"type": "BillingKeyPaymentMethodEasyPayCharge"}},
    ),
    "MOBILE": ("BillingKeyPaymentMethodMobile", "DANAL", {"phoneNumber": "0102345****"}),
    "TRANSFER": (
        "BillingKeyPaymentMethodTransfer",
        "TOSSPAYMENTS",
        {"bank": "KOOKMIN", "accountNumber": "9432****7712"},
    ),
    "PAYPAL": ("BillingKeyPaymentMethodPaypal", "PAYPAL_V2", {}),
}

#: PortOne's filter has no code for PayPal.
_FILTER_CODES = frozenset(_METHODS) - {"PAYPAL"}

_TIME_FIELDS = {
    "REQUESTED_AT": ("requestedAt", "issuedAt"),
    "ISSUED_AT": ("issuedAt",),
    "DELETED_AT": ("deletedAt",),
    "STATUS_TIMESTAMP": ("deletedAt", "issuedAt"),
}
_SCHEDULE_TIMES = {
    "CREATED_AT": ("createdAt",),
    "TIME_TO_PAY": ("timeToPay",),
    "COMPLETED_AT": ("completedAt",),
    "STATUS_TIMESTAMP": ("revokedAt", "completedAt", "startedAt", "createdAt"),
}
_TEXT_PLACES = {
    "CARD_BIN": "methods.*.card.bin",
    "CARD_NUMBER": "methods.*.card.number",
    "PG_MERCHANT_ID": "channels.*.pgMerchantId",
    "CUSTOMER_NAME": "customer.name",
    "CUSTOMER_EMAIL": "customer.email",
    "CUSTOMER_PHONE_NUMBER": "customer.phoneNumber",
    "CUSTOMER_ADDRESS": "customer.address.oneLine",
    "CUSTOMER_ZIPCODE": "customer.zipcode",
    "USER_AGENT": "userAgent",
    "BILLING_KEY": "billingKey",
    "CHANNEL_GROUP_NAME": "channelGroup.name",
}
_SCHEDULE_STATUSES = ("SCHEDULED", "STARTED", "PENDING", "SUCCEEDED", "FAILED", "REVOKED")


def open_billing_key(
    *,
    store_id: str,
    billing_key: str | None = None,
    method: str | Mapping[str, Any] = "CARD",
    pg_provider: str | None = None,
    channel_type: str = "LIVE",
    customer_id: str | None = None,
    customer_name: str | None = "김하늘",
    customer_email: str | None = "haneul.kim@example.com",
    customer_phone: str | None = "010-3321-9087",
    issue_name: str | None = "멤버십 카드 등록",
    issued_at: datetime | None = None,
    deleted_at: datetime | None = None,
    ids: Ids = RANDOM_IDS,
) -> Document:
    """A billing key, DELETED if `deleted_at` is given; `method` is a short code or a method document."""
    at = issued_at or clock.now()
    usual_pg = _METHODS[method.upper()][1] if isinstance(method, str) else "TOSSPAYMENTS"
    document: Document = {
        "status": "ISSUED",
        "billingKey": billing_key or f"billing-key-{ids.uuid()}",
        "merchantId": f"merchant-{store_id.removeprefix('store-')}",
        "storeId": store_id,
        "methods": [_method(method)],
        "channels": [channel_document(store_id, pg_provider or usual_pg, channel_type=channel_type)],
        "customer": customer_document(customer_id, customer_name, customer_email, customer_phone),
        "issueId": f"issue-{ids.digits(8)}",
        "requestedAt": timestamp(at - timedelta(seconds=40)),
        "issuedAt": timestamp(at),
    }
    if issue_name:
        document["issueName"] = issue_name
    if deleted_at is not None:
        document.update(status="DELETED", deletedAt=timestamp(deleted_at))
    return document


def over_two_channels(billing_key: Document, failed_at: datetime) -> Document:
    """The same key as if issued over a group of channels, of which the second PG refused."""
    issued = billing_key["channels"][0]
    failed = channel_document(billing_key["storeId"], "KCP_V2")
    return {
        **billing_key,
        "channelGroup": {"id": "channel-group-cards", "name": "카드 스마트 라우팅", "isForTest": False},
        "pgBillingKeyIssueResponses": [
            {"type": "ISSUED", "channel": issued, "method": billing_key["methods"][0]},
            {
                "type": "FAILED",
                "channel": failed,
                "failure": {
                    "message": "PG사에서 오류를 전달한 경우",
                    "pgCode": "8112",
                    "pgMessage": "유효기간 오류",
                    "failedAt": timestamp(failed_at),
                },
            },
        ],
    }


def _method(method: str | Mapping[str, Any]) -> Document:
    if isinstance(method, Mapping):
        return dict(method)
    kind, _, details = _METHODS[method.upper()]
    return {"type": kind, **details}


def open_schedule(
    billing_key: Document,
    *,
    time_to_pay: datetime | None = None,
    total: int = 19_900,
    order_name: str = "월간 멤버십",
    payment_id: str | None = None,
    status: str = "SCHEDULED",
    created_at: datetime | None = None,
    ids: Ids = RANDOM_IDS,
) -> Document:
    """A payment to come with this billing key; `total` is in won. Later statuses get their times too."""
    at = time_to_pay or clock.now() + timedelta(days=30)
    schedule = {
        "status": status,
        "id": ids.uuid(),
        "merchantId": billing_key["merchantId"],
        "storeId": billing_key["storeId"],
        "paymentId": payment_id or f"sub{at:%Y%m%d}{ids.digits(8)}",
        "billingKey": billing_key["billingKey"],
        "orderName": order_name,
        "isCulturalExpense": False,
        "isEscrow": False,
        "customer": billing_key["customer"],
        "customData": "",
        "totalAmount": total,
        "taxFreeAmount": 0,
        "vatAmount": vat_of(total),
        "currency": "KRW",
        "installmentMonth": 0,
        "noticeUrls": [],
        "products": [],
        "createdAt": timestamp(created_at or at - timedelta(days=30)),
        "timeToPay": timestamp(at),
    }
    if status in {"STARTED", "PENDING", "SUCCEEDED", "FAILED"}:
        schedule["startedAt"] = timestamp(at + timedelta(seconds=1))
    if status in {"PENDING", "SUCCEEDED", "FAILED"}:
        schedule["completedAt"] = timestamp(at + timedelta(seconds=4))
    if status == "REVOKED":
        schedule["revokedAt"] = timestamp(at - timedelta(days=1))
    return schedule


def select_billing_keys(documents: list[Document], body: Fields) -> list[Document]:
    """The keys that a list answers, sorted: by default those requested in the last 90 days, newest first."""
    wanted = body.part("filter") or Fields({})
    clock_name = wanted.text("timeRangeField", choices=_TIME_FIELDS) or "REQUESTED_AT"
    conditions = [*_read_conditions(wanted), *_read_search(wanted)]
    found = [
        document
        for document in _within(documents, _TIME_FIELDS[clock_name], read_window(wanted))
        if all(condition(document) for condition in conditions)
    ]
    return _sorted(found, body.part("sort"), _TIME_FIELDS, "REQUESTED_AT")


def select_schedules(documents: list[Document], body: Fields) -> list[Document]:
    """The schedules that a list answers; those to come only if `until` lies in the future."""
    wanted = body.part("filter") or Fields({})
    billing_key = wanted.text("billingKey")
    statuses = wanted.texts("status", choices=_SCHEDULE_STATUSES)
    found = [
        document
        for document in _within(documents, ("timeToPay",), read_window(wanted))
        if billing_key in {None, document["billingKey"]} and (not statuses or document["status"] in statuses)
    ]
    return _sorted(found, body.part("sort"), _SCHEDULE_TIMES, "TIME_TO_PAY")


def _read_conditions(wanted: Fields) -> Iterator[Condition]:
    kinds = {_METHODS[code][0] for code in wanted.texts("methods", choices=_FILTER_CODES)}
    statuses = wanted.texts("status", choices=("ISSUED", "DELETED"))
    pg_providers = wanted.texts("pgProviders")
    customer_id = wanted.text("customerId")
    if kinds:
        yield lambda document: any(method["type"] in kinds for method in document["methods"])
    if statuses:
        yield lambda document: document["status"] in statuses
    if pg_providers:
        yield lambda document: document["channels"][0]["pgProvider"] in pg_providers
    if customer_id is not None:
        yield lambda document: document["customer"].get("id") == customer_id


def _read_search(wanted: Fields) -> Iterator[Condition]:
    """Here a search is one object, where payments have a list."""
    search = wanted.part("textSearch")
    if search is not None:
        place = _TEXT_PLACES[search.required_text("field", choices=_TEXT_PLACES)]
        value = search.required_text("value").casefold()
        yield lambda document: any(begins_a_word(text, value) for text in texts_at(document, place))


def _time_of(document: Document, members: tuple[str, ...]) -> datetime | None:
    return next((moment_of(document[member]) for member in members if member in document), None)


def _within(
    documents: list[Document], members: tuple[str, ...], window: tuple[datetime, datetime]
) -> list[Document]:
    start, end = window
    return [
        document
        for document in documents
        if (moment := _time_of(document, members)) is not None and start <= moment <= end
    ]


def _sorted(
    documents: list[Document], sort: Fields | None, times: dict[str, tuple[str, ...]], usual: str
) -> list[Document]:
    asked = sort or Fields({})
    members = times[asked.text("by", choices=times) or usual]
    is_descending = (asked.text("order", choices=("DESC", "ASC")) or "DESC") == "DESC"

    def key(document: Document) -> tuple[str, str]:
        moment = _time_of(document, members)
        return (timestamp(moment) if moment else "", str(document.get("id") or document.get("billingKey")))

    return sorted(documents, key=key, reverse=is_descending)
