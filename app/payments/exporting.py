"""The list of payments as a file."""

from operator import attrgetter
from typing import Any

from flask_babel import lazy_gettext as _l
from sqlalchemy import Select

from app.access.permissions import Permission
from app.payments.filters import PaymentFilters
from app.payments.forms import PaymentFilterForm
from app.payments.listing import select_matches
from app.payments.models import Payment
from app.web.lists import Column, Listing, register
from app.web.masks import masked_email, masked_name, masked_phone
from app.web.spreadsheets import major

_READ = (
    Payment.payment_id,
    Payment.transaction_id,
    Payment.pg_tx_id,
    Payment.status,
    Payment.order_name,
    Payment.currency,
    Payment.amount,
    Payment.cancelled_amount,
    Payment.cancellable_amount,
    Payment.tax_free_amount,
    Payment.method,
    Payment.pg_provider,
    Payment.channel_type,
    Payment.customer_name,
    Payment.customer_email,
    Payment.customer_phone,
    Payment.requested_at,
    Payment.paid_at,
    Payment.status_changed_at,
)

_COLUMNS = (
    Column(_l("Payment ID"), attrgetter("payment_id")),
    Column(_l("Status"), attrgetter("status"), kind="payment_status"),
    Column(_l("Order"), attrgetter("order_name")),
    Column(_l("Currency"), attrgetter("currency")),
    Column(_l("Payment amount"), lambda row: major(row.amount, row.currency)),
    Column(_l("Cancelled amount"), lambda row: major(row.cancelled_amount, row.currency)),
    Column(_l("Net amount"), lambda row: major(row.amount - row.cancelled_amount, row.currency)),
    Column(_l("Can still be cancelled"), lambda row: major(row.cancellable_amount, row.currency)),
    Column(_l("Tax-free amount"), lambda row: major(row.tax_free_amount, row.currency)),
    Column(_l("Payment method"), attrgetter("method"), kind="method"),
    Column(_l("PG"), attrgetter("pg_provider"), kind="pg"),
    Column(_l("Channel"), attrgetter("channel_type")),
    Column(_l("Customer name"), attrgetter("customer_name"), masked_name),
    Column(_l("Customer e-mail"), attrgetter("customer_email"), masked_email),
    Column(_l("Customer phone"), attrgetter("customer_phone"), masked_phone),
    Column(_l("Transaction ID"), attrgetter("transaction_id")),
    Column(_l("PG transaction ID"), attrgetter("pg_tx_id")),
    Column(_l("Requested at"), attrgetter("requested_at")),
    Column(_l("Approved at"), attrgetter("paid_at")),
    Column(_l("Status changed at"), attrgetter("status_changed_at")),
)


def _rows(filters: PaymentFilters) -> Select[Any]:
    return select_matches(filters, *_READ)


#: Ordered by the clock that stands still once a payment was made, whatever becomes of it meanwhile.
PAYMENTS = register(
    Listing(
        name="payments",
        title=_l("Payments"),
        endpoint="payments.index",
        permission=Permission.PAYMENT_READ,
        form=PaymentFilterForm,
        rows=_rows,
        clock=Payment.requested_clock,
        key=Payment.id,
        columns=_COLUMNS,
    )
)
