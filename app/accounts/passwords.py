"""Passwords: which are fit, how they are kept, and whether one is right."""

import secrets
import unicodedata
from functools import lru_cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from flask import current_app
from flask_babel import gettext as _

from app.errors import DomainError

#: Length is what makes a password hard to guess (NIST SP 800-63B); the upper bound only keeps out abuse.
MIN_PASSWORD, MAX_PASSWORD = 12, 200

#: RFC 9106 for little memory. `PASSWORD_HASHER` in the app's config replaces it: tests are in a hurry.
_HASHER = PasswordHasher()


class PasswordRefused(DomainError):
    """A new password that is too short or too long."""

    status = 422


def hash_password(password: str) -> str:
    """The password as it is stored. Call it with no transaction open."""
    return _hasher().hash(_normal_password(password))


def refuse_unfit_password(password: str) -> None:
    """Raise `PasswordRefused` for a password too short or too long."""
    if len(_normal_password(password)) < MIN_PASSWORD:
        raise PasswordRefused(_("Choose a password of at least %(least)s characters.", least=MIN_PASSWORD))
    if len(_normal_password(password)) > MAX_PASSWORD:
        raise PasswordRefused(_("Choose a password of at most %(most)s characters.", most=MAX_PASSWORD))


def is_password(password: str, password_hash: str | None) -> bool:
    """Compare, in the same time whether there is such an account or not. Call it with no transaction open."""
    hasher = _hasher()
    try:
        return hasher.verify(password_hash or _hash_of_nothing(hasher), _normal_password(password))
    except (VerificationError, InvalidHashError):
        return False


def renewed_hash(password_hash: str, password: str) -> str:
    """The stored hash, or a new one where its cost is not today's."""
    return hash_password(password) if _hasher().check_needs_rehash(password_hash) else password_hash


def _hasher() -> PasswordHasher:
    hasher: PasswordHasher = current_app.config.get("PASSWORD_HASHER", _HASHER)
    return hasher


@lru_cache(maxsize=4)
def _hash_of_nothing(hasher: PasswordHasher) -> str:
    """What the password of an unknown e-mail is compared with; nothing matches it."""
    return hasher.hash(secrets.token_urlsafe(32))


def _normal_password(password: str) -> str:
    """One spelling for what different keyboards send: Korean syllables whole or in parts."""
    return unicodedata.normalize("NFKC", password)
