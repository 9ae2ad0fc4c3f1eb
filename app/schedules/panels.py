"""What a billing key's page and a payment's timeline show of schedules and plans."""

from collections.abc import Iterator

from flask import url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from app.access.guards import can
from app.access.permissions import Permission
from app.billing_keys.models import BillingKey
from app.billing_keys.panels import (
    ListColumn,
    Panel,
    contribute_column,
    contribute_ending,
    contribute_panel,
)
from app.payments.models import Payment
from app.payments.timeline import Entry, contribute
from app.schedules import queries
from app.schedules.models import PlanStatus
from app.schedules.words import rhythm_of
from app.web.filters import money
from app.web.labels import label_of


@contribute_panel
def show_schedules(row: BillingKey) -> Panel | None:
    """The next charge of a key, its schedules and plans, and how often it failed of late."""
    if not can(Permission.SCHEDULE_READ):
        return None
    recent = queries.list_recent_of_key(row.id)
    return Panel(
        "schedules/_panel.html",
        {
            "key": row,
            "upcoming": queries.list_open_of_key(row.id),
            "recent": recent,
            "plans": queries.list_plans_of_key(row.id),
            "failures": queries.failures_in_a_row(recent),
            "rhythm_of": rhythm_of,
        },
    )


@contribute_ending
def tell_plans_that_end(row: BillingKey) -> Iterator[str]:
    """The recurring plans that end with a key."""
    for plan in queries.list_plans_of_key(row.id):
        if plan.status != PlanStatus.ENDED:
            amount = money(plan.amount, plan.currency)
            yield _("Recurring plan “%(name)s”, %(amount)s", name=plan.order_name, amount=amount)


contribute_column(ListColumn(_l("Next charge"), queries.list_outlooks, "schedules/_next_charge.html"))


@contribute
def tell_origin(payment: Payment) -> Iterator[Entry]:
    """A payment that was planned says where it comes from."""
    row = queries.find_by_payment(payment.payment_id)
    if row is None:
        return
    label = label_of("schedule_status", "scheduled")
    title = _("Charge planned")
    detail = row.schedule_id or ""
    if row.plan is not None:
        title = _("Charge planned by the recurring plan “%(name)s”", name=row.plan.order_name)
        detail = _(
            "Try %(number)s of its period · %(rhythm)s", number=row.plan_try, rhythm=rhythm_of(row.plan)
        )
    requester = row.requester
    yield Entry(
        row.created_at,
        title,
        actor=(requester.name or requester.email or "") if requester else "",
        source=str(label_of("source", "ours" if row.is_ours else "portone").text),
        detail=detail,
        url=url_for("schedules.show", row_id=row.id),
        tone=label.tone,
        icon=label.icon,
    )
