"""The loop behind `flask worker`: claims what waits in the database, under leases, and does it.

Any number of workers share one database. Each shows a sign of life in `leases` as `worker:<holder>`.
"""

import logging
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from time import monotonic
from types import FrameType
from typing import Any, TypeVar

from flask import Flask
from sqlalchemy import ColumnElement, delete, update
from sqlalchemy.exc import OperationalError

from app import clock, leases
from app.database import words_of_trouble
from app.extensions import db
from app.leases import Lease
from app.wake_up import Listener
from app.worker.duties import DUTIES
from app.worker.inboxes import INBOXES
from app.worker.tasks import Duty, Inbox, Task

T = TypeVar("T")

#: The name of a worker's sign of life begins with this.
SIGN_OF_LIFE = "worker:"
#: A worker whose sign of life is older counts as gone.
ALIVE_SECONDS = 15.0
#: Waits of a worker that found nothing to do, growing from the first to the second.
IDLE_SECONDS = (0.2, 0.5)
#: The wait of a worker that is told when something comes; what is only due again is found by looking.
TOLD_IDLE_SECONDS = 1.0
#: The wait after an error of the loop itself, such as a database that is away.
TROUBLE_SECONDS = 2.0

#: How long a thread of the worker computes before another's turn. Whoever writes lets go of Python at each
#: statement, and with the usual 5 ms would hold SQLite's lock for as long as others compute.
SWITCH_SECONDS = 0.001

logger = logging.getLogger(__name__)


