"""The pages of bulk refunds: upload, dry run, confirmation, the second person, progress, report."""

from typing import Any
from uuid import UUID

from flask import Blueprint, Response, flash, request, url_for
from flask_babel import gettext as _
from flask_login import current_user
from werkzeug.datastructures import CombinedMultiDict

from app.access.guards import can, require
from app.access.permissions import Permission
from app.bulk_refunds import queries, report, safeguards, service
from app.bulk_refunds.cells import MAX_BYTES, MAX_ROWS, FileRefused, too_large
from app.bulk_refunds.forms import ConfirmForm, DecisionForm, UploadForm, view_of
from app.bulk_refunds.kinds import CHECK, RUN
from app.bulk_refunds.models import UNDECIDED, BatchStatus, RefundBatch
from app.bulk_refunds.parsing import COLUMNS
from app.bulk_refunds.uploading import upload
from app.jobs.queries import find_last_job_of
from app.web.htmx import is_htmx, render, see_other

bulk_refunds = Blueprint("bulk_refunds", __name__)

#: Beside the file the form sends a few hundred bytes.
_REST_OF_FORM = 64 * 1024


@bulk_refunds.url_value_preprocessor
def _take_large_files(endpoint: str | None, _values: dict[str, Any] | None) -> None:
    """Take more than elsewhere at this one address, and from those alone who may upload.

    A preprocessor, because the form is read before any view, to find its token.
    """
    if endpoint == "bulk_refunds.create" and can(Permission.REFUND_BULK):
        request.max_content_length = MAX_BYTES + _REST_OF_FORM


@bulk_refunds.get("/refunds/bulk")
@require(Permission.REFUND_BULK)
def index() -> Any:
    """Every batch, newest first."""
    page = queries.list_batches(after=request.args.get("after"))
    return render("bulk_refunds/index.html", fragment="bulk_refunds/_batches.html", page=page)


@bulk_refunds.get("/refunds/bulk/new")
@require(Permission.REFUND_BULK)
def new() -> Any:
    """Where a file is uploaded."""
    return _upload_page(UploadForm())


@bulk_refunds.post("/refunds/bulk/new")
@require(Permission.REFUND_BULK)
def create() -> Any:
    """Keep the file's rows and check them; nothing is refunded."""
    form = UploadForm(CombinedMultiDict([request.files, request.form]))
    if not form.validate():
        return _upload_page(form, status=422)
    file = form.file.data
    try:
        batch_id = upload(
            file.read(), file_name=file.filename, default_reason=form.reason.data or "", by=current_user
        )
    except FileRefused as refusal:
        form.file.errors = [refusal.message]
        return _upload_page(form, status=422)
    return see_other(url_for("bulk_refunds.show", batch_id=batch_id))


@bulk_refunds.errorhandler(413)
def _say_too_large(error: Exception) -> Any:
    """A file over the limit is told where it was chosen; the rest of the form did not arrive."""
    if request.endpoint != "bulk_refunds.create" or not can(Permission.REFUND_BULK):
        return error
    form = UploadForm()
    form.file.errors = [too_large().message]
    return _upload_page(form, status=422)


@bulk_refunds.get("/refunds/bulk/template.<any(csv, xlsx):kind>")
@require(Permission.REFUND_BULK)
def template(kind: str) -> Any:
    """A file to fill in."""
    if kind == "csv":
        return _download(report.template_csv(), "portico-refunds.csv", "text/csv; charset=utf-8")
    mimetype = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    return _download(report.template_xlsx(), "portico-refunds.xlsx", mimetype)


@bulk_refunds.get("/refunds/bulk/<uuid:batch_id>")
@require(Permission.REFUND_BULK)
def show(batch_id: UUID) -> Any:
    """The dry run, and once it runs, the progress with what became of each row."""
    batch = queries.get_batch(batch_id)
    with_warned = batch.includes_warned or "warned" in request.args
    form = ConfirmForm.of(queries.totals(batch_id, with_warned=with_warned), with_warned=with_warned)
    return _batch_page(batch, form, with_warned=with_warned)


@bulk_refunds.get("/refunds/bulk/<uuid:batch_id>/report.csv")
@require(Permission.REFUND_BULK)
def download(batch_id: UUID) -> Any:
    """Every row with what was found and what became of it, at any time."""
    service.note_download(batch_id, by=current_user)
    return _download(
        report.report_csv(batch_id), f"portico-refunds-{str(batch_id)[:8]}.csv", "text/csv; charset=utf-8"
    )


