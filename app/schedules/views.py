"""Scheduled charges: the list, one of them, planning and revoking, the calendar, and what is missing."""

from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from flask import Blueprint, flash, request, url_for
from flask_babel import gettext as _
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
from app.audit.queries import list_entries_of
from app.audit.words import words_of_action
from app.billing_keys.models import BillingKey
from app.billing_keys.queries import describe, get_billing_key
from app.billing_keys.tally import most_beside
from app.errors import DomainError
from app.payments.goto import as_uuid
from app.payments.queries import find_payment
from app.payments.timeline import Entry
from app.schedules import calendar, exporting, listing, missing, queries, service
from app.schedules.forms import ReasonForm, ScheduleForm
from app.schedules.list_form import ScheduleFilterForm
from app.schedules.models import PaymentSchedule
from app.schedules.service import ScheduleRefused, Wish
from app.schedules.words import outcome_of, words_about
from app.web.htmx import is_htmx, render, see_other
from app.web.lists import query_of
from app.web.totals import totals_for

schedules = Blueprint("schedules", __name__)

#: Beyond this a time to pay is more likely a slip of the keyboard.
FAR_AHEAD = timedelta(days=370)


@schedules.get("/schedules")
@require(Permission.SCHEDULE_READ)
def index() -> Any:
    """Every scheduled charge, those furthest ahead first."""
    form = ScheduleFilterForm(request.args)
    if not form.validate():
        return render("schedules/index.html", status=422, form=form, listing=exporting.SCHEDULES, page=None)
    filters, after = form.filters(), request.args.get("after")
    page = listing.list_schedules(filters, after=after)
    if after and is_htmx():
        return render("schedules/_rows.html", page=page)
    counts = listing.count_schedules(filters)
    count = sum(counts.get(status, 0) for status in filters.statuses) if filters.statuses else counts[""]
    totals = totals_for(
        f"schedules?{query_of(request.args)}",
        partial(listing.total_schedules, filters),
        count=count,
        is_asked="totals" in request.args,
    )
    return render(
        "schedules/index.html",
        form=form,
        listing=exporting.SCHEDULES,
        page=page,
        counts=counts,
        count=count,
        totals=totals,
    )


@schedules.get("/schedules/calendar")
@require(Permission.SCHEDULE_READ)
def month() -> Any:
    """A month of charges, Sunday first, with the same as a table."""
    first = calendar.month_of(request.args.get("month"), clock.today())
    before, after = calendar.neighbours(first)
    return render(
        "schedules/calendar.html",
        first=first,
        weeks=calendar.weeks_of(first),
        before=before,
        after=after,
        today=clock.today(),
        kinds=calendar.KINDS,
    )


@schedules.get("/schedules/missing")
@require(Permission.SCHEDULE_READ)
def missing_next() -> Any:
    """Keys whose last charge succeeded and for which nothing is planned."""
    rows = missing.list_missing()
    stuck = missing.list_stuck_plans()
    return render("schedules/missing.html", rows=rows, stuck=stuck, describe=describe, most=missing.SHOWN)


@schedules.get("/schedules/<uuid:row_id>")
@require(Permission.SCHEDULE_READ)
def show(row_id: UUID) -> Any:
    """One charge to come, or what became of it; the page asks again by itself while that is open."""
    return _show_page(queries.get_schedule(row_id), ReasonForm())


@schedules.post("/schedules/<uuid:row_id>/revoke")
@require(Permission.SCHEDULE_REVOKE)
def revoke(row_id: UUID) -> Any:
    """Give a charge up before its time has come."""
    row = queries.get_schedule(row_id)
    form = ReasonForm(request.form)
    if not form.validate():
        return _show_page(row, form, status=422)
    try:
        service.revoke_schedules([row_id], form.reason.data, by=current_user)
    except ScheduleRefused as refusal:
        return _show_page(queries.get_schedule(row_id), form, status=refusal.status, refusal=refusal)
    return see_other(url_for("schedules.show", row_id=row_id))


@schedules.post("/schedules/<uuid:row_id>/recheck")
@require(Permission.SCHEDULE_READ)
def recheck(row_id: UUID) -> Any:
    """Ask PortOne now where a charge stands."""
    service.recheck_schedule(row_id, by=current_user)
    flash(_("Checked again at PortOne."), "success")
    return see_other(url_for("schedules.show", row_id=row_id))


