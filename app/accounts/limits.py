"""How much one person may move: the limits of their role, and their own in place of them.

Amounts are in minor units of their currency. A limit has the name of its settings without the role.
"""

from collections.abc import Mapping
from typing import Any

from flask_babel import lazy_gettext as _l

from app.access.permissions import Role
from app.accounts.models import User
from app.settings.service import value_of

#: Every limit that a person may have of their own, and what it is called.
LIMITS: dict[str, Any] = {
    "refund_limit": _l("The most this person may refund at once"),
    "refund_daily_limit": _l("The most this person may refund in a day"),
    "charge_limit": _l("The most this person may charge at once"),
}

#: The roles that have such settings.
_LIMITED = (Role.ADMIN, Role.SUPER_ADMIN)


def own_limits(person: User, name: str) -> Mapping[str, int]:
    """What was set for this person alone, by currency."""
    found: Mapping[str, int] = (person.limits or {}).get(name) or {}
    return found


def role_limits(person: User, name: str) -> Mapping[str, int]:
    """What holds for the person's role, by currency."""
    found: Mapping[str, int] = value_of(f"{name}_{person.role}") if person.role in _LIMITED else {}
    return found


def limits_of(person: User, name: str) -> Mapping[str, int]:
    """What holds for this person, by currency: their own limit replaces that of the role, in its currency."""
    return {**role_limits(person, name), **own_limits(person, name)}


def find_limit(person: User, name: str, currency: str) -> int | None:
    """The limit that holds for this person; None where nothing limits them in this currency."""
    if person.role not in _LIMITED:
        return 0
    return limits_of(person, name).get(currency)
