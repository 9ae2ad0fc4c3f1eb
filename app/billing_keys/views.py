"""Billing keys: the list, the look-up by a whole key, and one key with its payments and events."""

from typing import Any
from uuid import UUID

from flask import Blueprint, flash, request, url_for
from flask_babel import gettext as _

from app.access.guards import require
from app.access.permissions import Permission
from app.billing_keys import exporting, queries, service
from app.billing_keys.forms import BillingKeyFilterForm, BillingKeyLookupForm
from app.billing_keys.panels import columns_of, panels_of
from app.portone.errors import PortOneRefused
from app.web.htmx import render, see_other

billing_keys = Blueprint("billing_keys", __name__)


@billing_keys.get("/billing-keys")
@require(Permission.BILLING_KEY_READ)
def index() -> Any:
    """Every billing key, the last issued first."""
    if service.looks_like_billing_key(request.args.get("q")):
        flash(
            _("A billing key must not stand in an address. Paste it into the box for whole keys."), "warning"
        )
        return see_other(url_for("billing_keys.index"))
    return _list_page(BillingKeyLookupForm())


@billing_keys.post("/billing-keys")
@require(Permission.BILLING_KEY_READ)
def look_up() -> Any:
    """Go to the billing key that was pasted, asking PortOne if it is not known here."""
    lookup = BillingKeyLookupForm(request.form)
    if not lookup.validate():
        return _list_page(lookup, status=422)
    row = queries.find_billing_key(lookup.billing_key.data)
    try:
        row_id = row.id if row else service.sync_billing_key(lookup.billing_key.data).row_id
    except PortOneRefused as refusal:
        if refusal.status != 404:
            raise
        lookup.billing_key.errors = [_("Neither Portico nor PortOne knows this billing key.")]
        return _list_page(lookup, status=404)
    return see_other(url_for("billing_keys.show", billing_key_row_id=row_id))


@billing_keys.get("/billing-keys/<uuid:billing_key_row_id>")
@require(Permission.BILLING_KEY_READ)
def show(billing_key_row_id: UUID) -> Any:
    """One billing key: what it charges, whose it is, and what happened with it."""
    row = queries.get_billing_key(billing_key_row_id)
    payments = queries.list_payments_of(row)
    return render(
        "billing_keys/show.html",
        row=row,
        description=queries.describe(row),
        payments=payments,
        has_more_payments=len(payments) == queries.SHOWN_PAYMENTS,
        entries=queries.timeline_of(row),
        panels=panels_of(row),
    )


def _list_page(lookup: BillingKeyLookupForm, *, status: int = 200) -> Any:
    form = BillingKeyFilterForm(request.args)
    filters = form.filters() if form.validate() else None
    after = request.args.get("after")
    page = None if filters is None else queries.list_billing_keys(filters, after=after)
    return render(
        "billing_keys/index.html",
        fragment="billing_keys/_rows.html",
        status=422 if filters is None else status,
        form=form,
        lookup=lookup,
        listing=exporting.BILLING_KEYS,
        page=page,
        columns=columns_of(page.rows) if page else [],
        count=None if filters is None else queries.count_billing_keys(filters),
        describe=queries.describe,
    )