class Worker:
    """Empties the inboxes with `threads` threads, and sees to the duties beside them.

    The threads spend their time waiting for PortOne. Whatever one of them does has its own app context, and
    so its own session.
    """

    def __init__(
        self,
        app: Flask,
        *,
        threads: int = 32,
        inboxes: Sequence[Callable[[str], Inbox]] = INBOXES,
        duties: Sequence[Duty] = DUTIES,
    ) -> None:
        self.app = app
        self.threads = threads
        self.holder = leases.new_holder()
        self.inboxes = [inbox(self.holder) for inbox in inboxes]
        self.duties = duties
        self._is_stopping = threading.Event()
        self._has_room = threading.Event()
        self._is_woken = threading.Event()
        self._under_way: dict[Future[Any], Task] = {}
        self._on_duty: dict[str, tuple[Future[Any], float]] = {}

    def run(self) -> None:
        """Work until `stop()`, SIGTERM or SIGINT; then finish what is under way and give the rest back."""
        sys.setswitchinterval(SWITCH_SECONDS)
        logger.info("Worker %s begins with %d threads", self.holder, self.threads)
        pool = ThreadPoolExecutor(self.threads + len(self.duties), thread_name_prefix="worker")
        with self.app.app_context():
            listener = Listener(db.engine.url, self._is_woken.set)
        with self._obeying_signals(), self._showing_life(), listener, pool:
            pause = IDLE_SECONDS[0]
            while not self._is_stopping.is_set():
                was_woken = self._is_woken.is_set()
                self._is_woken.clear()  # before looking: what comes from here on is not slept through
                found = self._find_work(pool)
                if was_woken and not found:  # others have taken it, or a flood is let in first: not so fast
                    self._is_stopping.wait(IDLE_SECONDS[0])
                longest = TOLD_IDLE_SECONDS if listener.is_listening else IDLE_SECONDS[1]
                pause = IDLE_SECONDS[0] if found or was_woken else min(pause * 1.5, longest)
                self._rest(0.0 if found else pause)
            self._give_back()
        logger.info("Worker %s ends", self.holder)

    def stop(self) -> None:
        """Ask `run()` to come to its end; may be called from anywhere."""
        leases.begin_to_end(self.holder)
        self._is_stopping.set()
        self._has_room.set()
        self._is_woken.set()

    def run_once(self) -> Counter[str]:
        """Do all that is due now, in this thread; answers how much by the name of inbox or duty."""
        done: Counter[str] = Counter()
        for inbox in self.inboxes:
            while tasks := self._in_context(inbox.claim):
                for task in tasks:
                    self._in_context(task.work)
                    done[inbox.name] += len(task.row_ids)
        for duty in self.duties:
            done[duty.name] += self._in_context(duty.work, self.holder)
        return done

    def _in_context(self, work: Callable[..., T], *arguments: Any) -> T:
        with self.app.app_context():
            return work(*arguments)

    def _find_work(self, pool: ThreadPoolExecutor) -> bool:
        """Start what is due; whether there may be more. Trouble, such as a database away, is waited out."""
        try:
            self._start_duties(pool)
            return sum(self._start_tasks(inbox, pool) for inbox in self.inboxes) > 0
        except OperationalError as problem:  # told in a line, since it is told again and again
            logger.warning("The worker goes on in %.0f s. %s", TROUBLE_SECONDS, words_of_trouble(problem))
        except Exception:
            logger.exception("The worker could not look for work and goes on in %.0f s", TROUBLE_SECONDS)
        self._is_stopping.wait(TROUBLE_SECONDS)
        return False

    def _start_tasks(self, inbox: Inbox, pool: ThreadPoolExecutor) -> int:
        if self._is_full():
            return 0
        tasks = self._in_context(inbox.claim)
        for task in tasks:
            future = pool.submit(self._in_context, task.work)
            self._under_way[future] = task
            future.add_done_callback(self._conclude)
        return len(tasks)

    def _conclude(self, future: Future[Any]) -> None:
        """A task is over. One that failed is free for anyone when its claim runs out."""
        self._under_way.pop(future, None)
        self._has_room.set()
        if not future.cancelled() and (problem := future.exception()):
            logger.error("A task failed; it is taken up again soon", exc_info=problem)

    def _start_duties(self, pool: ThreadPoolExecutor) -> None:
        for duty in self.duties:
            last, started = self._on_duty.get(duty.name, (None, -duty.every_seconds))
            is_free = last is None or last.done()
            if is_free and monotonic() - started >= duty.every_seconds:
                self._on_duty[duty.name] = pool.submit(self._perform, duty), monotonic()

    def _perform(self, duty: Duty) -> None:
        try:
            self._in_context(duty.work, self.holder)
        except OperationalError as problem:
            logger.warning("The duty “%s” is tried again. %s", duty.name, words_of_trouble(problem))
        except Exception:
            logger.exception("The duty “%s” failed and is tried again", duty.name)

    def _is_full(self) -> bool:
        return len(self._under_way) >= self.threads

    def _rest(self, seconds: float) -> None:
        """Wait for a free thread if there is none, else for so long."""
        if not self._is_full():
            self._is_woken.wait(seconds)
            return
        self._has_room.clear()
        if self._is_full() and not self._is_stopping.is_set():
            self._has_room.wait(IDLE_SECONDS[1])

    def _give_back(self) -> None:
        """Let other workers have what no thread has begun."""
        waiting = [task for future, task in list(self._under_way.items()) if future.cancel()]
        self._try(self._set_claims, waiting, None)

    def _set_claims(self, tasks: Sequence[Task], until: datetime | None) -> None:
        """Renew the claims of tasks, or end them; rows that are no longer ours are let be."""
        claim = {"claimed_until": until, "claimed_by": self.holder if until else None}
        for model in {task.model for task in tasks}:
            row_ids = [row_id for task in tasks if task.model is model for row_id in task.row_ids]
            is_ours = model.id.in_(row_ids), model.claimed_by == self.holder
            db.session.execute(update(model).where(*is_ours).values(claim))
        db.session.commit()

    @contextmanager
    def _obeying_signals(self) -> Iterator[None]:
        """SIGTERM and SIGINT ask for the end; a second one does not wait for it."""
        if threading.current_thread() is not threading.main_thread():
            yield  # signals belong to the main thread
            return
        before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

        def restore() -> None:
            for number, handler in before.items():
                signal.signal(number, handler)

        def obey(_number: int, _frame: FrameType | None) -> None:
            restore()
            self.stop()

        for number in before:
            signal.signal(number, obey)
        try:
            yield
        finally:
            restore()

    @contextmanager
    def _showing_life(self) -> Iterator[None]:
        """Show a sign of life and keep the claims, in a thread of its own, until the work is over."""
        is_over = threading.Event()

        def beat() -> None:
            self._beat()
            while not is_over.wait(leases.BEAT_SECONDS):
                self._beat()

        heart = threading.Thread(target=beat, name="worker-heart", daemon=True)
        heart.start()
        try:
            yield
        finally:
            is_over.set()
            heart.join()
            self._try(_forget_workers, Lease.name == self._sign)

    def _beat(self) -> None:
        moment = clock.now()
        self._try(partial(leases.hold, self._sign, holder=self.holder, seconds=ALIVE_SECONDS))
        self._try(
            self._set_claims, list(self._under_way.values()), moment + timedelta(seconds=leases.CLAIM_SECONDS)
        )
        self._try(_forget_workers, Lease.expires_at < moment - timedelta(minutes=1))

    def _try(self, work: Callable[..., object], *arguments: Any) -> None:
        try:
            self._in_context(work, *arguments)
        except OperationalError as problem:
            logger.warning("The worker's sign of life is not written. %s", words_of_trouble(problem))
        except Exception:
            logger.exception("The worker could not write its sign of life or its claims")

    @property
    def _sign(self) -> str:
        return f"{SIGN_OF_LIFE}{self.holder}"


def _forget_workers(which: ColumnElement[bool]) -> None:
    db.session.execute(delete(Lease).where(Lease.name.startswith(SIGN_OF_LIFE, autoescape=True), which))
    db.session.commit()
