"""Save, rename, share and delete views, and choose what a list opens with; each with its trace."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import delete, func, select

from app.accounts.models import User
from app.audit import service as audit
from app.columns import new_id
from app.database import insert_into, lock, lock_name
from app.errors import DomainError
from app.extensions import db
from app.saved_views.models import DefaultView, ListColumns, SavedView
from app.web.lists import Listing

#: Views of one list that a person can keep: more would be a list of their own.
MOST_VIEWS = 50


def save_view(
    listing: Listing, name: str, query: str, *, is_shared: bool, is_default: bool, by: User
) -> SavedView:
    """Keep the filters of a list under a name. Commits. Raises DomainError for a name one has given."""
    listing.filters(query)
    lock_name(f"saved views {by.id}")
    _refuse_taken_name(listing.name, name, by)
    view = SavedView(
        id=new_id(), list_name=listing.name, name=name, query=query, owner_id=by.id, is_shared=is_shared
    )
    db.session.add(view)
    db.session.flush()
    if is_default:
        _make_default(view, by)
    audit.record("view.saved", "saved_view", view.id, by=by, after=_told(view), facts={"default": is_default})
    db.session.commit()
    return view


def change_view(view_id: UUID, *, name: str, is_shared: bool, by: User) -> None:
    """Rename a view, share it or keep it to oneself again. Commits."""
    lock_name(f"saved views {by.id}")
    view = lock(SavedView, view_id)
    before = _told(view)
    if name != view.name:
        _refuse_taken_name(view.list_name, name, by)
    view.name, view.is_shared = name, is_shared
    if _told(view) != before:
        audit.record("view.changed", "saved_view", view_id, by=by, before=before, after=_told(view))
    db.session.commit()


def delete_view(view_id: UUID, *, by: User) -> None:
    """Forget a view; lists that opened with it open bare again. Commits."""
    view = lock(SavedView, view_id)
    before = _told(view)
    db.session.delete(view)
    db.session.flush()
    audit.record("view.deleted", "saved_view", view_id, by=by, before=before)
    db.session.commit()


def choose_default(view: SavedView, *, by: User) -> None:
    """Have a person's list open with a view. Commits."""
    _make_default(view, by)
    db.session.commit()


def forget_default(list_name: str, *, by: User) -> None:
    """Have a person's list open bare again. Commits."""
    db.session.execute(
        delete(DefaultView).where(DefaultView.user_id == by.id, DefaultView.list_name == list_name)
    )
    db.session.commit()


def remember_columns(list_name: str, columns: Sequence[str], *, by: User) -> None:
    """Show a person these columns of a list from now on. Commits."""
    values = {"user_id": by.id, "list_name": list_name, "columns": list(columns)}
    keys = [ListColumns.user_id, ListColumns.list_name]
    statement = insert_into(ListColumns).values(values)
    db.session.execute(
        statement.on_conflict_do_update(index_elements=keys, set_={"columns": values["columns"]})
    )
    db.session.commit()


def _make_default(view: SavedView, person: User) -> None:
    values = {"user_id": person.id, "list_name": view.list_name, "view_id": view.id}
    keys = [DefaultView.user_id, DefaultView.list_name]
    statement = insert_into(DefaultView).values(values)
    db.session.execute(statement.on_conflict_do_update(index_elements=keys, set_={"view_id": view.id}))


def _refuse_taken_name(list_name: str, name: str, person: User) -> None:
    own = select(SavedView).where(SavedView.list_name == list_name, SavedView.owner_id == person.id)
    if db.session.scalar(own.where(SavedView.name == name).limit(1)):
        raise DomainError(_("You have a view with this name already."))
    if (db.session.scalar(select(func.count()).select_from(own.subquery())) or 0) >= MOST_VIEWS:
        raise DomainError(_("A list has %(count)s views of one person at most.", count=MOST_VIEWS))


def _told(view: SavedView) -> dict[str, Any]:
    return {"list": view.list_name, "name": view.name, "query": view.query, "shared": view.is_shared}
