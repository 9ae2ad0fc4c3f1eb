"""Many messages at once: the dry run, the start, and what came of it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from flask import abort, flash, request, url_for
from flask_babel import gettext as _
from flask_login import current_user

from app import clock
from app.access.guards import require
from app.access.permissions import Permission
from app.billing_keys.service import looks_like_billing_key
from app.columns import new_id
from app.errors import DomainError
from app.jobs.kinds import may_manage
from app.jobs.service import get_job
from app.web.htmx import render, see_other
from app.webhooks import bulk as bulks
from app.webhooks.blueprint import webhooks
from app.webhooks.bulk import Action
from app.webhooks.forms import BulkForm, WebhookFilterForm
from app.webhooks.handlers import words_of
from app.webhooks.queries import WebhookFilters


@webhooks.get("/webhooks/bulk/replay")
@require(Permission.WEBHOOK_REPLAY)
def new_bulk_replay() -> Any:
    """What replaying everything these filters find would do."""
    return _dry_run(Action.REPLAY, BulkForm(intent=str(new_id())))


@webhooks.post("/webhooks/bulk/replay")
@require(Permission.WEBHOOK_REPLAY)
def bulk_replay() -> Any:
    """Begin it."""
    return _start(Action.REPLAY)


@webhooks.get("/webhooks/bulk/resend")
@require(Permission.WEBHOOK_RESEND)
def new_bulk_resend() -> Any:
    """What having PortOne send again everything these filters find would do."""
    return _dry_run(Action.RESEND, BulkForm(intent=str(new_id())))


@webhooks.post("/webhooks/bulk/resend")
@require(Permission.WEBHOOK_RESEND)
def bulk_resend() -> Any:
    """Begin it."""
    return _start(Action.RESEND)


@webhooks.get("/webhooks/bulk/<uuid:job_id>")
@require(Permission.WEBHOOK_READ)
def bulk(job_id: UUID) -> Any:
    """How far it is, and which messages did not go well; asks for itself again while it runs."""
    job = get_job(job_id)
    if job.kind not in {action.kind for action in Action}:
        abort(404)
    if not may_manage(current_user, job):
        abort(403)
    return render(
        "webhooks/bulk.html",
        fragment="webhooks/_bulk.html",
        job=job,
        counts=bulks.counts_of(job),
        troubled=bulks.list_troubled(job),
        words_of=words_of,
    )


def _dry_run(action: Action, form: BulkForm, *, status: int = 200) -> Any:
    filters = _filters()
    if filters is None:
        flash(_("These filters cannot be used."), "warning")
        return see_other(url_for("webhooks.index"))
    return render(
        "webhooks/new_bulk.html",
        status=status,
        action=action,
        form=form,
        plan=bulks.plan(action, filters),
        most=bulks.MOST,
        before=filters["until"],
        words_of=words_of,
    )


def _start(action: Action) -> Any:
    form, filters = BulkForm(request.form), _filters()
    if filters is None or not form.validate():
        return _dry_run(action, form, status=422)
    reason = form.reason.data or ""
    job = bulks.start(UUID(form.intent.data), action, filters, by=current_user, reason=reason)
    return see_other(url_for("webhooks.bulk", job_id=job.id))


def _filters() -> WebhookFilters | None:
    """The filters of the address, up to the moment of the dry run: what comes later is no part of it."""
    form = WebhookFilterForm(request.args)
    if looks_like_billing_key(request.args.get("q")) or not form.validate():
        return None
    filters = form.filters()
    before = _before()
    until = filters.get("until")
    filters["until"] = min(until, before) if until else before
    return filters


def _before() -> datetime:
    text = request.args.get("before", "")
    if not text:
        return clock.now()
    try:
        before = datetime.fromisoformat(text)
    except ValueError:
        before = None
    if before is None or before.utcoffset() is None:
        raise DomainError(_("This page cannot be sent again. Open it anew."), status=400)
    return min(before, clock.now())
