"""Sign in and out, make admins, change a password.

No transaction is open while a password is hashed: that takes as long as a hundred queries, and on SQLite
everyone else who writes would wait for it.
"""

import hashlib
import math
import re
import secrets
import unicodedata
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from flask import g
from flask_babel import gettext as _
from flask_babel import ngettext
from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.exc import IntegrityError

from app import clock
from app.accounts import queries
from app.accounts.models import SignIn, SignInAttempt, User
from app.accounts.passwords import hash_password, is_password, refuse_unfit_password, renewed_hash
from app.audit import service as audit
from app.database import act_as, begin_writing, lock, new_id
from app.errors import DomainError, NotFound
from app.extensions import db

#: After this a person proves again who they are, however busy the session was.
MAX_SESSION = timedelta(days=7)

#: `last_seen_at` is written this often at most, so that reading pages writes next to nothing.
SEEN_EVERY = timedelta(minutes=1)

#: Tries to sign in are forgotten after this.
ATTEMPTS_KEPT = timedelta(days=1)

#: The longest address e-mail knows, and the column holds.
MAX_EMAIL = 320


class SignInRefused(DomainError):
    """The e-mail address or the password is wrong; which of them is not told."""

    status = 422


class SignInThrottled(SignInRefused):
    """Too many wrong passwords: nothing is tried for `retry_after` seconds."""

    status = 429

    def __init__(self, retry_after: int) -> None:
        minutes = math.ceil(retry_after / 60)
        super().__init__(
            ngettext(
                "Too many wrong passwords. Try again in %(num)s minute.",
                "Too many wrong passwords. Try again in %(num)s minutes.",
                minutes,
            )
        )
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class _Credentials:
    """What a password is compared with: plain values, for between two commits."""

    user_id: UUID
    password_hash: str


def sign_in(
    email: str, password: str, *, address: str = "", user_agent: str = "", replacing: UUID | None = None
) -> User:
    """Open a session for an admin, and end the one it replaces; `get_id()` of the user is its secret.

    Raises `SignInRefused`, or `SignInThrottled` without a look at the password.
    """
    proven = _prove_password(email, password, address=address, failure="account.sign_in_failed")
    password_hash = renewed_hash(proven.password_hash, password)
    user = _lock_unchanged(proven)
    user.password_hash = password_hash
    if replacing:
        _end_sign_ins(SignIn.id == replacing)
    session, token = _open_session(user, address=address, user_agent=user_agent)
    _carry(user, session, token)
    audit.record("account.signed_in", "user", user.id, by=user, facts={"user_agent": session.user_agent})
    db.session.commit()
    return user


def load_user(token: str) -> User | None:
    """The person a cookie stands for, while their session lives (for Flask-Login)."""
    found = queries.find_live_sign_in(_hash_of(token))
    if found is None:
        return None
    session, user = found
    act_as(user.role, user.id)
    if clock.now() - session.last_seen_at >= SEEN_EVERY:
        _note_seen(session.id)
    return _carry(user, session, token)


def sign_out(*, by: User) -> None:
    """End the session that the request came with."""
    if by.sign_in is not None:
        end_sign_in(by.sign_in.id, by=by, action="account.signed_out")


def end_sign_in(sign_in_id: UUID, *, by: User, action: str = "account.sign_in_ended") -> None:
    """End one of a person's own sessions; ending it again changes nothing. Raises `NotFound`."""
    session = db.session.get(SignIn, sign_in_id)
    if session is None or session.user_id != by.id:
        raise NotFound(_("There is no such session."))
    if _end_sign_ins(SignIn.id == sign_in_id):
        audit.record(action, "user", by.id, by=by, facts={"sign_in_id": sign_in_id})
    db.session.commit()


def create_admin(email: str, role: str, password: str, name: str = "", *, by: User | None = None) -> User:
    """Make a user who may sign in. Raises `PasswordRefused`, or `DomainError` (422) for e-mail or role."""
    email = normal_email(email)
    if not re.fullmatch(r"[^@\s]+@[^@\s]+", email) or len(email) > MAX_EMAIL or not email.isprintable():
        raise DomainError(_("This is not an e-mail address."), status=422)
    if role not in queries.SIGN_IN_ROLES:
        raise DomainError(_("Only an admin or a super admin can sign in."), status=422)
    refuse_unfit_password(password)
    user = User(id=new_id(), email=email, role=role, name=name, password_hash=hash_password(password))
    begin_writing()
    db.session.add(user)
    try:
        db.session.flush()
    except IntegrityError:
        db.session.rollback()
        raise DomainError(_("Someone signs in with this e-mail address already."), status=422) from None
    made = {"email": email, "role": role, "name": name}
    audit.record("account.created", "user", user.id, by=by, after=made)
    db.session.commit()
    return user


