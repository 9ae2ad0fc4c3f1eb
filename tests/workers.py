"""A worker beside the test, in a thread of its own."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from app.extensions import db
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
