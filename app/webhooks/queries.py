"""Webhook logs to show: the list, one message, a payment's and a billing key's."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, TypedDict
from uuid import UUID

from flask import url_for
from flask_babel import gettext as _
from sqlalchemy import ColumnElement, Select, literal_column, or_, select
from sqlalchemy.orm import joinedload

from app.billing_keys import queries as billing_keys
from app.billing_keys.models import BillingKey
from app.errors import NotFound
from app.extensions import db
from app.payments.changes import FieldChange, words_of_changes
from app.payments.models import Payment
from app.payments.queries import snapshot_of
from app.payments.timeline import Entry
from app.portone.payloads import WebhookDelivery
from app.refunds.models import Refund
from app.web.filters import mask_ending
from app.web.labels import label_of
from app.web.pagination import Page, capped_count, list_page
from app.webhooks.handlers import words_of
from app.webhooks.models import WebhookLog

#: The most messages of one payment or billing key that are shown beside it.
SHOWN_WITH_SUBJECT = 200

_SECRET_WORDS = ("signature", "secret", "token", "key", "auth")
_PERSONAL = frozenset(
    ("name", "email", "phonenumber", "address", "identitynumber", "birthdate", "ci", "di", "accountnumber")
)


#: Spelled out, so that the partial indexes serve.
_TRIED_AGAIN: ColumnElement[bool] = literal_column("webhook_logs.attempts > 1")
_ANSWERED_BADLY: ColumnElement[bool] = literal_column("webhook_logs.response_status >= 300")
_ANSWERED_OK: ColumnElement[bool] = literal_column("webhook_logs.response_status < 300")


class WebhookFilters(TypedDict, total=False):
    """What the list is narrowed to; `since` is included, `until` is not, `text` is a whole id.

    `is_answer_ok`: whether we answered 2xx. `attempts_over`: tried more often than that.
    """

    status: list[str]
    type: str | None
    is_repeated: bool
    is_answer_ok: bool | None
    attempts_over: int | None
    since: datetime | None
    until: datetime | None
    text: str | None


def get_webhook_log(webhook_log_id: UUID) -> WebhookLog:
    """The message with this id of ours; raises NotFound."""
    log = db.session.get(WebhookLog, webhook_log_id, options=[joinedload(WebhookLog.payment)])
    if log is None:
        raise NotFound(_("There is no webhook with this number."))
    return log


def list_webhook_logs(filters: WebhookFilters, *, after: str | None) -> Page[WebhookLog]:
    """A page of messages, the last received first."""
    statement = filtered(filters).options(joinedload(WebhookLog.payment))
    return list_page(statement, clock=WebhookLog.created_at, key=WebhookLog.id, after=after)


def count_webhook_logs(filters: WebhookFilters) -> int:
    """How many messages the filters find; exact up to the cap of `capped_count`."""
    return capped_count(filtered(filters))


def select_webhook_logs(filters: WebhookFilters, *columns: Any) -> Select[Any]:
    """Columns of every message the filters find, in no order."""
    return filtered(filters).with_only_columns(*columns)


def find_billing_key_of(log: WebhookLog) -> BillingKey | None:
    """The billing key a message is about, if we have it."""
    if log.billing_key_hash is None:
        return None
    return db.session.scalar(select(BillingKey).where(BillingKey.billing_key == log.billing_key_hash))


def find_refund_of(log: WebhookLog) -> Refund | None:
    """The refund of ours whose cancellation a message tells of."""
    body = log.request_body if isinstance(log.request_body, Mapping) else {}
    about = body.get("data")
    cancellation_id = about.get("cancellationId") if isinstance(about, Mapping) else None
    if log.payment_id is None or not isinstance(cancellation_id, str):
        return None
    is_its = Refund.payment_id == log.payment_id, Refund.cancellation_id == cancellation_id
    return db.session.scalar(select(Refund).where(*is_its).limit(1))


def find_delivery_of(log: WebhookLog) -> WebhookDelivery | None:
    """What PortOne's own log says of a message, as of the last reading of its payment."""
    snapshot = snapshot_of(log.payment) if log.payment else None
    sent = snapshot.webhooks if snapshot else ()
    return next((delivery for delivery in sent if delivery.id == log.webhook_id), None)


