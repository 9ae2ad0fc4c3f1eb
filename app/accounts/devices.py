"""Browsers that an account has signed in with before, known by a cookie that outlives the session.

Whoever signs in from one of them has a count of wrong passwords of its own there, so that a stranger who
guesses elsewhere shuts nobody out (https://owasp.org/www-community/Slow_Down_Online_Guessing_Attacks_with_Device_Cookies).
The cookie opens nothing: password and second factor are asked for as ever.
"""

import hashlib
import secrets
from typing import Any

from flask import current_app
from itsdangerous import BadSignature, URLSafeSerializer

#: Accounts that one browser is remembered for; a further one takes the place of the first.
MOST_ACCOUNTS = 5


def known_device(cookie: str, email: str) -> str | None:
    """The name of the browser if this account has signed in with it; None for a stranger's."""
    kept = _read(cookie)
    return kept["device"] if _account(email) in kept["accounts"] else None


def remember(cookie: str, email: str) -> str:
    """The cookie to keep from now on: it names the browser, and the accounts that have signed in with it."""
    kept, account = _read(cookie), _account(email)
    others = [each for each in kept["accounts"] if each != account]
    return str(_serializer().dumps({**kept, "accounts": [*others, account][-MOST_ACCOUNTS:]}))


def _read(cookie: str) -> dict[str, Any]:
    try:
        kept: dict[str, Any] = _serializer().loads(cookie)
    except BadSignature:
        return {"device": secrets.token_hex(16), "accounts": []}
    return kept


def _account(email: str) -> str:
    return hashlib.sha256(email.encode()).hexdigest()[:16]


def _serializer() -> URLSafeSerializer:
    return URLSafeSerializer(current_app.config["SECRET_KEY"], salt="known device")
