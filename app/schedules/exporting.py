"""The list of schedules as a file; billing keys are credentials and in no file."""

from operator import attrgetter
from typing import Any

from flask_babel import lazy_gettext as _l
from sqlalchemy import Select

from app.access.permissions import Permission
from app.billing_keys.models import BillingKey
from app.schedules.list_form import ScheduleFilterForm
from app.schedules.listing import ScheduleFilters, select_schedules
from app.schedules.models import PaymentSchedule
from app.web.lists import Column, Listing, register
from app.web.masks import masked_name
from app.web.spreadsheets import major

_READ = (
    PaymentSchedule.id,
    PaymentSchedule.schedule_id,
    PaymentSchedule.payment_id,
    PaymentSchedule.status,
    PaymentSchedule.amount,
    PaymentSchedule.currency,
    PaymentSchedule.order_name,
    PaymentSchedule.customer_id,
    PaymentSchedule.customer_name,
    PaymentSchedule.time_to_pay,
    PaymentSchedule.started_at,
    PaymentSchedule.completed_at,
    PaymentSchedule.revoked_at,
    PaymentSchedule.plan_id,
    PaymentSchedule.problem,
    PaymentSchedule.revoke_reason,
    PaymentSchedule.created_at,
    BillingKey.key_ending,
)


def _rows(filters: ScheduleFilters) -> Select[Any]:
    return select_schedules(filters, *_READ).outerjoin(PaymentSchedule.billing_key)


SCHEDULES = register(
    Listing(
        name="schedules",
        title=_l("Scheduled charges"),
        endpoint="schedules.index",
        permission=Permission.SCHEDULE_READ,
        form=ScheduleFilterForm,
        rows=_rows,
        clock=PaymentSchedule.time_to_pay,
        key=PaymentSchedule.id,
        columns=(
            Column(_l("Schedule ID"), attrgetter("schedule_id")),
            Column(_l("Payment ID"), attrgetter("payment_id")),
            Column(_l("Status"), attrgetter("status"), kind="schedule_status"),
            Column(_l("Currency"), attrgetter("currency")),
            Column(_l("Amount"), lambda row: major(row.amount, row.currency)),
            Column(_l("Order"), attrgetter("order_name")),
            Column(_l("Customer ID"), attrgetter("customer_id")),
            Column(_l("Customer name"), attrgetter("customer_name"), masked_name),
            Column(_l("Billing key"), lambda row: row.key_ending and f"…{row.key_ending}"),
            Column(_l("To be charged at"), attrgetter("time_to_pay")),
            Column(_l("Charge begun at"), attrgetter("started_at")),
            Column(_l("Charge ended at"), attrgetter("completed_at")),
            Column(_l("Revoked at"), attrgetter("revoked_at")),
            Column(_l("Reason"), attrgetter("revoke_reason")),
            Column(_l("Recurring plan"), lambda row: row.plan_id and str(row.plan_id)),
            Column(_l("Problem"), attrgetter("problem")),
            Column(_l("Made at"), attrgetter("created_at")),
        ),
    )
)
