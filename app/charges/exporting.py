"""The list of charges as a file; the keys they were made with are credentials and in no file."""

from operator import attrgetter
from typing import Any

from flask_babel import lazy_gettext as _l
from sqlalchemy import Select, func
from sqlalchemy.orm import aliased

from app.access.permissions import Permission
from app.accounts.models import User
from app.billing_keys.models import BillingKey
from app.charges.list_form import ChargeFilterForm
from app.charges.listing import ChargeFilters, select_charges
from app.charges.models import Charge
from app.web.lists import Column, Listing, register
from app.web.masks import masked_name
from app.web.spreadsheets import major

_requester, _approver = aliased(User), aliased(User)

_READ = (
    Charge.id,
    Charge.status,
    Charge.amount,
    Charge.tax_free_amount,
    Charge.currency,
    Charge.order_name,
    Charge.named_payment_id,
    Charge.customer_id,
    Charge.customer_name,
    Charge.reason,
    Charge.problem,
    Charge.pg_code,
    Charge.pg_message,
    Charge.created_at,
    Charge.sent_at,
    Charge.settled_at,
    BillingKey.key_ending,
    BillingKey.method,
    BillingKey.pg_provider,
    BillingKey.channel_type,
)


def _rows(filters: ChargeFilters) -> Select[Any]:
    names = [
        func.coalesce(func.nullif(person.name, ""), person.email).label(label)
        for person, label in ((_requester, "requester"), (_approver, "approver"))
    ]
    statement = select_charges(filters, *_READ, *names)
    statement = statement.outerjoin(_requester, _requester.id == Charge.requested_by)
    return statement.outerjoin(_approver, _approver.id == Charge.approved_by)


CHARGES = register(
    Listing(
        name="charges",
        title=_l("Charges"),
        endpoint="charges.index",
        permission=Permission.CHARGE_READ,
        form=ChargeFilterForm,
        rows=_rows,
        clock=Charge.created_at,
        key=Charge.id,
        columns=(
            Column(_l("Charge number"), lambda row: str(row.id)),
            Column(_l("Status"), attrgetter("status"), kind="charge_status"),
            Column(_l("Currency"), attrgetter("currency")),
            Column(_l("Charged amount"), lambda row: major(row.amount, row.currency)),
            Column(_l("Tax-free amount"), lambda row: major(row.tax_free_amount, row.currency)),
            Column(_l("Order"), attrgetter("order_name")),
            Column(_l("Payment ID"), attrgetter("named_payment_id")),
            Column(_l("Customer ID"), attrgetter("customer_id")),
            Column(_l("Customer name"), attrgetter("customer_name"), masked_name),
            Column(_l("Billing key"), lambda row: row.key_ending and f"…{row.key_ending}"),
            Column(_l("Payment method"), attrgetter("method"), kind="method"),
            Column(_l("PG"), attrgetter("pg_provider"), kind="pg"),
            Column(_l("Channel"), attrgetter("channel_type")),
            Column(_l("Reason"), attrgetter("reason")),
            Column(_l("Requested by"), attrgetter("requester")),
            Column(_l("Approved by"), attrgetter("approver")),
            Column(_l("Problem"), lambda row: row.pg_message or row.problem),
            Column(_l("PG code"), attrgetter("pg_code")),
            Column(_l("Requested at"), attrgetter("created_at")),
            Column(_l("Sent at"), attrgetter("sent_at")),
            Column(_l("Settled at"), attrgetter("settled_at")),
        ),
    )
)
