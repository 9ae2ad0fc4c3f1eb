"""The pages of drift: what differs from PortOne, one difference, and refunds that were made at the PG."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from flask import Blueprint, flash, request, url_for
from flask_babel import gettext as _
from flask_login import current_user

from app.access.guards import require
from app.access.permissions import Permission
from app.columns import new_id
from app.drift import exporting, pg_refunds, queries, service
from app.drift.forms import DriftFilterForm, NoteForm, PgRefundForm, ResolveForm
from app.drift.models import Drift, DriftKind, PgRefund
from app.drift.story import open_of, pg_refunds_of
from app.errors import DomainError
from app.payments.changes import FieldChange, words_of_changes
from app.payments.models import Payment
from app.payments.queries import get_payment
from app.refunds.inquiry import inquiry_about_pg_refund
from app.web.htmx import is_htmx, render, see_other

drift = Blueprint("drift", __name__)

drift.add_app_template_global(open_of, "open_drifts_of")
drift.add_app_template_global(pg_refunds_of, "pg_refunds_of")


@drift.get("/drift")
@require(Permission.DRIFT_READ)
def index() -> Any:
    """Where ours and PortOne's differ: what a person has to judge first."""
    form = DriftFilterForm(request.args)
    if not form.validate():
        return _index_page(form, status=422)
    filters, after = form.filters(), request.args.get("after")
    page = queries.list_drifts(filters, after=after)
    if after and is_htmx():
        return render("drift/_rows.html", page=page, differences=_differences)
    return _index_page(form, page=page, counts=queries.count_drifts(filters))


@drift.get("/drift/<uuid:drift_id>")
@require(Permission.DRIFT_READ)
def show(drift_id: UUID) -> Any:
    """One difference: what, since when, seen how, and what became of it."""
    return _drift_page(queries.get_drift(drift_id), NoteForm())


@drift.post("/drift/<uuid:drift_id>/compare")
@require(Permission.PAYMENT_SYNC)
def compare(drift_id: UUID) -> Any:
    """Read the payment again, since somebody wants to know whether it still differs."""
    result = service.compare_now(drift_id, by=current_user)
    is_open = queries.get_drift(drift_id).is_open
    if not result.is_found:
        flash(_("PortOne does not know this payment."), "warning")
    elif is_open:
        flash(_("Read again at PortOne: it still differs."), "warning")
    else:
        flash(_("Read again at PortOne: both agree now."), "success")
    return see_other(url_for("drift.show", drift_id=drift_id))


@drift.post("/drift/<uuid:drift_id>/close")
@require(Permission.DRIFT_CLOSE)
def close(drift_id: UUID) -> Any:
    """A person has judged it."""
    form = NoteForm(request.form)
    if not form.validate():
        return _drift_page(queries.get_drift(drift_id), form, status=422)
    service.close(drift_id, form.note.data, by=current_user)
    flash(_("Closed. The note is kept with the payment."), "success")
    return see_other(url_for("drift.index"))


@drift.get("/drift/pg-refunds/new")
@require(Permission.PG_REFUND_FLAG)
def new_pg_refund() -> Any:
    """The form by which a refund at the PG is noted."""
    payment = get_payment(request.args.get("payment_id", ""))
    form = PgRefundForm(currency=payment.currency, data={"intent": str(new_id())})
    return _form_page(payment, form)


@drift.post("/drift/pg-refunds/new")
@require(Permission.PG_REFUND_FLAG)
def create_pg_refund() -> Any:
    """Note a refund that somebody made at the PG."""
    payment = get_payment(request.args.get("payment_id", ""))
    form = PgRefundForm(request.form, currency=payment.currency)
    if not form.validate():
        return _form_page(payment, form, status=422)
    payment_id = payment.payment_id
    try:
        pg_refunds.flag(payment_id, form.noted(), by=current_user)
    except DomainError as refusal:
        form.amount.errors = [*form.amount.errors, refusal.message]
        return _form_page(get_payment(payment_id), form, status=422)
    flash(_("Noted. Whoever opens a refund of this payment is warned."), "success")
    return see_other(url_for("drift.pg_refund", pg_refund_id=form.intent.data))


@drift.get("/drift/pg-refunds/<uuid:pg_refund_id>")
@require(Permission.DRIFT_READ)
def pg_refund(pg_refund_id: UUID) -> Any:
    """A refund at the PG, with the letter about it."""
    return _pg_refund_page(queries.get_pg_refund(pg_refund_id))


@drift.post("/drift/pg-refunds/<uuid:pg_refund_id>/resolve")
@require(Permission.PG_REFUND_FLAG)
def resolve_pg_refund(pg_refund_id: UUID) -> Any:
    """It is settled with the PG and PortOne."""
    form = ResolveForm(request.form, prefix="resolve-")
    if not form.validate():
        return _pg_refund_page(queries.get_pg_refund(pg_refund_id), resolve_form=form, status=422)
    pg_refunds.resolve(pg_refund_id, form.note.data, is_shown=bool(form.shown.data), by=current_user)
    flash(_("Resolved. The note is kept with the payment."), "success")
    return see_other(url_for("drift.pg_refund", pg_refund_id=pg_refund_id))


@drift.post("/drift/pg-refunds/<uuid:pg_refund_id>/withdraw")
@require(Permission.PG_REFUND_FLAG)
def withdraw_pg_refund(pg_refund_id: UUID) -> Any:
    """It was a mistake."""
    form = NoteForm(request.form, prefix="withdraw-")
    if not form.validate():
        return _pg_refund_page(queries.get_pg_refund(pg_refund_id), withdraw_form=form, status=422)
    pg_refunds.withdraw(pg_refund_id, form.note.data, by=current_user)
    flash(_("Taken back. Refunds of this payment are not warned of any more."), "success")
    return see_other(url_for("drift.pg_refund", pg_refund_id=pg_refund_id))


def _index_page(form: DriftFilterForm, *, status: int = 200, page: Any = None, counts: Any = None) -> Any:
    return render(
        "drift/index.html",
        status=status,
        form=form,
        coverage=queries.find_coverage(),
        page=page,
        counts=counts,
        listing=exporting.DRIFTS,
        differences=_differences,
    )


def _differences(found: Drift) -> Sequence[FieldChange]:
    return words_of_changes(found.fields or {}, found.payment.currency)


def _drift_page(found: Drift, form: NoteForm, *, status: int = 200) -> Any:
    if found.kind == DriftKind.REFUNDED_AT_PG:
        return see_other(url_for("drift.pg_refund", pg_refund_id=found.subject))
    return render("drift/show.html", status=status, drift=found, form=form, differences=_differences(found))


def _form_page(payment: Payment, form: PgRefundForm, *, status: int = 200) -> Any:
    return render("drift/new_pg_refund.html", status=status, payment=payment, form=form)


def _pg_refund_page(
    noted: PgRefund,
    *,
    resolve_form: ResolveForm | None = None,
    withdraw_form: NoteForm | None = None,
    status: int = 200,
) -> Any:
    return render(
        "drift/pg_refund.html",
        status=status,
        noted=noted,
        payment=noted.payment,
        inquiry=inquiry_about_pg_refund(noted.payment, noted.amount, noted.refunded_on),
        resolve_form=resolve_form or ResolveForm(prefix="resolve-"),
        withdraw_form=withdraw_form or NoteForm(prefix="withdraw-"),
    )
