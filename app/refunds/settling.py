"""Ask PortOne for a refund that is stored, and record what became of it.

Every step here may be repeated: by a second press, by another worker, after a crash. What is asked was
stored first and never changes, and the refund's id is its idempotency key.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Select, select

from app import clock
from app.audit import service as audit
from app.database import lock
from app.encryption import InvalidToken, vault
from app.extensions import db, portone
from app.payments.models import Cancellation
from app.payments.service import sync_payment, sync_quietly
from app.portone.errors import PortOneError, PortOneRefused, PortOneUncertain
from app.portone.payloads import Cancellation as CancellationRecord
from app.refunds.matching import find_our_cancellation
from app.refunds.models import IN_FLIGHT, MOVES, OUTCOMES, Refund, RefundStatus
from app.refunds.queries import get_refund

log = logging.getLogger(__name__)

#: After this the worker asks as well, in case whoever began has died; the same key makes that safe.
SENDER_SECONDS = 8
#: The longest wait between two questions about a refund whose outcome is unknown.
UNKNOWN_SECONDS = 10
#: The longest wait between two looks at a cancellation that PortOne is working on.
REQUESTED_SECONDS = 600
#: PortOne remembers idempotency keys for three hours; well before that we stop relying on it.
KEY_LIFETIME = timedelta(hours=2, minutes=30)
#: By then a call has been answered or given up, retries and all.
ANSWER_WITHIN = timedelta(minutes=2)
OUTCOME_OF = {"SUCCEEDED": RefundStatus.SUCCEEDED, "FAILED": RefundStatus.FAILED}


@dataclass(frozen=True, slots=True)
class Dispatch:
    """A request to PortOne as plain values: reading a row during the call would open a transaction."""

    refund_id: UUID
    payment_id: str
    body: str


def send(dispatch: Dispatch, *, is_first: bool = False) -> None:
    """Ask PortOne, and record what it says. Safe to repeat: the key and the request never change.

    `is_first` when nobody can have asked before: only then does PortOne's no alone end the refund.
    """
    try:
        cancellation = portone.cancel_payment(
            dispatch.payment_id, dispatch.body, idempotency_key=str(dispatch.refund_id)
        )
    except PortOneUncertain as silence:
        _keep_waiting(dispatch.refund_id, silence.reason)
        return
    except PortOneRefused as refusal:
        if not is_first or _may_have_been_done(dispatch.refund_id, refusal):
            _settle_refused_repeat(dispatch, refusal)
            return
        settle(dispatch.refund_id, RefundStatus.FAILED, **_problem(refusal))
    else:
        _settle_as_recorded(dispatch.refund_id, outcome_of(cancellation), cancellation.id)
    sync_quietly(dispatch.payment_id)


def follow(refund_id: UUID) -> None:
    """Take a refund one step further: ask again, or look at what PortOne made of it, however it ended."""
    refund = get_refund(refund_id)
    status, age = refund.status, clock.now() - (refund.sent_at or refund.created_at)
    payment_id, was_kept = refund.payment.payment_id, refund.request_sealed is not None
    dispatch = _find_dispatch(refund)
    db.session.commit()
    if status == RefundStatus.REQUESTED:
        sync_quietly(payment_id)
        settle_by_cancellation(refund_id)
    elif status in OUTCOMES:
        sync_quietly(payment_id)  # PortOne may have come to another end since: the page tells the drift
    elif status not in IN_FLIGHT:
        return
    elif dispatch is not None and age < KEY_LIFETIME:
        send(dispatch)
    elif was_kept and age < ANSWER_WITHIN:  # it cannot be asked again, and the first call may still run
        _keep_waiting(refund_id, "REQUEST_UNREADABLE")
    else:
        _settle_by_comparison(refund_id, payment_id)


def settle_by_cancellation(refund_id: UUID) -> None:
    """Bring a refund that PortOne had accepted in line with PortOne's record of it, as our rows have it."""
    refund = lock(Refund, refund_id)
    record = db.session.scalar(_cancellation_of(refund))
    outcome, cancellation_id = RefundStatus.REQUESTED, ""
    if record is not None:
        outcome, cancellation_id = outcome_of(record), record.cancellation_id
    if outcome == RefundStatus.REQUESTED:
        refund.attempts += 1
        refund.release(next_attempt_at=_later(refund.attempts + 2, REQUESTED_SECONDS))
    db.session.commit()
    if outcome != RefundStatus.REQUESTED:
        _settle_as_recorded(refund_id, outcome, cancellation_id)


def outcome_of(cancellation: CancellationRecord | Cancellation) -> RefundStatus:
    """What PortOne's record means for the refund; a status we do not know counts as still open."""
    return OUTCOME_OF.get(cancellation.status, RefundStatus.REQUESTED)


def settle(refund_id: UUID, status: RefundStatus, **facts: str | None) -> bool:
    """Record where a refund stands now. Commits; False when it had got there, or further, before.

    `facts` are columns of the refund: `cancellation_id`, or the problem and the PG's words for it.
    """
    refund = lock(Refund, refund_id)
    before = RefundStatus(refund.status)
    if status not in MOVES.get(before, frozenset()):
        db.session.rollback()
        return False
    moment, tries = clock.now(), refund.attempts + 1
    refund.status, refund.attempts = status, 0
    refund.settled_at = None if status in IN_FLIGHT else moment
    refund.problem = refund.problem_message = refund.pg_code = refund.pg_message = None
    for name, value in facts.items():
        setattr(refund, name, value)
    refund.release(next_attempt_at=moment + timedelta(seconds=UNKNOWN_SECONDS))
    _record_step(refund, before, tries=tries if tries > 1 else None, **facts)
    db.session.commit()
    return True


