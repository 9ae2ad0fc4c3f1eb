"""Every error becomes a page, a fragment or JSON in one place, after a rollback, and tells no internals."""

import logging
import secrets
from urllib.parse import urlsplit

from flask import Flask, Response, g, jsonify, make_response, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_login import current_user
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException, InternalServerError
from werkzeug.wrappers import Response as BaseResponse

from app.errors import DomainError
from app.extensions import db, login_manager
from app.portone.errors import PortOneRefused, PortOneUncertain
from app.portone.meanings import msgid_of
from app.web.htmx import is_htmx

log = logging.getLogger(__name__)

_UNREADABLE = (
    _l("This could not be read"),
    _l("The request holds something Portico cannot use. Please check it."),
)

#: What an HTTP status means, and what to do next.
_WORDS = {
    401: (_l("Sign in first"), _l("This address needs a sign-in or a token.")),
    403: (_l("Not allowed"), _l("Your role does not include this. Ask a super admin if you need it.")),
    404: (_l("Not found"), _l("There is nothing at this address. It may have been mistyped.")),
    405: (_l("Not like this"), _l("This address does not take that kind of request.")),
    413: (_l("Too large"), _l("What was sent is larger than Portico accepts.")),
    429: (_l("Too many tries"), _l("Wait a few minutes, then try again.")),
    500: (_l("Something broke here"), _l("It is not your doing. If it happens again, pass on the id below.")),
    503: (_l("Busy for a moment"), _l("The database did not answer. Nothing was changed; please try again.")),
}


def show_domain_error(error: DomainError) -> Response:
    """A refusal of our own rules: its sentence is written for the admin."""
    title = _("Not found") if error.status == 404 else _("This could not be done")
    return _answer(error.status, title, error.message)


def show_refusal(error: PortOneRefused) -> Response:
    """PortOne said no and changed nothing."""
    return _answer(502, _("PortOne refused"), _(msgid_of(error.type), type=error.type))


def show_uncertainty(error: PortOneUncertain) -> Response:
    """PortOne gave no final answer."""
    log.warning("PortOne gave no answer: %s", error)
    text = _("PortOne did not answer in time. Nothing is lost; try again in a moment.")
    return _answer(503, _("No answer from PortOne"), text)


def show_forged_form(_error: CSRFError) -> Response:
    """A form without its token: another session's, or another site's. htmx fetches the page anew."""
    text = _("This page is from another session. Reload it and send the form again.")
    response = _answer(400, _("The form has expired"), text)
    if is_htmx():
        response.headers["HX-Refresh"] = "true"
    return response


def show_http_error(error: HTTPException) -> BaseResponse:
    """An HTTP error; an address that nobody serves leads to the sign-in page first."""
    if error.code is None or error.code < 400:
        return error.get_response()
    if request.routing_exception is not None and not _is_machine() and not _is_signed_in():
        return ask_to_sign_in()
    title, text = _WORDS.get(error.code, _UNREADABLE)
    response = _answer(error.code, title, text)
    for name, value in error.get_headers():
        if name in ("Allow", "Retry-After"):
            response.headers[name] = value
    return response


def show_failure(error: Exception) -> Response:
    """Something broke: the person gets an id to tell, the log says what it was."""
    error_id = secrets.token_hex(4)
    cause = getattr(error, "original_exception", None) or error
    is_busy = isinstance(cause, OperationalError | PoolTimeout)
    log.error("error %s at %s %s", error_id, request.method, request.path, exc_info=cause)
    status = 503 if is_busy and not _is_machine() else 500
    return _answer(status, *_WORDS[status], error_id=error_id, alone=True)


def ask_to_sign_in() -> BaseResponse:
    """Lead to the sign-in page, and from there back to where the person wanted to go."""
    if _is_machine():
        return _answer(401, *_WORDS[401])
    url = url_for("sign_in.new", next=_wanted())
    if is_htmx():
        return Response(status=401, headers={"HX-Redirect": url})
    return redirect(url)


def _wanted() -> str | None:
    """The local address to come back to; a form that was being sent is not sent again."""
    if is_htmx():
        parts = urlsplit(request.headers.get("HX-Current-URL", ""))
        path, query = parts.path, parts.query
    elif request.method == "GET":
        path, query = request.path, request.query_string.decode("latin-1")
    else:
        return None
    if path in ("", "/") or not path.startswith("/") or path.startswith("//"):
        return None
    return f"{path}?{query}" if query else path


def _answer(
    status: int, title: object, text: object, *, error_id: str | None = None, alone: bool = False
) -> Response:
    """The error as JSON, as an alert to be put into the page, or as a page; `alone` needs no database."""
    _forget_changes()
    words = {"status": status, "title": str(title), "text": str(text), "error_id": error_id}
    if _is_machine():
        response = _problem_document(words)
    elif is_htmx():
        response = make_response(render_template("errors/_alert.html", **words))
    else:
        layout = "layouts/bare.html" if alone or not _is_signed_in() else "layouts/page.html"
        response = make_response(render_template("errors/show.html", layout=layout, **words))
    response.status_code = status
    response.vary.add("HX-Request")
    return response


def _problem_document(words: dict[str, object]) -> Response:
    """The error for a program (RFC 9457); `about:blank` means that its status says what it is."""
    document = {"type": "about:blank", "title": words["title"], "status": words["status"]}
    document |= {"detail": words["text"], "error_id": words["error_id"]}
    response = jsonify({name: value for name, value in document.items() if value is not None})
    response.mimetype = "application/problem+json"
    return response


def _forget_changes() -> None:
    try:
        db.session.rollback()
    except SQLAlchemyError:
        log.warning("the rollback failed too", exc_info=True)
    g.reads_only = True


def _is_machine() -> bool:
    return request.path.startswith("/api/") or request.path == "/webhooks/portone"


def _is_signed_in() -> bool:
    try:
        return bool(current_user.is_authenticated)
    except SQLAlchemyError:
        return False


def init_app(app: Flask) -> None:
    """Answer every error from here."""
    app.register_error_handler(DomainError, show_domain_error)
    app.register_error_handler(PortOneRefused, show_refusal)
    app.register_error_handler(PortOneUncertain, show_uncertainty)
    app.register_error_handler(CSRFError, show_forged_form)
    app.register_error_handler(HTTPException, show_http_error)
    app.register_error_handler(InternalServerError, show_failure)
    app.register_error_handler(OperationalError, show_failure)
    app.register_error_handler(PoolTimeout, show_failure)
    login_manager.unauthorized_handler(ask_to_sign_in)
