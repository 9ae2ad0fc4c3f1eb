"""Read users, signed-in sessions and the tries that throttle sign-in."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, bindparam, select

from app import clock
from app.access.permissions import Role
from app.accounts.models import SignIn, SignInAttempt, User
from app.extensions import db

#: Who may sign in; a customer never does.
SIGN_IN_ROLES = (Role.ADMIN, Role.SUPER_ADMIN)

#: A session nobody used for this long is over: a working day.
IDLE = timedelta(hours=8)

#: So many wrong passwords within this time, and an e-mail is refused for as long after the last of them.
MAX_WRONG_PASSWORDS = 10
THROTTLED_FOR = timedelta(minutes=15)


def can_sign_in(user: User | None) -> bool:
    """Whether this is an admin whose access was not taken away."""
    return user is not None and user.is_active and user.role in SIGN_IN_ROLES


def find_user_by_email(email: str) -> User | None:
    """The user with this e-mail address, which is stored as `service.normal_email` writes it."""
    return db.session.scalar(select(User).where(User.email == email))


def find_live_sign_in(token_hash: str) -> tuple[SignIn, User] | None:
    """A session that has not ended, and its user if they may still sign in."""
    moment = clock.now()
    sought = {"token_hash": token_hash, "moment": moment, "idle_since": moment - IDLE}
    found = db.session.execute(_LIVE_SIGN_IN, sought).first()
    return (found[0], found[1]) if found else None


def list_live_sign_ins(user_id: UUID) -> Sequence[SignIn]:
    """The sessions a person is signed in with, the one used last first."""
    return db.session.scalars(
        select(SignIn)
        .where(SignIn.user_id == user_id, _is_live(clock.now(), clock.now() - IDLE))
        .order_by(SignIn.last_seen_at.desc(), SignIn.id.desc())
    ).all()


def find_end_of_throttle(email: str) -> datetime | None:
    """Until when no password is tried for this e-mail; None when it may be.

    Throttled is an e-mail whose last ten tries were all wrong and all within fifteen minutes.
    """
    tries = db.session.execute(
        select(SignInAttempt.attempted_at, SignInAttempt.succeeded)
        .where(SignInAttempt.email == email, SignInAttempt.attempted_at > clock.now() - 2 * THROTTLED_FOR)
        .order_by(SignInAttempt.attempted_at.desc(), SignInAttempt.id.desc())
        .limit(MAX_WRONG_PASSWORDS)
    ).all()
    if len(tries) < MAX_WRONG_PASSWORDS or any(attempt.succeeded for attempt in tries):
        return None
    newest, oldest = tries[0].attempted_at, tries[-1].attempted_at
    ends_at: datetime = newest + THROTTLED_FOR
    return ends_at if newest - oldest < THROTTLED_FOR and clock.now() < ends_at else None


def _is_live(moment: Any, idle_since: Any) -> ColumnElement[bool]:
    return and_(SignIn.ended_at.is_(None), SignIn.expires_at > moment, SignIn.last_seen_at > idle_since)


#: Made once: every request begins with it.
_LIVE_SIGN_IN = (
    select(SignIn, User)
    .join(User, SignIn.user_id == User.id)
    .where(SignIn.token_hash == bindparam("token_hash"))
    .where(_is_live(bindparam("moment"), bindparam("idle_since")))
    .where(User.is_active, User.role.in_(SIGN_IN_ROLES))
)
