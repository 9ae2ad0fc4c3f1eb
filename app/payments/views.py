"""The payment pages: list and search, one payment with its story, notes, and a fresh look at PortOne."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from flask import Blueprint, abort, flash, redirect, request, url_for
from flask_babel import gettext as _
from flask_login import current_user

from app.access.guards import require
from app.access.permissions import Permission
from app.database import TookTooLong
from app.errors import NotFound
from app.extensions import db, portone
from app.payments import exporting, listing, queries, service, totals
from app.payments.actions import action, find_action
from app.payments.changes import FIELD_NAMES, words_of_changes
from app.payments.forms import COLUMNS, NoteForm, PaymentFilterForm, looks_like_billing_key
from app.payments.goto import Destination, find_destinations
from app.payments.models import Payment
from app.payments.timeline import timeline_of
from app.portone.payloads import PaymentSnapshot
from app.saved_views.queries import columns_of
from app.web.htmx import is_htmx, render, see_other
from app.web.requests import segment_of

payments = Blueprint("payments", __name__)

_SHOWN_FIELDS = frozenset({"order_name", "payment_id", "customer_name"})


@payments.get("/payments")
@require(Permission.PAYMENT_READ)
def index() -> Any:
    """Payments by filters and text; a whole id goes straight to its payment."""
    form = PaymentFilterForm(request.args)
    if form.has_billing_key:
        return _offer_to_post(form.q.data)
    named = _destinations(form)
    if len(named) == 1:
        return redirect(named[0].url)
    if named:
        return render("payments/choose.html", form=form, destinations=named)
    if not form.validate():
        return _list_page(form, status=422)
    return _PARTS.get(request.args.get("part", ""), _found_page)(form)


@payments.post("/payments")
@require(Permission.PAYMENT_READ)
def search() -> Any:
    """Search for what no address may hold: a billing key is looked up by its hash."""
    typed = request.form.get("q", "").strip()
    if not looks_like_billing_key(typed):
        return see_other(url_for("payments.index", q=typed or None))
    return see_other(url_for("payments.index", billing_key=queries.known_hash_of(typed)))


@payments.get("/payments/<payment_id:payment_id>")
@require(Permission.PAYMENT_READ)
def show(payment_id: str) -> Any:
    """One payment, or the offer to look for it at PortOne."""
    payment = queries.find_payment(payment_id)
    if payment is None:
        return render("payments/unknown.html", status=404, payment_id=payment_id)
    attempts: Sequence[PaymentSnapshot] = ()
    if "attempts" in request.args and payment.person_erased_at is None:  # PortOne's own tell who it was
        db.session.rollback()  # no transaction stays open while PortOne is asked
        attempts = portone.list_transactions(payment_id)
    return _payment_page(queries.get_payment(payment_id), attempts=attempts)


@payments.post("/payments/<payment_id:payment_id>")
@require(Permission.PAYMENT_READ)
def update(payment_id: str) -> Any:
    """The forms of a payment's page, told apart by `action`: no fixed address may stand below an id."""
    answer = find_action(request.form.get("action", ""))
    if answer is None:
        abort(400)
    return answer(payment_id)


@action("refresh")
@require(Permission.PAYMENT_SYNC)
def _refresh(payment_id: str) -> Any:
    """Read the payment again from PortOne, and show what that changed."""
    result = service.refresh_payment(payment_id, by=current_user)
    if result.change is None and queries.find_payment(payment_id) is None:
        raise NotFound(_("PortOne does not know this payment either."))
    if result.change is not None and result.change.is_new:
        flash(_("The payment was found at PortOne and is now kept here."), "success")
        return see_other(url_for("payments.show", payment_id=payment_id))
    return _payment_page(queries.get_payment(payment_id), result=result)


@action("note")
@require(Permission.PAYMENT_ANNOTATE)
def _annotate(payment_id: str) -> Any:
    """Keep a note."""
    form = NoteForm(request.form)
    if not form.validate():
        return _payment_page(queries.get_payment(payment_id), note_form=form, status=422)
    service.add_note(payment_id, form.body.data, by=current_user)
    return see_other(url_for("payments.show", payment_id=payment_id, _anchor="notes"))


