"""Who may approve, and above which amounts what is asked. Amounts are in minor units of their currency."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from app.access.permissions import Permission, Role, holds
from app.accounts import limits, people
from app.accounts.models import User
from app.accounts.queries import can_sign_in
from app.settings.service import amount_of, value_of

#: Nobody approves alone what they asked for themselves.
FEWEST_APPROVERS = 2


class Kind(StrEnum):
    """What moves money and may need a second person; each has its settings, named after it."""

    REFUND = "refund"
    CHARGE = "charge"


#: The permission with which a second person decides.
APPROVES: Mapping[Kind, Permission] = {
    Kind.REFUND: Permission.REFUND_APPROVE,
    Kind.CHARGE: Permission.CHARGE_APPROVE,
}


def threshold_of(kind: Kind) -> str:
    """The name of the setting above which a second person decides."""
    return f"{kind}_approval_threshold"


def find_limit(person: User, currency: str, kind: Kind = Kind.REFUND) -> int | None:
    """The most this person may move at once; None where nothing limits them in this currency.

    Whoever charges chooses the currency, so one that a limit of charges does not name may not be charged.
    """
    name = f"{kind}_limit"
    limit = limits.find_limit(person, name, currency)
    is_passed_by = limit is None and kind == Kind.CHARGE and limits.limits_of(person, name)
    return 0 if is_passed_by else limit


def find_daily_limit(person: User, currency: str, kind: Kind = Kind.REFUND) -> int | None:
    """The most this person may move in a day (Asia/Seoul); None where nothing limits them."""
    return limits.find_limit(person, f"{kind}_daily_limit", currency)


def needs_second_person(amount: int, currency: str, kind: Kind = Kind.REFUND) -> bool:
    """Whether somebody else has to approve this amount."""
    return _is_above(threshold_of(kind), amount, currency, kind)


def needs_proof(amount: int, currency: str, kind: Kind = Kind.REFUND) -> bool:
    """Whether a person proves again who they are before they ask for this amount, or approve it."""
    return _is_above(f"{kind}_step_up_threshold", amount, currency, kind)


def may(person: User | None, permission: Permission) -> bool:
    """Whether a person can sign in, and holds a permission now."""
    return person is not None and can_sign_in(person) and holds(person, permission)


def list_admins() -> Sequence[User]:
    """Everybody who may sign in, super admins first."""
    return [person for person in people.list_admins() if person.is_active]


def list_approvers(kind: Kind = Kind.REFUND) -> Sequence[User]:
    """Everybody who can approve now."""
    return [person for person in list_admins() if holds(person, APPROVES[kind])]


def list_approvers_after(person: User, role: Role | None, kind: Kind = Kind.REFUND) -> Sequence[User]:
    """Everybody who could approve if `person` had another role, or no access (None)."""
    others = [each for each in list_approvers(kind) if each.id != person.id]
    given = APPROVES[kind] in (person.grants or ())
    stays = person.is_active and (role == Role.SUPER_ADMIN or (role == Role.ADMIN and given))
    return [*others, person] if stays else others


def mark_of_approvers(kind: Kind = Kind.REFUND) -> str:
    """A text that changes when somebody else can approve."""
    return " ".join(sorted(str(person.id) for person in list_approvers(kind)))


def thresholds(values: Mapping[str, Any]) -> dict[Kind, Mapping[str, int]]:
    """The thresholds among the values of settings that name an amount."""
    return {kind: values[threshold_of(kind)] for kind in Kind if values[threshold_of(kind)]}


def _is_above(setting: str, amount: int, currency: str, kind: Kind) -> bool:
    """Whoever charges chooses the currency, so one that a setting of charges does not name is above it."""
    most = amount_of(setting, currency)
    if most is None:
        return kind == Kind.CHARGE and bool(value_of(setting))
    return amount > most
