"""What holds for every request: how its path is read, what is refused at the door, which headers go back."""

import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from flask import Flask, Response, abort, current_app, g, request
from werkzeug.routing import BaseConverter, ValidationError

_READING = frozenset({"GET", "HEAD", "OPTIONS"})

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "object-src 'none'",
    )
)

_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}

#: What load balancers and Prometheus ask by an address instead of our name.
_FOR_MACHINES = frozenset({"/health", "/metrics"})

#: Browsers take these for "here" and "one up", percent-encoded or not, and never send them.
_DOT_SEGMENTS = frozenset({".", ".."})

#: What most ids are made of, and `quote` would leave as it is.
_UNRESERVED = re.compile(r"[A-Za-z0-9_.~-]+")


def segment_of(payment_id: str) -> str:
    """A paymentId as it stands in an address."""
    if payment_id in _DOT_SEGMENTS:
        return f"={payment_id}"
    return payment_id if _UNRESERVED.fullmatch(payment_id) else quote(payment_id, safe="")


class PaymentIdConverter(BaseConverter):
    """A paymentId in an address: any character there is, percent-encoded, a slash too.

    `.` and `..` stand behind an `=`, which no other encoded id begins with; plain ones are read too.
    """

    def to_python(self, value: str) -> str:
        try:
            payment_id = unquote(value, errors="strict")
        except UnicodeDecodeError:
            raise ValidationError from None
        if "\x00" in payment_id:
            raise ValidationError
        bare = value.removeprefix("=")
        return bare if bare in _DOT_SEGMENTS else payment_id

    def to_url(self, value: Any) -> str:
        return segment_of(str(value))


class RawPath:
    """WSGI middleware: route on the path as it was sent, so that `%2F` stays inside the segment it is in.

    PATH_INFO comes decoded; gunicorn, waitress, Werkzeug and its test client tell the original beside it.
    """

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self.app = app

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        environ["PATH_INFO"] = raw_path(environ)
        return self.app(environ, start_response)


def raw_path(environ: dict[str, Any]) -> str:
    """The path below SCRIPT_NAME, still percent-encoded."""
    target = environ.get("RAW_URI") or environ.get("REQUEST_URI")
    if target is None:
        return quote(environ.get("PATH_INFO", "").encode("latin-1"), safe="/!$&'()*+,:;=@")
    path = str(target).partition("?")[0]
    if not path.startswith("/"):  # a proxy may send the whole address
        path = urlsplit(path).path or "/"
    return path.removeprefix(environ.get("SCRIPT_NAME", ""))


def _note_what_the_request_does() -> None:
    g.reads_only = request.method in _READING


def _refuse_nul() -> None:
    """PostgreSQL cannot store NUL, and no person types it."""
    for name, values in request.args.lists():
        if "\x00" in name or any("\x00" in value for value in values):
            abort(400)


def _refuse_other_hosts() -> None:
    """Who asks under another name than ours was led here by somebody; load balancers may ask how we are."""
    settings = current_app.config["SETTINGS"]
    if not settings.is_known_host(request.headers.get("Host", "")) and request.path not in _FOR_MACHINES:
        abort(400)


def _add_headers(response: Response) -> Response:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    if current_app.config["SETTINGS"].is_https:
        response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    if not response.cache_control:
        response.cache_control.no_store = True
    return response


def init_app(app: Flask) -> None:
    """Set up routing, checks and headers for every request."""
    app.url_map.converters["payment_id"] = PaymentIdConverter
    app.url_map.merge_slashes = False
    app.wsgi_app = RawPath(app.wsgi_app)  # type: ignore[method-assign]
    app.before_request(_note_what_the_request_does)
    app.before_request(_refuse_other_hosts)
    app.before_request(_refuse_nul)
    app.after_request(_add_headers)
