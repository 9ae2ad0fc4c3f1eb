"""How a charge's page is found from the search box of payments."""

from collections.abc import Iterator

from flask import url_for
from flask_babel import gettext as _
from sqlalchemy import and_, or_, select

from app.access.guards import can
from app.access.permissions import Permission
from app.charges.models import Charge
from app.extensions import db
from app.payments.goto import Destination, as_uuid, contribute


@contribute(Charge.id, Charge.named_payment_id)
def find_charges(name: str) -> Iterator[Destination]:
    """The charge with this id; or with this paymentId, while its payment is not known here."""
    if not can(Permission.CHARGE_READ):
        return
    is_unpaid = and_(Charge.named_payment_id == name, Charge.payment_id.is_(None))
    charge_id = as_uuid(name)
    is_meant = or_(Charge.id == charge_id, is_unpaid) if charge_id else is_unpaid
    for charge in db.session.scalars(select(Charge).where(is_meant).limit(2)):
        why = _("Payment ID") if charge.named_payment_id == name else _("Charge ID")
        yield Destination(
            url_for("charges.show", charge_id=charge.id), _("Charge"), charge.order_name, str(why)
        )
