"""The list of refunds as a file, and that of the cancellations made elsewhere."""

from operator import attrgetter
from typing import Any

from flask_babel import lazy_gettext as _l
from sqlalchemy import Select, func
from sqlalchemy.orm import aliased

from app.access.permissions import Permission
from app.accounts.models import User
from app.payments.models import Cancellation, Payment
from app.refunds.list_form import RefundFilterForm
from app.refunds.listing import ELSEWHERE_CLOCK, RefundFilters, select_elsewhere, select_refunds
from app.refunds.models import Refund
from app.refunds.reasons import REASONS
from app.web.filters import label
from app.web.lists import Column, Listing, register
from app.web.masks import masked_name
from app.web.spreadsheets import major

_requester, _approver = aliased(User), aliased(User)

_OF_PAYMENT = (
    Payment.payment_id,
    Payment.order_name,
    Payment.currency,
    Payment.method,
    Payment.pg_provider,
    Payment.channel_type,
    Payment.customer_name,
)

_PAYMENT_COLUMNS = (
    Column(_l("Payment ID"), attrgetter("payment_id")),
    Column(_l("Order"), attrgetter("order_name")),
    Column(_l("Customer name"), attrgetter("customer_name"), masked_name),
    Column(_l("Payment method"), attrgetter("method"), kind="method"),
    Column(_l("PG"), attrgetter("pg_provider"), kind="pg"),
    Column(_l("Channel"), attrgetter("channel_type")),
)


def _refund_rows(filters: RefundFilters) -> Select[Any]:
    columns = (
        Refund.id,
        Refund.status,
        Refund.amount,
        Refund.tax_free_amount,
        Refund.reason_code,
        Refund.reason,
        Refund.account_bank,
        Refund.account_last_digits,
        Refund.account_holder,
        Refund.cancellation_id,
        Refund.problem,
        Refund.pg_code,
        Refund.pg_message,
        Refund.created_at,
        Refund.sent_at,
        Refund.settled_at,
        _name_of(_requester).label("requester"),
        _name_of(_approver).label("approver"),
        *_OF_PAYMENT,
    )
    statement = select_refunds(filters, *columns).outerjoin(_requester, _requester.id == Refund.requested_by)
    return statement.outerjoin(_approver, _approver.id == Refund.approved_by)


def _name_of(person: Any) -> Any:
    return func.coalesce(func.nullif(person.name, ""), person.email)


def _account_of(row: Any) -> str | None:
    """Bank and last digits: more than that is in no list."""
    return f"{label(row.account_bank, 'bank')} ****{row.account_last_digits}" if row.account_bank else None


def _reason_of(row: Any) -> str | None:
    known = REASONS.get(row.reason_code or "")
    return str(known.label) if known else row.reason_code


REFUNDS = register(
    Listing(
        name="refunds",
        title=_l("Refunds"),
        endpoint="refunds.index",
        permission=Permission.REFUND_READ,
        form=RefundFilterForm,
        rows=_refund_rows,
        clock=Refund.created_at,
        key=Refund.id,
        columns=(
            Column(_l("Refund number"), lambda row: str(row.id)),
            Column(_l("Status"), attrgetter("status"), kind="refund_status"),
            Column(_l("Currency"), attrgetter("currency")),
            Column(_l("Refund amount"), lambda row: major(row.amount, row.currency)),
            Column(_l("Tax-free amount"), lambda row: major(row.tax_free_amount, row.currency)),
            Column(_l("Reason"), _reason_of),
            Column(_l("Note on the reason"), attrgetter("reason")),
            *_PAYMENT_COLUMNS,
            Column(_l("Refund account"), _account_of),
            Column(_l("Account holder"), attrgetter("account_holder"), masked_name),
            Column(_l("Requested by"), attrgetter("requester")),
            Column(_l("Approved by"), attrgetter("approver")),
            Column(_l("Cancellation ID"), attrgetter("cancellation_id")),
            Column(_l("Problem"), lambda row: row.pg_message or row.problem),
            Column(_l("PG code"), attrgetter("pg_code")),
            Column(_l("Requested at"), attrgetter("created_at")),
            Column(_l("Sent at"), attrgetter("sent_at")),
            Column(_l("Settled at"), attrgetter("settled_at")),
        ),
    )
)


def _elsewhere_rows(filters: RefundFilters) -> Select[Any]:
    return select_elsewhere(
        filters,
        Cancellation.cancellation_id,
        Cancellation.status,
        Cancellation.trigger,
        Cancellation.total_amount,
        Cancellation.tax_free_amount,
        Cancellation.reason,
        Cancellation.requested_at,
        Cancellation.cancelled_at,
        *_OF_PAYMENT,
    )


ELSEWHERE = register(
    Listing(
        name="cancellations-elsewhere",
        title=_l("Cancelled elsewhere"),
        endpoint="refunds.elsewhere",
        permission=Permission.REFUND_READ,
        form=RefundFilterForm,
        rows=_elsewhere_rows,
        clock=ELSEWHERE_CLOCK,
        key=Cancellation.id,
        columns=(
            Column(_l("Cancellation ID"), attrgetter("cancellation_id")),
            Column(_l("Status"), attrgetter("status"), kind="cancellation_status"),
            Column(_l("Made in"), attrgetter("trigger"), kind="trigger"),
            Column(_l("Currency"), attrgetter("currency")),
            Column(_l("Cancelled amount"), lambda row: major(row.total_amount, row.currency)),
            Column(_l("Tax-free amount"), lambda row: major(row.tax_free_amount, row.currency)),
            Column(_l("Reason"), attrgetter("reason")),
            *_PAYMENT_COLUMNS,
            Column(_l("Requested at"), attrgetter("requested_at")),
            Column(_l("Cancelled at"), attrgetter("cancelled_at")),
        ),
    )
)
