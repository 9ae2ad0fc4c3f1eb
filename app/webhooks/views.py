"""The webhook log: the list, one message, and what people do about it: process again, have it sent again."""

from typing import Any
from uuid import UUID

from flask import current_app, flash, request, url_for
from flask_babel import gettext as _
from flask_login import current_user

from app.access.guards import require
from app.access.permissions import Permission
from app.audit.queries import list_entries_of
from app.billing_keys import queries as billing_keys
from app.billing_keys.service import looks_like_billing_key
from app.config import Settings
from app.payments import timeline
from app.web.htmx import render, see_other
from app.webhooks import exporting, gaps, health, queries, replaying, resending
from app.webhooks.attempts import attempts_of
from app.webhooks.blueprint import webhooks
from app.webhooks.forms import ReasonForm, WebhookFilterForm
from app.webhooks.handlers import words_of
from app.webhooks.telling import words_of_replay, words_of_resend

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
        health=health.health,
        missing_count=gaps.count_gaps(""),
    )


@webhooks.get("/webhooks/<uuid:webhook_log_id>")
@require(Permission.WEBHOOK_READ)
def show(webhook_log_id: UUID) -> Any:
    """One message: what came, what we answered, and what became of it."""
    return _page_of(webhook_log_id, ReasonForm())


@webhooks.post("/webhooks/<uuid:webhook_log_id>/replay")
@require(Permission.WEBHOOK_REPLAY)
def replay(webhook_log_id: UUID) -> Any:
    """Process it again, here and now."""
    form = ReasonForm(request.form)
    if not form.validate():
        return _page_of(webhook_log_id, form, status=422)
    result = replaying.replay(webhook_log_id, by=current_user, reason=form.reason.data or "")
    told = words_of_replay(result, queries.get_webhook_log(webhook_log_id))
    flash(told, "success" if result.is_over else "warning")
    return see_other(url_for("webhooks.show", webhook_log_id=webhook_log_id))


@webhooks.post("/webhooks/<uuid:webhook_log_id>/resend")
@require(Permission.WEBHOOK_RESEND)
def resend(webhook_log_id: UUID) -> Any:
    """Have PortOne send it again."""
    form = ReasonForm(request.form)
    if not form.validate():
        return _page_of(webhook_log_id, form, status=422)
    result = resending.resend(webhook_log_id, by=current_user, reason=form.reason.data or "")
    flash(words_of_resend(result), "success" if result.is_taken else "warning")
    return see_other(url_for("webhooks.show", webhook_log_id=webhook_log_id))


def _page_of(webhook_log_id: UUID, form: ReasonForm, *, status: int = 200) -> Any:
    log = queries.get_webhook_log(webhook_log_id)
    return render(
        "webhooks/show.html",
        status=status,
        log=log,
        form=form,
        changes=queries.changes_of(log),
        is_first=queries.is_first_news(log),
        headers=queries.shown_headers(log),
        body=queries.shown_body(log),
        billing_key=queries.find_billing_key_of(log),
        refund=queries.find_refund_of(log),
        delivery=queries.find_delivery_of(log),
        attempts=attempts_of(log),
        actions=list_entries_of("webhook", log.id, limit=20),
        seconds=queries.seconds_taken(log),
        why_no_replay=replaying.why_not(log),
        why_no_resend=resending.why_not(log),
        words_of=words_of,
    )


def _webhook_address() -> str:
    """The address to enter in PortOne's console."""
    settings: Settings = current_app.config["SETTINGS"]
    return settings.public_url + url_for("endpoint.receive")
