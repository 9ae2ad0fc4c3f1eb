"""Runs a simulator on a port: for the demo, for development, and for tests that need real time-outs.

Werkzeug's threaded server is meant here, not waitress: it can drop a connection without an answer.
"""

import threading
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from werkzeug.serving import WSGIRequestHandler, make_server

if TYPE_CHECKING:
    from app.simulator import SimulatorApp

#: How soon the server notices that it should stop.
POLL_SECONDS = 0.02


class QuietHandler(WSGIRequestHandler):
    """Does not write a line for each request, and closes connections that get no answer."""

    def log_request(self, *_: Any) -> None:
        """Say nothing."""

    def connection_dropped(self, *_: Any) -> None:
        """No answer went out, so Werkzeug would keep the connection and the caller would wait for ever."""
        self.close_connection = True


class SimulatorServer:
    """A simulator that listens while the context lasts; `url` has no slash at its end.

    Port 0 is any free one. Webhooks are sent in the background unless `deliver` is false.
    """

    def __init__(
        self, app: "SimulatorApp", *, host: str = "127.0.0.1", port: int = 0, deliver: bool = True
    ) -> None:
        self.app = app
        self._deliver = deliver
        self._server = make_server(host, port, app, threaded=True, request_handler=QuietHandler)
        self.url = f"http://{host}:{self._server.server_port}"
        self._thread = threading.Thread(target=self._listen, name="simulator", daemon=True)

    def start(self) -> Self:
        """Listen in the background."""
        if self._deliver:
            self.app.simulator.outbox.start()
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop listening, and let held connections go."""
        self._server.shutdown()
        self._thread.join(timeout=5)
        self.app.simulator.faults.let_go()
        self._server.server_close()
        self.app.simulator.outbox.stop()

    def serve(self) -> None:
        """Listen until somebody presses Ctrl-C."""
        self.start()
        try:
            self._thread.join()
        except KeyboardInterrupt:
            self.stop()

    def _listen(self) -> None:
        self._server.serve_forever(poll_interval=0.05)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
