"""PortOneClient: one method an endpoint in use."""

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from app.portone.errors import PortOneUncertain
from app.portone.events import EventPage, PaymentEvent
from app.portone.payloads import (
    BillingKeyInfo,
    BillingKeyPage,
    Cancellation,
    Confirmation,
    CursorPage,
    PaymentPage,
    PaymentSnapshot,
    ScheduleInfo,
    SchedulePage,
    WebhookDelivery,
)
from app.portone.transport import CONNECT_SECONDS, READ_SECONDS, Call, Transport
from app.portone.values import (
    Raw,
    UnreadableDocument,
    each,
    integer,
    mapping,
    moment,
    required_text,
    text,
)

#: The most payments one page by cursor can hold.
MAX_CURSOR_SIZE = 1000
#: Before PortOne existed: without a `from` only the billing keys of the last 90 days are listed.
LONG_AGO = datetime(2014, 1, 1, tzinfo=UTC)


class PortOneClient:
    """PortOne's REST API for one store. Every method raises PortOneRefused or PortOneUncertain only.

    Calls that change something carry an idempotency key (16 to 256 ASCII characters, else ValueError). Where
    money moves the caller gives it and keeps it, so that the same call can be repeated after a crash;
    elsewhere a fresh one makes repeats within the call safe.
    """

    def __init__(
        self,
        *,
        api_secret: str,
        store_id: str,
        base: str = "https://api.portone.io",
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        timeout: tuple[float, float] = (CONNECT_SECONDS, READ_SECONDS),
    ) -> None:
        self.store_id = store_id
        self._transport = Transport(
            api_secret=api_secret, base=base, sleep=sleep, monotonic=monotonic, timeout=timeout
        )

    def get_payment(self, payment_id: str) -> PaymentSnapshot:
        """The payment as it is now."""
        with _unreadable_is_uncertain():
            return PaymentSnapshot.from_raw(self._get("payments", payment_id))

    def list_transactions(self, payment_id: str) -> tuple[PaymentSnapshot, ...]:
        """Every attempt to pay within the payment."""
        return each(_items(self._get("payments", payment_id, "transactions")), PaymentSnapshot.from_attempt)

    def list_payments(
        self, filters: Mapping[str, Any] | None = None, *, page: int = 0, size: int = 100
    ) -> PaymentPage:
        """A page of payments; `filters` in PortOne's words, among them `storeId` to name another store.

        Payments that arrive meanwhile shift the pages: fix `until`, and expect to see a payment twice.
        """
        wanted = {"storeId": self.store_id, **(filters or {})}
        answer = self._list("payments", {"page": {"number": page, "size": size}, "filter": wanted})
        items = _items(answer)
        payments = each(items, PaymentSnapshot.from_raw)
        return PaymentPage(payments, _total(answer, page * size + len(items)), is_last=len(items) < size)

    def list_payments_by_cursor(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        cursor: str | None = None,
        size: int = MAX_CURSOR_SIZE,
    ) -> CursorPage:
        """The next payments by creation time, those of test channels too; `cursor` continues a page."""
        items, next_cursor = self._walk("payments-by-cursor", since, until, cursor, size)
        payments = each([mapping(item, "payment") for item in _objects(items)], PaymentSnapshot.from_raw)
        return CursorPage(payments, next_cursor, left_out=len(items) - len(payments))

    def list_payment_events_by_cursor(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        cursor: str | None = None,
        size: int = MAX_CURSOR_SIZE,
    ) -> EventPage:
        """The next moves of money, whenever their payments were made; `cursor` continues a page."""
        items, next_cursor = self._walk("payment-events-by-cursor", since, until, cursor, size)
        events = each([mapping(item, "paymentEvent") for item in _objects(items)], PaymentEvent.from_raw)
        return EventPage(events, next_cursor, left_out=len(items) - len(events))

    def cancel_payment(self, payment_id: str, body: str, *, idempotency_key: str) -> Cancellation:
        """Give money back as `CancelRequest.to_json()` says; the text is sent byte for byte.

        An answer does not mean that the money is back: read `status`.
        """
        path = ("payments", payment_id, "cancel")
        answer = self._change("POST", path, body=body.encode(), idempotency_key=idempotency_key)
        with _unreadable_is_uncertain():
            return Cancellation.from_raw(mapping(answer, "cancellation") or {})

    def pre_register(
        self, payment_id: str, *, total_amount: int, currency: str, tax_free_amount: int | None = None
    ) -> None:
        """Tell PortOne what a payment to come may cost, so that the browser cannot ask for another amount."""
        body = {"totalAmount": total_amount, "taxFreeAmount": tax_free_amount, "currency": currency}
        self._post(("payments", payment_id, "pre-register"), body)

    def confirm_payment(
        self,
        payment_id: str,
        *,
        payment_token: str,
        transaction_id: str | None = None,
        total_amount: int | None = None,
        tax_free_amount: int | None = None,
        currency: str | None = None,
        is_test: bool | None = None,
        idempotency_key: str | None = None,
    ) -> Confirmation:
        """Approve a payment whose channel asks for it; what is given and differs is refused."""
        body = {
            "paymentToken": payment_token,
            "txId": transaction_id,
            "totalAmount": total_amount,
            "taxFreeAmount": tax_free_amount,
            "currency": currency,
            "isTest": is_test,
        }
        answer = self._post(("payments", payment_id, "confirm"), body, idempotency_key)
        return Confirmation.from_raw(answer)

    def resend_webhook(self, payment_id: str, webhook_id: str | None = None) -> WebhookDelivery:
        """Have PortOne send a webhook again, the payment's latest by default, and see what we answered."""
        answer = self._post(("payments", payment_id, "resend-webhook"), {"webhookId": webhook_id})
        with _unreadable_is_uncertain():
            return WebhookDelivery.from_raw(mapping(answer, "webhook") or {})

    def close_virtual_account(self, payment_id: str, *, idempotency_key: str) -> datetime | None:
        """Close an account nobody has paid into; the time it was closed, if PortOne tells."""
        path = ("payments", payment_id, "virtual-account", "close")
        query = {"storeId": self.store_id}
        return moment(self._change("POST", path, query=query, idempotency_key=idempotency_key), "closedAt")

    def get_billing_key(self, billing_key: str) -> BillingKeyInfo:
        """The billing key as it is now."""
        with _unreadable_is_uncertain():
            return BillingKeyInfo.from_raw(self._get("billing-keys", billing_key))

    def list_billing_keys(
        self, filters: Mapping[str, Any] | None = None, *, page: int = 0, size: int = 100
    ) -> BillingKeyPage:
        """A page of billing keys by time of issue, newest first; `filters` in PortOne's words."""
        window = {"storeId": self.store_id, "timeRangeField": "ISSUED_AT", "from": LONG_AGO}
        body = {
            "page": {"number": page, "size": size},
            "sort": {"by": "ISSUED_AT", "order": "DESC"},
            "filter": {**window, **(filters or {})},
        }
        answer = self._list("billing-keys", body)
        items = _items(answer)
        keys = each(items, BillingKeyInfo.from_raw)
        return BillingKeyPage(keys, _total(answer, page * size + len(items)), is_last=len(items) < size)

    def delete_billing_key(
        self,
        billing_key: str,
        *,
        reason: str | None = None,
        requester: str | None = None,
        idempotency_key: str | None = None,
    ) -> datetime | None:
        """Delete a billing key for good; some PGs demand reason and requester (ADMIN or CUSTOMER)."""
        path = ("billing-keys", billing_key)
        query = _present({"storeId": self.store_id, "reason": reason, "requester": requester})
        return moment(self._change("DELETE", path, query=query, idempotency_key=idempotency_key), "deletedAt")

    def pay_with_billing_key(self, payment_id: str, body: str, *, idempotency_key: str) -> Confirmation:
        """Charge a billing key as `ChargeRequest.to_json()` says; the payment itself tells the rest."""
        path = ("payments", payment_id, "billing-key")
        answer = self._change("POST", path, body=body.encode(), idempotency_key=idempotency_key)
        return Confirmation.from_raw(mapping(answer, "payment") or {})

    def schedule_payment(self, payment_id: str, body: str, *, idempotency_key: str) -> str:
        """Plan a charge as `ChargeRequest.to_json()` says; answers the schedule's id.

        While the schedule exists, PortOne takes no other charge under this paymentId.
        """
        path = ("payments", payment_id, "schedule")
        answer = self._change("POST", path, body=body.encode(), idempotency_key=idempotency_key)
        with _unreadable_is_uncertain():
            return required_text(mapping(answer, "schedule") or {}, "id")

    def get_schedule(self, schedule_id: str) -> ScheduleInfo:
        """The schedule as it is now."""
        with _unreadable_is_uncertain():
            return ScheduleInfo.from_raw(self._get("payment-schedules", schedule_id))

    def list_schedules(
        self,
        *,
        since: datetime,
        until: datetime,
        billing_key: str | None = None,
        statuses: Sequence[str] = (),
        page: int = 0,
        size: int = 100,
    ) -> SchedulePage:
        """A page of schedules by the time they are paid at, the earliest first.

        Both ends of the period are asked for, since PortOne's own default leaves out all that is to come.
        """
        wanted = {"billingKey": billing_key, "status": list(statuses) or None}
        body = {
            "page": {"number": page, "size": size},
            "sort": {"by": "TIME_TO_PAY", "order": "ASC"},
            "filter": _present({"storeId": self.store_id, "from": since, "until": until, **wanted}),
        }
        answer = self._list("payment-schedules", body)
        items = _items(answer)
        schedules = each(items, ScheduleInfo.from_raw)
        return SchedulePage(schedules, _total(answer, page * size + len(items)), is_last=len(items) < size)

    def revoke_schedules(
        self, schedule_ids: Sequence[str], *, billing_key: str | None = None, idempotency_key: str
    ) -> tuple[str, ...]:
        """Give up charges to come, all of these or none; answers the ids of those given up.

        With `billing_key` each must be of that key. Raises ValueError without a single id, because PortOne
        takes a key alone for all of its schedules.
        """
        if not schedule_ids:
            raise ValueError("no schedule to revoke")
        wanted = {"storeId": self.store_id, "billingKey": billing_key, "scheduleIds": list(schedule_ids)}
        query = {"requestBody": _json(_present(wanted))}
        answer = self._change("DELETE", ("payment-schedules",), query=query, idempotency_key=idempotency_key)
        revoked = answer.get("revokedScheduleIds")
        return tuple(str(each_id) for each_id in revoked) if isinstance(revoked, list) else ()

    def list_banks(self) -> dict[str, str]:
        """The bank codes PortOne takes, each with its Korean name."""
        listed = _objects(_items(self._transport.send(Call("GET", ("banks",)))))
        names = {text(bank, "bank"): text(mapping(bank, "name") or {}, "ko") for bank in listed}
        return {code: name or code for code, name in names.items() if code}

    def read_clock(self) -> datetime | None:
        """PortOne's time, to the second, as the head of its answers tells it; None if it does not."""
        return self._transport.read_clock(Call("GET", ("banks",)))

    def _get(self, *path: str) -> dict[str, Any]:
        return self._transport.send(Call("GET", path, {"storeId": self.store_id}))

    def _list(self, endpoint: str, body: Raw) -> dict[str, Any]:
        """Ask for a list: PortOne takes the JSON of a GET as the query field `requestBody`."""
        return self._transport.send(Call("GET", (endpoint,), {"requestBody": _json(body)}))

    def _walk(
        self, endpoint: str, since: datetime | None, until: datetime | None, cursor: str | None, size: int
    ) -> tuple[list[Any], str | None]:
        """The items of a page by cursor, and the cursor that leads on."""
        size = min(size, MAX_CURSOR_SIZE)
        body = {"storeId": self.store_id, "from": since, "until": until, "cursor": cursor, "size": size}
        items = _items(self._list(endpoint, _present(body)))
        return items, _next_cursor(items, cursor) if len(items) >= size else None

    def _post(self, path: tuple[str, ...], body: Raw, idempotency_key: str | None = None) -> dict[str, Any]:
        content = _json(_present({"storeId": self.store_id, **body})).encode()
        return self._change("POST", path, body=content, idempotency_key=idempotency_key)

    def _change(
        self,
        method: str,
        path: tuple[str, ...],
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        idempotency_key: str | None = None,
    ) -> dict[str, Any]:
        key = idempotency_key or str(uuid.uuid4())
        return self._transport.send(Call(method, path, query or {}, body=body, idempotency_key=key))