@bulk_refunds.post("/refunds/bulk/<uuid:batch_id>/start")
@require(Permission.REFUND_BULK)
def start(batch_id: UUID) -> Any:
    """Let the rows run that were confirmed, or have a second person look first."""
    batch = queries.get_batch(batch_id)
    form = ConfirmForm(request.form)
    with_warned = bool(form.with_warned.data)
    if not form.validate():
        return _batch_page(batch, form, with_warned=with_warned, status=422)
    try:
        status = service.confirm(
            batch_id,
            with_warned=with_warned,
            expected=form.expected_sums,
            password=form.password.data or "",
            by=current_user,
        )
    except service.PasswordWrong as refusal:
        form.password.errors = [refusal.message]
        return _batch_page(queries.get_batch(batch_id), form, with_warned=with_warned, status=422)
    if status == BatchStatus.AWAITING_APPROVAL:
        flash(_("It waits for a second person to approve it."), "success")
    return see_other(url_for("bulk_refunds.show", batch_id=batch_id))


@bulk_refunds.post("/refunds/bulk/<uuid:batch_id>/discard")
@require(Permission.REFUND_BULK)
def discard(batch_id: UUID) -> Any:
    """Give the file up."""
    service.discard(batch_id, by=current_user)
    return see_other(url_for("bulk_refunds.index"))


@bulk_refunds.post("/refunds/bulk/<uuid:batch_id>/approve")
@require(Permission.REFUND_APPROVE)
def approve(batch_id: UUID) -> Any:
    """The second person's yes."""
    return _decide(batch_id, service.approve)


@bulk_refunds.post("/refunds/bulk/<uuid:batch_id>/reject")
@require(Permission.REFUND_APPROVE)
def reject(batch_id: UUID) -> Any:
    """The second person's no."""
    return _decide(batch_id, service.reject)


def _decide(batch_id: UUID, decision: Any) -> Any:
    form = DecisionForm(request.form)
    if not form.validate():
        batch = queries.get_batch(batch_id)
        return _batch_page(batch, None, with_warned=batch.includes_warned, decision_form=form, status=422)
    decision(batch_id, note=form.note.data or "", by=current_user)
    return see_other(url_for("bulk_refunds.show", batch_id=batch_id))


def _upload_page(form: UploadForm, *, status: int = 200) -> Any:
    return render("bulk_refunds/new.html", status=status, form=form, columns=COLUMNS, max_rows=MAX_ROWS)


def _batch_page(
    batch: RefundBatch,
    form: ConfirmForm | None,
    *,
    with_warned: bool,
    decision_form: DecisionForm | None = None,
    status: int = 200,
) -> Any:
    is_before = batch.status in {BatchStatus.CHECKING, *UNDECIDED}
    views = queries.VIEWS_BEFORE if is_before else queries.VIEWS_AFTER
    view, after = view_of(request.args, views)
    sums = queries.sums(batch.id, with_warned=with_warned)
    response = render(
        "bulk_refunds/show.html",
        fragment="bulk_refunds/_state.html",
        status=status,
        batch=batch,
        form=form,
        decision_form=decision_form or DecisionForm(),
        with_warned=with_warned,
        view=view,
        views=views,
        counts=queries.count_rows(batch.id, (*views, "warned")),
        totals=queries.totals(batch.id, with_warned=with_warned),
        refunded=() if is_before else queries.refunded(batch.id),
        page=queries.list_rows(batch.id, view, after=after),
        after=after,
        job=find_last_job_of(batch.id, CHECK if batch.status == BatchStatus.CHECKING else RUN),
        same_files=queries.list_same_files(batch) if batch.status in UNDECIDED else (),
        needs_approval=safeguards.needs_approval(sums),
        needs_password=safeguards.needs_password(sums),
        may_decide=safeguards.may_approve(current_user, involved=(batch.uploaded_by, batch.confirmed_by)),
        outcome_of=report.outcome_of,
        message_of=report.message_of,
    )
    if is_htmx() and batch.status not in {BatchStatus.CHECKING, BatchStatus.RUNNING}:
        response.headers["HX-Refresh"] = "true"  # the page has other parts now
    return response


def _download(content: Any, name: str, mimetype: str) -> Response:
    response = Response(content, content_type=mimetype)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
