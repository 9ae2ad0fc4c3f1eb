"""The whole key of a row, for PortOne's ears: what opens it here is never shown."""

from flask_babel import gettext as _

from app.billing_keys.models import BillingKey
from app.encryption import InvalidToken, vault
from app.errors import DomainError


class KeyUnreadable(DomainError):
    """The key of a row cannot be had here."""


def open_key(row: BillingKey) -> str:
    """The key itself, a credential; raises `KeyUnreadable`."""
    if row.billing_key_encrypted is None:
        raise KeyUnreadable(_("Only the fingerprint of this billing key is kept here, not the key itself."))
    try:
        return vault().open(row.billing_key_encrypted)
    except InvalidToken:
        raise KeyUnreadable(
            _("This billing key is sealed with a key of DATA_ENCRYPTION_KEYS that this server does not have.")
        ) from None
