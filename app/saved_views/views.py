"""Saved views: their page, and how a list shows and opens with them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

from flask import Blueprint, Flask, abort, g, redirect, request, url_for
from flask_babel import gettext as _
from flask_login import current_user
from werkzeug.datastructures import MultiDict

from app.access.guards import can, require, wanted_listing
from app.access.permissions import Permission
from app.errors import DomainError
from app.saved_views import queries, service
from app.saved_views.forms import ViewForm
from app.saved_views.models import SavedView
from app.web.htmx import is_htmx, render, see_other
from app.web.lists import Listing, find_listing_at, get_listing, query_of, words_of_filters

saved_views = Blueprint("saved_views", __name__)


@dataclass(frozen=True, slots=True)
class Chip:
    """A view as its list shows it."""

    name: str
    url: str
    is_shared: bool
    is_current: bool
    is_default: bool


@saved_views.get("/views")
@require(Permission.VIEW_SAVE)
def index() -> Any:
    """Every view one may use, to be renamed, shared, chosen or deleted."""
    return _index_page()


@saved_views.get("/views/new")
@require(Permission.VIEW_SAVE)
def new() -> Any:
    """What is to be kept, and the question under which name."""
    return _form_page(wanted_listing(), ViewForm())


@saved_views.post("/views/new")
@require(Permission.VIEW_SAVE)
def create() -> Any:
    """Keep the filters of a list."""
    listing, form, query = wanted_listing(), ViewForm(request.form), query_of(request.args)
    if not form.validate():
        return _form_page(listing, form, status=422)
    _refuse_sharing(form)
    try:
        view = service.save_view(
            listing,
            form.name.data,
            query,
            is_shared=bool(form.shared.data),
            is_default=bool(form.default.data),
            by=current_user,
        )
    except DomainError as refusal:
        form.name.errors = [refusal.message]
        return _form_page(listing, form, status=422)
    return see_other(_address_of(view))


@saved_views.post("/views/<uuid:view_id>")
@require(Permission.VIEW_SAVE)
def update(view_id: UUID) -> Any:
    """Rename a view, or share it."""
    view = _managed_view(view_id)
    form = ViewForm(request.form)
    if not form.validate():
        return _index_page(form, view_id, status=422)
    if not view.is_shared:
        _refuse_sharing(form)
    try:
        service.change_view(view_id, name=form.name.data, is_shared=bool(form.shared.data), by=current_user)
    except DomainError as refusal:
        form.name.errors = [refusal.message]
        return _index_page(form, view_id, status=422)
    return see_other(url_for("saved_views.index"))


@saved_views.post("/views/<uuid:view_id>/delete")
@require(Permission.VIEW_SAVE)
def delete(view_id: UUID) -> Any:
    """Forget a view."""
    service.delete_view(_managed_view(view_id).id, by=current_user)
    return see_other(url_for("saved_views.index"))


@saved_views.post("/views/<uuid:view_id>/default")
@require(Permission.VIEW_SAVE)
def choose(view_id: UUID) -> Any:
    """Have one's list open with this view, or bare again."""
    view = queries.get_view(view_id, current_user)
    if request.form.get("chosen") == "0":
        service.forget_default(view.list_name, by=current_user)
    else:
        service.choose_default(view, by=current_user)
    return see_other(url_for("saved_views.index"))


@saved_views.post("/views/columns")
@require(Permission.VIEW_SAVE)
def choose_columns() -> Any:
    """Remember which columns one wants to see, and go back to the list as it was narrowed."""
    listing = wanted_listing()
    form = listing.form(MultiDict(("column", code) for code in request.form.getlist("column")))
    if "column" not in form:
        abort(404)
    if not form.validate():
        raise DomainError(form.first_error or _("These filters cannot be used."), status=422)
    service.remember_columns(listing.name, form.column.data or [], by=current_user)
    address = MultiDict(parse_qsl(query_of(request.args)))
    address.setlist("column", form.column.data or [])
    return see_other(f"{url_for(listing.endpoint)}?{query_of(address) or 'view=all'}")


def chips_of(listing: Listing) -> list[Chip]:
    """The views of a list for the person signed in; the current one has the filters that the page shows."""
    here = query_of(request.args)
    return [
        Chip(view.name, _address_of(view), view.is_shared, view.query == here, is_default)
        for view, is_default in _views_of(listing)
    ]


def open_with_default() -> Any:
    """Lead the bare address of a list to the view it opens with; the filters then stand in the address."""
    listing = find_listing_at(request.endpoint)
    is_bare = listing is not None and request.method == "GET" and not request.args and not is_htmx()
    if listing is None or not is_bare or not can(Permission.VIEW_SAVE) or not can(listing.permission):
        return None
    default = next((view for view, is_default in _views_of(listing) if is_default), None)
    return redirect(_address_of(default)) if default is not None and default.query else None


def _views_of(listing: Listing) -> Sequence[tuple[SavedView, bool]]:
    """The views of a list for the person signed in, read once for what shows them and what opens with one."""
    if g.get("views_of", (None, ()))[0] != listing.name:
        g.views_of = listing.name, queries.list_views_of(listing.name, current_user)
    views: Sequence[tuple[SavedView, bool]] = g.views_of[1]
    return views


def init_app(app: Flask) -> None:
    """Have every list open with its default view, and let templates show the views of a list."""
    app.before_request(open_with_default)
    app.jinja_env.globals.update(chips_of=chips_of)


def _address_of(view: SavedView) -> str:
    """The list, narrowed; without filters it says so, or the default would take its place."""
    return f"{url_for(get_listing(view.list_name).endpoint)}?{view.query or 'view=all'}"


def _managed_view(view_id: UUID) -> SavedView:
    """A view that the person may change: their own, or anybody's shared one for who looks after them."""
    view = queries.get_view(view_id, current_user)
    if view.owner_id != current_user.id and not can(Permission.VIEW_MANAGE):
        abort(403)
    return view


def _refuse_sharing(form: ViewForm) -> None:
    if form.shared.data and not can(Permission.VIEW_SHARE):
        abort(403)


def _form_page(listing: Listing, form: ViewForm, *, status: int = 200) -> Any:
    filters = listing.read(query_of(request.args))
    is_usable = filters.validate()
    return render(
        "saved_views/new.html",
        status=status if is_usable else 422,
        form=form,
        listing=listing,
        query=query_of(request.args),
        filters=words_of_filters(filters),
        problem=None if is_usable else filters.first_error,
    )


def _index_page(form: ViewForm | None = None, changed: UUID | None = None, *, status: int = 200) -> Any:
    views = [view for view in queries.list_views(current_user) if can(get_listing(view.list_name).permission)]
    return render(
        "saved_views/index.html",
        status=status,
        views=views,
        listing_of=get_listing,
        address_of=_address_of,
        filters_of=lambda view: words_of_filters(get_listing(view.list_name).read(view.query)),
        defaults=queries.default_ids(current_user),
        form=form,
        changed=changed,
    )
