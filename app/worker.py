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
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from time import monotonic
from types import FrameType
from typing import Any, TypeVar
from uuid import UUID

from flask import Flask
from sqlalchemy import ColumnElement, delete, func, select, text, update
from sqlalchemy.exc import OperationalError

from app import clock, leases
from app.alerts import service as alerts
from app.audit.service import newest_anchor
from app.billing_keys import settling as deletions
from app.billing_keys.models import BillingKeyDeletion
from app.bulk_refunds.running import finish_stopped
from app.bulk_refunds.service import close_forgotten
from app.charges import approving as charge_approving
from app.charges import service as charges
from app.charges import settling as charge_settling
from app.charges.models import Charge
from app.database import (
    copy_sqlite_log,
    reading,
    renew_outgrown_sqlite_statistics,
    renew_sqlite_statistics,
    words_of_trouble,
)
from app.drift import service as drift
from app.exports import service as exports
from app.extensions import db
from app.jobs import service as jobs
from app.jobs.models import Job
from app.leases import Lease
from app.payments.models import Payment
from app.payments.service import sync_payment
from app.portone.errors import PortOneRefused, PortOneUncertain
from app.refunds import account_keeping, approving, closing, settling
from app.refunds import service as refunds
from app.refunds.models import AccountClosure, Refund
from app.refunds.queries import list_payments_behind
from app.schedules import advancing, mirror
from app.schedules import service as schedules
from app.schedules import settling as schedule_settling
from app.schedules.models import ChargePlan, PaymentSchedule
from app.wake_up import Listener
from app.webhooks import claiming, healing, retention
from app.webhooks import service as webhooks
from app.webhooks.models import WebhookLog

T = TypeVar("T")

#: The name of a worker's sign of life begins with this.
SIGN_OF_LIFE = "worker:"
#: A worker whose sign of life is older counts as gone.
ALIVE_SECONDS = 15.0
#: What is claimed is free again after this, unless the worker lives and renews.
CLAIM_SECONDS = 12.0
#: How often claims and the sign of life are renewed: well before either runs out.
BEAT_SECONDS = 4.0
#: Waits of a worker that found nothing to do, growing from the first to the second.
IDLE_SECONDS = (0.2, 0.5)
#: The wait of a worker that is told when something comes; what is only due again is found by looking.
TOLD_IDLE_SECONDS = 1.0
#: The wait after an error of the loop itself, such as a database that is away.
TROUBLE_SECONDS = 2.0

#: How often the log says where the audit trail stands.
ANCHOR_SECONDS = 300.0
#: How often SQLite looks at what its indexes hold, and how often whether a table has outgrown that.
STATISTICS_SECONDS, GROWTH_SECONDS = 6 * 3600.0, 30.0
#: How long a thread of the worker computes before another's turn. Whoever writes lets go of Python at each
#: statement, and with the usual 5 ms would hold SQLite's lock for as long as others compute.
SWITCH_SECONDS = 0.001

#: Jobs that one worker does at a time.
JOBS_AT_ONCE = 2

#: Payments whose cancellation, or whose transfer to the customer's account, is still under way: PortOne
#: does not always announce how it ends. Spelled out so that a partial index can serve.
IN_MOTION = text("(payments.has_pending_cancellation OR payments.account_refund_status = 'PENDING')")
#: Such a payment is read again after a tenth of the time it has stood still, within these bounds.
SHORTEST_WAIT, LONGEST_WAIT = timedelta(seconds=10), timedelta(hours=6)
#: So long a payment is read again when our copy lacks a cancellation of ours: whoever made it died before
#: reading the payment, or PortOne was away just then, and the webhook was lost.
BEHIND_FOR = timedelta(days=1)
#: Candidates looked at, and payments read, in one round.
IN_MOTION_SEEN, IN_MOTION_READ = 1_000, 50

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Task:
    """Claimed rows of a table, and what is to be done about them."""

    model: Any
    row_ids: tuple[UUID, ...]
    work: Callable[[], object]


@dataclass(frozen=True, slots=True)
class Inbox:
    """Rows that wait for a worker: `claim` answers tasks, none when nothing is due."""

    name: str
    claim: Callable[[], list[Task]]


@dataclass(frozen=True, slots=True)
class Duty:
    """Something done again and again, one run at a time; `work` takes the holder, answers how much it did."""

    name: str
    every_seconds: float
    work: Callable[[str], int]


