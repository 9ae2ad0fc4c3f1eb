"""The store's customers, known by the store's own id of them and by nothing else."""

from collections.abc import Collection, Mapping
from uuid import UUID

from sqlalchemy import select

from app.access.permissions import Role
from app.accounts.models import User
from app.columns import new_id
from app.database import insert_into
from app.extensions import db

#: The longest customer id a user can have; a longer one cannot be cut, or two customers became one.
_ID_ROOM = 255
_NAME_ROOM = 200


def know_customers(names: Mapping[str | None, str | None]) -> dict[str, UUID]:
    """The users of customers, by customer id, in the caller's transaction; new ones are made with their name.

    Who has no id, or one too long to keep, is left out.
    """
    wanted = {key: (name or "")[:_NAME_ROOM] for key, name in names.items() if key and len(key) <= _ID_ROOM}
    known = _users_of(wanted)
    missing = sorted(wanted.keys() - known.keys())  # one order, or two workers could wait for each other
    if missing:
        db.session.execute(
            insert_into(User).on_conflict_do_nothing(index_elements=[User.customer_id]),
            [
                {"id": new_id(), "customer_id": key, "name": wanted[key], "role": Role.CUSTOMER.value}
                for key in missing
            ],
        )
        known |= _users_of(missing)
    return known


def _users_of(customer_ids: Collection[str]) -> dict[str, UUID]:
    if not customer_ids:
        return {}
    found = db.session.execute(select(User.customer_id, User.id).where(User.customer_id.in_(customer_ids)))
    return {customer_id: row_id for customer_id, row_id in found if customer_id is not None}
