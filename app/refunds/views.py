"""The refund pages: form, review, outcome, list."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from flask import Blueprint, flash, request, url_for
from flask_babel import gettext as _
from flask_login import current_user

from app.access.guards import can, require
from app.access.permissions import Permission
from app.accounts.service import SignInRefused
from app.approvals import queries as approvals
from app.approvals.proving import asking_to_wait, prove, words_about
from app.approvals.service import (
    ApprovalRefused,
    ProofMissing,
    refuse_above_daily_limit,
    refuse_above_limit,
)
from app.columns import new_id
from app.errors import DomainError
from app.payments.actions import action
from app.payments.models import Payment
from app.payments.queries import get_payment
from app.payments.service import sync_payment
from app.portone.errors import PortOneError, PortOneRefused
from app.portone.meanings import msgid_of
from app.refunds import (
    account_keeping,
    approving,
    balance,
    closing,
    exporting,
    listing,
    queries,
    rules,
    service,
)
from app.refunds.bank_accounts import has_unusual_length
from app.refunds.forms import DecisionForm, RefundForm, RevealForm
from app.refunds.inquiry import inquiry_of
from app.refunds.list_form import RefundFilterForm
from app.refunds.meanwhile import tell_meanwhile, who_asked
from app.refunds.models import ClosureStatus, Refund
from app.refunds.service import BalanceMoved, RefundRefused, Wish
from app.refunds.steps import find_drift, steps_of
from app.refunds.story import decision_for, outcome_of
from app.refunds.transfers import transfer_of
from app.web.htmx import is_htmx, render, see_other
from app.web.lists import Listing, query_of
from app.web.totals import Totals, totals_for

refunds = Blueprint("refunds", __name__)


@refunds.get("/refunds")
@require(Permission.REFUND_READ)
def index() -> Any:
    """Every refund, newest first."""
    form = RefundFilterForm(request.args)
    if not form.validate():
        return render("refunds/index.html", status=422, form=form, listing=exporting.REFUNDS, page=None)
    filters, after = form.filters(), request.args.get("after")
    page = listing.list_refunds(filters, after=after)
    if after and is_htmx():
        return render("refunds/_rows.html", page=page)
    counts = listing.count_refunds(filters)
    count = sum(counts[status] for status in filters.statuses) if filters.statuses else counts[""]
    return render(
        "refunds/index.html",
        form=form,
        listing=exporting.REFUNDS,
        page=page,
        counts=counts,
        count=count,
        elsewhere=listing.count_elsewhere(filters),
        totals=_totals(exporting.REFUNDS, partial(listing.total_refunds, filters), count),
    )


@refunds.get("/refunds/elsewhere")
@require(Permission.REFUND_READ)
def elsewhere() -> Any:
    """Money that went back without us: by PortOne's console, by other programs, by chargeback."""
    form = RefundFilterForm(request.args)
    if not form.validate():
        return render("refunds/elsewhere.html", status=422, form=form, listing=exporting.ELSEWHERE, page=None)
    filters, after = form.filters(), request.args.get("after")
    page = listing.list_elsewhere(filters, after=after)
    if after and is_htmx():
        return render("refunds/_elsewhere_rows.html", page=page)
    count = listing.count_elsewhere(filters)
    return render(
        "refunds/elsewhere.html",
        form=form,
        listing=exporting.ELSEWHERE,
        page=page,
        counts=listing.count_refunds(filters),
        count=count,
        elsewhere=count,
        totals=_totals(exporting.ELSEWHERE, partial(listing.total_elsewhere, filters), count),
    )


@refunds.get("/refunds/<uuid:refund_id>")
@require(Permission.REFUND_READ)
def show(refund_id: UUID) -> Any:
    """What became of a refund; the page asks again by itself while that is open."""
    return _refund_page(queries.get_refund(refund_id), DecisionForm())


@refunds.post("/refunds/<uuid:refund_id>/reveal")
@require(Permission.REFUND_REVEAL_ACCOUNT)
def reveal(refund_id: UUID) -> Any:
    """The account number of a refund, shown once, to who has a reason."""
    refund = queries.get_refund(refund_id)
    form = RevealForm(request.form)
    if not form.validate():
        return render("refunds/account.html", status=422, refund=refund, form=form)
    account = account_keeping.reveal_account(refund_id, form.reason.data, by=current_user)
    return render("refunds/account.html", refund=refund, account=account)