def _found_page(form: PaymentFilterForm) -> Any:
    """The list, and what to do where it is empty."""
    filters = form.filters()
    try:
        found = listing.list_payments(
            filters, after=request.args.get("after"), before=request.args.get("before")
        )
        is_narrowed = bool(filters.since or filters.until) and not found.page.rows
        without_period = listing.count_without_period(filters) if is_narrowed else 0
    except TookTooLong as problem:
        return _list_page(form, status=422, problem=problem.message)
    return _list_page(form, found=found, without_period=without_period, totals=_totals_asked_for(form))


def _totals_part(form: PaymentFilterForm) -> Any:
    """What the list adds up to; a page of its own only where htmx is not."""
    return _found_page(form) if not is_htmx() else render("payments/_totals.html", totals=_totals_of(form))


def _counts_part(form: PaymentFilterForm) -> Any:
    """The status tabs with a count each, which come after the page."""
    statuses = [str(choice.value) for choice in form.status.choices]
    try:
        counts = totals.counts_by_status(form.filters(), statuses)
    except TookTooLong:
        counts = None
    return render("payments/_tabs.html", form=form, counts=counts)


#: What is asked for after the page, by `part` in the address.
_PARTS: Mapping[str, Callable[[PaymentFilterForm], Any]] = {"totals": _totals_part, "counts": _counts_part}


def _totals_asked_for(form: PaymentFilterForm) -> Any:
    return _totals_of(form) if request.args.get("part") == "totals" else None


def _totals_of(form: PaymentFilterForm) -> Any:
    """The totals; None where they took too long."""
    try:
        return totals.totals_of(form.filters())
    except TookTooLong:
        return None


def _destinations(form: PaymentFilterForm) -> Sequence[Destination]:
    """The pages that what was typed names whole, where nothing else was asked for."""
    others = {name for name, value in request.args.items() if value} - {"q", "clock", "column"}
    if not form.q.data or is_htmx() or others:
        return ()
    try:
        return find_destinations(form.q.data)
    except TookTooLong:  # the list looks for it as for any text
        return ()


def _offer_to_post(billing_key: str) -> Any:
    """A form that searches for the key by POST; htmx is told to keep it out of the address."""
    fragment = "payments/_billing_key.html"
    response = render("payments/billing_key.html", fragment=fragment, billing_key=billing_key)
    response.headers["HX-Push-Url"] = "false"
    return response


def _list_page(form: PaymentFilterForm, *, status: int = 200, **found: Any) -> Any:
    fragment = "payments/_rows.html" if request.args.get("after") else "payments/_list.html"
    if not form.column.data:
        form.remembered_columns = columns_of(current_user, exporting.PAYMENTS.name)
    return render(
        "payments/index.html",
        fragment=fragment,
        status=status,
        form=form,
        listing=exporting.PAYMENTS,
        names_of=_names_of,
        payment_url=_payment_urls(),
        column_names=COLUMNS,
        looked_through=listing.LOOKED_THROUGH,
        synced_at=queries.last_synced_at(),
        **found,
    )


def _payment_urls() -> Callable[[str], str]:
    """The address of a payment by its id: a list has fifty, and building each anew takes long."""
    base = url_for("payments.show", payment_id="x").removesuffix("x")
    return lambda payment_id: base + segment_of(payment_id)


def _names_of(fields: Iterable[str]) -> str:
    """The fields a text was found in, but for those that a row of the list shows anyway."""
    return ", ".join(str(FIELD_NAMES[name]) for name in fields if name not in _SHOWN_FIELDS)


def _payment_page(
    payment: Payment,
    *,
    status: int = 200,
    attempts: Sequence[PaymentSnapshot] = (),
    result: service.SyncResult | None = None,
    note_form: NoteForm | None = None,
) -> Any:
    snapshot = queries.snapshot_of(payment)
    changes = words_of_changes(result.change.fields, payment.currency) if result and result.change else []
    return render(
        "payments/show.html",
        status=status,
        payment=payment,
        snapshot=snapshot,
        is_overdue=snapshot is not None and queries.is_overdue(snapshot),
        outlook=queries.outlook_of(payment),
        entries=timeline_of(payment, attempts),
        has_attempts=bool(attempts),
        result=result,
        changes=changes,
        note_form=note_form or NoteForm(),
    )
