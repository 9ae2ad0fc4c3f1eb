"""Who may sign in: invite by link, change roles, take access away and give it back, end sessions.

One super admin always remains: whoever changes that holds one lock, so that two who demote each other at the
same moment do not both succeed.
"""

import hashlib
import json
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import ColumnElement, func, select, update

from app import clock
from app.access.permissions import Role
from app.accounts import queries, second_factor
from app.accounts.models import Invitation, SignIn, User
from app.accounts.passwords import hash_password, refuse_unfit_password
from app.accounts.service import MAX_EMAIL, normal_email
from app.audit import service as audit
from app.columns import new_id
from app.database import lock, lock_name
from app.errors import DomainError, NotFound
from app.extensions import db

#: How long an invitation may be accepted.
INVITED_FOR = timedelta(days=3)

#: How long a link for a new password may be used.
RESET_FOR = timedelta(days=1)

#: Whoever changes who may sign in holds this name.
_EVERYBODY = "who may sign in"

#: Asked before access is taken away or lowered, with the person and the role to come (None: no access):
#: raises `DomainError` where that would leave too few for something. Domains above add theirs.
guardians: list[Callable[[User, Role | None], None]] = []


class LimitsMoved(DomainError):
    """Somebody else changed a person's limits while the form was open."""


def invite(email: str, name: str, role: Role, *, by: User) -> str:
    """Invite somebody; answers the secret of the link, the only time it is known. Commits.

    An earlier invitation of the same address ends. Raises `DomainError` (422).
    """
    email = normal_email(email)
    if not re.fullmatch(r"[^@\s]+@[^@\s]+", email) or len(email) > MAX_EMAIL or not email.isprintable():
        raise DomainError(_("This is not an e-mail address."), status=422)
    lock_name(_EVERYBODY)
    if queries.find_user_by_email(email) is not None:
        db.session.rollback()
        raise DomainError(_("Someone signs in with this e-mail address already."), status=422)
    invitation, token = _new_invitation(email, name, role, by)
    facts = {"email": email, "name": name, "role": role.value}
    audit.record("account.invited", "invitation", invitation.id, by=by, after=facts)
    db.session.commit()
    return token


def make_reset_link(user_id: UUID, *, by: User | None = None) -> str:
    """Let somebody choose a new password; answers the secret of the link, the only time it is known. Commits.

    Until then the old one holds. A second factor is asked for as before. Raises NotFound.
    """
    user = _hold_admin(user_id)
    invitation, token = _new_invitation(user.email or "", user.name, Role(user.role), by, is_reset=True)
    audit.record("account.reset_link_made", "user", user.id, by=by, facts={"invitation_id": invitation.id})
    db.session.commit()
    return token


def revoke_invitation(invitation_id: UUID, *, by: User) -> None:
    """End an invitation; one that is over already changes nothing. Commits. Raises NotFound."""
    if db.session.get(Invitation, invitation_id) is None:
        raise NotFound(_("There is no such invitation."))
    invitation = lock(Invitation, invitation_id)
    if invitation.is_open:
        invitation.revoked_at = clock.now()
        audit.record("account.invitation_revoked", "invitation", invitation.id, by=by)
    db.session.commit()


def get_open_invitation(token: str) -> Invitation:
    """The invitation of a link; raises NotFound for one that is unknown, over, or taken back."""
    found = db.session.scalar(select(Invitation).where(Invitation.token_hash == _hash_of(token)))
    if found is None or not found.is_open:
        raise NotFound(_("This invitation is over. Ask for a new one."))
    return found


def accept_invitation(token: str, password: str) -> User:
    """Make the invited person an admin, or give them the new password they chose; once. Commits."""
    invited = get_open_invitation(token)
    refuse_unfit_password(password, about=(invited.email, invited.name))
    db.session.rollback()  # no transaction is open while a password is hashed
    password_hash = hash_password(password)
    lock_name(_EVERYBODY)
    invitation = lock(Invitation, get_open_invitation(token).id)
    user = queries.find_user_by_email(invitation.email)
    is_fit = queries.can_sign_in(user) if invitation.is_reset else user is None
    if not (invitation.is_open and is_fit):
        db.session.rollback()
        raise NotFound(_("This invitation is over. Ask for a new one."))
    invitation.accepted_at = clock.now()
    if user is None:
        user = _add_invited(invitation)
    user.password_hash = password_hash
    db.session.flush()
    _end_sessions(user)
    action = "account.password_reset" if invitation.is_reset else "account.invitation_accepted"
    audit.record(action, "user", user.id, by=user, facts={"invitation_id": invitation.id})
    db.session.commit()
    return user


