"""The pages of what PortOne says it sent and we do not hold, or hold late, or refused."""

from typing import Any
from uuid import UUID

from flask import flash, request, url_for
from flask_babel import gettext as _
from flask_login import current_user

from app.access.guards import require
from app.access.permissions import Permission
from app.payments.changes import words_of_changes
from app.web.htmx import render, see_other
from app.webhooks import gaps, healing, resending
from app.webhooks.blueprint import webhooks
from app.webhooks.forms import GapFilterForm, ReasonForm
from app.webhooks.telling import words_of_resend


@webhooks.get("/webhooks/missing")
@require(Permission.WEBHOOK_READ)
def missing() -> Any:
    """Where PortOne's log and ours differ, the last triggered first."""
    form = GapFilterForm(request.args)
    is_usable = form.validate()
    period = {"since": form.since, "until": form.until} if is_usable else {}
    kind = form.kind.data or ""
    return render(
        "webhooks/missing.html",
        fragment="webhooks/_missing_rows.html",
        status=200 if is_usable else 422,
        form=form,
        page=gaps.list_gaps(kind, after=request.args.get("after"), **period) if is_usable else None,
        count=gaps.count_gaps(kind, **period) if is_usable else None,
        reached_at=healing.walked_until(),
    )


@webhooks.post("/webhooks/missing/<uuid:gap_id>/reread")
@require(Permission.WEBHOOK_REPLAY)
def reread_missing(gap_id: UUID) -> Any:
    """Read the payment again, since its message did not come."""
    result = healing.reread_gap(gap_id, by=current_user)
    if result.change is None:
        flash(_(healing.UNKNOWN_THERE), "warning")
    elif not result.change.fields:
        flash(_(healing.FOUND_NOTHING), "success")
    else:
        changes = words_of_changes(result.change.fields, healing.get_gap(gap_id).payment.currency)[:3]
        told = ", ".join(f"{each.name} {each.before} → {each.after}" for each in changes)
        flash(_(healing.FOUND_NEWS) + f" {told}", "success")
    return see_other(_back())


@webhooks.post("/webhooks/missing/<uuid:gap_id>/resend")
@require(Permission.WEBHOOK_RESEND)
def resend_missing(gap_id: UUID) -> Any:
    """Have PortOne send again what did not come."""
    form = ReasonForm(request.form)
    reason = (form.reason.data or "") if form.validate() else ""
    result = resending.resend_missing(gap_id, by=current_user, reason=reason)
    flash(words_of_resend(result), "success" if result.is_taken else "warning")
    return see_other(_back())


def _back() -> str:
    return str(url_for("webhooks.missing"))
