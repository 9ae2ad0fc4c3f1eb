"""How a billing key's page is found from the search box of payments: by our id of it, which is no secret."""

from collections.abc import Iterator

from flask import url_for
from flask_babel import gettext as _

from app.access.guards import can
from app.access.permissions import Permission
from app.billing_keys.models import BillingKey
from app.extensions import db
from app.payments.goto import Destination, as_uuid, contribute


@contribute(BillingKey.id)
def find_billing_keys(name: str) -> Iterator[Destination]:
    """The billing key whose row has this id."""
    row_id = as_uuid(name)
    row = db.session.get(BillingKey, row_id) if row_id and can(Permission.BILLING_KEY_READ) else None
    if row is not None:
        url = url_for("billing_keys.show", billing_key_row_id=row.id)
        yield Destination(
            url, _("Billing key"), row.customer_name or row.card_name or "", _("Billing key ID")
        )