def _add_invited(invitation: Invitation) -> User:
    user = User(id=new_id(), email=invitation.email, name=invitation.name, role=invitation.role)
    db.session.add(user)
    return user


def change_role(user_id: UUID, role: Role, *, by: User) -> None:
    """Give an admin another role; they sign in anew. Commits. Raises `DomainError`."""
    user = _hold_admin(user_id)
    if user.role == role:
        db.session.rollback()  # pressed twice
        return
    _refuse_if_needed(user, role)
    before, user.role = user.role, role.value
    _end_sessions(user)
    told = {"before": {"role": before}, "after": {"role": user.role}}
    audit.record("account.role_changed", "user", user.id, by=by, **told)
    db.session.commit()


def deactivate(user_id: UUID, *, by: User) -> None:
    """Take access away; what the person did stays theirs. Commits. Raises `DomainError`."""
    user = _hold_admin(user_id)
    if not user.is_active:
        db.session.rollback()
        return
    _refuse_if_needed(user, None)
    user.is_active = False
    _end_sessions(user)
    audit.record("account.deactivated", "user", user.id, by=by)
    db.session.commit()


def reactivate(user_id: UUID, *, by: User) -> None:
    """Give access back. Commits."""
    user = _hold_admin(user_id)
    if not user.is_active:
        user.is_active = True
        audit.record("account.reactivated", "user", user.id, by=by)
    db.session.commit()


def end_sessions(user_id: UUID, *, by: User) -> None:
    """Sign a person out everywhere. Commits."""
    user = _hold_admin(user_id)
    if _end_sessions(user):
        audit.record("account.sign_ins_ended", "user", user.id, by=by)
    db.session.commit()


def end_session(user_id: UUID, sign_in_id: UUID, *, by: User) -> None:
    """Sign a person out of one browser; one that is out already stays so. Commits. Raises NotFound."""
    user = _hold_admin(user_id)
    session = db.session.get(SignIn, sign_in_id)
    if session is None or session.user_id != user.id:
        db.session.rollback()
        raise NotFound(_("There is no such session."))
    if _end_sessions(user, SignIn.id == sign_in_id):
        audit.record("account.sign_in_ended", "user", user.id, by=by, facts={"sign_in_id": sign_in_id})
    db.session.commit()


def change_limits(
    user_id: UUID, wanted: Mapping[str, Mapping[str, int]], *, by: User, seen: str | None = None
) -> bool:
    """Give a person limits of their own, in minor units by currency; whether that changed anything. Commits.

    An empty one lets the role's hold again. `seen` is `mark_of_limits` when the form was made: raises
    `LimitsMoved` where somebody else has changed them since.
    """
    user = _hold(user_id)
    if seen is not None and seen != mark_of_limits(user):
        db.session.rollback()
        raise LimitsMoved(_("Somebody else has changed these limits meanwhile. Compare, and save again."))
    before = user.limits or {}
    after = {name: dict(amounts) for name, amounts in wanted.items() if amounts}
    if after == before:
        db.session.rollback()
        return False
    user.limits = after or None
    audit.record("account.limits_changed", "user", user.id, by=by, before=before, after=after)
    db.session.commit()
    return True


def mark_of_limits(user: User) -> str:
    """A text that changes when a person's own limits do."""
    return json.dumps(user.limits or {}, sort_keys=True, separators=(",", ":"))


def take_away_second_factor(user_id: UUID, *, by: User) -> None:
    """Let somebody who lost phone and recovery codes in with the password alone. Commits."""
    _end_sessions(_hold_admin(user_id))
    second_factor.take_away(user_id, by=by)


