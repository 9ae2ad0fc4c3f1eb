"""How refunds are found from the search box of payments: by their ids, and by what became of them."""

from collections.abc import Iterator

from flask import url_for
from flask_babel import gettext as _
from sqlalchemy import select

from app.access.guards import can
from app.access.permissions import Permission
from app.extensions import db
from app.payments.goto import Destination, contribute, is_named
from app.payments.words import add_flag, add_word, label_choice
from app.refunds.models import Refund
from app.web.query_language import Word

#: What people say for short.
_SHORT = {"succeeded": ("완료",), "failed": ("실패",), "requested": ("접수",), "uncertain": ("확인필요",)}

add_word(
    Word("refund", ("환불",), label_choice("refund_status", _SHORT)),
    lambda on, value: on.id.in_(select(Refund.payment_id).where(Refund.status == value)),
)
add_flag("refund", ("환불",), lambda on: on.id.in_(select(Refund.payment_id)))


@contribute(Refund.id, Refund.cancellation_id)
def find_refunds(name: str) -> Iterator[Destination]:
    """The refund with an id of ours, or whose cancellation PortOne gave an id."""
    if not can(Permission.REFUND_READ):
        return
    found = select(Refund).where(is_named(name, Refund.id, Refund.cancellation_id))
    for refund in db.session.scalars(found.limit(2)):
        url = url_for("refunds.show", refund_id=refund.id)
        why = _("Cancellation ID") if refund.cancellation_id == name else _("Refund ID")
        yield Destination(url, _("Refund"), refund.payment.order_name or refund.payment.payment_id, why)