@contextmanager
def _unreadable_is_uncertain() -> Iterator[None]:
    try:
        yield
    except UnreadableDocument as problem:
        raise PortOneUncertain("unreadable", detail=str(problem)) from None


def _items(answer: Raw) -> list[Any]:
    items = answer.get("items")
    if not isinstance(items, list):
        raise PortOneUncertain("unreadable", detail="no items")
    return items


def _objects(items: list[Any]) -> list[Raw]:
    return [item for item in items if isinstance(item, Mapping)]


def _total(answer: Raw, seen: int) -> int:
    """How many match in all; at least those seen so far, if PortOne does not say."""
    return integer(mapping(answer, "page") or {}, "totalCount") or seen


def _next_cursor(items: list[Any], current: str | None) -> str:
    """The cursor after the last element that has one, so that an unreadable payment stops nobody."""
    cursors = [found for item in _objects(items) if (found := text(item, "cursor"))]
    if not cursors or cursors[-1] == current:
        raise PortOneUncertain("unreadable", detail="a page without a way on")
    return cursors[-1]


def _present(values: Raw) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _json(body: Raw) -> str:
    return json.dumps(body, separators=(",", ":"), default=_rfc3339)


def _rfc3339(value: object) -> str:
    if not isinstance(value, datetime):
        raise TypeError(f"{type(value).__name__} has no place in a request")
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
