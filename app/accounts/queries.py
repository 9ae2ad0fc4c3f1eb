"""Read users and signed-in sessions."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import bindparam, select

from app import clock
from app.access.permissions import Role
from app.accounts.models import SignIn, User
from app.extensions import db
from app.settings.service import read_value, stored_value, value_of

#: Who may sign in; a customer never does.
SIGN_IN_ROLES = (Role.ADMIN, Role.SUPER_ADMIN)

#: The settings that end a session nobody uses, and every session.
IDLE_MINUTES, MOST_HOURS = "session_idle_minutes", "session_hours"


def can_sign_in(user: User | None) -> bool:
    """Whether this is an admin whose access was not taken away."""
    return user is not None and user.is_active and user.role in SIGN_IN_ROLES


def find_user_by_email(email: str) -> User | None:
    """The user with this e-mail address, which is stored as `service.normal_email` writes it."""
    return db.session.scalar(select(User).where(User.email == email))


def find_live_sign_in(token_hash: str) -> tuple[SignIn, User] | None:
    """A session that has not ended, and its user if they may still sign in: one query for every page."""
    found = db.session.execute(_SIGN_IN, {"token_hash": token_hash}).first()
    if found is None:
        return None
    session, user, idle, most = found
    is_live = _is_live(session, read_value(IDLE_MINUTES, idle), read_value(MOST_HOURS, most))
    return (session, user) if is_live else None


def list_live_sign_ins(user_id: UUID) -> Sequence[SignIn]:
    """The sessions a person is signed in with, the one used last first."""
    sessions = db.session.scalars(
        select(SignIn)
        .where(SignIn.user_id == user_id, SignIn.ended_at.is_(None), SignIn.expires_at > clock.now())
        .order_by(SignIn.last_seen_at.desc(), SignIn.id.desc())
    ).all()
    idle, most = value_of(IDLE_MINUTES), value_of(MOST_HOURS)
    return [session for session in sessions if _is_live(session, idle, most)]


def _is_live(session: SignIn, idle_minutes: int, most_hours: int) -> bool:
    """Whether a session that nobody ended goes on, by the settings as they are now."""
    moment = clock.now()
    is_used = moment - session.last_seen_at < timedelta(minutes=idle_minutes)
    return (
        is_used and moment < session.expires_at and moment - session.created_at < timedelta(hours=most_hours)
    )


#: Made once: every request begins with it.
_SIGN_IN = (
    select(SignIn, User, stored_value(IDLE_MINUTES), stored_value(MOST_HOURS))
    .join(User, SignIn.user_id == User.id)
    .where(SignIn.token_hash == bindparam("token_hash"), SignIn.ended_at.is_(None))
    .where(User.is_active, User.role.in_(SIGN_IN_ROLES))
)
