"""The pages of charges: form, review, outcome, list."""

from functools import partial
from typing import Any
from uuid import UUID

from flask import Blueprint, request, url_for
from flask_login import current_user

from app.access.guards import require
from app.access.permissions import Permission
from app.accounts.service import SignInRefused
from app.approvals import queries as approvals
from app.approvals.proving import asking_to_wait, prove, words_about
from app.approvals.queries import Kind
from app.approvals.service import ApprovalRefused, ProofMissing, refuse_above_limit
from app.billing_keys.models import BillingKey
from app.billing_keys.queries import describe, get_billing_key
from app.charges import (
    approving,
    checks,
    exporting,
    listing,
    panels,  # noqa: F401 - puts itself on the page of billing keys
    queries,
    service,
)
from app.charges.checks import ChargeRefused, MaybeTwice, Wish
from app.charges.forms import ChargeForm, DecisionForm
from app.charges.list_form import ChargeFilterForm
from app.charges.models import Charge
from app.charges.story import decision_for, inquiry_of, outcome_of, steps_of
from app.errors import DomainError
from app.web.htmx import is_htmx, render, see_other
from app.web.lists import query_of
from app.web.totals import totals_for

charges = Blueprint("charges", __name__)


@charges.get("/charges")
@require(Permission.CHARGE_READ)
def index() -> Any:
    """Every charge made here, newest first."""
    form = ChargeFilterForm(request.args)
    if not form.validate():
        return render("charges/index.html", status=422, form=form, listing=exporting.CHARGES, page=None)
    filters, after = form.filters(), request.args.get("after")
    page = listing.list_charges(filters, after=after)
    if after and is_htmx():
        return render("charges/_rows.html", page=page, describe=describe)
    counts = listing.count_charges(filters)
    count = sum(counts[status] for status in filters.statuses) if filters.statuses else counts[""]
    return render(
        "charges/index.html",
        form=form,
        listing=exporting.CHARGES,
        page=page,
        counts=counts,
        count=count,
        describe=describe,
        totals=totals_for(
            f"charges?{query_of(request.args)}",
            partial(listing.total_charges, filters),
            count=count,
            is_asked="totals" in request.args,
        ),
    )


@charges.get("/charges/<uuid:charge_id>")
@require(Permission.CHARGE_READ)
def show(charge_id: UUID) -> Any:
    """What became of a charge; the page asks again by itself while that is open."""
    return _charge_page(queries.get_charge(charge_id), DecisionForm())


@charges.get("/billing-keys/<uuid:billing_key_row_id>/charges/new")
@require(Permission.CHARGE_CREATE)
def new(billing_key_row_id: UUID) -> Any:
    """The form."""
    row = get_billing_key(billing_key_row_id)
    return _form_page(row, ChargeForm.fresh(row))


@charges.post("/billing-keys/<uuid:billing_key_row_id>/charges/new")
@require(Permission.CHARGE_CREATE)
def create(billing_key_row_id: UUID) -> Any:
    """The review page, and once that is confirmed, the charge itself."""
    row = get_billing_key(billing_key_row_id)
    form = ChargeForm(request.form)
    first = queries.find_charge(form.intent_id) if form.intent_id else None
    if first is not None and first.billing_key_id == row.id:  # pressed again
        return see_other(url_for("charges.show", charge_id=first.id))
    if not form.validate():
        return _form_page(row, form, status=422)
    try:
        return _review_or_carry_out(row, form)
    except (ChargeRefused, ApprovalRefused) as refusal:
        row = get_billing_key(billing_key_row_id)
        return _form_page(row, form, status=refusal.status, refusal=refusal)


@charges.post("/charges/<uuid:charge_id>/approve")
@require(Permission.CHARGE_APPROVE)
def approve(charge_id: UUID) -> Any:
    """Send a charge that somebody else asked for."""
    form, charge = DecisionForm(request.form), queries.get_charge(charge_id)
    if not form.validate():
        return _charge_page(charge, form, status=422)
    try:
        proof = prove(charge.amount, charge.currency, Kind.CHARGE)
        approving.approve_charge(charge_id, by=current_user, note=form.note.data or "", proof=proof)
    except (ProofMissing, SignInRefused) as refusal:
        return _charge_page(queries.get_charge(charge_id), form, status=refusal.status, unproven=refusal)
    except (ChargeRefused, ApprovalRefused) as refusal:
        return _charge_page(queries.get_charge(charge_id), form, status=refusal.status, refusal=refusal)
    return see_other(url_for("charges.show", charge_id=charge_id))


