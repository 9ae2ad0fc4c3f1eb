"""The pages of erasures: what would go, and what went."""

from typing import Any
from uuid import UUID

from flask import Blueprint, abort, flash, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_login import current_user

from app.access.guards import require
from app.access.permissions import Permission
from app.erasure import queries, service
from app.erasure.forms import ErasureForm
from app.web.htmx import render, see_other

erasure = Blueprint("erasure", __name__)

#: What is counted, in the order it is told: what it is called, and what of it goes.
COUNTED: dict[str, tuple[Any, Any]] = {
    "payments": (
        _l("Payments"),
        _l("name, e-mail, phone, address, account number, IP address, custom data"),
    ),
    "billing_keys": (_l("Billing keys"), _l("name, phone, what the store attached")),
    "charges": (_l("Charges"), _l("customer ID and name")),
    "schedules": (_l("Charges to come"), _l("customer ID and name, what the store attached")),
    "accounts": (_l("Refund accounts"), _l("account number, account holder")),
    "batch_rows": (_l("Rows of bulk refunds"), _l("account number, account holder, phone")),
    "webhooks": (_l("Webhooks"), _l("headers and bodies")),
    "notes": (_l("Notes"), _l("what staff wrote, where chosen")),
    "exports": (_l("Exported files"), _l("those of anybody with names in full expire now")),
}


@erasure.get("/erasures")
@require(Permission.CUSTOMER_ERASE)
def index() -> Any:
    """What was erased, by whom and why."""
    page = queries.list_erasures(after=request.args.get("after"))
    return render("erasure/index.html", fragment="erasure/_rows.html", page=page, counted=COUNTED)


@erasure.get("/erasures/new")
@require(Permission.CUSTOMER_ERASE)
def new() -> Any:
    """What there is of the customer of a payment or billing key, and what would go."""
    return _page(_subject(), ErasureForm())


@erasure.post("/erasures/new")
@require(Permission.CUSTOMER_ERASE)
def create() -> Any:
    """Erase it."""
    subject, form = _subject(), ErasureForm(request.form)
    if not form.validate():
        return _page(subject, form, status=422)
    try:
        service.erase(subject, form.reason.data, with_notes=form.with_notes.data, by=current_user)
    except service.ErasureRefused as refusal:
        return _page(subject, form, status=refusal.status)
    flash(_("The personal data was erased. PortOne still has its own; erase it there too."), "success")
    return see_other(url_for("erasure.index"))


def _subject() -> str | UUID:
    """A paymentId, or the row of a billing key, as the address names it."""
    if payment_id := request.args.get("payment_id"):
        return payment_id
    try:
        return UUID(request.args.get("billing_key", ""))
    except ValueError:
        abort(404)


def _page(subject: str | UUID, form: ErasureForm, *, status: int = 200) -> Any:
    scope = service.scope_of(subject)
    return render(
        "erasure/new.html",
        status=status,
        scope=scope,
        counts=scope.counts(),
        counted=COUNTED,
        form=form,
        **_addresses(subject),
    )


def _addresses(subject: str | UUID) -> dict[str, str]:
    if isinstance(subject, UUID):
        back = url_for("billing_keys.show", billing_key_row_id=subject)
        return {"address": url_for("erasure.create", billing_key=subject), "back": back}
    back = url_for("payments.show", payment_id=subject)
    return {"address": url_for("erasure.create", payment_id=subject), "back": back}