def change_password(current: str, new: str, *, by: User, address: str = "") -> User:
    """Change one's own password; every other session ends, and this one goes on under a new secret.

    Raises `PasswordRefused` for the new password, `SignInRefused` or `SignInThrottled` for the current one.
    """
    sign_in_id = by.sign_in.id if by.sign_in else None
    refuse_unfit_password(new)
    failure = "account.password_change_failed"
    proven = _prove_password(by.email or "", current, address=address, failure=failure)
    password_hash = hash_password(new)
    user = _lock_unchanged(proven)
    user.password_hash = password_hash
    _end_sign_ins(SignIn.user_id == user.id, SignIn.id != sign_in_id)
    if sign_in_id:
        session = db.session.get_one(SignIn, sign_in_id)
        token = secrets.token_urlsafe(32)
        session.token_hash = _hash_of(token)
        _carry(user, session, token)
    audit.record("account.password_changed", "user", user.id, by=user)
    db.session.commit()
    return user


def set_language(language: str, *, by: User) -> None:
    """Remember the language a person reads."""
    by.language = language
    db.session.commit()


def normal_email(email: str) -> str:
    """An e-mail address as it is stored and compared: upper and lower case are one."""
    return unicodedata.normalize("NFC", email).strip().lower()


def _prove_password(email: str, password: str, *, address: str, failure: str) -> _Credentials:
    """Check a password, with the try counted before the look, so that many at once are not more than ten."""
    attempt_id, credentials = _count_attempt(normal_email(email)[:MAX_EMAIL], address)
    if not is_password(password, credentials.password_hash if credentials else None):
        _note_failure(credentials, failure)
        raise _refusal()
    assert credentials is not None  # noqa: S101 - nobody has the password of nobody
    db.session.execute(update(SignInAttempt).where(SignInAttempt.id == attempt_id).values(succeeded=True))
    db.session.commit()
    return credentials


def _count_attempt(email: str, address: str) -> tuple[UUID, _Credentials | None]:
    begin_writing()
    if db.engine.dialect.name == "postgresql":  # tries for one e-mail queue; on SQLite all writers do
        db.session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(email, 0))))
    if ends_at := queries.find_end_of_throttle(email):
        db.session.rollback()
        raise SignInThrottled(math.ceil((ends_at - clock.now()).total_seconds()))
    attempt_id = new_id()
    db.session.add(
        SignInAttempt(id=attempt_id, email=email, address=address, succeeded=False, attempted_at=clock.now())
    )
    credentials = _credentials_of(queries.find_user_by_email(email))
    db.session.commit()
    return attempt_id, credentials


def _credentials_of(user: User | None) -> _Credentials | None:
    if user is None or user.password_hash is None or not queries.can_sign_in(user):
        return None
    return _Credentials(user.id, user.password_hash)


def _note_failure(credentials: _Credentials | None, action: str) -> None:
    """Record a wrong password of a real account; what strangers make up must not fill the audit trail."""
    db.session.execute(delete(SignInAttempt).where(SignInAttempt.attempted_at < clock.now() - ATTEMPTS_KEPT))
    if credentials:
        audit.record(action, "user", credentials.user_id)
    db.session.commit()


def _lock_unchanged(proven: _Credentials) -> User:
    """The user, held; refused when access or password changed while the password was being checked."""
    user = lock(User, proven.user_id)
    if not queries.can_sign_in(user) or user.password_hash != proven.password_hash:
        db.session.rollback()
        raise _refusal()
    return user


def _open_session(user: User, *, address: str, user_agent: str) -> tuple[SignIn, str]:
    token, moment = secrets.token_urlsafe(32), clock.now()
    session = SignIn(
        id=new_id(),
        user_id=user.id,
        token_hash=_hash_of(token),
        address=address,
        user_agent=user_agent[:400],
        created_at=moment,
        last_seen_at=moment,
        expires_at=moment + MAX_SESSION,
    )
    db.session.add(session)
    return session, token


def _carry(user: User, session: SignIn, token: str) -> User:
    """Let the user know their session, and the audit trail too."""
    session.token = token
    user.sign_in = session
    g.sign_in_id = session.id
    return user


def _note_seen(sign_in_id: UUID) -> None:
    """Write that the session is in use; a page that only reads goes on reading after it."""
    reads_only = g.get("reads_only", False)
    begin_writing()
    db.session.execute(update(SignIn).where(SignIn.id == sign_in_id).values(last_seen_at=clock.now()))
    db.session.commit()
    g.reads_only = reads_only


def _end_sign_ins(*which: ColumnElement[bool]) -> bool:
    """End sessions that go on; False when there were none."""
    begin_writing()
    ending = update(SignIn).where(SignIn.ended_at.is_(None), *which).values(ended_at=clock.now())
    return bool(db.session.scalars(ending.returning(SignIn.id)).all())


def _refusal() -> SignInRefused:
    return SignInRefused(_("The e-mail address or the password is wrong."))


def _hash_of(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
