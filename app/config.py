"""Settings from the environment, read once, and refused early when missing or malformed."""

import base64
import binascii
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from cryptography.fernet import Fernet
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

LOOPBACK = {"127.0.0.1", "localhost", "::1"}

#: Where PortOne may send its webhooks, below `public_url`.
WEBHOOK_ADDRESSES = ("/webhooks/portone", "/api/portone/webhook")

_USUAL_PORTS = {"http": 80, "https": 443}


class InvalidSettings(Exception):
    """A setting is missing or malformed; the message is one line that names it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the environment decides. Secrets stay out of `repr`."""

    public_url: str
    database_url: str | None
    portone_api_base: str
    portone_mode: str
    portone_store_id: str
    secret_key: str
    portone_api_secret: str
    portone_webhook_secrets: tuple[str, ...]
    data_encryption_keys: tuple[str, ...]
    api_tokens: tuple[tuple[str, str], ...]
    log_format: str
    metrics_token: str | None = None
    trusted_proxies: int = 0
    trusted_hosts: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Settings(public_url={self.public_url!r}, portone_mode={self.portone_mode!r})"

    @property
    def is_https(self) -> bool:
        """Whether people reach the dashboard over https, so that cookies are `Secure` and `__Host-`."""
        return self.public_url.startswith("https://")

    def is_known_host(self, host: str) -> bool:
        """Whether a request for this host (its `Host` header) is for us; without https all are."""
        if not self.is_https:
            return True
        try:
            name = urlsplit(f"//{host}").hostname
        except ValueError:
            return False
        return name in {urlsplit(self.public_url).hostname, *LOOPBACK, *self.trusted_hosts}

    @property
    def real_channel_type(self) -> str:
        """The channel type whose payments count as real money: LIVE, or TEST in test mode."""
        return "LIVE" if self.portone_mode == "live" else "TEST"

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no log may show."""
        tokens = tuple(token for _name, token in self.api_tokens)
        return (
            self.secret_key,
            self.portone_api_secret,
            *self.portone_webhook_secrets,
            *self.data_encryption_keys,
            *tokens,
            *filter(None, [self.metrics_token]),
        )

    def is_webhook_address(self, url: str | None) -> bool:
        """Whether PortOne sends to us there: host and path count, not the scheme a proxy may change."""
        try:
            sent_to, ours = urlsplit(url or ""), urlsplit(self.public_url)
            is_our_host = _host(sent_to) == _host(ours)
        except ValueError:
            return False
        path = sent_to.path.rstrip("/")
        return is_our_host and path in {ours.path + address for address in WEBHOOK_ADDRESSES}

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """Read every setting; raise `InvalidSettings` for the first that cannot be used."""
        return cls(
            public_url=_url(environ, "PUBLIC_URL", "http://127.0.0.1:8000"),
            database_url=_database_url(environ),
            portone_api_base=_api_base(environ),
            portone_mode=_choice(environ, "PORTONE_MODE", ("live", "test")),
            portone_store_id=_token(environ, "PORTONE_STORE_ID"),
            secret_key=_secret_key(environ),
            portone_api_secret=_token(environ, "PORTONE_API_SECRET"),
            portone_webhook_secrets=_webhook_secrets(environ),
            data_encryption_keys=_encryption_keys(environ),
            api_tokens=_api_tokens(environ),
            log_format=_choice(environ, "LOG_FORMAT", ("text", "json")),
            metrics_token=_metrics_token(environ),
            trusted_proxies=_trusted_proxies(environ),
            trusted_hosts=_trusted_hosts(environ),
        )


def _host(parts: SplitResult) -> tuple[str | None, int | None]:
    port = None if parts.port == _USUAL_PORTS.get(parts.scheme) else parts.port
    return parts.hostname, port


def _required(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name, "").strip()
    if not value:
        raise InvalidSettings(f"{name} is not set; Portico cannot start without it.")
    return value


def _token(environ: Mapping[str, str], name: str) -> str:
    value = _required(environ, name)
    if not re.fullmatch(r"[!-~]+", value):
        raise InvalidSettings(f"{name} must be printable ASCII without spaces.")
    return value


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _secret_key(environ: Mapping[str, str]) -> str:
    value = _required(environ, "SECRET_KEY")
    if len(value) < 16:
        raise InvalidSettings("SECRET_KEY must have at least 16 characters.")
    return value


def _choice(environ: Mapping[str, str], name: str, allowed: tuple[str, ...]) -> str:
    value = environ.get(name, "").strip() or allowed[0]
    if value not in allowed:
        raise InvalidSettings(f"{name} must be one of: {', '.join(allowed)}.")
    return value


def _url(environ: Mapping[str, str], name: str, default: str) -> str:
    value = environ.get(name, "").strip() or default
    try:
        parts = urlsplit(value)
        is_usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable:
        raise InvalidSettings(f"{name} must be an http:// or https:// address.")
    return value.rstrip("/")


def _api_base(environ: Mapping[str, str]) -> str:
    value = _url(environ, "PORTONE_API_BASE", "https://api.portone.io")
    if value.startswith("http://") and urlsplit(value).hostname not in LOOPBACK:
        raise InvalidSettings("PORTONE_API_BASE must be https, or the API secret would travel in the clear.")
    return value


def _database_url(environ: Mapping[str, str]) -> str | None:
    value = environ.get("DATABASE_URL", "").strip()
    if not value:
        return None
    if value.startswith("postgres://"):
        value = "postgresql://" + value.removeprefix("postgres://")
    try:
        url = make_url(value)
    except (ArgumentError, ValueError):
        raise InvalidSettings("DATABASE_URL cannot be read as an address.") from None
    if url.drivername not in {"postgresql", "postgresql+psycopg", "sqlite"}:
        raise InvalidSettings("DATABASE_URL must begin with postgresql:// or sqlite:///.")
    if not url.database or url.database == ":memory:":
        raise InvalidSettings("DATABASE_URL must name a database.")
    if url.drivername == "sqlite" and not Path(url.database).absolute().parent.is_dir():
        raise InvalidSettings("DATABASE_URL names a SQLite file in a folder that does not exist.")
    return value


def _webhook_secrets(environ: Mapping[str, str]) -> tuple[str, ...]:
    secrets = _listed(_required(environ, "PORTONE_WEBHOOK_SECRETS"))
    for secret in secrets:
        try:
            key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if not key or not secret.startswith("whsec_"):
            raise InvalidSettings(
                "PORTONE_WEBHOOK_SECRETS must be whsec_ followed by base64, separated by commas."
            )
    if not secrets:
        raise InvalidSettings("PORTONE_WEBHOOK_SECRETS is empty; Portico cannot start without it.")
    return secrets


def _encryption_keys(environ: Mapping[str, str]) -> tuple[str, ...]:
    keys = _listed(_required(environ, "DATA_ENCRYPTION_KEYS"))
    try:
        for key in keys:
            Fernet(key)
    except (binascii.Error, ValueError):
        keys = ()
    if not keys:
        raise InvalidSettings(
            "DATA_ENCRYPTION_KEYS must be Fernet keys (32 bytes in URL-safe base64), newest first."
        )
    return keys


def _api_tokens(environ: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    pairs = []
    for entry in _listed(environ.get("API_TOKENS", "")):
        name, colon, token = entry.partition(":")
        if not (name and colon and token):
            raise InvalidSettings("API_TOKENS must be name:token pairs separated by commas.")
        pairs.append((name, token))
    return tuple(pairs)


def _trusted_proxies(environ: Mapping[str, str]) -> int:
    """How many proxies stand in front, each adding to X-Forwarded-For: one where PUBLIC_URL is https."""
    is_https = environ.get("PUBLIC_URL", "").strip().startswith("https://")
    value = environ.get("TRUSTED_PROXIES", "").strip() or str(int(is_https))
    if not re.fullmatch(r"[0-9]", value):
        raise InvalidSettings("TRUSTED_PROXIES must be the number of proxies in front: 0 to 9.")
    return int(value)


def _trusted_hosts(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Names this server answers to beside that of PUBLIC_URL, such as one the store's own servers use."""
    names = tuple(name.lower() for name in _listed(environ.get("TRUSTED_HOSTS", "")))
    if not all(re.fullmatch(r"[a-z0-9._:-]+", name) for name in names):
        raise InvalidSettings("TRUSTED_HOSTS must be host names separated by commas, without https://.")
    return names


def _metrics_token(environ: Mapping[str, str]) -> str | None:
    value = environ.get("METRICS_TOKEN", "").strip()
    if value and not re.fullmatch(r"[!-~]{16,}", value):
        raise InvalidSettings("METRICS_TOKEN must be at least 16 printable ASCII characters without spaces.")
    return value or None
