"""Webhooks from PortOne: signed bytes in, an event out, and everything doubtful refused."""

import binascii
import hmac
import re
from base64 import b64decode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol
from urllib.parse import parse_qsl

from standardwebhooks import Webhook

from app import clock
from app.portone.values import UnreadableDocument, mapping, moment, parse_document, text

#: How far the clock of the sender may be from ours, either way (Standard Webhooks).
TOLERANCE_SECONDS = 300

_PREFIX = "whsec_"
_ID = re.compile(r"[!-~]{1,255}")
_TIMESTAMP = re.compile(r"[0-9]{1,11}")
_FORM_FIELDS = 50


class Headers(Protocol):
    """Names and values: a mapping, or the headers of a request in Flask."""

    def items(self) -> Iterable[tuple[str, str]]: ...


class InvalidWebhook(Exception):
    """A message that PortOne did not sign, or that nobody can read.

    `reason` is MISSING_REQUIRED_HEADERS, INVALID_SIGNATURE, TIMESTAMP_TOO_OLD, TIMESTAMP_TOO_NEW,
    NO_MATCHING_SIGNATURE or UNREADABLE_BODY.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """What PortOne says has happened: a hint where to look, not a fact to store.

    `webhook_id` stays the same when the message is repeated. `type` is written as in version 2024-04-25
    for older bodies too, and "" if the body names none. `raw_body` is the text that was signed.
    """

    webhook_id: str
    type: str
    payment_id: str | None
    transaction_id: str | None
    cancellation_id: str | None
    billing_key: str | None = field(repr=False)
    store_id: str | None
    occurred_at: datetime | None
    version: str
    body: Mapping[str, Any] = field(repr=False, compare=False)
    raw_body: str = field(repr=False)


def verify(body: bytes, headers: Headers, secrets: Sequence[str]) -> WebhookEvent:
    """Read a message whose signature fits one of the secrets; InvalidWebhook for every other one.

    The signature covers the raw bytes as received. What the body says is not checked further: types and
    members nobody knows are an event too.
    """
    webhook_id, timestamp, signatures = _signed_headers(headers)
    _refuse_far_off(timestamp)
    try:
        content = body.decode()
    except UnicodeDecodeError:
        raise InvalidWebhook("NO_MATCHING_SIGNATURE") from None
    if not any(_fits(secret, webhook_id, timestamp, content, signatures) for secret in secrets):
        raise InvalidWebhook("NO_MATCHING_SIGNATURE")
    return event_from(webhook_id, body)


def event_from(webhook_id: str, body: bytes) -> WebhookEvent:
    """The event of a body that was verified before, such as a stored one; InvalidWebhook if unreadable."""
    document = _document(body)
    if "type" not in document and ("payment_id" in document or "tx_id" in document):
        return _old_event(webhook_id, document, body)
    event_type = text(document, "type") or ""
    subject = mapping(document, "data") or {}
    is_transaction = event_type.startswith("Transaction.")
    return WebhookEvent(
        webhook_id=webhook_id,
        type=event_type,
        payment_id=text(subject, "paymentId") if is_transaction else None,
        transaction_id=text(subject, "transactionId") if is_transaction else None,
        cancellation_id=text(subject, "cancellationId") if is_transaction else None,
        billing_key=text(subject, "billingKey") if event_type.startswith("BillingKey.") else None,
        store_id=text(subject, "storeId"),
        occurred_at=moment(document, "timestamp"),
        version="2024-04-25",
        body=document,
        raw_body=body.decode(),
    )


def is_webhook_secret(secret: str) -> bool:
    """Whether the text has the form of a webhook secret: `whsec_` and the base64 of a key."""
    return secret.startswith(_PREFIX) and bool(_key(secret))


def _signed_headers(headers: Headers) -> tuple[str, int, list[str]]:
    """Id, time and `v1` digests of a message; header names come in any case."""
    found = {name.lower(): value for name, value in headers.items()}
    webhook_id, timestamp, signature = (
        found.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature")
    )
    if not (webhook_id and timestamp and signature):
        raise InvalidWebhook("MISSING_REQUIRED_HEADERS")
    if not (_ID.fullmatch(webhook_id) and _TIMESTAMP.fullmatch(timestamp)):
        raise InvalidWebhook("INVALID_SIGNATURE")
    entries = (entry.partition(",") for entry in signature.split(" "))
    return webhook_id, int(timestamp), [digest for version, _, digest in entries if version == "v1"]


def _refuse_far_off(timestamp: int) -> None:
    age = clock.now().timestamp() - timestamp
    if age > TOLERANCE_SECONDS:
        raise InvalidWebhook("TIMESTAMP_TOO_OLD")
    if age < -TOLERANCE_SECONDS:
        raise InvalidWebhook("TIMESTAMP_TOO_NEW")


def _fits(secret: str, webhook_id: str, timestamp: int, content: str, signatures: list[str]) -> bool:
    """Whether one of the digests is the right one under this secret.

    The library's own `verify` asks the real clock and gives up at the first entry it cannot decode, so only
    its signing is used.
    """
    key = _key(secret)
    if not key:
        return False
    signed = Webhook(key).sign(webhook_id, datetime.fromtimestamp(timestamp, UTC), content)
    expected = signed.removeprefix("v1,").encode()
    digests = (digest.encode(errors="replace") for digest in signatures)
    return any(hmac.compare_digest(expected, digest) for digest in digests)


def _key(secret: str) -> bytes:
    """The key inside a secret, with or without prefix and padding; empty if it is not base64."""
    encoded = secret.removeprefix(_PREFIX).rstrip("=")
    try:
        return b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _document(body: bytes) -> dict[str, Any]:
    try:
        return parse_document(body)
    except UnreadableDocument:
        return _form(body)


def _form(body: bytes) -> dict[str, Any]:
    """The fields of a body in the form encoding that version 2024-01-01 may use."""
    try:
        fields = dict(parse_qsl(body.decode(), max_num_fields=_FORM_FIELDS))
    except ValueError:
        fields = {}
    if not ("payment_id" in fields or "tx_id" in fields):
        raise InvalidWebhook("UNREADABLE_BODY")
    return {name: value.replace("\x00", "\ufffd") for name, value in fields.items()}


def _old_event(webhook_id: str, document: dict[str, Any], body: bytes) -> WebhookEvent:
    """The event of a body of version 2024-01-01; one without a status asks to confirm a payment."""
    status = text(document, "status") or ("Confirm" if "total_amount" in document else "")
    return WebhookEvent(
        webhook_id=webhook_id,
        type=f"Transaction.{status}" if status else "",
        payment_id=text(document, "payment_id"),
        transaction_id=text(document, "tx_id"),
        cancellation_id=None,
        billing_key=None,
        store_id=None,
        occurred_at=None,
        version="2024-01-01",
        body=document,
        raw_body=body.decode(),
    )
