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
    """A kind of problem: the end of its `type`, its HTTP status, and what it is called (msgid)."""

    name: str
    status: int
    title: str

    @property
    def type(self) -> str:
        """The stable URI that programs branch on."""
        return NAMESPACE + self.name


MALFORMED = Kind("malformed", 400, N_("The request is not JSON"))
UNAUTHORIZED = Kind("unauthorized", 401, N_("A valid bearer token is needed"))
OUT_OF_SCOPE = Kind("out-of-scope", 403, N_("The token may not be used for this"))
NOT_INITIALIZED = Kind("not-initialized", 404, N_("This payment was not initialized here"))
PAYMENT_UNKNOWN = Kind("payment-unknown", 404, N_("Nobody knows this payment"))
CONFLICTING_CONTENT = Kind(
    "conflicting-content", 409, N_("This paymentId was initialized with other content")
)
ALREADY_PAID = Kind("already-paid", 409, N_("This payment is already paid"))
MISMATCH = Kind("mismatch", 409, N_("The payment is not what was initialized"))
REFUND_REFUSED = Kind("refund-refused", 409, N_("The refund cannot be made"))
KEY_REUSED = Kind("key-reused", 409, N_("The key belongs to another refund"))
REFUND_FAILED = Kind("refund-failed", 409, N_("The refund was refused"))
TOO_LARGE = Kind("too-large", 413, N_("The request is too large"))
UNSUPPORTED_MEDIA_TYPE = Kind("unsupported-media-type", 415, N_("Send application/json"))
INVALID = Kind("invalid", 422, N_("Some fields cannot be used"))
TOO_MANY_REQUESTS = Kind("too-many-requests", 429, N_("This token asks too often"))
PORTONE_REFUSED = Kind("portone-refused", 502, N_("PortOne refused"))
PORTONE_UNAVAILABLE = Kind("portone-unavailable", 503, N_("PortOne gave no answer"))

KINDS = (
    MALFORMED,
    UNAUTHORIZED,
    OUT_OF_SCOPE,
    NOT_INITIALIZED,
    PAYMENT_UNKNOWN,
    CONFLICTING_CONTENT,
    ALREADY_PAID,
    MISMATCH,
    REFUND_REFUSED,
    KEY_REUSED,
    REFUND_FAILED,
    TOO_LARGE,
    UNSUPPORTED_MEDIA_TYPE,
    INVALID,
    TOO_MANY_REQUESTS,
    PORTONE_REFUSED,
    PORTONE_UNAVAILABLE,
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
