"""The second factor: codes of an app (TOTP, RFC 6238) and, for a lost phone, recovery codes.

A code works once: the half minute it belongs to is remembered, and no earlier one is taken after it.
"""

import hashlib
import re
import secrets
from uuid import UUID

import pyotp
from flask_babel import gettext as _
from sqlalchemy import delete, func, select, update

from app import clock
from app.accounts.models import RecoveryCode, User
from app.audit import service as audit
from app.audit.service import Actor
from app.columns import new_id
from app.database import lock
from app.encryption import vault
from app.errors import DomainError
from app.extensions import db

#: Who issues the codes, as the app on the phone shows it.
ISSUER = "Portico"

STEP_SECONDS = 30

#: How many steps a phone's clock may be off, either way.
TOLERATED_STEPS = 1

RECOVERY_CODES = 10

#: Without letters and digits that look alike.
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"


class CodeRefused(DomainError):
    """The code is not one that the secret makes now."""

    status = 422


def begin_setup(*, by: User) -> str:
    """A new secret for a person; it counts once a code of it was shown. Commits.

    The same secret is answered until then. Raises `DomainError` where a second factor is set already.
    """
    user = lock(User, by.id)
    if user.has_second_factor:
        db.session.rollback()
        raise DomainError(_("Your second factor is set already. Take it away before you set another."))
    if user.totp_sealed is None:
        user.totp_sealed = vault().seal(pyotp.random_base32())
    secret = vault().open(user.totp_sealed)
    db.session.commit()
    return secret


def provisioning_uri(secret: str, *, email: str) -> str:
    """What the QR code says to the app on the phone."""
    return pyotp.TOTP(secret, interval=STEP_SECONDS).provisioning_uri(name=email, issuer_name=ISSUER)


def confirm_setup(code: str, *, by: User) -> list[str]:
    """Ask for codes from now on; answers the recovery codes, the only time they are known. Commits.

    Raises `CodeRefused`.
    """
    user = lock(User, by.id)
    step = _step_of(user, code)
    if user.has_second_factor or step is None:
        db.session.rollback()
        raise CodeRefused(_("This code does not fit. Check the clock of your phone and type the newest one."))
    user.totp_confirmed_at, user.totp_last_step = clock.now(), step
    codes = _renew_recovery_codes(user)
    audit.record("account.second_factor_set", "user", user.id, by=by)
    db.session.commit()
    return codes


def take_code(user_id: UUID, code: str) -> bool:
    """Whether a code opens the door for a person, this once. Commits when it does."""
    user = lock(User, user_id)
    step = _step_of(user, code)
    if step is not None and step > (user.totp_last_step or 0):
        user.totp_last_step = step
        db.session.commit()
        return True
    return _take_recovery_code(user, code)


def take_away(user_id: UUID, *, by: Actor) -> None:
    """Ask a person for no code any more, until they set a second factor anew. Commits."""
    user = lock(User, user_id)
    if user.totp_sealed is not None:
        was_set = user.has_second_factor
        user.totp_sealed = user.totp_confirmed_at = user.totp_last_step = None
        db.session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
        if was_set:
            audit.record("account.second_factor_removed", "user", user.id, by=by)
    db.session.commit()


def count_recovery_codes(user_id: UUID) -> int:
    """How many recovery codes a person has left."""
    unused = RecoveryCode.user_id == user_id, RecoveryCode.used_at.is_(None)
    return db.session.scalar(select(func.count(RecoveryCode.id)).where(*unused)) or 0


def _step_of(user: User, code: str) -> int | None:
    """The half minute whose code this is, of those that count now; None for any other text."""
    typed = re.sub(r"\s", "", code)
    if user.totp_sealed is None or not re.fullmatch(r"[0-9]{6}", typed):
        return None
    totp = pyotp.TOTP(vault().open(user.totp_sealed), interval=STEP_SECONDS)
    now = int(clock.now().timestamp()) // STEP_SECONDS
    steps = range(now - TOLERATED_STEPS, now + TOLERATED_STEPS + 1)
    fitting = [step for step in steps if secrets.compare_digest(totp.generate_otp(step), typed)]
    return fitting[-1] if fitting else None


def _take_recovery_code(user: User, code: str) -> bool:
    unused = (
        RecoveryCode.user_id == user.id,
        RecoveryCode.code_hash == _hash_of(code),
        RecoveryCode.used_at.is_(None),
    )
    used = update(RecoveryCode).where(*unused).values(used_at=clock.now()).returning(RecoveryCode.id)
    taken = user.has_second_factor and db.session.scalar(used) is not None
    if taken:
        audit.record("account.recovery_code_used", "user", user.id)
    db.session.commit()
    return taken


def _renew_recovery_codes(user: User) -> list[str]:
    db.session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user.id))
    codes = [_new_code() for _number in range(RECOVERY_CODES)]
    db.session.add_all(RecoveryCode(id=new_id(), user_id=user.id, code_hash=_hash_of(code)) for code in codes)
    return codes


def _new_code() -> str:
    """24 random characters (118 bits: so many that a plain hash keeps them), in groups to copy by hand."""
    groups = ("".join(secrets.choice(_LETTERS) for _letter in range(4)) for _group in range(6))
    return "-".join(groups)


def _hash_of(code: str) -> str:
    """Codes are long and random, so a plain hash will do; hyphens, spaces and capitals do not matter."""
    return hashlib.sha256(re.sub(r"[\s-]", "", code).lower().encode()).hexdigest()