def get_admin(user_id: UUID) -> User:
    """An admin, their access taken away or not, or a program that acts as one; raises NotFound."""
    user = db.session.get(User, user_id)
    if user is None or user.role not in queries.SIGN_IN_ROLES:
        raise NotFound(_("There is no such admin."))
    return user


def list_admins() -> Sequence[User]:
    """Everybody with a role to sign in with, those who may not any more last."""
    return db.session.scalars(
        select(User)
        .where(User.role.in_(queries.SIGN_IN_ROLES), User.email.is_not(None))
        .order_by(User.is_active.desc(), User.role.desc(), User.name, User.id)
    ).all()


def list_machines() -> Sequence[User]:
    """The programs of the store that act here, each in a name of its own."""
    return db.session.scalars(
        select(User).where(User.role == Role.ADMIN, User.email.is_(None)).order_by(User.name, User.id)
    ).all()


def list_open_invitations() -> Sequence[Invitation]:
    """Invitations that can still be accepted, the newest first."""
    return db.session.scalars(
        select(Invitation)
        .where(
            Invitation.accepted_at.is_(None),
            Invitation.revoked_at.is_(None),
            Invitation.expires_at > clock.now(),
        )
        .order_by(Invitation.id.desc())
    ).all()


def machine_of(name: str) -> User:
    """The user in whose name a program acts: an admin in what it may do, who cannot sign in. Commits."""
    full_name = f"API · {name}"[:200]
    found = select(User).where(User.name == full_name, User.role == Role.ADMIN, User.email.is_(None))
    known = db.session.scalar(found.limit(1))
    if known is None:
        lock_name(_EVERYBODY)
        known = db.session.scalar(found.limit(1))
    if known is None:
        known = User(id=new_id(), name=full_name, role=Role.ADMIN.value)
        db.session.add(known)
        audit.record("account.created", "user", known.id, after={"name": full_name, "role": known.role})
    db.session.commit()
    return known


def _hold_admin(user_id: UUID) -> User:
    user = _hold(user_id)
    if user.email is None:
        db.session.rollback()
        raise NotFound(_("There is no such admin."))
    return user


def _hold(user_id: UUID) -> User:
    """An admin or a program, read afresh while nobody else changes who may do what."""
    lock_name(_EVERYBODY)
    user = get_admin(user_id)
    db.session.refresh(user)
    return user


def _refuse_if_needed(user: User, role: Role | None) -> None:
    """Refuse to lower the last active super admin, and whatever a guardian minds."""
    is_lowered = user.is_active and user.role == Role.SUPER_ADMIN and role != Role.SUPER_ADMIN
    others = select(func.count()).where(
        User.role == Role.SUPER_ADMIN, User.is_active, User.id != user.id, User.password_hash.is_not(None)
    )
    if is_lowered and not db.session.scalar(others):
        db.session.rollback()
        raise DomainError(_("This is the last super admin. Make somebody else one first."))
    for guardian in guardians:
        guardian(user, role)


def _end_sessions(user: User, *which: ColumnElement[bool]) -> bool:
    ending = update(SignIn).where(SignIn.user_id == user.id, SignIn.ended_at.is_(None), *which)
    return bool(db.session.scalars(ending.values(ended_at=clock.now()).returning(SignIn.id)).all())


def _new_invitation(
    email: str, name: str, role: Role, by: User | None, *, is_reset: bool = False
) -> tuple[Invitation, str]:
    """An invitation with the secret of its link; an earlier one of the same address ends."""
    _end_invitations(email)
    token, moment = secrets.token_urlsafe(32), clock.now()
    invitation = Invitation(
        id=new_id(),
        token_hash=_hash_of(token),
        email=email,
        name=name,
        role=role.value,
        is_reset=is_reset,
        invited_by=by.id if by else None,
        created_at=moment,
        expires_at=moment + (RESET_FOR if is_reset else INVITED_FOR),
    )
    db.session.add(invitation)
    return invitation, token


def _end_invitations(email: str) -> None:
    still_open = Invitation.email == email, Invitation.accepted_at.is_(None), Invitation.revoked_at.is_(None)
    db.session.execute(update(Invitation).where(*still_open).values(revoked_at=clock.now()))


def _hash_of(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