@charges.post("/charges/<uuid:charge_id>/reject")
@require(Permission.CHARGE_APPROVE)
def reject(charge_id: UUID) -> Any:
    """Say no to a charge that somebody else asked for."""
    form = DecisionForm(request.form)
    if not form.validate():
        return _charge_page(queries.get_charge(charge_id), form, status=422)
    try:
        approving.reject_charge(charge_id, by=current_user, note=form.note.data or "")
    except (ChargeRefused, ApprovalRefused) as refusal:
        return _charge_page(queries.get_charge(charge_id), form, status=refusal.status, refusal=refusal)
    return see_other(url_for("charges.show", charge_id=charge_id))


@charges.post("/charges/<uuid:charge_id>/withdraw")
@require(Permission.CHARGE_CREATE)
def withdraw(charge_id: UUID) -> Any:
    """Take back a charge that one asked for and that still waits."""
    try:
        approving.withdraw_charge(charge_id, by=current_user)
    except ApprovalRefused as refusal:
        charge = queries.get_charge(charge_id)
        return _charge_page(charge, DecisionForm(), status=refusal.status, refusal=refusal)
    return see_other(url_for("charges.show", charge_id=charge_id))


@charges.post("/charges/<uuid:charge_id>/recheck")
@require(Permission.CHARGE_RECHECK)
def recheck(charge_id: UUID) -> Any:
    """Ask PortOne now what became of a charge."""
    service.recheck_charge(charge_id, by=current_user)
    return see_other(url_for("charges.show", charge_id=charge_id))


def _review_or_carry_out(row: BillingKey, form: ChargeForm) -> Any:
    wish = form.wish()
    refuse_above_limit(current_user, wish.amount, wish.currency, Kind.CHARGE)
    is_confirmed = form.confirmed.data == "1"
    try:
        if not is_confirmed:
            checks.refuse_if_impossible(row, wish)
            return _review_page(row, form, wish)
        proof = prove(wish.amount, wish.currency, Kind.CHARGE)
        service.request_charge(row.id, wish, by=current_user, proof=proof)
    except (ProofMissing, SignInRefused) as refusal:
        return _review_page(row, form, wish, status=refusal.status, unproven=refusal)
    except MaybeTwice as warning:
        status = warning.status if is_confirmed else 200
        return _review_page(get_billing_key(row.id), form, wish, status=status)
    return see_other(url_for("charges.show", charge_id=wish.intent))


def _review_page(
    row: BillingKey,
    form: ChargeForm,
    wish: Wish,
    *,
    status: int = 200,
    unproven: DomainError | None = None,
) -> Any:
    twin = queries.find_twin(row.id, wish.amount, wish.currency, besides=wish.intent)
    is_meant = twin is not None and wish.not_twin == twin.id
    response = render(
        "charges/review.html",
        status=status,
        row=row,
        description=describe(row),
        form=form,
        wish=wish,
        twin=twin,
        told=checks.tell_twin(twin) if twin else None,
        is_meant=is_meant,
        is_unticked=twin is not None and not is_meant and status != 200,
        needs_proof=approvals.needs_proof(wish.amount, wish.currency, Kind.CHARGE),
        waits_for_approval=checks.needs_approval(row, wish),
        unproven=words_about(unproven),
    )
    return asking_to_wait(response, unproven)


def _form_page(
    row: BillingKey, form: ChargeForm, *, status: int = 200, refusal: DomainError | None = None
) -> Any:
    return render(
        "charges/new.html",
        status=status,
        row=row,
        description=describe(row),
        form=form,
        refusal=refusal,
        obstacle=checks.find_obstacle(row),
        latest=queries.list_charges_of(row)[:3],
    )


def _charge_page(
    charge: Charge,
    form: DecisionForm,
    *,
    status: int = 200,
    refusal: DomainError | None = None,
    unproven: DomainError | None = None,
) -> Any:
    response = render(
        "charges/show.html",
        fragment="charges/_outcome.html",
        status=status,
        charge=charge,
        description=describe(charge.billing_key),
        outcome=outcome_of(charge),
        steps=steps_of(charge),
        inquiry=inquiry_of(charge),
        form=form,
        decision=decision_for(charge, current_user),
        twin=queries.find_twin(charge.billing_key_id, charge.amount, charge.currency, besides=charge.id),
        refusal=refusal,
        unproven=words_about(unproven),
    )
    return asking_to_wait(response, unproven)
