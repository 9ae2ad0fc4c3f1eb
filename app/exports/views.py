"""The pages of exports: ask for one, watch it, fetch its file."""

from typing import Any
from uuid import UUID

from flask import Blueprint, Response, abort, request, stream_with_context, url_for
from flask_babel import lazy_gettext as _l
from flask_login import current_user

from app.access.guards import can, require, wanted_listing
from app.access.permissions import Permission
from app.accounts.models import User
from app.exports import queries, service
from app.exports.building import KIND
from app.exports.forms import ExportForm
from app.exports.models import Export, Format
from app.jobs.kinds import Kind, describe
from app.jobs.models import Job
from app.web.htmx import render, see_other
from app.web.language import page_language
from app.web.lists import Listing, get_listing, query_of, words_of_filters
from app.web.pagination import capped_count

exports = Blueprint("exports", __name__)

_TYPES = {
    Format.CSV: "text/csv; charset=utf-8",
    Format.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


@exports.get("/exports")
@require(Permission.EXPORT_CREATE)
def index() -> Any:
    """One's own exports, or everybody's for who may see them, the newest first."""
    page = queries.list_exports(of=_owner(), after=request.args.get("after"))
    return render("exports/index.html", fragment="exports/_rows.html", page=page, titles=_titles(page.rows))


@exports.get("/exports/new")
@require(Permission.EXPORT_CREATE)
def new() -> Any:
    """What the file will hold, and the question what it is for."""
    return _form_page(wanted_listing(), ExportForm())


@exports.post("/exports/new")
@require(Permission.EXPORT_CREATE)
def create() -> Any:
    """Have a worker write the file."""
    listing = wanted_listing()
    form = ExportForm(request.form)
    if not form.validate():
        return _form_page(listing, form, status=422)
    if form.unmasked.data and not can(Permission.EXPORT_UNMASKED):
        abort(403)
    export = service.request_export(
        listing,
        query_of(request.args),
        format=Format(form.format.data),
        reason=form.reason.data,
        is_unmasked=bool(form.unmasked.data),
        language=page_language(),
        by=current_user,
    )
    return see_other(url_for("exports.show", export_id=export.id))


@exports.get("/exports/<uuid:export_id>")
@require(Permission.EXPORT_CREATE)
def show(export_id: UUID) -> Any:
    """How far an export is; the page asks again by itself while it is being written."""
    export = _own_export(export_id)
    listing = get_listing(export.list_name)
    return render(
        "exports/show.html",
        fragment="exports/_progress.html",
        export=export,
        listing=listing,
        filters=words_of_filters(listing.read(export.query)),
    )


@exports.get("/exports/<uuid:export_id>/file.csv", defaults={"format": "csv"})
@exports.get("/exports/<uuid:export_id>/file.xlsx", defaults={"format": "xlsx"})
@require(Permission.EXPORT_CREATE)
def download(export_id: UUID, format: str) -> Any:  # noqa: A002 - the word of the contract
    """The file, a piece at a time; its length is told, so that a browser notices when one is missing."""
    export = _own_export(export_id)
    if export.format != format:
        abort(404)
    if not can(get_listing(export.list_name).permission):
        abort(403)
    if export.is_unmasked and not can(Permission.EXPORT_UNMASKED):
        abort(403)
    export = service.note_download(export_id, by=current_user)
    response = Response(stream_with_context(queries.read_file(export)), content_type=_TYPES[Format(format)])
    response.content_length = export.size
    response.headers.set("Content-Disposition", "attachment", filename=export.filename)
    response.cache_control.no_store = True
    return response


def _page_of(job: Job) -> str | None:
    return url_for("exports.show", export_id=job.subject_id) if job.subject_id else None


describe(KIND, Kind(_l("Export"), url=_page_of))


def _own_export(export_id: UUID) -> Export:
    return queries.get_export(export_id, of=_owner())


def _owner() -> User | None:
    """Whose exports are shown: None stands for everybody's."""
    return None if can(Permission.EXPORT_READ_ALL) else current_user


def _titles(rows: Any) -> dict[str, str]:
    return {name: str(get_listing(name).title) for name in {export.list_name for export in rows}}


def _form_page(listing: Listing, form: ExportForm, *, status: int = 200) -> Any:
    filters_form = listing.read(query_of(request.args))
    is_usable = filters_form.validate()
    return render(
        "exports/new.html",
        status=status if is_usable else 422,
        form=form,
        listing=listing,
        query=query_of(request.args),
        filters=words_of_filters(filters_form),
        problem=None if is_usable else filters_form.first_error,
        count=capped_count(listing.rows(filters_form.filters())) if is_usable else None,
    )
