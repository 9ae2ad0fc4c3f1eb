"""The list of billing keys as a file; the keys themselves are credentials and in no file."""

from operator import attrgetter
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import Select

from app.access.permissions import Permission
from app.accounts.models import User
from app.billing_keys.forms import BillingKeyFilterForm
from app.billing_keys.models import BillingKey
from app.billing_keys.queries import BillingKeyFilters, select_billing_keys
from app.web.lists import Column, Listing, register
from app.web.masks import masked_name, masked_number

_READ = (
    BillingKey.id,
    BillingKey.key_ending,
    BillingKey.status,
    BillingKey.method,
    BillingKey.method_summary,
    BillingKey.pg_provider,
    BillingKey.card_company,
    BillingKey.card_name,
    BillingKey.card_number,
    BillingKey.customer_name,
    BillingKey.is_default,
    BillingKey.is_active,
    BillingKey.registered_at,
    BillingKey.last_used_at,
    BillingKey.deleted_at,
    User.customer_id,
)


def _rows(filters: BillingKeyFilters) -> Select[Any]:
    return select_billing_keys(filters, *_READ)


BILLING_KEYS = register(
    Listing(
        name="billing-keys",
        title=_l("Billing keys"),
        endpoint="billing_keys.index",
        permission=Permission.BILLING_KEY_READ,
        form=BillingKeyFilterForm,
        rows=_rows,
        clock=BillingKey.registered_clock,
        key=BillingKey.id,
        columns=(
            Column(_l("Billing key"), lambda row: row.key_ending and f"…{row.key_ending}"),
            Column(_l("Status"), attrgetter("status"), kind="billing_key_status"),
            Column(_l("Payment method"), attrgetter("method"), kind="method"),
            Column(_l("Number"), lambda row: row.card_number or row.method_summary, masked_number),
            Column(_l("Card"), attrgetter("card_company"), kind="card_company"),
            Column(_l("Card name"), attrgetter("card_name")),
            Column(_l("PG"), attrgetter("pg_provider"), kind="pg"),
            Column(_l("Customer ID"), attrgetter("customer_id")),
            Column(_l("Customer name"), attrgetter("customer_name"), masked_name),
            Column(_l("Customer's default"), lambda row: _("Yes") if row.is_default else None),
            Column(_l("Switched on"), lambda row: _("Yes") if row.is_active else _("No")),
            Column(_l("Issued at"), attrgetter("registered_at")),
            Column(_l("Last used at"), attrgetter("last_used_at")),
            Column(_l("Deleted at"), attrgetter("deleted_at")),
        ),
    )
)
