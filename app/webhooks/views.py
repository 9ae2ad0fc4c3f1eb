"""The webhook log: the list, and one message."""

from typing import Any
from uuid import UUID

from flask import Blueprint, current_app, flash, request, url_for
from flask_babel import gettext as _

from app.access.guards import require
from app.access.permissions import Permission
from app.billing_keys import queries as billing_keys
from app.billing_keys.service import looks_like_billing_key
from app.config import Settings
from app.payments import timeline
from app.web.htmx import render, see_other
from app.webhooks import exporting, queries
from app.webhooks.forms import WebhookFilterForm
from app.webhooks.handlers import words_of

webhooks = Blueprint("webhooks", __name__)
timeline.contribute(queries.timeline_of)
billing_keys.contribute(queries.timeline_of_billing_key)


@webhooks.get("/webhooks")
@require(Permission.WEBHOOK_READ)
def index() -> Any:
    """Every message, the last received first."""
    if looks_like_billing_key(request.args.get("q")):
        flash(
            _("A billing key must not stand in an address. Paste it into the box for whole keys."), "warning"
        )
        return see_other(url_for("billing_keys.index"))
    form = WebhookFilterForm(request.args)
    filters = form.filters() if form.validate() else None
    after = request.args.get("after")
    return render(
        "webhooks/index.html",
        fragment="webhooks/_rows.html",
        status=200 if filters is not None else 422,
        form=form,
        listing=exporting.WEBHOOKS,
        page=None if filters is None else queries.list_webhook_logs(filters, after=after),
        count=None if filters is None else queries.count_webhook_logs(filters),
        seconds_taken=queries.seconds_taken,
        webhook_address=_webhook_address(),
        words_of=words_of,
    )


@webhooks.get("/webhooks/<uuid:webhook_log_id>")
@require(Permission.WEBHOOK_READ)
def show(webhook_log_id: UUID) -> Any:
    """One message: what came, what we answered, and what became of it."""
    log = queries.get_webhook_log(webhook_log_id)
    return render(
        "webhooks/show.html",
        log=log,
        changes=queries.changes_of(log),
        is_first=queries.is_first_news(log),
        headers=queries.shown_headers(log),
        body=queries.shown_body(log),
        billing_key=queries.find_billing_key_of(log),
        seconds=queries.seconds_taken(log),
        words_of=words_of,
    )


def _webhook_address() -> str:
    """The address to enter in PortOne's console."""
    settings: Settings = current_app.config["SETTINGS"]
    return settings.public_url + url_for("endpoint.receive")
