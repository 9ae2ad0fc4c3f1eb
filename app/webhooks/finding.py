"""How webhook messages are found from the search box of payments: by their ids and what became of them."""

from collections.abc import Iterator

from flask import url_for
from flask_babel import gettext as _
from sqlalchemy import select

from app.access.guards import can
from app.access.permissions import Permission
from app.extensions import db
from app.payments.goto import Destination, contribute, is_named
from app.payments.words import add_flag, add_word, label_choice
from app.web.query_language import Word
from app.webhooks.models import WebhookLog

add_word(
    Word(
        "webhook", ("웹훅",), label_choice("webhook_status", {"failed": ("실패",), "rejected": ("서명오류",)})
    ),
    lambda on, value: on.id.in_(
        select(WebhookLog.payment_id).where(WebhookLog.status == value, WebhookLog.payment_id.is_not(None))
    ),
)
add_flag(
    "webhook",
    ("웹훅",),
    lambda on: on.id.in_(select(WebhookLog.payment_id).where(WebhookLog.payment_id.is_not(None))),
)


@contribute(WebhookLog.id, WebhookLog.webhook_id)
def find_webhooks(name: str) -> Iterator[Destination]:
    """The message with PortOne's id of it, or ours."""
    if not can(Permission.WEBHOOK_READ):
        return
    found = select(WebhookLog).where(is_named(name, WebhookLog.id, WebhookLog.webhook_id))
    for log in db.session.scalars(found.limit(2)):
        url = url_for("webhooks.show", webhook_log_id=log.id)
        yield Destination(url, _("Webhook"), log.webhook_type or "", _("Webhook ID"))
