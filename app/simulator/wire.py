"""The last stretch between caller and simulator: undecoded paths in, silence out.

An id may hold any character, a slash too. WSGI servers decode the path, and then `%2F` is a slash like any
other; so the router is given the path as it came over the wire, and each id is decoded by itself.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

from werkzeug.routing import BaseConverter

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from app.simulator import SimulatorApp

#: Set in the environment of a request that is to get no answer: for how many seconds it is held.
SILENCE = "simulator.silence"


class IdConverter(BaseConverter):
    """One path segment that holds an id, percent-encoded."""

    def to_python(self, value: str) -> str:
        """The id itself."""
        return unquote(value)

    def to_url(self, value: Any) -> str:
        """The id, safe within one segment."""
        return quote(str(value), safe="")


class Wire:
    """Wraps the application; works with Werkzeug, waitress and gunicorn."""

    def __init__(self, simulator_app: "SimulatorApp") -> None:
        self._simulator_app = simulator_app
        self._application: WSGIApplication = simulator_app.wsgi_app

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        raw = environ.get("REQUEST_URI") or environ.get("RAW_URI")
        if raw:
            environ["PATH_INFO"] = raw.partition("?")[0] if raw.startswith("/") else urlsplit(raw).path
        answer = self._application(environ, start_response)
        if SILENCE in environ:
            self._simulator_app.simulator.faults.hold(environ[SILENCE])
            raise ConnectionAbortedError("The simulator was told to stay silent.")
        return answer
