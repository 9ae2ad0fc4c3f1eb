"""What must not be readable in the database: sealed with Fernet, looked up by a keyed hash.

The keys are `DATA_ENCRYPTION_KEYS`, newest first: the first seals, every one opens, and the
look-up hash is derived from the first.
"""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from flask import Flask, current_app


class Vault:
    """Seals, opens and fingerprints texts with one set of keys."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in keys])
        self._fingerprint_keys = [
            hmac.digest(key.encode(), b"portico look-up hash", hashlib.sha256) for key in keys
        ]

    def seal(self, text: str) -> str:
        """Encrypt a text for storage."""
        return self._fernet.encrypt(text.encode()).decode()

    def open(self, sealed: str) -> str:
        """Decrypt what `seal` made; raises `cryptography.fernet.InvalidToken` when no key fits."""
        return self._fernet.decrypt(sealed.encode()).decode()

    def reseal(self, sealed: str) -> str:
        """Seal anew, with the newest key; raises `cryptography.fernet.InvalidToken` when no key fits."""
        return self._fernet.rotate(sealed.encode()).decode()

    def fingerprint(self, text: str) -> str:
        """A keyed hash (hex, 64 characters) that finds a text again without storing it."""
        return self.fingerprints(text)[0]

    def fingerprints(self, text: str) -> list[str]:
        """The hash under every key, newest first: rows hashed before a rotation are still found."""
        return [hmac.new(key, text.encode(), hashlib.sha256).hexdigest() for key in self._fingerprint_keys]


def masked(document: Any, secret: str, mask: str) -> Any:
    """A JSON document with `mask` wherever `secret` stood."""
    if isinstance(document, str):
        return document.replace(secret, mask)
    if isinstance(document, Mapping):
        return {name: masked(part, secret, mask) for name, part in document.items()}
    if isinstance(document, list):
        return [masked(part, secret, mask) for part in document]
    return document


def init_vault(app: Flask, keys: tuple[str, ...]) -> None:
    """Give the app its vault."""
    app.extensions["vault"] = Vault(keys)


def vault() -> Vault:
    """The vault of the running app."""
    found: Vault = current_app.extensions["vault"]
    return found


__all__ = ["InvalidToken", "Vault", "init_vault", "masked", "vault"]
