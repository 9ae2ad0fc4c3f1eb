"""Billing keys: the list, the look-up by a whole key, one key with its payments and events, its deletion."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import Blueprint, flash, request, url_for
from flask_babel import gettext as _
from flask_login import current_user

from app.access.guards import require
from app.access.permissions import Permission
from app.billing_keys import deleting, exporting, queries, service, switching
from app.billing_keys.deletion_story import explain, outcome_of
from app.billing_keys.forms import (
    BillingKeyFilterForm,
    BillingKeyLookupForm,
    DeletionForm,
    RevealForm,
    SwitchForm,
)
from app.billing_keys.models import BillingKeyDeletion, DeletionStatus
from app.billing_keys.panels import columns_of, endings_of, panels_of
from app.portone.errors import PortOneError, PortOneRefused
from app.web.htmx import is_htmx, render, see_other

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
    return _key_page(billing_key_row_id)


@billing_keys.post("/billing-keys/<uuid:billing_key_row_id>/refresh")
@require(Permission.BILLING_KEY_SYNC)
def refresh(billing_key_row_id: UUID) -> Any:
    """Read the key again from PortOne, and tell what that changed."""
    queries.get_billing_key(billing_key_row_id)
    change = service.refresh_billing_key(billing_key_row_id, by=current_user)
    for told in queries.words_of_changes(change.fields):
        flash(f"{told.name}: {told.before} → {told.after}", "info")
    if not change.fields:
        flash(_("PortOne has nothing new about this billing key."), "info")
    return see_other(url_for("billing_keys.show", billing_key_row_id=billing_key_row_id))


@billing_keys.post("/billing-keys/<uuid:billing_key_row_id>/active")
@require(Permission.BILLING_KEY_SWITCH)
def switch_active(billing_key_row_id: UUID) -> Any:
    """Let the key be charged from here, or no longer."""
    return _switch(billing_key_row_id, switching.set_active)


@billing_keys.post("/billing-keys/<uuid:billing_key_row_id>/default")
@require(Permission.BILLING_KEY_SWITCH)
def switch_default(billing_key_row_id: UUID) -> Any:
    """Make the key its customer's default, or no longer."""
    return _switch(billing_key_row_id, switching.set_default)


@billing_keys.post("/billing-keys/<uuid:billing_key_row_id>/reveal")
@require(Permission.BILLING_KEY_REVEAL)
def reveal(billing_key_row_id: UUID) -> Any:
    """The whole key, shown once, to who has a reason."""
    row = queries.get_billing_key(billing_key_row_id)
    form = RevealForm(request.form)
    if not form.validate():
        return render("billing_keys/reveal.html", status=422, row=row, form=form)
    billing_key = switching.reveal_billing_key(billing_key_row_id, form.reason.data, by=current_user)
    return render("billing_keys/reveal.html", row=row, billing_key=billing_key)


@billing_keys.get("/billing-keys/<uuid:billing_key_row_id>/delete")
@require(Permission.BILLING_KEY_DELETE)
def confirm_deletion(billing_key_row_id: UUID) -> Any:
    """What stops with the key, read from PortOne this moment, and the form to delete it."""
    row = queries.get_billing_key(billing_key_row_id)
    return _deletion_page(billing_key_row_id, DeletionForm(row=row))


@billing_keys.post("/billing-keys/<uuid:billing_key_row_id>/delete")
@require(Permission.BILLING_KEY_DELETE)
def delete(billing_key_row_id: UUID) -> Any:
    """Revoke the schedules that were shown, and delete the key at PortOne."""
    form = DeletionForm(request.form, row=queries.get_billing_key(billing_key_row_id))
    if deleting.find_deletion(form.intent_id, billing_key_row_id) is None:
        if not form.validate():
            return _deletion_page(billing_key_row_id, form, status=422)
        try:
            deletion = deleting.delete_billing_key(billing_key_row_id, form.wish(), by=current_user)
        except (deleting.DeletionRefused, PortOneError) as problem:
            return _deletion_not_begun(billing_key_row_id, form, problem)
        if deletion.status == DeletionStatus.FAILED:
            return _deletion_page(billing_key_row_id, form, status=409, deletion=deletion)
    return see_other(url_for("billing_keys.show", billing_key_row_id=billing_key_row_id))


def _deletion_not_begun(billing_key_row_id: UUID, form: DeletionForm, problem: Exception) -> Any:
    """Nothing is kept of this deletion: there was nothing to delete, more stops than was seen, or silence."""
    if isinstance(problem, deleting.AlreadyDeleted):
        flash(problem.message, "info")
        return see_other(url_for("billing_keys.show", billing_key_row_id=billing_key_row_id))
    if isinstance(problem, deleting.DeletionRefused):
        form.confirmation.data = ""  # it was typed for other than what stops now
        return _deletion_page(billing_key_row_id, form, status=problem.status, refusal=problem)
    return _deletion_page(billing_key_row_id, form, silence=problem)


def _switch(billing_key_row_id: UUID, change: Callable[..., bool]) -> Any:
    queries.get_billing_key(billing_key_row_id)
    form = SwitchForm(request.form)
    if not form.validate():
        return _key_page(billing_key_row_id, status=422)
    change(billing_key_row_id, form.is_on, by=current_user)
    return see_other(url_for("billing_keys.show", billing_key_row_id=billing_key_row_id))


def _key_page(billing_key_row_id: UUID, *, status: int = 200) -> Any:
    row = queries.get_billing_key(billing_key_row_id)
    payments = queries.list_payments_of(row)
    deletion = deleting.find_latest_deletion(row)
    outcome = outcome_of(deletion) if deletion else None
    response = render(
        "billing_keys/show.html",
        fragment="billing_keys/_deletion.html",
        status=status,
        row=row,
        description=queries.describe(row),
        channels=queries.channels_of(row),
        payments=payments,
        has_more_payments=len(payments) == queries.SHOWN_PAYMENTS,
        entries=queries.timeline_of(row),
        panels=panels_of(row),
        deletion=deletion,
        outcome=outcome,
        form=RevealForm(),
    )
    if is_htmx() and outcome and not outcome.is_open:
        response.headers["HX-Refresh"] = "true"  # the page has other parts now
    return response


def _deletion_page(
    billing_key_row_id: UUID,
    form: DeletionForm,
    *,
    status: int = 200,
    refusal: deleting.DeletionRefused | None = None,
    deletion: BillingKeyDeletion | None = None,
    silence: Exception | None = None,
) -> Any:
    """The form over what PortOne tells this moment; without that there is nothing to agree to."""
    schedules = None
    try:
        if silence is None:
            schedules = deleting.look_before(queries.get_billing_key(billing_key_row_id))
    except PortOneError as problem:
        silence = problem
    refused = silence if isinstance(silence, PortOneRefused) else None
    row = queries.get_billing_key(billing_key_row_id)
    form.begin_again(schedules)
    return render(
        "billing_keys/delete.html",
        status=(502 if refused else 503) if silence and status == 200 else status,
        row=row,
        description=queries.describe(row),
        form=form,
        schedules=schedules,
        is_waiting=any(schedule.is_being_charged for schedule in schedules or ()),
        endings=endings_of(row),
        why_silent=explain(refused.type) if refused else None,
        refusal=refusal,
        deletion=deletion,
        outcome=outcome_of(deletion) if deletion else None,
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
