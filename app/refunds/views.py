"""The refund pages: form, review, outcome, list."""

from typing import Any
from uuid import UUID

from flask import Blueprint, request, url_for
from flask_login import current_user

from app.access.guards import require
from app.access.permissions import Permission
from app.payments.models import Payment
from app.payments.queries import get_payment
from app.payments.service import sync_payment
from app.refunds import balance, queries, rules, service
from app.refunds.forms import RefundFilterForm, RefundForm
from app.refunds.service import BalanceMoved, RefundRefused
from app.refunds.story import outcome_of, steps_of
from app.web.htmx import render, see_other

refunds = Blueprint("refunds", __name__)


@refunds.get("/refunds")
@require(Permission.REFUND_READ)
def index() -> Any:
    """Every refund, newest first."""
    form = RefundFilterForm(request.args)
    is_valid = form.validate()
    filters = form.filters() if is_valid else None
    page = queries.list_refunds(filters, after=request.args.get("after")) if filters is not None else None
    return render(
        "refunds/index.html",
        fragment="refunds/_rows.html",
        status=200 if is_valid else 422,
        form=form,
        page=page,
        count=queries.count_refunds(filters) if filters is not None else 0,
    )


@refunds.get("/refunds/<uuid:refund_id>")
@require(Permission.REFUND_READ)
def show(refund_id: UUID) -> Any:
    """What became of a refund; the page asks again by itself while that is open."""
    refund = queries.get_refund(refund_id)
    return render(
        "refunds/show.html",
        fragment="refunds/_outcome.html",
        refund=refund,
        outcome=outcome_of(refund),
        steps=steps_of(refund),
        refundable=balance.refundable(refund.payment),
    )


@refunds.get("/payments/<payment_id:payment_id>/refunds/new")
@require(Permission.REFUND_CREATE)
def new(payment_id: str) -> Any:
    """The form, over the payment as PortOne reports it this moment."""
    sync_payment(payment_id)
    payment = get_payment(payment_id)
    return _form_page(payment, RefundForm.fresh(payment))


@refunds.post("/payments/<payment_id:payment_id>/refunds/new")
@require(Permission.REFUND_CREATE)
def create(payment_id: str) -> Any:
    """The review page, and once that is confirmed, the refund itself."""
    payment = get_payment(payment_id)
    form = RefundForm(request.form, payment=payment)
    first = _find_first_of(form)
    if first is not None:
        return see_other(url_for("refunds.show", refund_id=first))
    if not form.validate():
        return _form_page(payment, form, status=422)
    try:
        return _review_or_carry_out(payment, form)
    except RefundRefused as refusal:
        return _form_again(payment_id, refusal)


@refunds.post("/refunds/<uuid:refund_id>/recheck")
@require(Permission.REFUND_RECHECK)
def recheck(refund_id: UUID) -> Any:
    """Ask PortOne now what became of a refund."""
    service.recheck_refund(refund_id, by=current_user)
    return see_other(url_for("refunds.show", refund_id=refund_id))


def _find_first_of(form: RefundForm) -> UUID | None:
    """The refund this very form has made before: a second press leads to it, whatever it says now."""
    try:
        intent = UUID(form.intent.data or "")
    except ValueError:
        return None
    first = queries.find_refund(intent)
    return intent if first is not None and first.payment_id == form.payment.id else None


def _review_or_carry_out(payment: Payment, form: RefundForm) -> Any:
    wish = form.wish()
    if not form.confirmed.data:
        service.refuse_if_impossible(payment, wish)
        return render("refunds/review.html", payment=payment, form=form, wish=wish)
    service.request_refund(payment.payment_id, wish, by=current_user)
    return see_other(url_for("refunds.show", refund_id=wish.intent))


def _form_again(payment_id: str, refusal: RefundRefused) -> Any:
    """The form as it was typed, over the balance as it is now, with what happened meanwhile."""
    payment = get_payment(payment_id)
    form = RefundForm(request.form, payment=payment)
    if isinstance(refusal, BalanceMoved):
        form.begin_again()
    return _form_page(payment, form, status=refusal.status, refusal=refusal)


def _form_page(
    payment: Payment, form: RefundForm, *, status: int = 200, refusal: RefundRefused | None = None
) -> Any:
    return render(
        "refunds/new.html",
        status=status,
        payment=payment,
        form=form,
        refusal=refusal,
        obstacle=rules.find_obstacle(payment),
        in_flight=balance.find_in_flight(payment),
        held=balance.held(payment),
    )
