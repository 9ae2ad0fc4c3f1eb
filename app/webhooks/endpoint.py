"""POST /webhooks/portone: verify, store, answer. A worker processes."""

from flask import Blueprint, abort, current_app, jsonify, request
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import SQLAlchemyError

from app.access.guards import public
from app.config import Settings
from app.connections import SYSTEM, act_as
from app.extensions import csrf
from app.portone.webhooks import InvalidWebhook, verify
from app.webhooks import inbox
from app.webhooks.handlers import CONFIRM

#: Webhooks are a few hundred bytes.
MAX_BODY_BYTES = 1024 * 1024

endpoint = Blueprint("endpoint", __name__)


@endpoint.post("/webhooks/portone")
@endpoint.post("/api/portone/webhook")
@csrf.exempt
@public
def receive() -> ResponseReturnValue:
    """Answer 200 once the message is stored, so that nothing can lose it; 400 if PortOne did not sign it."""
    act_as(SYSTEM)
    settings: Settings = current_app.config["SETTINGS"]
    body, headers = _read_body(), dict(request.headers)
    try:
        event = verify(body, headers, settings.portone_webhook_secrets)
    except InvalidWebhook as problem:
        answer = {"error": problem.reason}
        inbox.store_rejected(body, headers, problem.reason, answer=answer)
        return jsonify(answer), 400
    try:
        inbox.store(event, headers, answer={})
    except SQLAlchemyError:
        if event.type != CONFIRM:
            raise
        # Not news but a question: any answer but 200 would stop a customer's payment.
        current_app.logger.exception("A question to confirm a payment could not be stored")
    return jsonify({}), 200


def _read_body() -> bytes:
    """The bytes as received; 413 beyond the limit.

    Of a body without a Content-Length Werkzeug reads as much as the limit allows and says nothing of the
    rest, so one byte more than is allowed is asked for.
    """
    request.max_content_length = MAX_BODY_BYTES + 1
    body = request.get_data()
    if len(body) > MAX_BODY_BYTES:
        abort(413)
    return body