@refunds.get("/payments/<payment_id:payment_id>/refunds/new")
@require(Permission.REFUND_CREATE)
def new(payment_id: str) -> Any:
    """The form, over the payment as PortOne reports it this moment."""
    try:
        sync_payment(payment_id, seen_how="page")
    except PortOneError as silence:
        return _unreachable_page(payment_id, silence)
    payment = get_payment(payment_id)
    return _form_page(payment, RefundForm.fresh(payment, may_override=_may_override()))


@refunds.post("/payments/<payment_id:payment_id>/refunds/new")
@require(Permission.REFUND_CREATE)
def create(payment_id: str) -> Any:
    """The review page, and once that is confirmed, the refund itself."""
    payment = get_payment(payment_id)
    form = RefundForm(request.form, payment=payment, may_override=_may_override())
    first = _find_first_of(form)
    if first is not None:
        return see_other(url_for("refunds.show", refund_id=first))
    if not form.validate():
        return _form_page(payment, form, status=422)
    try:
        return _review_or_carry_out(payment, form)
    except (RefundRefused, ApprovalRefused) as refusal:
        return _form_again(payment_id, refusal)


@refunds.post("/refunds/<uuid:refund_id>/approve")
@require(Permission.REFUND_APPROVE)
def approve(refund_id: UUID) -> Any:
    """Send a refund that somebody else asked for."""
    form = DecisionForm(request.form)
    refund = queries.get_refund(refund_id)
    if not form.validate():
        return _refund_page(refund, form, status=422)
    try:
        proof = prove(refund.amount, refund.payment.currency)
        approving.approve_refund(refund_id, by=current_user, note=form.note.data or "", proof=proof)
    except (ProofMissing, SignInRefused) as refusal:
        return _refund_page(queries.get_refund(refund_id), form, status=refusal.status, unproven=refusal)
    except (RefundRefused, ApprovalRefused) as refusal:
        return _refund_page(queries.get_refund(refund_id), form, status=refusal.status, refusal=refusal)
    return see_other(url_for("refunds.show", refund_id=refund_id))


@refunds.post("/refunds/<uuid:refund_id>/reject")
@require(Permission.REFUND_APPROVE)
def reject(refund_id: UUID) -> Any:
    """Say no to a refund that somebody else asked for."""
    form = DecisionForm(request.form)
    if not form.validate():
        return _refund_page(queries.get_refund(refund_id), form, status=422)
    try:
        approving.reject_refund(refund_id, by=current_user, note=form.note.data or "")
    except (RefundRefused, ApprovalRefused) as refusal:
        return _refund_page(queries.get_refund(refund_id), form, status=refusal.status, refusal=refusal)
    return see_other(url_for("refunds.show", refund_id=refund_id))


@refunds.post("/refunds/<uuid:refund_id>/withdraw")
@require(Permission.REFUND_CREATE)
def withdraw(refund_id: UUID) -> Any:
    """Take back a refund that one asked for and that still waits."""
    try:
        approving.withdraw_refund(refund_id, by=current_user)
    except ApprovalRefused as refusal:
        refund = queries.get_refund(refund_id)
        return _refund_page(refund, DecisionForm(), status=refusal.status, refusal=refusal)
    return see_other(url_for("refunds.show", refund_id=refund_id))


@refunds.post("/refunds/<uuid:refund_id>/recheck")
@require(Permission.REFUND_RECHECK)
def recheck(refund_id: UUID) -> Any:
    """Ask PortOne now what became of a refund."""
    service.recheck_refund(refund_id, by=current_user)
    return see_other(url_for("refunds.show", refund_id=refund_id))


@action("close_account")
@require(Permission.VIRTUAL_ACCOUNT_CLOSE)
def close_account(payment_id: str) -> Any:
    """Close a virtual account nobody has paid into: a page that asks once more, and then the act."""
    payment = get_payment(payment_id)
    intent = _intent_of(request.form.get("intent"))
    if intent is None or request.form.get("confirmed") != "1":
        closing.refuse_if_not_waiting(payment)
        return render("refunds/close_account.html", payment=payment, intent=new_id())
    closure = closing.close_account(payment_id, intent, by=current_user)
    if closure.status == ClosureStatus.CLOSED:
        flash(_("The virtual account is closed. Nobody can pay into it any more."), "success")
        return see_other(url_for("payments.show", payment_id=payment_id))
    return render(
        "refunds/close_account.html",
        status=200 if closure.status == ClosureStatus.CLOSING else 409,
        payment=get_payment(payment_id),
        intent=new_id(),
        closure=closure,
        why=closing.explain(closure),
    )


def _intent_of(typed: str | None) -> UUID | None:
    try:
        return UUID(typed or "")
    except ValueError:
        return None


