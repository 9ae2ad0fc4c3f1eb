"""What became of the money after PortOne gave it back to an account: the PG still has to pay it out."""

from dataclasses import dataclass
from typing import Any

from flask_babel import lazy_gettext as _l

from app.refunds.inquiry import inquiry_about_transfer
from app.refunds.models import Refund, RefundStatus
from app.refunds.queries import list_refunds_of

_NEXT: dict[str, Any] = {
    "PENDING": _l("The PG pays it out within one or two business days. We look again until it has."),
    "COMPLETED": _l("The PG has paid the account."),
}

_FAILED = _l(
    "The PG could not pay this account. Call the buyer and compare the account. PortOne counts the payment "
    "as cancelled, so it cannot be refunded to another account from here: send the text below to the PG or "
    "to PortOne, and they pay it out again."
)

_BROKEN = frozenset({"FAILED", "PARTIAL_REFUND_FAILED"})


@dataclass(frozen=True, slots=True)
class Transfer:
    """PortOne's word for the pay-out, what to do, and the text to ask the PG with where it failed."""

    status: str
    what_next: str
    inquiry: str | None


def transfer_of(refund: Refund) -> Transfer | None:
    """How the pay-out of a refund stands; None where there is none to tell of.

    PortOne tells it of the payment as a whole, so it is told of the newest refund to an account.
    """
    status = refund.payment.account_refund_status
    if status is None or not _is_newest_to_an_account(refund):
        return None
    what_next = _FAILED if status in _BROKEN else _NEXT.get(status, "")
    return Transfer(status, str(what_next), inquiry_about_transfer(refund) if status in _BROKEN else None)


def _is_newest_to_an_account(refund: Refund) -> bool:
    paid_out = [
        other
        for other in list_refunds_of(refund.payment)
        if other.account_bank and other.status == RefundStatus.SUCCEEDED
    ]
    return bool(paid_out) and paid_out[-1].id == refund.id
