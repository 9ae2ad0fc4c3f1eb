"""The four operations at their addresses."""

from flask import Blueprint, request

from app.api import cancelling, checkout, messages, problems
from app.api.models import Scope
from app.api.operations import Operation, operation
from app.api.tokens import Caller

endpoint = Blueprint("api", __name__)


@operation(
    endpoint,
    Operation(
        "initialize",
        Scope.INITIALIZE,
        messages.InitializeRequest,
        messages.InitializeAnswer,
        (problems.CONFLICTING_CONTENT, problems.ALREADY_PAID, problems.PORTONE_REFUSED),
        "Announce a payment before the browser pays it",
        {200: "It is announced, here and at PortOne: hand this to the browser SDK."},
    ),
)
def initialize(wish: messages.InitializeRequest, _caller: Caller) -> tuple[messages.InitializeAnswer, int]:
    """Announce a payment, here and at PortOne."""
    return checkout.initialize(wish), 200


@operation(
    endpoint,
    Operation(
        "verify",
        Scope.VERIFY,
        messages.VerifyRequest,
        messages.PaymentAnswer,
        (problems.NOT_INITIALIZED, problems.MISMATCH, problems.PORTONE_REFUSED),
        "Compare a payment with what was initialized",
        {200: "It is what was initialized. Fulfil the order if `status` is `paid`, and only then."},
    ),
)
def verify(wish: messages.VerifyRequest, caller: Caller) -> tuple[messages.PaymentAnswer, int]:
    """Where a payment stands, if it is what was initialized."""
    return checkout.verify(wish.payment_id, caller=caller), 200


@operation(
    endpoint,
    Operation(
        "confirm",
        Scope.CONFIRM,
        messages.ConfirmRequest,
        messages.PaymentAnswer,
        (problems.NOT_INITIALIZED, problems.MISMATCH, problems.PORTONE_REFUSED),
        "Approve a payment of a channel with manual approval",
        {200: "It is approved, and verified as by `verify`."},
    ),
)
def confirm(wish: messages.ConfirmRequest, caller: Caller) -> tuple[messages.PaymentAnswer, int]:
    """Approve a payment at what was initialized."""
    return checkout.confirm(wish, caller=caller), 200


@operation(
    endpoint,
    Operation(
        "cancel",
        Scope.CANCEL,
        messages.CancelRequest,
        messages.CancelAnswer,
        (
            problems.PAYMENT_UNKNOWN,
            problems.REFUND_REFUSED,
            problems.REFUND_FAILED,
            problems.KEY_REUSED,
            problems.PORTONE_REFUSED,
        ),
        "Give money back",
        {
            200: "The money is on its way back.",
            202: "It is not over: a person, PortOne or the PG decides. The same key tells how it ended.",
        },
        is_keyed=True,
    ),
)
def cancel(wish: messages.CancelRequest, caller: Caller) -> tuple[messages.CancelAnswer, int]:
    """Give money back by the same rules as at the refund desk."""
    return cancelling.cancel(wish, request.headers.get("Idempotency-Key"), caller=caller)
