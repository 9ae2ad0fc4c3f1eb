"""The audit trail: who did what, to which thing, and what changed."""

from typing import Any

from flask import Blueprint, request

from app.access.guards import require
from app.access.permissions import Permission
from app.audit import exporting, queries
from app.audit.forms import AuditFilterForm
from app.audit.service import newest_anchor
from app.audit.words import url_of_subject, words_of_action, words_of_subject
from app.web.htmx import render

audit = Blueprint("audit", __name__)


@audit.get("/audit")
@require(Permission.AUDIT_READ)
def index() -> Any:
    """Every entry, newest first."""
    form = AuditFilterForm(request.args)
    filters = form.filters() if form.validate() else None
    after = request.args.get("after")
    return render(
        "audit/index.html",
        fragment="audit/_rows.html",
        status=200 if filters is not None else 422,
        form=form,
        listing=exporting.AUDIT,
        anchor=newest_anchor(),
        page=None if filters is None else queries.list_entries(filters, after=after),
        count=None if filters is None else queries.count_entries(filters),
        words_of_action=words_of_action,
        words_of_subject=words_of_subject,
        url_of_subject=url_of_subject,
    )