@schedules.get("/billing-keys/<uuid:billing_key_row_id>/schedules/new")
@require(Permission.SCHEDULE_CREATE)
def new(billing_key_row_id: UUID) -> Any:
    """The form of a charge to come."""
    return _form_page(billing_key_row_id, ScheduleForm.fresh())


@schedules.post("/billing-keys/<uuid:billing_key_row_id>/schedules/new")
@require(Permission.SCHEDULE_CREATE)
def create(billing_key_row_id: UUID) -> Any:
    """The review page, and once that is confirmed, the schedule itself."""
    form = ScheduleForm(request.form)
    if _is_made(form):
        return see_other(url_for("schedules.show", row_id=form.intent_id))
    if not form.validate():
        return _form_page(billing_key_row_id, form, status=422)
    try:
        return _review_or_carry_out(billing_key_row_id, form)
    except (ScheduleRefused, ApprovalRefused) as refusal:
        return _form_page(billing_key_row_id, form, status=refusal.status, refusal=refusal)


def _is_made(form: ScheduleForm) -> bool:
    """Whether this form was carried out before: pressing twice leads to the one schedule."""
    intent = as_uuid(form.intent.data or "")
    return intent is not None and queries.find_schedule(intent) is not None


def _review_or_carry_out(billing_key_row_id: UUID, form: ScheduleForm) -> Any:
    wish = form.wish()
    key = get_billing_key(billing_key_row_id)
    service.refuse_if_impossible(key, wish.time_to_pay)
    beside = most_beside(key.id, wish.currency, [wish.time_to_pay])
    by, may = current_user, Permission.SCHEDULE_CREATE
    service.refuse_if_not_theirs(by, may, wish.amount, wish.currency, beside=beside)
    if request.form.get("confirmed") != "1":
        return _review_page(key, form, wish)
    try:
        proof = prove(wish.amount, wish.currency, Kind.CHARGE)
        service.request_schedule(billing_key_row_id, wish, by=current_user, proof=proof)
    except (ProofMissing, SignInRefused) as refusal:
        return _review_page(get_billing_key(billing_key_row_id), form, wish, unproven=refusal)
    return see_other(url_for("schedules.show", row_id=wish.intent))


def _review_page(
    key: BillingKey, form: ScheduleForm, wish: Wish, *, unproven: DomainError | None = None
) -> Any:
    response = render(
        "schedules/review.html",
        status=unproven.status if unproven else 200,
        key=key,
        description=describe(key),
        form=form,
        wish=wish,
        is_far=wish.time_to_pay > clock.now() + FAR_AHEAD,
        same_day=[
            row
            for row in queries.list_open_of_key(key.id)
            if abs(row.time_to_pay - wish.time_to_pay) < timedelta(days=1)
        ],
        needs_proof=approvals.needs_proof(wish.amount, wish.currency, Kind.CHARGE),
        unproven=words_about_proof(unproven),
    )
    return asking_to_wait(response, unproven)


def _form_page(
    billing_key_row_id: UUID, form: ScheduleForm, *, status: int = 200, refusal: DomainError | None = None
) -> Any:
    key = get_billing_key(billing_key_row_id)
    return render(
        "schedules/new.html",
        status=status,
        key=key,
        description=describe(key),
        form=form,
        refusal=refusal,
        upcoming=queries.list_open_of_key(key.id),
    )


def _show_page(
    row: PaymentSchedule, form: ReasonForm, *, status: int = 200, refusal: DomainError | None = None
) -> Any:
    return render(
        "schedules/show.html",
        fragment="schedules/_outcome.html",
        status=status,
        row=row,
        description=describe(row.billing_key) if row.billing_key else None,
        form=form,
        refusal=refusal,
        payment=find_payment(row.payment_id),
        entries=_story_of(row),
        outcome=outcome_of(row),
        why_not_revoked=words_about(row.revoke_problem),
    )


def _story_of(row: PaymentSchedule) -> list[Entry]:
    """What was done about a schedule, the latest first."""
    return [
        Entry(entry.at, words_of_action(entry.action), actor=entry.actor_name, detail=_detail(entry.facts))
        for entry in reversed(list_entries_of("schedule", str(row.id)))
    ]


def _detail(facts: dict[str, Any] | None) -> str:
    known = facts or {}
    return " · ".join(str(known[name]) for name in ("reason", "problem", "schedule_id") if known.get(name))
