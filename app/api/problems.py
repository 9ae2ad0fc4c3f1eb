"""What an operation could not do, as RFC 9457 problem documents with a `type` that never changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flask import Response, jsonify
from flask_babel import gettext as _

from app.portone.meanings import N_

#: Every `type` begins with this.
NAMESPACE = "urn:portico:problem:"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem: the end of its `type`, its HTTP status, what it is called (msgid), what to do."""

    name: str
    status: int
    title: str
    advice: str

    @property
    def type(self) -> str:
        """The stable URI that programs branch on."""
        return NAMESPACE + self.name


MALFORMED = Kind("malformed", 400, N_("The request is not JSON"), "Send one JSON object in UTF-8.")
UNAUTHORIZED = Kind(
    "unauthorized",
    401,
    N_("A valid bearer token is needed"),
    "The token is missing, mistyped, revoked or over: make another on the dashboard.",
)
OUT_OF_SCOPE = Kind(
    "out-of-scope",
    403,
    N_("The token may not be used for this"),
    "Use a token with the scope of the operation.",
)
NOT_INITIALIZED = Kind(
    "not-initialized",
    404,
    N_("This payment was not initialized here"),
    "Initialize it first; there is nothing to compare it with.",
)
PAYMENT_UNKNOWN = Kind(
    "payment-unknown", 404, N_("Nobody knows this payment"), "Neither Portico nor PortOne does: check the id."
)
CONFLICTING_CONTENT = Kind(
    "conflicting-content",
    409,
    N_("This paymentId was initialized with other content"),
    "The first content stands. Another order needs another paymentId.",
)
ALREADY_PAID = Kind(
    "already-paid",
    409,
    N_("This payment is already paid"),
    "It was paid before it was announced. A new order needs a new paymentId.",
)
MISMATCH = Kind(
    "mismatch",
    409,
    N_("The payment is not what was initialized"),
    "Do not fulfil the order; staff see it too. If it was paid, give the money back.",
)
REFUND_REFUSED = Kind(
    "refund-refused",
    409,
    N_("The refund cannot be made"),
    "Nothing was asked of PortOne. `reason` says what stood against it.",
)
KEY_REUSED = Kind(
    "key-reused",
    409,
    N_("The key belongs to another refund"),
    "One Idempotency-Key is one refund of one payment.",
)
REFUND_FAILED = Kind(
    "refund-failed",
    409,
    N_("The refund was refused"),
    "No money went back, and repeating the key tells the same. Ask again with another key.",
)
PORTONE_REFUSED = Kind(
    "portone-refused",
    409,
    N_("PortOne refused"),
    "PortOne or the PG said no to what was asked; asking again the same way is no use.",
)
TOO_LARGE = Kind("too-large", 413, N_("The request is too large"), "A request has 64 KiB at most.")
UNSUPPORTED_MEDIA_TYPE = Kind(
    "unsupported-media-type", 415, N_("Send application/json"), "Say so in Content-Type, too."
)
INVALID = Kind(
    "invalid", 422, N_("Some fields cannot be used"), "`errors` names every one. Nothing was changed."
)
TOO_MANY_REQUESTS = Kind(
    "too-many-requests",
    429,
    N_("This token asks too often"),
    "Wait as long as `Retry-After` says. The limit counts per token and minute.",
)
PORTONE_MISCONFIGURED = Kind(
    "portone-misconfigured",
    502,
    N_("PortOne does not let Portico in"),
    "Nothing is wrong with the request: whoever runs Portico has to mend its PortOne credentials.",
)
PORTONE_UNAVAILABLE = Kind(
    "portone-unavailable",
    503,
    N_("PortOne gave no answer"),
    "Send the same request again after `Retry-After`; repeating it is safe.",
)


@dataclass
class Problem(Exception):
    """Ends an operation with a problem document. `detail` is a translated sentence; `members` add to it."""

    kind: Kind
    detail: str
    members: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def to_response(self) -> Response:
        """The document as `application/problem+json`."""
        document = {
            "type": self.kind.type,
            "title": _(self.kind.title),
            "status": self.kind.status,
            "detail": self.detail,
            **self.members,
        }
        response = jsonify(document)
        response.status_code = self.kind.status
        response.mimetype = "application/problem+json"
        response.headers.update(self.headers)
        return response


def invalid(errors: Sequence[Mapping[str, str]]) -> Problem:
    """The problem of fields that cannot be used; each error names its `field` and says why."""
    sentence = _("Nothing was changed. Mend the fields named in “errors” and send the request again.")
    return Problem(INVALID, sentence, {"errors": list(errors)})
