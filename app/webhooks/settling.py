"""What becomes of a claimed message: it is done, tried again later, or failed.

Every function changes one row in the caller's transaction and answers the attempt that ended, which the
caller hands to `attempts.record` before the commit.
"""

import logging
import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from app import clock
from app.extensions import db
from app.webhooks.attempts import Attempt
from app.webhooks.handlers import Outcome
from app.webhooks.models import AttemptOutcome, WebhookLog, WebhookStatus

#: Waits after an error of our own or a refusal: eight tries within an hour.
TRY_WAITS_SECONDS = (5, 15, 60, 180, 420, 900, 1_800)
#: Waits while PortOne is out of reach; such a try does not count.
OUTAGE_WAIT_SECONDS = (2.0, 8.0)

#: Is given messages that have just used up their tries.
FailureListener = Callable[[Sequence[WebhookLog]], None]

_failure_listeners: list[FailureListener] = []

logger = logging.getLogger(__name__)


def when_failed(listener: FailureListener) -> FailureListener:
    """Have a function of this domain told of messages that turn `failed`.

    It is called before the commit that says so, and what it writes is part of it; it asks nobody outside.
    When it breaks, that is logged, and the messages fail all the same.
    """
    _failure_listeners.append(listener)
    return listener


def tell_failed(logs: Sequence[WebhookLog]) -> None:
    """Tell the listeners which of the messages have failed."""
    failed = [log for log in logs if log.status == WebhookStatus.FAILED]
    for listener in _failure_listeners if failed else ():
        try:
            with db.session.begin_nested():
                listener(failed)
        except Exception:
            logger.exception("Nobody could be told of webhooks that failed: %s", [log.id for log in failed])


def settle(log: WebhookLog, status: WebhookStatus, outcome: Outcome, *, started_at: datetime) -> Attempt:
    """The message is done with."""
    ended = _attempt(log, started_at, AttemptOutcome(status.value), outcome.note)
    log.status = status.value
    log.attempts += 1
    log.processed_at = clock.now()
    log.changes = dict(outcome.changes)
    log.error_message = outcome.note
    log.payment_id = outcome.payment_row_id or log.payment_id
    log.is_replay = False
    log.release()
    return ended


def postpone(log: WebhookLog, problem: str, *, started_at: datetime, retry_after: float = 0.0) -> Attempt:
    """PortOne is out of reach, or shut to us: wait a little, without using up a try."""
    shortest, longest = OUTAGE_WAIT_SECONDS
    wait = min(max(retry_after, _between(shortest, longest)), longest)
    log.error_message = problem
    log.release(next_attempt_at=clock.now() + timedelta(seconds=wait))
    return _attempt(log, started_at, AttemptOutcome.POSTPONED, problem)


def use_up_a_try(log: WebhookLog, problem: str, *, started_at: datetime, outcome: AttemptOutcome) -> Attempt:
    """It was refused, or we broke: wait for longer each time; after the last try the message has failed."""
    ended = _attempt(log, started_at, outcome, problem)
    log.attempts += 1
    log.error_message = problem
    if log.attempts > len(TRY_WAITS_SECONDS):
        log.status = WebhookStatus.FAILED.value
        log.processed_at = clock.now()
        log.is_replay = False
        log.release()
    else:
        wait = TRY_WAITS_SECONDS[log.attempts - 1] * _between(0.8, 1.2)
        log.release(next_attempt_at=clock.now() + timedelta(seconds=wait))
    return ended


def _attempt(log: WebhookLog, started_at: datetime, outcome: AttemptOutcome, problem: str | None) -> Attempt:
    return Attempt(log.id, log.is_replay, started_at, outcome, problem)


def _between(least: float, most: float) -> float:
    return random.uniform(least, most)  # noqa: S311 - spreads load, guards nothing