def refund_inbox(holder: str) -> Inbox:
    """Refunds whose outcome is still to come, and which are due to be asked about."""

    def claim() -> list[Task]:
        claimed = refunds.claim_waiting_refunds(holder=holder, limit=16)
        return [Task(Refund, (refund_id,), partial(settling.follow, refund_id)) for refund_id in claimed]

    return Inbox("refunds", claim)


def charge_inbox(holder: str) -> Inbox:
    """Charges whose outcome is still to come, and which are due to be looked at."""

    def claim() -> list[Task]:
        claimed = charges.claim_waiting_charges(holder=holder, limit=16)
        follow = charge_settling.follow
        return [Task(Charge, (charge_id,), partial(follow, charge_id)) for charge_id in claimed]

    return Inbox("charges", claim)


def closure_inbox(holder: str) -> Inbox:
    """Virtual accounts that are being closed, without an answer so far."""

    def claim() -> list[Task]:
        claimed = closing.claim_waiting_closures(holder=holder, limit=4)
        return [Task(AccountClosure, (row_id,), partial(closing.follow, row_id)) for row_id in claimed]

    return Inbox("closures", claim)


def deletion_inbox(holder: str) -> Inbox:
    """Billing keys that are being deleted, without an answer so far."""

    def claim() -> list[Task]:
        claimed = deletions.claim_waiting_deletions(holder=holder, limit=4)
        return [Task(BillingKeyDeletion, (row_id,), partial(deletions.follow, row_id)) for row_id in claimed]

    return Inbox("deletions", claim)


def schedule_inbox(holder: str) -> Inbox:
    """Charges to come that PortOne has not answered for, that are to be revoked, or whose time has come."""

    def claim() -> list[Task]:
        claimed = schedules.claim_waiting(holder=holder, limit=16)
        follow = schedule_settling.follow
        return [Task(PaymentSchedule, (row_id,), partial(follow, row_id)) for row_id in claimed]

    return Inbox("schedules", claim)


def plan_inbox(holder: str) -> Inbox:
    """Recurring plans whose next charge may have to be planned."""

    def claim() -> list[Task]:
        claimed = advancing.claim_due(holder=holder, limit=8)
        return [Task(ChargePlan, (plan_id,), partial(advancing.advance, plan_id)) for plan_id in claimed]

    return Inbox("plans", claim)


def webhook_inbox(holder: str) -> Inbox:
    """Waiting webhooks, those of one payment together."""
    processor = webhooks.Processor(holder)

    def claim() -> list[Task]:
        batches = claiming.claim_batches(holder, seconds=CLAIM_SECONDS)
        return [Task(WebhookLog, batch.log_ids, partial(processor.process, batch)) for batch in batches]

    return Inbox("webhooks", claim)


def job_inbox(holder: str) -> Inbox:
    """Long work that people watch; a few at a time, so that it takes no thread from what is urgent."""
    room = threading.BoundedSemaphore(JOBS_AT_ONCE)

    def run(job_id: UUID) -> None:
        try:
            jobs.run(job_id, holder)
        finally:
            room.release()

    def claim() -> list[Task]:
        if not room.acquire(blocking=False):
            return []
        claimed = jobs.claim_waiting(holder=holder, limit=1)
        if not claimed:
            room.release()
        return [Task(Job, (job_id,), partial(run, job_id)) for job_id in claimed]

    return Inbox("jobs", claim)


def sync_payments_in_motion(holder: str) -> int:
    """Read again those payments in motion that are due; answers how many were read. One worker at a time."""
    if not leases.hold("payments in motion", holder=holder, seconds=2 * BEAT_SECONDS):
        return 0
    read = 0
    for payment_id in _due_in_motion():
        try:
            change = sync_payment(payment_id).change
        except PortOneUncertain as uncertain:
            logger.info("Payments in motion wait, PortOne gave no answer: %s", uncertain.reason)
            break
        except PortOneRefused as refusal:
            logger.warning("A payment in motion could not be read: %s", refusal)
            continue
        read += 1
        if change:
            refunds.settle_requested_refunds_of(change.row_id)
    return read


