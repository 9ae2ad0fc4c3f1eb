"""The saved views that a person may use: their own, and what others share."""

from typing import Any
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import ColumnElement, case, or_, select
from sqlalchemy.orm import joinedload

from app.accounts.models import User
from app.errors import NotFound
from app.extensions import db
from app.saved_views.models import DefaultView, ListColumns, SavedView


def list_views(person: User) -> list[SavedView]:
    """The views of every list that a person may use, list by list, their own first."""
    statement = select(SavedView).where(_is_visible_to(person)).options(joinedload(SavedView.owner))
    return list(db.session.scalars(statement.order_by(SavedView.list_name, *_order_for(person))))


def list_views_of(list_name: str, person: User) -> list[tuple[SavedView, bool]]:
    """The views of one list that a person may use, their own first; and whether their list opens with it."""
    is_default = (DefaultView.view_id == SavedView.id) & (DefaultView.user_id == person.id)
    rows = (
        select(SavedView, DefaultView.view_id.is_not(None))
        .outerjoin(DefaultView, is_default)
        .where(SavedView.list_name == list_name, _is_visible_to(person))
        .order_by(*_order_for(person))
    )
    return [(view, chosen) for view, chosen in db.session.execute(rows)]


def get_view(view_id: UUID, person: User) -> SavedView:
    """The view with this id, if the person may use it; raises NotFound."""
    view = db.session.scalar(select(SavedView).where(SavedView.id == view_id, _is_visible_to(person)))
    if view is None:
        raise NotFound(_("There is no saved view with this number."))
    return view


def default_ids(person: User) -> set[UUID]:
    """The ids of the views that the lists of a person open with."""
    chosen = select(DefaultView.view_id).where(DefaultView.user_id == person.id)
    return set(db.session.scalars(chosen))


def columns_of(person: User, list_name: str) -> list[str]:
    """The columns of a list that a person chose; none where they chose none."""
    return (
        db.session.scalar(
            select(ListColumns.columns).where(
                ListColumns.user_id == person.id, ListColumns.list_name == list_name
            )
        )
        or []
    )


def _order_for(person: User) -> tuple[ColumnElement[Any], ...]:
    is_foreign = case((SavedView.owner_id == person.id, 0), else_=1)
    return is_foreign, SavedView.name.expression, SavedView.id.expression


def _is_visible_to(person: User) -> ColumnElement[bool]:
    return or_(SavedView.owner_id == person.id, SavedView.is_shared)