def _settle_as_recorded(refund_id: UUID, outcome: RefundStatus, cancellation_id: str) -> bool:
    """Settle a refund as PortOne's record of it has it; a record may also say that it failed."""
    problem = "CANCELLATION_FAILED" if outcome == RefundStatus.FAILED else None
    return settle(refund_id, outcome, cancellation_id=cancellation_id, problem=problem)


def _cancellation_of(refund: Refund) -> Select[Cancellation]:
    return select(Cancellation).where(
        Cancellation.payment_id == refund.payment_id, Cancellation.cancellation_id == refund.cancellation_id
    )


def _may_have_been_done(refund_id: UUID, refusal: PortOneRefused) -> bool:
    """Whether what is refused here may have been done all the same.

    So it is when an earlier attempt went unanswered, when the words are not PortOne's, and when the worker
    has asked too because this process was slow.
    """
    refund = get_refund(refund_id)
    is_ours_alone = refund.status == RefundStatus.SENDING and not refund.attempts and not refund.claimed_by
    db.session.commit()
    return refusal.is_after_silence or refusal.is_wordless or not is_ours_alone


def _settle_refused_repeat(dispatch: Dispatch, refusal: PortOneRefused) -> None:
    """A no to what was asked before: PortOne may have done it the first time, so its record decides.

    A no to us rather than to the refund (an expired secret, the wrong store, a proxy) decides nothing.
    """
    try:
        is_known = sync_payment(dispatch.payment_id).is_found
    except PortOneError as problem:
        log.info(
            "refund %s was refused (%s) and cannot be compared: %s", dispatch.refund_id, refusal, problem
        )
        _keep_waiting(dispatch.refund_id, refusal.type)
        return
    if _settle_as_found(dispatch.refund_id):
        return
    if not is_known or refusal.is_about_us or refusal.is_wordless:
        _keep_waiting(dispatch.refund_id, refusal.type)
    else:
        settle(dispatch.refund_id, RefundStatus.FAILED, **_problem(refusal))


def _keep_waiting(refund_id: UUID, problem: str) -> None:
    """No answer that counts: the amount stays on hold, and PortOne is asked again soon."""
    refund = lock(Refund, refund_id)
    status = RefundStatus(refund.status)
    if status not in {RefundStatus.SENDING, RefundStatus.UNCERTAIN}:
        db.session.rollback()  # somebody else has the answer
        return
    is_news = problem != refund.problem
    refund.problem = problem
    refund.attempts += 1
    refund.release(next_attempt_at=_later(refund.attempts, UNKNOWN_SECONDS))
    if problem != "outstanding":  # that one is still being sent
        refund.status = RefundStatus.UNCERTAIN
    if is_news and refund.status == RefundStatus.UNCERTAIN:  # the same silence again is counted, not told
        _record_step(refund, status, problem=problem, tries=refund.attempts)
    db.session.commit()


def _later(attempts: int, most_seconds: int) -> datetime:
    return clock.now() + timedelta(seconds=min(2 ** min(attempts, 20), most_seconds))


def action_of(status: RefundStatus) -> str:
    """What the audit trail calls a move to `status`; `refund.requested` is what the person did."""
    return "refund.accepted" if status == RefundStatus.REQUESTED else f"refund.{status}"


def _record_step(refund: Refund, before: RefundStatus, **facts: str | int | None) -> None:
    audit.record(
        action_of(RefundStatus(refund.status)),
        "refund",
        str(refund.id),
        before={"status": before},
        after={"status": refund.status},
        facts={name: value for name, value in facts.items() if value},
    )


def _problem(refusal: PortOneRefused) -> dict[str, str | None]:
    return {
        "problem": refusal.type,
        "problem_message": refusal.message or None,
        "pg_code": refusal.pg_code,
        "pg_message": refusal.pg_message,
    }


def _find_dispatch(refund: Refund) -> Dispatch | None:
    """What was asked, to be asked again; None where it was not kept, or its key is gone."""
    if refund.request_sealed is None:
        return None
    try:
        return Dispatch(refund.id, refund.payment.payment_id, vault().open(refund.request_sealed))
    except InvalidToken:
        log.exception("the request of refund %s is sealed with a key we do not have", refund.id)
        return None


def _settle_by_comparison(refund_id: UUID, payment_id: str) -> None:
    """It cannot be asked again: look for our cancellation among those PortOne knows.

    A payment that was paid does not vanish: if PortOne does not know it, we ask in another store's name.
    """
    try:
        is_known = sync_payment(payment_id).is_found
    except PortOneUncertain as silence:
        _keep_waiting(refund_id, silence.reason)
    except PortOneRefused as refusal:
        log.warning("refund %s cannot be compared: %s", refund_id, refusal)
        _keep_waiting(refund_id, refusal.type)
    else:
        if not is_known:
            _keep_waiting(refund_id, "PAYMENT_NOT_FOUND")
        elif not _settle_as_found(refund_id):
            settle(refund_id, RefundStatus.FAILED, problem="NOT_FOUND_AT_PORTONE")


def _settle_as_found(refund_id: UUID) -> bool:
    """Settle a refund as the cancellation that our fresh rows hold for it; False when they hold none."""
    ours = find_our_cancellation(get_refund(refund_id))
    found = (outcome_of(ours), ours.cancellation_id) if ours else None
    db.session.commit()
    if found is None:
        return False
    _settle_as_recorded(refund_id, *found)
    return True