def _totals(shown: Listing, compute: Callable[[], Totals], count: int) -> Totals | None:
    key = f"{shown.name}?{query_of(request.args)}"
    return totals_for(key, compute, count=count, is_asked="totals" in request.args)


def _find_first_of(form: RefundForm) -> UUID | None:
    """The refund this very form has made before: a second press leads to it, whatever it says now."""
    intent = _intent_of(form.intent.data)
    if intent is None:
        return None
    first = queries.find_refund(intent)
    return intent if first is not None and first.payment_id == form.payment.id else None


def _review_or_carry_out(payment: Payment, form: RefundForm) -> Any:
    wish = form.wish()
    refuse_above_limit(current_user, wish.amount, payment.currency)
    spent = queries.sum_of_day(current_user.id, payment.currency)
    refuse_above_daily_limit(current_user, wish.amount, payment.currency, spent=spent)
    if form.confirmed.data != "1":
        service.refuse_if_impossible(payment, wish)
        service.rules_set_aside(payment, wish, current_user)
        return _review_page(payment, form, wish)
    try:
        proof = prove(wish.amount, payment.currency)
        service.request_refund(payment.payment_id, wish, by=current_user, proof=proof)
    except (ProofMissing, SignInRefused) as refusal:
        return _review_page(payment, form, wish, unproven=refusal)
    return see_other(url_for("refunds.show", refund_id=wish.intent))


def _review_page(
    payment: Payment, form: RefundForm, wish: Wish, *, unproven: DomainError | None = None
) -> Any:
    account = wish.account
    response = render(
        "refunds/review.html",
        status=unproven.status if unproven else 200,
        payment=payment,
        form=form,
        wish=wish,
        rules=rules.rules_broken(payment, wish.amount),
        is_doubtful_number=account is not None and has_unusual_length(account.bank, account.number),
        needs_proof=approvals.needs_proof(wish.amount, payment.currency),
        needs_approval=approvals.needs_second_person(
            wish.amount + queries.sum_without_approval(payment), payment.currency
        ),
        unproven=words_about(unproven),
    )
    return asking_to_wait(response, unproven)


def _refund_page(
    refund: Refund,
    form: DecisionForm,
    *,
    status: int = 200,
    refusal: DomainError | None = None,
    unproven: DomainError | None = None,
) -> Any:
    response = render(
        "refunds/show.html",
        fragment="refunds/_outcome.html",
        status=status,
        refund=refund,
        outcome=outcome_of(refund),
        steps=steps_of(refund),
        inquiry=inquiry_of(refund),
        drift=find_drift(refund),
        transfer=transfer_of(refund),
        refundable=balance.refundable(refund.payment),
        form=form,
        decision=decision_for(refund, current_user),
        refusal=refusal,
        unproven=words_about(unproven),
    )
    return asking_to_wait(response, unproven)


def _form_again(payment_id: str, refusal: DomainError) -> Any:
    """The form as it was typed, over the balance as it is now, with what happened meanwhile."""
    payment = get_payment(payment_id)
    form = RefundForm(request.form, payment=payment, may_override=_may_override())
    told: list[str] = []
    if isinstance(refusal, BalanceMoved):
        told = tell_meanwhile(payment, int(form.expected_refundable.data))
        form.begin_again()
    return _form_page(payment, form, status=refusal.status, refusal=refusal, told=told)


def _may_override() -> bool:
    return can(Permission.REFUND_OVERRIDE)


def _unreachable_page(payment_id: str, problem: PortOneError) -> Any:
    """No form without the balance as PortOne has it now: it says so, and offers to try again."""
    refused = problem if isinstance(problem, PortOneRefused) else None
    return render(
        "refunds/unreachable.html",
        status=502 if refused else 503,
        payment=get_payment(payment_id),
        why=_(msgid_of(refused.type), type=refused.type) if refused else None,
    )


def _form_page(
    payment: Payment,
    form: RefundForm,
    *,
    status: int = 200,
    refusal: DomainError | None = None,
    told: Sequence[str] = (),
) -> Any:
    in_flight = balance.find_in_flight(payment)
    blocks = rules.blocks_to_override(payment)
    forbidden = [] if form.may_override else [str(rule.sentence) for rule in blocks]
    return render(
        "refunds/new.html",
        status=status,
        payment=payment,
        form=form,
        refusal=refusal,
        told=told,
        rules=rules.rules_for(payment),
        blocks=blocks,
        obstacle=rules.find_obstacle(payment) or balance.find_hold(payment) or next(iter(forbidden), None),
        in_flight=in_flight,
        asked_by=who_asked(in_flight) if in_flight else None,
        held=balance.held(payment),
    )
