"""Tell waiting workers at once that there is something to do: PostgreSQL's LISTEN, beside their own looking.

Triggers of the database send NOTIFY with the commit of what waits. A worker that is not told, because the
connection is lost or the database is SQLite, finds it by looking.
"""

import logging
import threading
from collections.abc import Callable
from typing import Self

import psycopg
from sqlalchemy import URL

#: What the triggers call.
CHANNEL = "portico_work"
#: How often a listener sees whether it is to end.
LISTEN_SECONDS = 0.5
#: The wait before a lost connection is opened again.
RECONNECT_SECONDS = 3.0

logger = logging.getLogger(__name__)


class Listener:
    """While its context lasts, calls `wake` when work has come; on SQLite it never does.

    It has a thread and a connection of its own. `is_listening` says whether being told can be relied upon.
    """

    def __init__(self, url: URL, wake: Callable[[], None]) -> None:
        self._address = url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._can_listen = url.get_backend_name() == "postgresql"
        self._wake = wake
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="worker-ear", daemon=True)
        self.is_listening = False

    def __enter__(self) -> Self:
        if self._can_listen:
            self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._is_over.set()
        if self._can_listen:
            self._thread.join()

    def _run(self) -> None:
        while not self._is_over.is_set():
            try:
                self._listen()
            except psycopg.Error as problem:
                logger.warning("The worker is not told of new work and looks for it: %s", problem)
            self.is_listening = False
            self._is_over.wait(RECONNECT_SECONDS)

    def _listen(self) -> None:
        with psycopg.connect(self._address, autocommit=True, connect_timeout=5) as connection:
            connection.execute(f"LISTEN {CHANNEL}")
            self.is_listening = True
            self._wake()  # what came while nobody listened
            while not self._is_over.is_set():
                if any(True for _ in connection.notifies(timeout=LISTEN_SECONDS, stop_after=1)):
                    self._wake()
