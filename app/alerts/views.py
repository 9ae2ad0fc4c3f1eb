"""The alerts: what is watched and how it stands, where messages go, and whether they arrive."""

from typing import Any

from flask import Blueprint, current_app, flash, url_for
from flask_babel import gettext as _
from flask_login import current_user

from app.access.guards import require
from app.access.permissions import Permission
from app.alerts import limits, queries, service  # noqa: F401 - the settings page asks the limits
from app.web.filters import translated
from app.web.htmx import render, see_other

alerts = Blueprint("alerts", __name__)


@alerts.get("/alerts")
@require(Permission.ALERT_READ)
def index() -> Any:
    """What is watched, and the latest messages."""
    return render(
        "alerts/index.html",
        watches=service.watches(),
        lasting=queries.lasting_alerts(),
        messages=queries.latest_messages(),
        channels=service.open_channels(),
        title_of=service.title_of,
        channel_name=service.channel_name,
        has_settings_page="settings.index" in current_app.view_functions,
    )


@alerts.post("/alerts/test")
@require(Permission.ALERT_TEST)
def test() -> Any:
    """Send a test message on every channel, and say how that went."""
    for message in service.send_test(by=current_user):
        channel = service.channel_name(message.channel)
        if message.sent_at:
            flash(_("%(channel)s: the test message went out.", channel=channel), "success")
        else:
            flash(f"{channel}: {translated(message.problem)}", "danger")
    return see_other(url_for("alerts.index"))
