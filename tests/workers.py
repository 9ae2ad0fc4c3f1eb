"""A worker and a web server beside the test, each in a thread of its own."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask
from werkzeug.serving import make_server

from app.extensions import db
from app.simulator.server import QuietHandler
from app.worker import Worker


@contextmanager
def running(a_worker: Worker) -> Iterator[Worker]:
    db.session.rollback()
    thread = threading.Thread(target=a_worker.run)
    thread.start()
    try:
        yield a_worker
    finally:
        a_worker.stop()
        thread.join(20)
        assert not thread.is_alive()


@contextmanager
def served(app: Flask, port: int = 0) -> Iterator[str]:
    """The address the app listens on."""
    server = make_server("127.0.0.1", port, app, threaded=True, request_handler=QuietHandler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()