def shown_headers(log: WebhookLog) -> dict[str, str]:
    """The headers as they came, but for signatures and whatever else could be a secret."""
    headers = {name: str(value) for name, value in (log.request_headers or {}).items()}
    return {name: mask_ending(value) if _is_secret(name) else value for name, value in headers.items()}


def shown_body(log: WebhookLog) -> Any:
    """The body as it came, with personal data masked."""
    return _without_personal_data(log.request_body)


def changes_of(log: WebhookLog) -> list[FieldChange]:
    """What processing changed, in words."""
    if log.billing_key_hash is not None:
        return billing_keys.words_of_changes(log.changes or {})
    return words_of_changes(log.changes or {}, log.payment.currency if log.payment else "KRW")


def is_first_news(log: WebhookLog) -> bool:
    """Whether the message is how its payment or billing key came to be known here."""
    changes = log.changes or {}
    return bool(changes) and all(before is None for before, _after in changes.values())


def seconds_taken(log: WebhookLog) -> float | None:
    """From when the message came to when it was dealt with for good."""
    if log.processed_at is None:
        return None
    return max((log.processed_at - log.created_at).total_seconds(), 0.0)


def timeline_of(payment: Payment) -> Iterable[Entry]:
    """The messages about a payment, for its timeline."""
    logs = db.session.scalars(
        select(WebhookLog)
        .where(or_(WebhookLog.payment_id == payment.id, WebhookLog.named_payment_id == payment.payment_id))
        .order_by(WebhookLog.created_at.desc(), WebhookLog.id.desc())
        .limit(SHOWN_WITH_SUBJECT)
    )
    return [_entry(log) for log in logs]


def timeline_of_billing_key(row: BillingKey) -> Iterable[Entry]:
    """The messages about a billing key, for its events."""
    logs = db.session.scalars(
        select(WebhookLog)
        .where(WebhookLog.billing_key_hash == row.billing_key)
        .order_by(WebhookLog.created_at.desc(), WebhookLog.id.desc())
        .limit(SHOWN_WITH_SUBJECT)
    )
    return [_entry(log) for log in logs]


def _entry(log: WebhookLog) -> Entry:
    look = label_of("webhook_status", log.status)
    told = [str(look.text)]
    if log.deliveries > 1:
        told.append(_("delivered %(count)s times", count=log.deliveries))
    if log.error_message:
        told.append(_(log.error_message))
    return Entry(
        at=log.created_at,
        title=_("Webhook received: %(event)s", event=_(words_of(log))),
        source=str(label_of("source", "portone").text),
        detail=" · ".join(told),
        url=url_for("webhooks.show", webhook_log_id=log.id),
        tone=look.tone,
        icon="broadcast-pin",
        key=f"webhook {log.webhook_id}" if log.webhook_id else None,
    )


def filtered(filters: WebhookFilters) -> Select[WebhookLog]:
    """The statement that finds the messages of these filters, in no order."""
    statement = select(WebhookLog)
    if statuses := filters.get("status"):
        statement = statement.where(WebhookLog.status.in_(statuses))
    if event_type := filters.get("type"):
        statement = statement.where(WebhookLog.webhook_type == event_type)
    if filters.get("is_repeated"):
        statement = statement.where(WebhookLog.deliveries > 1)
    is_answer_ok = filters.get("is_answer_ok")
    if is_answer_ok is not None:
        statement = statement.where(_ANSWERED_OK if is_answer_ok else _ANSWERED_BADLY)
    attempts_over = filters.get("attempts_over")
    if attempts_over is not None:
        statement = statement.where(WebhookLog.attempts > attempts_over)
        statement = statement.where(_TRIED_AGAIN) if attempts_over else statement
    if since := filters.get("since"):
        statement = statement.where(WebhookLog.created_at >= since)
    if until := filters.get("until"):
        statement = statement.where(WebhookLog.created_at < until)
    if text := filters.get("text"):
        ids = (WebhookLog.named_payment_id, WebhookLog.provider_transaction_id, WebhookLog.webhook_id)
        statement = statement.where(or_(*(column == text for column in ids)))
    return statement


def _is_secret(header: str) -> bool:
    return any(word in header.lower() for word in _SECRET_WORDS)


def _without_personal_data(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            name: "****" if _is_personal(name, inner) else _without_personal_data(inner)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [_without_personal_data(inner) for inner in value]
    return value


def _is_personal(name: str, value: Any) -> bool:
    return isinstance(value, str) and name.lower().replace("_", "") in _PERSONAL
