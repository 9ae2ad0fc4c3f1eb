"""Recurring plans: the list, a new one, one with its charges, and what people do with it."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import Blueprint, request, url_for
from flask_login import current_user

from app import clock
from app.access.guards import require
from app.access.permissions import Permission
from app.accounts.service import SignInRefused
from app.approvals import queries as approvals
from app.approvals.proving import asking_to_wait, prove
from app.approvals.proving import words_about as words_about_proof
from app.approvals.queries import Kind
from app.approvals.service import ApprovalRefused, ProofMissing
from app.billing_keys.models import BillingKey
from app.billing_keys.queries import describe, get_billing_key
from app.errors import DomainError
from app.schedules import advancing, listing, queries
from app.schedules import plans as service
from app.schedules.forms import ReasonForm
from app.schedules.models import ChargePlan, PlanStatus
from app.schedules.plan_forms import PlanChangeForm, PlanForm, ResumeForm
from app.schedules.plans import PlanRefused, PlanWish
from app.schedules.service import ScheduleRefused
from app.schedules.words import rhythm_of, words_about
from app.settings.service import value_of
from app.web.htmx import is_htmx, render, see_other

plans = Blueprint("plans", __name__)


@plans.get("/plans")
@require(Permission.SCHEDULE_READ)
def index() -> Any:
    """Every plan, the newest first."""
    chosen, stop, after = (request.args.get(name) for name in ("status", "stop", "after"))
    page = listing.list_plans(chosen if chosen in set(PlanStatus) else None, stop, after=after)
    template = "plans/_rows.html" if after and is_htmx() else "plans/index.html"
    return render(
        template,
        page=page,
        chosen=chosen,
        stop=stop,
        counts=listing.count_plans(),
        in_trouble=listing.count_in_trouble(),
        describe=describe,
        rhythm_of=rhythm_of,
        next_charges=listing.list_next_of_plans([plan.id for plan in page.rows]),
    )


@plans.get("/billing-keys/<uuid:billing_key_row_id>/plans/new")
@require(Permission.PLAN_MANAGE)
def new(billing_key_row_id: UUID) -> Any:
    """The form of a plan."""
    return _form_page(billing_key_row_id, PlanForm.fresh())


@plans.post("/billing-keys/<uuid:billing_key_row_id>/plans/new")
@require(Permission.PLAN_MANAGE)
def create(billing_key_row_id: UUID) -> Any:
    """The review page with the dates to come, and once that is confirmed, the plan itself."""
    form = PlanForm(request.form)
    if not form.validate():
        return _form_page(billing_key_row_id, form, status=422)
    wish = form.wish()
    try:
        key = get_billing_key(billing_key_row_id)
        service.refuse_to_begin(key, wish, by=current_user)
        if request.form.get("confirmed") != "1":
            return _review_page(key, form, wish)
        proof = prove(wish.amount, wish.currency, Kind.CHARGE)
        service.create_plan(billing_key_row_id, wish, by=current_user, proof=proof)
    except (ProofMissing, SignInRefused) as refusal:
        return _review_page(get_billing_key(billing_key_row_id), form, wish, unproven=refusal)
    except (PlanRefused, ScheduleRefused, ApprovalRefused) as refusal:
        return _form_page(billing_key_row_id, form, status=refusal.status, refusal=refusal)
    return see_other(url_for("plans.show", plan_id=wish.intent))


@plans.get("/plans/<uuid:plan_id>")
@require(Permission.SCHEDULE_READ)
def show(plan_id: UUID) -> Any:
    """One plan: what it charges, what it has charged, and what comes next."""
    return _show_page(queries.get_plan(plan_id))


@plans.get("/plans/<uuid:plan_id>/edit")
@require(Permission.PLAN_MANAGE)
def edit(plan_id: UUID) -> Any:
    """The form over the terms of a plan."""
    plan = queries.get_plan(plan_id)
    return _edit_page(plan, PlanChangeForm(plan=plan))


@plans.post("/plans/<uuid:plan_id>/edit")
@require(Permission.PLAN_MANAGE)
def update(plan_id: UUID) -> Any:
    """Change the terms, from the next charge that is planned on."""
    plan = queries.get_plan(plan_id)
    form = PlanChangeForm(request.form, plan=plan)
    if not form.validate():
        return _edit_page(plan, form, status=422)
    wish = form.wish()
    try:
        proof = prove(wish.amount, plan.currency, Kind.CHARGE) if wish.amount != plan.amount else None
        service.change_plan(plan_id, wish, form.reason.data, by=current_user, proof=proof)
    except (ProofMissing, SignInRefused) as refusal:
        return _edit_page(queries.get_plan(plan_id), form, status=refusal.status, unproven=refusal)
    except (PlanRefused, ScheduleRefused, ApprovalRefused) as refusal:
        return _edit_page(queries.get_plan(plan_id), form, status=refusal.status, refusal=refusal)
    return see_other(url_for("plans.show", plan_id=plan_id))


@plans.post("/plans/<uuid:plan_id>/pause")
@require(Permission.PLAN_MANAGE)
def pause(plan_id: UUID) -> Any:
    """Have a plan stand still."""
    return _carry_out(plan_id, "pause", ReasonForm(request.form), service.pause_plan)


@plans.post("/plans/<uuid:plan_id>/end")
@require(Permission.PLAN_MANAGE)
def end(plan_id: UUID) -> Any:
    """End a plan for good."""
    return _carry_out(plan_id, "end", ReasonForm(request.form), service.end_plan)


@plans.post("/plans/<uuid:plan_id>/resume")
@require(Permission.PLAN_MANAGE)
def resume(plan_id: UUID) -> Any:
    """Have a paused plan go on."""
    form = ResumeForm(request.form)

    def go_on(plan_id: UUID, reason: str, *, by: Any) -> None:
        service.resume_plan(plan_id, reason, by=by, charges_now=bool(form.charges_now.data))

    return _carry_out(plan_id, "resume", form, go_on)


def _carry_out(plan_id: UUID, what: str, form: ReasonForm, act: Callable[..., None]) -> Any:
    if not form.validate():
        return _show_page(queries.get_plan(plan_id), {what: form}, status=422)
    try:
        act(plan_id, form.reason.data, by=current_user)
    except (PlanRefused, ScheduleRefused, ApprovalRefused) as refusal:
        plan = queries.get_plan(plan_id)
        return _show_page(plan, {what: form}, status=refusal.status, refusal=refusal)
    return see_other(url_for("plans.show", plan_id=plan_id))


def _policy() -> dict[str, int]:
    return {"tries": int(value_of("plan_tries")), "days": int(value_of("plan_retry_days"))}


def _form_page(
    billing_key_row_id: UUID, form: PlanForm, *, status: int = 200, refusal: DomainError | None = None
) -> Any:
    key = get_billing_key(billing_key_row_id)
    return render(
        "plans/new.html",
        status=status,
        key=key,
        description=describe(key),
        form=form,
        refusal=refusal,
        policy=_policy(),
        others=[plan for plan in queries.list_plans_of_key(key.id) if plan.status != PlanStatus.ENDED],
        rhythm_of=rhythm_of,
    )


def _review_page(
    key: BillingKey, form: PlanForm, wish: PlanWish, *, unproven: DomainError | None = None
) -> Any:
    response = render(
        "plans/review.html",
        status=unproven.status if unproven else 200,
        key=key,
        description=describe(key),
        form=form,
        wish=wish,
        rhythm=rhythm_of(wish),
        dates=service.dates_of(key, wish),
        policy=_policy(),
        needs_proof=approvals.needs_proof(wish.amount, wish.currency, Kind.CHARGE),
        unproven=words_about_proof(unproven),
    )
    return asking_to_wait(response, unproven)


def _edit_page(
    plan: ChargePlan,
    form: PlanChangeForm,
    *,
    status: int = 200,
    refusal: DomainError | None = None,
    unproven: DomainError | None = None,
) -> Any:
    response = render(
        "plans/edit.html",
        status=status,
        plan=plan,
        form=form,
        refusal=refusal,
        open_row=queries.find_open_of(plan.id),
        needs_proof=unproven is not None,
        unproven=words_about_proof(unproven),
    )
    return asking_to_wait(response, unproven)


def _show_page(
    plan: ChargePlan,
    forms: dict[str, ReasonForm] | None = None,
    *,
    status: int = 200,
    refusal: DomainError | None = None,
) -> Any:
    blank: dict[str, Any] = {"pause": ReasonForm(), "end": ReasonForm(), "resume": ResumeForm()}
    owes = plan.status == PlanStatus.PAUSED and plan.rhythm.due_at(plan.next_period) <= clock.now()
    return render(
        "plans/show.html",
        status=status,
        plan=plan,
        description=describe(plan.billing_key),
        rhythm=rhythm_of(plan),
        rows=queries.list_history_of_plan(plan.id),
        open_row=queries.find_open_of(plan.id),
        charges=queries.count_charges(plan.id),
        dates=advancing.next_dates(plan) if plan.status == PlanStatus.ACTIVE else [],
        forms={**blank, **(forms or {})},
        refusal=refusal,
        policy=_policy(),
        owes=owes,
        why=words_about(plan.problem),
    )
