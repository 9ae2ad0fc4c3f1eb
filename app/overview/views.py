"""The first page: what needs a person now, then today's figures; on a new install what is left to set up."""

from typing import Any

from flask import Blueprint, Response, current_app, flash, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_login import current_user
from werkzeug.wrappers import Response as BaseResponse

from app import clock
from app.access.guards import can, require
from app.access.permissions import Permission
from app.charges import queries as charges
from app.overview import queries
from app.overview.queries import Concern
from app.portone.errors import PortOneRefused, PortOneUncertain
from app.portone.meanings import msgid_of
from app.refunds import queries as refunds
from app.web.filters import money
from app.web.htmx import render, see_other
from app.web.labels import Label

overview = Blueprint("overview", __name__)

_CONCERNS = {
    "uncertain_refunds": Label(_l("Refunds whose outcome is unknown"), "bad", "question-circle-fill"),
    "stuck_refunds": Label(_l("Refunds still being sent after a minute"), "bad", "send-exclamation"),
    "uncertain_charges": Label(_l("Charges whose outcome is unknown"), "bad", "question-circle-fill"),
    "stuck_charges": Label(_l("Charges still being sent after a minute"), "bad", "send-exclamation"),
    "mismatched_payments": Label(
        _l("Payments that are not what the store initialized"), "bad", "shield-exclamation"
    ),
    "failed_webhooks": Label(_l("Webhooks that could not be processed"), "bad", "x-circle-fill"),
    "waiting_webhooks": Label(_l("Webhooks waiting for more than a minute"), "wait", "hourglass-split"),
    "drifts": Label(_l("Differences from PortOne that need a person"), "bad", "intersect"),
    "failed_transfers": Label(_l("Virtual-account refunds whose transfer failed"), "bad", "bank"),
    "slow_transfers": Label(
        _l("Virtual-account refunds under way for more than two business days"), "wait", "bank"
    ),
    "open_disputes": Label(_l("Open disputes"), "wait", "exclamation-triangle-fill"),
    "pending_cancellations": Label(
        _l("Payments with a cancellation in progress"), "calm", "arrow-counterclockwise"
    ),
    "rejected_webhooks": Label(_l("Webhooks with a bad signature since yesterday"), "wait", "shield-x"),
    "missing_webhooks": Label(
        _l("Webhooks that PortOne sent since yesterday and that did not come"), "bad", "envelope-x"
    ),
    "stopped_plans": Label(_l("Recurring plans that stand still because of trouble"), "bad", "pause-circle"),
    "failed_charges": Label(_l("Scheduled charges that failed and are not tried again"), "bad", "calendar-x"),
    "missing_charges": Label(
        _l("Billing keys charged regularly without a next charge"), "wait", "calendar-minus"
    ),
    "refunds_to_approve": Label(_l("Refunds waiting for approval"), "wait", "person-check"),
    "charges_to_approve": Label(_l("Charges waiting for approval"), "wait", "person-check"),
}

#: What waits for a second person: with which permission, and how many another one asked for.
_DECIDED_BY = {
    "refunds_to_approve": (Permission.REFUND_APPROVE, refunds.count_waiting_for),
    "charges_to_approve": (Permission.CHARGE_APPROVE, charges.count_waiting_for),
}


@overview.get("/")
@require(Permission.OVERVIEW_READ)
def index() -> Response:
    """Home: one question to the database for each part of the page, however much there is to count."""
    return render(
        "overview/index.html",
        moment=clock.now(),
        today=clock.today(),
        items=[_item(concern) for concern in queries.list_concerns()],
        has_live_worker=queries.has_live_worker(),
        figures=queries.list_figures(clock.today()) if queries.has_payments() else None,
        has_webhook=queries.has_authentic_webhook(),
        settings=current_app.config["SETTINGS"],
    )


@overview.post("/set-up/portone")
@require(Permission.PAYMENT_SYNC)
def ask_portone() -> BaseResponse:
    """Try the settings on PortOne itself, when somebody asks for it."""
    try:
        count = queries.count_payments_at_portone()
    except PortOneRefused as refusal:
        flash(_("PortOne refused.") + " " + _(msgid_of(refusal.type), type=refusal.type), "danger")
    except PortOneUncertain:
        flash(_("PortOne gave no answer. Check PORTONE_API_BASE and the network."), "danger")
    else:
        flash(_("PortOne answers. Payments of this store there: %(count)s", count=f"{count:,}"), "success")
    return see_other(url_for("overview.index"))


def _item(concern: Concern) -> dict[str, Any]:
    """A line of the work list: the words, the money by currency, and the way to the rows."""
    label = _CONCERNS[concern.kind]
    details = [money(each.amount, each.currency) for each in concern.amounts]
    if concern.kind in _DECIDED_BY and can(_DECIDED_BY[concern.kind][0]):
        count_waiting_for = _DECIDED_BY[concern.kind][1]
        details.append(_("for you to decide: %(count)s", count=count_waiting_for(current_user.id)))
    return {
        "count": concern.count,
        "text": label.text,
        "detail": " · ".join(details),
        "tone": label.tone,
        "icon": label.icon,
        "url": url_for(concern.endpoint, **concern.query),
    }
