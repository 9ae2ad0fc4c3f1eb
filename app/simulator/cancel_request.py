"""The body of a cancel call, read strictly."""

from dataclasses import dataclass

from app.simulator.banks import BANKS
from app.simulator.documents import Document
from app.simulator.reading import Fields


@dataclass(frozen=True)
class CancelRequest:
    """The body of a cancel call; amounts in minor units, None = not given."""

    reason: str
    amount: int | None = None
    tax_free_amount: int | None = None
    vat_amount: int | None = None
    current_cancellable_amount: int | None = None
    requester: str | None = None
    retain_option: str | None = None
    refund_account: Document | None = None
    refund_email: str | None = None
    skip_webhook: bool = False


def read_cancel_request(fields: Fields) -> CancelRequest:
    """Read a cancel body. Raises INVALID_REQUEST, for an amount of 0 or an unknown bank too."""
    account = fields.part("refundAccount")
    return CancelRequest(
        reason=fields.required_text("reason"),
        amount=fields.integer("amount", minimum=1),
        tax_free_amount=fields.integer("taxFreeAmount"),
        vat_amount=fields.integer("vatAmount"),
        current_cancellable_amount=fields.integer("currentCancellableAmount"),
        requester=fields.text("requester", choices=("CUSTOMER", "ADMIN")),
        retain_option=fields.text("promotionDiscountRetainOption", choices=("RETAIN", "RELEASE")),
        refund_account=_read_account(account) if account else None,
        refund_email=fields.text("refundEmail"),
        skip_webhook=fields.flag("skipWebhook") or False,
    )


def _read_account(fields: Fields) -> Document:
    return {
        "bank": fields.required_text("bank", choices=BANKS),
        "number": fields.required_text("number"),
        "holderName": fields.required_text("holderName"),
        "holderPhoneNumber": fields.text("holderPhoneNumber"),
    }
