"""Process a stored message again, because a person asks for it: PortOne is read once more, here and now.

A replay says what it changed and is kept as an attempt of its own, but `processed_at` and the first outcome
stay: statistics are about what happened by itself.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy.exc import NoResultFound

from app import clock
from app.audit import service as audit
from app.audit.service import Actor
from app.columns import new_id
from app.database import lock
from app.errors import DomainError, NotFound
from app.extensions import db
from app.portone.errors import PortOneRefused, PortOneUncertain
from app.portone.meanings import N_, meaning_of
from app.refunds import service as refunds
from app.webhooks import attempts
from app.webhooks.attempts import Attempt
from app.webhooks.handlers import Outcome, Reading, Skip, Subject, read, subject_of, write
from app.webhooks.models import AttemptOutcome, WebhookLog, WebhookStatus

#: Longer than PortOne may take to answer: until then no worker and nobody else works on the message.
CLAIM_SECONDS = 180

UNVERIFIED = N_("Nobody can tell whether PortOne sent this message, so it is never processed.")
UNANSWERED = N_("PortOne gave no usable answer, so nothing has changed here. Try again in a moment.")
BROKEN = N_("Portico could not process the message. The log of the server says why.")

#: Is told of a replay in the transaction that writes its outcome.
Also = Callable[["Replay"], None]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Replay:
    """What processing a message again came to.

    `changes` is {field: [before, after]}, `told` a sentence (msgid) about what is not plain success.
    """

    outcome: AttemptOutcome
    changes: Mapping[str, Any] = field(default_factory=dict)
    told: str | None = None

    @property
    def is_over(self) -> bool:
        """Whether PortOne answered, and the message is dealt with."""
        return self.outcome in {AttemptOutcome.PROCESSED, AttemptOutcome.SKIPPED}


@dataclass(frozen=True, slots=True)
class _Run:
    """One replay under way."""

    log_id: UUID
    holder: str
    started_at: datetime
    by: Actor | None
    reason: str
    also: Also | None


def why_not(log: WebhookLog) -> str | None:
    """Why a message cannot be processed again (msgid); None if it can."""
    return UNVERIFIED if log.status == WebhookStatus.REJECTED else None


def replay(log_id: UUID, *, by: Actor | None, reason: str = "", also: Also | None = None) -> Replay:
    """Process a message again. Commits. `also` may write more in the commit of the outcome.

    Raises NotFound, and DomainError for a message that is not PortOne's or that is being processed just now.
    """
    run = _Run(log_id, f"replay {new_id()}", clock.now(), by, reason, also)
    match _claim(run):
        case Skip(note):
            return _end(run, AttemptOutcome.SKIPPED, Outcome(note=note))
        case subject:
            return _process(run, subject)


def _claim(run: _Run) -> Subject | Skip:
    try:
        log = lock(WebhookLog, run.log_id)
    except NoResultFound:
        raise NotFound(_("There is no webhook with this number.")) from None
    refusal = why_not(log)
    if refusal:
        raise DomainError(_(refusal))
    if log.claimed_until and log.claimed_until > run.started_at:
        raise DomainError(_("This message is being processed just now. Look again in a few seconds."))
    log.claimed_by = run.holder
    log.claimed_until = run.started_at + timedelta(seconds=CLAIM_SECONDS)
    subject = subject_of(log)
    db.session.commit()
    return subject


def _process(run: _Run, subject: Subject) -> Replay:
    try:
        reading = read(subject)
    except PortOneUncertain:
        return _end(run, AttemptOutcome.POSTPONED, Outcome(note=UNANSWERED))
    except PortOneRefused as refusal:
        return _end(run, AttemptOutcome.REFUSED, Outcome(note=meaning_of(refusal.type)))
    except Exception:
        logger.exception("The subject of webhook %s could not be read", run.log_id)
        return _end(run, AttemptOutcome.BROKEN, Outcome(note=BROKEN))
    try:
        return _end(run, AttemptOutcome.PROCESSED, reading=reading)
    except DomainError:
        raise
    except Exception:
        db.session.rollback()
        logger.exception("Webhook %s could not be processed again", run.log_id)
        return _end(run, AttemptOutcome.BROKEN, Outcome(note=BROKEN))


def _end(
    run: _Run, ended: AttemptOutcome, outcome: Outcome | None = None, *, reading: Reading | None = None
) -> Replay:
    """Write what became of a replay, its attempt and its trace, in one commit."""
    log = lock(WebhookLog, run.log_id)
    if log.claimed_by != run.holder:
        raise DomainError(_("Somebody else has taken this message up meanwhile. Look at what came of that."))
    outcome = write([reading])[reading.subject] if reading else outcome or Outcome()
    result = Replay(ended, dict(outcome.changes), outcome.note)
    if result.is_over:
        _settle(log, WebhookStatus(ended.value), outcome)
    log.release()
    attempts.record([Attempt(log.id, True, run.started_at, ended, outcome.note)])
    if run.also:
        run.also(result)
    _trace(run, log, result)
    db.session.commit()
    if outcome.payment_row_id:
        refunds.settle_requested_refunds_of(outcome.payment_row_id)
    return result


def _settle(log: WebhookLog, status: WebhookStatus, outcome: Outcome) -> None:
    """Where it stands now; how it first ended is kept aside once the two differ."""
    has_ended = log.status != WebhookStatus.RECEIVED
    if has_ended and log.first_status is None and log.status != status:
        log.first_status = log.status
    log.status = status.value
    log.attempts += 1
    log.processed_at = log.processed_at or clock.now()
    log.changes = _merged(log.changes or {}, outcome.changes)
    log.error_message = outcome.note
    log.payment_id = outcome.payment_row_id or log.payment_id


def _merged(first: Mapping[str, Any], then: Mapping[str, Any]) -> dict[str, Any]:
    """What both readings changed: from what was before the first to what is after the last."""
    return {**first, **{name: [first.get(name, told)[0], told[1]] for name, told in then.items()}}


def _trace(run: _Run, log: WebhookLog, result: Replay) -> None:
    """The trail can never be erased, so it does not get what is told about the customer."""
    facts = {
        "outcome": result.outcome,
        "told": result.told,
        "reason": run.reason,
        "payment_id": log.named_payment_id,
        "changes": {name: told for name, told in result.changes.items() if not name.startswith("customer_")},
    }
    known = {name: fact for name, fact in facts.items() if fact}
    audit.record("webhook.replayed", "webhook", log.id, by=run.by, facts=known)
