"""What a setting of the alerts may not become: what could never be delivered is told when it is typed."""

from collections.abc import Mapping
from email.utils import parseaddr
from typing import Any
from urllib.parse import urlsplit

from flask_babel import gettext as _

from app.alerts.channels import NOT_HTTPS, UNKNOWN_SECURITY
from app.config import LOOPBACK
from app.settings.rules import refuses
from app.web.language import LANGUAGES


@refuses("alert_webhook_url")
def refuse_address(value: Any, _values: Mapping[str, Any]) -> str | None:
    """An address that is none, or that somebody on the way could read along with."""
    if not value:
        return None
    try:
        parts = urlsplit(value)
        is_secret = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
        is_usable = is_secret and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable = False
    return None if is_usable else _(NOT_HTTPS)


@refuses("alert_email_to")
@refuses("alert_email_from")
def refuse_mail_address(value: Any, _values: Mapping[str, Any]) -> str | None:
    """A list with something in it that is no e-mail address."""
    for address in filter(None, (part.strip() for part in str(value or "").split(","))):
        if not address.isprintable() or "@" not in parseaddr(address)[1]:
            return str(_("“%(address)s” is not an e-mail address.", address=address))
    return None


@refuses("alert_smtp_security")
def refuse_security(value: Any, _values: Mapping[str, Any]) -> str | None:
    """A way to encrypt that nobody knows."""
    return None if value in {"starttls", "tls", "none"} else _(UNKNOWN_SECURITY)


@refuses("alert_language")
def refuse_language(value: Any, _values: Mapping[str, Any]) -> str | None:
    """A language there is no catalogue for."""
    return None if value in LANGUAGES else _("Choose ko or en.")