def _due_in_motion() -> list[str]:
    stood_still_since = func.coalesce(Payment.reported_at, Payment.status_changed_at, Payment.created_at)
    looked_at = (
        select(Payment.payment_id, Payment.synced_at, stood_still_since)
        .where(IN_MOTION)
        .order_by(Payment.synced_at.nulls_first())
        .limit(IN_MOTION_SEEN)
    )
    moment = clock.now()
    with reading():
        behind = list_payments_behind(moment - BEHIND_FOR)
        candidates = db.session.execute(looked_at).all()
    moving = [*behind, *candidates]
    due = list(dict.fromkeys(key for key, synced_at, since in moving if _is_due(synced_at, since, moment)))
    return due[:IN_MOTION_READ]


def _is_due(synced_at: datetime | None, since: datetime, moment: datetime) -> bool:
    wait = min(max((moment - since) / 10, SHORTEST_WAIT), LONGEST_WAIT)
    return synced_at is None or synced_at + wait <= moment


def close_bulk_refunds(holder: str) -> int:
    """Close bulk refunds that nobody decided about in time, or that were stopped. One worker at a time."""
    if not leases.hold("bulk refunds", holder=holder, seconds=60):
        return 0
    return close_forgotten() + finish_stopped()


def look_after_sqlite(work: Callable[[], None], _holder: str) -> int:
    """Do what SQLite needs beside the web servers, which then need not do it while PortOne waits.

    Not in a flood of messages: each is answered when it is on the disk, and the disk would be busy.
    """
    if db.engine.dialect.name == "sqlite" and not claiming.is_flooded():
        work()
    return 0


def expire_refunds(_holder: str) -> int:
    """Reject refunds that waited too long for a second person; answers how many."""
    return approving.DESK.expire_waiting()


def expire_charges(_holder: str) -> int:
    """Reject charges that waited too long for a second person; answers how many."""
    return charge_approving.DESK.expire_waiting()


def read_charged_payments(holder: str) -> int:
    """Read payments of charges that are missing here; answers how many. One worker at a time."""
    if not leases.hold("charged payments", holder=holder, seconds=2 * BEAT_SECONDS):
        return 0
    return charge_settling.read_missing_payments()


def stop_plans_of_lost_keys(holder: str) -> int:
    """Stop plans whose key was deleted or switched off; answers how many. One worker at a time."""
    if not leases.hold("plans of lost keys", holder=holder, seconds=2 * BEAT_SECONDS):
        return 0
    return advancing.stop_plans_of_lost_keys()


def tell_where_the_trail_stands(holder: str) -> int:
    """Say it in the log, out of reach of whoever holds the database; it changes nothing. One at a time."""
    if not leases.hold("audit anchor", holder=holder, seconds=ANCHOR_SECONDS):
        return 0
    with reading():
        logger.info("The audit trail stands at %s", newest_anchor())
    return 0


#: In the order of urgency.
INBOXES = (
    refund_inbox,
    charge_inbox,
    closure_inbox,
    deletion_inbox,
    webhook_inbox,
    schedule_inbox,
    plan_inbox,
    job_inbox,
)
DUTIES = (
    Duty("payments in motion", 5.0, sync_payments_in_motion),
    Duty("refund accounts", 60.0, account_keeping.erase_old_accounts),
    Duty("expired exports", 60.0, exports.erase_expired),
    Duty("bulk refunds", 5.0, close_bulk_refunds),
    Duty("missing webhooks", 30.0, healing.watch),
    Duty("drift", 30.0, drift.watch),
    Duty("alerts", 15.0, alerts.watch),
    Duty("old webhooks", 60.0, retention.forget_old_contents),
    Duty("audit anchor", ANCHOR_SECONDS, tell_where_the_trail_stands),
    Duty("SQLite's log", 1.0, partial(look_after_sqlite, copy_sqlite_log)),
    Duty("SQLite's statistics", STATISTICS_SECONDS, partial(look_after_sqlite, renew_sqlite_statistics)),
    Duty("SQLite's growth", GROWTH_SECONDS, partial(look_after_sqlite, renew_outgrown_sqlite_statistics)),
    Duty("refunds that waited too long", 10.0, expire_refunds),
    Duty("charges that waited too long", 10.0, expire_charges),
    Duty("charged payments", 15.0, read_charged_payments),
    Duty("schedules of others", 60.0, mirror.watch),
    Duty("plans of lost keys", 10.0, stop_plans_of_lost_keys),
)


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
            while not is_over.wait(BEAT_SECONDS):
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
        self._try(self._set_claims, list(self._under_way.values()), moment + timedelta(seconds=CLAIM_SECONDS))
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
