"""The webhook log as a file."""

from operator import attrgetter
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import Select

from app.access.permissions import Permission
from app.web.lists import Column, Listing, register
from app.webhooks.forms import WebhookFilterForm
from app.webhooks.handlers import EVENTS
from app.webhooks.models import WebhookLog
from app.webhooks.queries import WebhookFilters, select_webhook_logs

_READ = (
    WebhookLog.id,
    WebhookLog.webhook_id,
    WebhookLog.webhook_type,
    WebhookLog.status,
    WebhookLog.named_payment_id,
    WebhookLog.provider_transaction_id,
    WebhookLog.deliveries,
    WebhookLog.attempts,
    WebhookLog.response_status,
    WebhookLog.error_message,
    WebhookLog.created_at,
    WebhookLog.processed_at,
)


def _rows(filters: WebhookFilters) -> Select[Any]:
    return select_webhook_logs(filters, *_READ)


def _event_of(row: Any) -> str:
    known = EVENTS.get(row.webhook_type or "")
    return str(_(known) if known else row.webhook_type or "")


WEBHOOKS = register(
    Listing(
        name="webhooks",
        title=_l("Webhooks"),
        endpoint="webhooks.index",
        permission=Permission.WEBHOOK_READ,
        form=WebhookFilterForm,
        rows=_rows,
        clock=WebhookLog.created_at,
        key=WebhookLog.id,
        columns=(
            Column(_l("Outcome"), attrgetter("status"), kind="webhook_status"),
            Column(_l("Event"), _event_of),
            Column(_l("Type"), attrgetter("webhook_type")),
            Column(_l("Payment ID"), attrgetter("named_payment_id")),
            Column(_l("Transaction ID"), attrgetter("provider_transaction_id")),
            Column(_l("Webhook ID"), attrgetter("webhook_id")),
            Column(_l("Deliveries"), attrgetter("deliveries")),
            Column(_l("Attempts"), attrgetter("attempts")),
            Column(_l("Our answer"), attrgetter("response_status")),
            Column(_l("Problem"), lambda row: row.error_message and _(row.error_message)),
            Column(_l("Received at"), attrgetter("created_at")),
            Column(_l("Processed at"), attrgetter("processed_at")),
        ),
    )
)
