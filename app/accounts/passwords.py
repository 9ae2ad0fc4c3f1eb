"""Passwords: which are fit, how they are kept, and whether one is right."""

import re
import secrets
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from flask import current_app
from flask_babel import gettext as _
from zxcvbn import zxcvbn

from app.accounts.korean_keys import COMMON_WORDS, typed_in_english
from app.errors import DomainError

#: Length is what makes a password hard to guess (NIST SP 800-63B); the upper bound only keeps out abuse.
MIN_PASSWORD, MAX_PASSWORD = 12, 200

#: A password that takes fewer guesses counts as common: those are tried in the first hours of an attack.
_FEWEST_GUESSES = 10**6

#: How much of a password is looked at: the rest only makes it better, and looking takes longer and longer.
_EXAMINED = 64

#: Words that guessers try here besides the lists inside zxcvbn: the product's, and Korean ones either way.
_USUAL_WORDS = [
    *("portico", "portone", "iamport", "admin", "refund", "payment"),
    *COMMON_WORDS,
    *map(typed_in_english, COMMON_WORDS),
]

#: RFC 9106 for little memory. `PASSWORD_HASHER` in the app's config replaces it: tests are in a hurry.
_HASHER = PasswordHasher()


class PasswordRefused(DomainError):
    """A new password that is too short, too long, guessed early, or the one there is."""

    status = 422


def hash_password(password: str) -> str:
    """The password as it is stored. Call it with no transaction open."""
    return _hasher().hash(_normal_password(password))


def refuse_unfit_password(password: str, *, about: Iterable[str] = ()) -> None:
    """Raise `PasswordRefused` for a password too short, too long, or among those that are guessed first.

    `about` is what is known of the person, such as e-mail address and name: guessers know it too.
    """
    if len(_normal_password(password)) < MIN_PASSWORD:
        raise PasswordRefused(_("Choose a password of at least %(least)s characters.", least=MIN_PASSWORD))
    if len(_normal_password(password)) > MAX_PASSWORD:
        raise PasswordRefused(_("Choose a password of at most %(most)s characters.", most=MAX_PASSWORD))
    if _is_guessed_early(_normal_password(password), about):
        raise PasswordRefused(
            _(
                "This password is made of what is guessed first: common passwords, rows of keys, names or "
                "repetitions. A few words that do not belong together are better."
            )
        )


def is_password(password: str, password_hash: str | None) -> bool:
    """Compare, in the same time whether there is such an account or not. Call it with no transaction open."""
    hasher = _hasher()
    try:
        return hasher.verify(password_hash or _hash_of_nothing(hasher), _normal_password(password))
    except (VerificationError, InvalidHashError):
        return False


def is_same(one: str, other: str) -> bool:
    """Whether two passwords are one, whichever keyboard they were typed on."""
    return _normal_password(one) == _normal_password(other)


def renewed_hash(password_hash: str, password: str) -> str:
    """The stored hash, or a new one where its cost is not today's."""
    return hash_password(password) if _hasher().check_needs_rehash(password_hash) else password_hash


def _is_guessed_early(password: str, about: Iterable[str]) -> bool:
    """Whether it is a common password, or made of them, of rows of keys, dates and repetitions."""
    known = [word for text in about for word in re.split(r"[\W_]+", text) if len(word) >= 3]
    guesses = zxcvbn(password[:_EXAMINED], [*_USUAL_WORDS, *known, *map(typed_in_english, known)])["guesses"]
    return bool(guesses < _FEWEST_GUESSES)


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
