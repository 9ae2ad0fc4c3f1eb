"""Who may move how much, who decides beside them, and the proof of who they are."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import select

from app.access.permissions import Permission, Role
from app.accounts import people
from app.accounts import service as accounts
from app.accounts.models import User
from app.approvals import queries
from app.approvals.queries import APPROVES, FEWEST_APPROVERS, Kind
from app.audit import service as audit
from app.database import lock_name
from app.errors import DomainError
from app.extensions import db
from app.settings import service as settings
from app.settings.rules import refuses
from app.web.filters import money


class ApprovalRefused(DomainError):
    """A rule about who may do this, or how much of it, says no."""

    status = 422


class AboveLimit(ApprovalRefused):
    """More than this person may move at once, or in a day."""


class ProofMissing(ApprovalRefused):
    """This needs the person to prove again who they are, and they have not."""


@dataclass(frozen=True, slots=True)
class Proof:
    """That a person has just proven who they are, and how: `password`; a second factor has another word."""

    user_id: UUID
    method: str = "password"


_ABOVE: Mapping[Kind, Any] = {
    Kind.REFUND: _l("You may refund %(most)s at most at once. Ask somebody who may refund more."),
    Kind.CHARGE: _l("You may charge %(most)s at most at once. Ask somebody who may charge more."),
}


def refuse_above_limit(person: User, amount: int, currency: str, kind: Kind = Kind.REFUND) -> None:
    """Raise `AboveLimit` where this person may not move as much at once."""
    limit = queries.find_limit(person, currency, kind)
    if limit is not None and amount > limit:
        raise AboveLimit(str(_ABOVE[kind]) % {"most": money(limit, currency)})


def refuse_above_daily_limit(
    person: User, amount: int, currency: str, *, spent: int, kind: Kind = Kind.REFUND
) -> None:
    """Raise `AboveLimit` where this person, who has moved `spent` today, may not move as much more."""
    limit = queries.find_daily_limit(person, currency, kind)
    if limit is not None and spent + amount > limit:
        most, left = money(limit, currency), money(max(limit - spent, 0), currency)
        raise AboveLimit(
            _(
                "You may refund %(most)s at most in a day, and %(left)s of it is left today. "
                "Ask somebody who may refund more.",
                most=most,
                left=left,
            )
        )


def refuse_unproven(
    person: User, proof: Proof | None, amount: int, currency: str, kind: Kind = Kind.REFUND
) -> None:
    """Raise `ProofMissing` where this amount needs a proof and the one there is none, or another's."""
    is_theirs = proof is not None and proof.user_id == person.id
    if queries.needs_proof(amount, currency, kind) and not is_theirs:
        raise ProofMissing(_("Type your own password to go on."))


def refuse_without(person: User | None, permission: Permission) -> None:
    """Raise where a person cannot sign in any more, or lost what they need."""
    if not queries.may(person, permission):
        raise ApprovalRefused(_("Whoever asks for this may no longer do so."), status=403)


def confirm_identity(person: User, password: str, *, address: str = "") -> Proof:
    """Have a person prove who they are by their own password. Commits.

    Raises `ProofMissing` without one, and `accounts.service.SignInRefused` or `SignInThrottled`.
    """
    if not password:
        raise ProofMissing(_("Type your own password to go on."))
    accounts.confirm_password(password, by=person, address=address)
    return Proof(person.id)


def choose_approvers(
    user_ids: Collection[UUID], *, by: User, seen: str | None = None, kind: Kind = Kind.REFUND
) -> bool:
    """Let exactly these admins approve, beside the super admins; whether that changed anything. Commits.

    `seen` is the mark of those who could when the person looked. Raises `SettingsMoved` where others can
    now, and `SettingsRefused` where a threshold is set and fewer than two people would be left.
    """
    lock_name(settings.LOCK)
    if seen is not None and seen != queries.mark_of_approvers(kind):
        raise settings.SettingsMoved(_("Somebody else has changed who may approve meanwhile."))
    permission = APPROVES[kind].value
    changed = [
        admin for admin in _lock_admins() if (admin.id in user_ids) != (permission in (admin.grants or ()))
    ]
    for admin in changed:
        others = [grant for grant in admin.grants or () if grant != permission]
        admin.grants = [*others, permission] if admin.id in user_ids else (others or None)
    db.session.flush()
    for admin in changed:
        is_given = admin.id in user_ids
        audit.record(
            "account.granted" if is_given else "account.grant_taken",
            "user",
            admin.id,
            by=by,
            facts={"permission": permission, "email": admin.email},
        )
    _refuse_too_few(kind)
    db.session.commit()
    return bool(changed)


def _lock_admins() -> list[User]:
    return list(
        db.session.scalars(
            select(User)
            .where(User.role == Role.ADMIN)
            .order_by(User.id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
    )


def _refuse_too_few(kind: Kind) -> None:
    problem = find_too_few(queries.list_approvers(kind))
    if problem and kind in queries.thresholds(settings.values()):
        db.session.rollback()
        raise settings.SettingsRefused({"approvers": problem})


def find_too_few(approvers: Sequence[User]) -> str | None:
    """Why a threshold cannot hold with these people, in a sentence; None when it can."""
    if len(approvers) >= FEWEST_APPROVERS:
        return None
    who = ", ".join(person.name or person.email or "" for person in approvers) or _("nobody")
    sentence = _(
        "A threshold needs two people who may approve, since nobody approves what they asked for. It would "
        "be: %(who)s. Let somebody else approve first, or clear the threshold.",
        who=who,
    )
    return str(sentence)


def _refuse_threshold_without_approvers(kind: Kind, value: Any, _values: Any) -> str | None:
    return find_too_few(queries.list_approvers(kind)) if value else None


for _kind in Kind:
    refuses(queries.threshold_of(_kind))(partial(_refuse_threshold_without_approvers, _kind))


def _keep_enough(person: User, role: Role | None) -> None:
    """Whoever a threshold needs keeps their access: asked by `accounts.people` before it is lowered."""
    lock_name(settings.LOCK)
    for kind in queries.thresholds(settings.values()):
        if problem := find_too_few(queries.list_approvers_after(person, role, kind)):
            db.session.rollback()
            raise ApprovalRefused(problem, status=409)


people.guardians.append(_keep_enough)
