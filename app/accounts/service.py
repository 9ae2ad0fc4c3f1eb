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
from app.accounts import queries, throttling
from app.accounts.devices import known_device
from app.accounts.models import SignIn, SignInAttempt, User
from app.accounts.passwords import (
    PasswordRefused,
    hash_password,
    is_password,
    is_same,
    refuse_unfit_password,
    renewed_hash,
)
from app.accounts.second_factor import take_code
from app.audit import service as audit
from app.columns import new_id
from app.connections import act_as
from app.database import begin_writing, lock
from app.errors import DomainError, NotFound
from app.extensions import db
from app.settings.service import value_of

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


class CodeNeeded(Exception):
    """The password is right, and a code of the second factor is still to come."""

    def __init__(self, pending: "PendingSignIn") -> None:
        super().__init__("a code is needed")
        self.pending = pending


@dataclass(frozen=True, slots=True)
class PendingSignIn:
    """A sign-in whose password was right; `proof` tells whether it still is the same password."""

    user_id: UUID
    proof: str


@dataclass(frozen=True, slots=True)
class Browser:
    """Where a person signs in from, the cookie by which the browser is known, and the session it replaces."""

    address: str = ""
    user_agent: str = ""
    replacing: UUID | None = None
    device_cookie: str = ""

    def device_for(self, email: str) -> str | None:
        """The name this browser is known by, if that account has signed in with it before."""
        return known_device(self.device_cookie, email)


@dataclass(frozen=True, slots=True)
class _Credentials:
    """What a password is compared with: plain values, for between two commits."""

    user_id: UUID
    password_hash: str
    has_second_factor: bool = False


@dataclass(frozen=True, slots=True)
class _Origin:
    """What a try to prove a password is counted by, besides its account."""

    address: str
    device: str | None

    @property
    def network(self) -> str:
        return throttling.network_of(self.address)


_NO_BROWSER = Browser()


def sign_in(email: str, password: str, code: str = "", *, browser: Browser = _NO_BROWSER) -> User:
    """Open a session for an admin; `get_id()` of the user is its secret.

    Raises `SignInRefused`, or `SignInThrottled` without a look at the password; `CodeNeeded` where a second
    factor is set and no code came along.
    """
    failure = "account.sign_in_failed"
    email = normal_email(email)[:MAX_EMAIL]
    origin = _Origin(browser.address, browser.device_for(email))
    proven = _prove_password(email, password, origin, failure=failure, awaits_code=True)
    pending = PendingSignIn(proven.user_id, _proof_of(proven.password_hash))
    if proven.has_second_factor:
        if not code:
            raise CodeNeeded(pending)
        return sign_in_with_code(pending, code, browser=browser)
    return _let_in(proven, renewed_hash(proven.password_hash, password), browser)


def sign_in_with_code(pending: PendingSignIn, code: str, *, browser: Browser = _NO_BROWSER) -> User:
    """Open a session for whoever's password was right a moment ago, now that a code came too.

    Raises `SignInRefused` or `SignInThrottled`: wrong codes count as wrong passwords do.
    """
    user = db.session.get(User, pending.user_id)
    email = user.email if user and user.email else str(pending.user_id)
    attempt_id, credentials = _count_attempt(email, _Origin(browser.address, browser.device_for(email)))
    is_same = credentials is not None and pending.proof == _proof_of(credentials.password_hash)
    if not is_same or not take_code(pending.user_id, code):
        _note_failure(credentials, "account.code_failed")
        raise SignInRefused(_("This code is wrong, or was used before."))
    assert credentials is not None  # noqa: S101 - compared above
    _note_success(attempt_id)
    return _let_in(credentials, credentials.password_hash, browser)


def _let_in(proven: _Credentials, password_hash: str, browser: Browser) -> User:
    user = _lock_unchanged(proven)
    user.password_hash = password_hash
    if browser.replacing:
        _end_sign_ins(SignIn.id == browser.replacing)
    session, token = _open_session(user, address=browser.address, user_agent=browser.user_agent)
    _carry(user, session, token)
    audit.record("account.signed_in", "user", user.id, by=user, facts={"user_agent": session.user_agent})
    db.session.commit()
    return user


def _proof_of(password_hash: str) -> str:
    """What a cookie may hold of a password hash: it says only whether that has changed."""
    return hashlib.sha256(password_hash.encode()).hexdigest()[:32]


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
    refuse_unfit_password(password, about=(email, name))
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
    refuse_unfit_password(new, about=(by.email or "", by.name))
    failure = "account.password_change_failed"
    proven = _prove_password(by.email or "", current, _origin_of(by, address), failure=failure)
    if is_same(new, current):
        raise PasswordRefused(_("This is your password already. Choose another one."))
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


def confirm_password(password: str, *, by: User, address: str = "") -> None:
    """Have a person who is signed in prove again who they are. Commits.

    Wrong ones count for the account as at the sign-in: raises `SignInRefused`, or `SignInThrottled`.
    """
    failure = "account.password_check_failed"
    proven = _prove_password(by.email or "", password, _origin_of(by, address), failure=failure)
    _lock_unchanged(proven)
    db.session.commit()


def set_language(language: str, *, by: User) -> None:
    """Remember the language a person reads."""
    by.language = language
    db.session.commit()


def normal_email(email: str) -> str:
    """An e-mail address as it is stored and compared: upper and lower case are one."""
    return unicodedata.normalize("NFC", email).strip().lower()


def _origin_of(person: User, address: str) -> _Origin:
    """A signed-in session counts its own wrong passwords: no stranger's guesses shut it out."""
    return _Origin(address, f"session:{person.sign_in.id}" if person.sign_in else None)


def _prove_password(
    email: str, password: str, origin: _Origin, *, failure: str, awaits_code: bool = False
) -> _Credentials:
    """Check a password, with the try counted before the look, so that many at once are not more than ten.

    With `awaits_code` the try of somebody with a second factor goes on counting as a wrong one until the code
    is right: else whoever has the password could guess codes for ever.
    """
    attempt_id, credentials = _count_attempt(email, origin)
    if not is_password(password, credentials.password_hash if credentials else None):
        _note_failure(credentials, failure)
        raise _refusal()
    assert credentials is not None  # noqa: S101 - nobody has the password of nobody
    if not (awaits_code and credentials.has_second_factor):
        _note_success(attempt_id)
    return credentials


def _note_success(attempt_id: UUID) -> None:
    db.session.execute(update(SignInAttempt).where(SignInAttempt.id == attempt_id).values(succeeded=True))
    db.session.commit()


def _count_attempt(email: str, origin: _Origin) -> tuple[UUID, _Credentials | None]:
    begin_writing()
    if db.engine.dialect.name == "postgresql":  # tries for one e-mail queue; on SQLite all writers do
        db.session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(email, 0))))
    if ends_at := throttling.find_end_of_throttle(email, origin.device, origin.network):
        db.session.rollback()
        raise SignInThrottled(math.ceil((ends_at - clock.now()).total_seconds()))
    attempt_id = new_id()
    db.session.add(
        SignInAttempt(
            id=attempt_id,
            email=email,
            address=origin.network,
            device=origin.device,
            succeeded=False,
            attempted_at=clock.now(),
        )
    )
    credentials = _credentials_of(queries.find_user_by_email(email))
    db.session.commit()
    return attempt_id, credentials


def _credentials_of(user: User | None) -> _Credentials | None:
    if user is None or user.password_hash is None or not queries.can_sign_in(user):
        return None
    return _Credentials(user.id, user.password_hash, user.has_second_factor)


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
        expires_at=moment + timedelta(hours=value_of(queries.MOST_HOURS)),
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
