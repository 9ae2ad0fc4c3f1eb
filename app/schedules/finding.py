"""How schedules and plans are found from the search box of payments: by PortOne's id of one, and by ours."""

from collections.abc import Iterator

from flask import url_for
from flask_babel import gettext as _
from sqlalchemy import select

from app.access.guards import can
from app.access.permissions import Permission
from app.extensions import db
from app.payments.goto import Destination, as_uuid, contribute, is_named
from app.schedules.models import ChargePlan, PaymentSchedule


@contribute(PaymentSchedule.id, PaymentSchedule.schedule_id, PaymentSchedule.payment_id, ChargePlan.id)
def find_schedules(name: str) -> Iterator[Destination]:
    """The schedule with this id of PortOne's or ours, the charge to come under a paymentId, and the plan."""
    if not can(Permission.SCHEDULE_READ):
        return
    known = select(PaymentSchedule).where(is_named(name, PaymentSchedule.id, PaymentSchedule.schedule_id))
    for row in db.session.scalars(known.limit(2)):
        yield _destination(row, _("Schedule ID"))
    by_payment = select(PaymentSchedule).where(PaymentSchedule.payment_id == name)
    for row in db.session.scalars(by_payment.limit(2)):
        yield _destination(row, _("Payment ID"), is_general=True)
    plan_id = as_uuid(name)
    plan = db.session.get(ChargePlan, plan_id) if plan_id else None
    if plan is not None:
        url = url_for("plans.show", plan_id=plan.id)
        yield Destination(url, _("Recurring plan"), plan.order_name, _("Plan ID"))


def _destination(row: PaymentSchedule, why: str, *, is_general: bool = False) -> Destination:
    url = url_for("schedules.show", row_id=row.id)
    return Destination(url, _("Scheduled charge"), row.order_name or row.payment_id, why, is_general)
