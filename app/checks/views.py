"""점검: each question with what exactly it asks, the moment it was asked, and the way to the rows."""

from typing import Any

from flask import Blueprint, request

from app import clock
from app.access.guards import require
from app.access.permissions import Permission
from app.checks import queries
from app.checks.forms import CheckForm
from app.web.htmx import render
from app.webhooks.handlers import words_of

checks = Blueprint("checks", __name__)


@checks.get("/checks")
@require(Permission.CHECK_READ)
def index() -> Any:
    """Webhooks and cancellations of a period, and what does not add up now."""
    form = CheckForm(request.args)
    if not form.validate():
        return render("checks/index.html", status=422, form=form, period=None, moment=clock.now())
    period = form.period()
    return render(
        "checks/index.html",
        form=form,
        period=period,
        moment=clock.now(),
        webhooks=queries.count_webhooks(period),
        failures=queries.count_failures(period),
        failed=queries.find_failed(period),
        cancellations=queries.count_cancellations(period),
        unbalanced=queries.find_unbalanced(),
        drift=queries.find_drift(),
        unknown_refunds=queries.find_refunds_without_cancellation(),
        old_holds=queries.find_old_holds(),
        limits=queries,
        words_of=words_of,
    )
