"""The saved views that a person may use: their own, and what others share."""

from typing import Any
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import ColumnElement, String, bindparam, case, or_, select
from sqlalchemy.orm import joinedload

from app.accounts.models import User
from app.columns import Id
from app.errors import NotFound
from app.extensions import db
from app.saved_views.models import DefaultView, ListColumns, SavedView


def list_views(person: User) -> list[SavedView]:
    """The views of every list that a person may use, list by list, their own first."""
    statement = select(SavedView).where(_is_visible_to(person.id)).options(joinedload(SavedView.owner))
    return list(db.session.scalars(statement.order_by(SavedView.list_name, *_order_for(person.id))))


def list_views_of(list_name: str, person: User) -> list[tuple[SavedView, bool]]:
    """The views of one list that a person may use, their own first; and whether their list opens with it."""
    given = {"list_name": list_name, "person_id": person.id}
    return [(view, chosen) for view, chosen in db.session.execute(_VIEWS_OF, given)]


def get_view(view_id: UUID, person: User) -> SavedView:
    """The view with this id, if the person may use it; raises NotFound."""
    view = db.session.scalar(select(SavedView).where(SavedView.id == view_id, _is_visible_to(person.id)))
    if view is None:
        raise NotFound(_("There is no saved view with this number."))
    return view


def default_ids(person: User) -> set[UUID]:
    """The ids of the views that the lists of a person open with."""
    chosen = select(DefaultView.view_id).where(DefaultView.user_id == person.id)
    return set(db.session.scalars(chosen))


def columns_of(person: User, list_name: str) -> list[str]:
    """The columns of a list that a person chose; none where they chose none."""
    return db.session.scalar(_COLUMNS_OF, {"list_name": list_name, "person_id": person.id}) or []


def _order_for(person_id: Any) -> tuple[ColumnElement[Any], ...]:
    is_foreign = case((SavedView.owner_id == person_id, 0), else_=1)
    return is_foreign, SavedView.name.expression, SavedView.id.expression


def _is_visible_to(person_id: Any) -> ColumnElement[bool]:
    return or_(SavedView.owner_id == person_id, SavedView.is_shared)


# Built once, since every list asks.
_PERSON, _LIST = bindparam("person_id", type_=Id), bindparam("list_name", type_=String)
_VIEWS_OF = (
    select(SavedView, DefaultView.view_id.is_not(None))
    .outerjoin(DefaultView, (DefaultView.view_id == SavedView.id) & (DefaultView.user_id == _PERSON))
    .where(SavedView.list_name == _LIST, _is_visible_to(_PERSON))
    .order_by(*_order_for(_PERSON))
)
_COLUMNS_OF = select(ListColumns.columns).where(
    ListColumns.user_id == _PERSON, ListColumns.list_name == _LIST
)
