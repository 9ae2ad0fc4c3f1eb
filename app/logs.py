"""Logs: one line an event, as text or as JSON, with the request they belong to, and without secrets.

`LOG_FORMAT` is `text` (the default) or `json`, one object a line for a log collector.
"""

import json
import logging
import re
import secrets
import time
import traceback
from datetime import UTC, datetime
from typing import Any, TextIO, cast

from flask import Flask, Response, g, has_request_context, request
from flask.logging import wsgi_errors_stream

from app.config import Settings

#: What begins or surrounds a credential, whoever logs it: a billing key, a webhook secret, an API token.
_CREDENTIALS = re.compile(
    r"(?P<kind>billing-key-|whsec_|portico_|(?:Bearer|PortOne)\s+)[\w+/=.-]{4,}", re.IGNORECASE
)
_MASK = r"\g<kind>****"

#: A request id that another program may hand in: it goes into logs and back into a header.
_REQUEST_ID = re.compile(r"[\w.-]{8,64}", re.ASCII)

_access = logging.getLogger("app.access_log")


class Redaction(logging.Filter):
    """Takes credentials out of every record: the known ones by value, all others by their shape."""

    def __init__(self, known: tuple[str, ...]) -> None:
        super().__init__()
        self._known = tuple(secret for secret in known if len(secret) >= 8)

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record's text; nothing is dropped."""
        record.msg, record.args = self.redacted(record.getMessage()), None
        if record.exc_info:
            record.exc_text = self.redacted("".join(traceback.format_exception(*record.exc_info)).rstrip())
            record.exc_info = None
        return True

    def redacted(self, text: str) -> str:
        """The text with `****` for what must not be read in a log."""
        for secret in self._known:
            text = text.replace(secret, "****")
        return _CREDENTIALS.sub(_MASK, text)


class TextFormatter(logging.Formatter):
    """A line for people; the request it belongs to stands in brackets."""

    def format(self, record: logging.LogRecord) -> str:
        """Time, level, request id where there is one, logger, text."""
        request_id = _current_request_id()
        mark = f" [{request_id}]" if request_id else ""
        at = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%d %H:%M:%S")
        text = f"{at} {record.levelname}{mark} {record.name}: {record.getMessage()}"
        return f"{text}\n{record.exc_text}" if record.exc_text else text


class JsonFormatter(logging.Formatter):
    """A line for programs: one JSON object; what `extra={"event": {…}}` holds stands beside the text."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON."""
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": _current_request_id(),
            "error": record.exc_text,
            **getattr(record, "event", {}),
        }
        present = {name: value for name, value in line.items() if value is not None}
        return json.dumps(present, ensure_ascii=False, default=str)


def init_logs(app: Flask, settings: Settings) -> None:
    """Write logs, unless somebody writes them already, and give each request an id."""
    root = logging.getLogger()
    if not root.handlers:  # whoever runs the app, such as the demo, may have chosen already
        handler = logging.StreamHandler(cast(TextIO, wsgi_errors_stream))
        handler.addFilter(Redaction(settings.secrets))
        handler.setFormatter(JsonFormatter() if settings.log_format == "json" else TextFormatter())
        root.addHandler(handler)
        root.setLevel(logging.INFO)
    app.before_request(_begin)
    app.after_request(_conclude)


def _begin() -> None:
    given = request.headers.get("X-Request-ID", "")
    g.request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
    g.began_at = time.monotonic()


def _conclude(response: Response) -> Response:
    """Tell what was asked and how it ended: the path without its query, which may hold what people typed."""
    if "request_id" not in g:  # another handler answered before anything began
        return response
    milliseconds = round((time.monotonic() - g.began_at) * 1000)
    event = {
        "method": request.method,
        "path": _path_to_tell(),
        "status": response.status_code,
        "milliseconds": milliseconds,
        "address": request.remote_addr,
    }
    level = logging.INFO if response.status_code < 500 else logging.ERROR
    words = (request.method, event["path"], response.status_code, milliseconds)
    _access.log(level, "%s %s %s in %d ms", *words, extra={"event": event})
    response.headers["X-Request-ID"] = g.request_id
    return response


def _path_to_tell() -> str:
    """The path; of a link that is a secret itself, as an invitation is, only where it leads."""
    is_secret = request.url_rule is not None and "token" in (request.view_args or {})
    return str(request.url_rule) if is_secret else request.path


def _current_request_id() -> str | None:
    return g.get("request_id") if has_request_context() else None
