"""Ask PortOne for a deletion that is stored, and record what became of it.

Every step may be repeated: by a second press, by a worker, after a crash. What is asked was stored first and
never changes, and whether the key is deleted can always be read.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from app import clock
from app.audit import service as audit
from app.billing_keys import service
from app.billing_keys.models import (
    DELETED,
    IS_UNDER_WAY,
    UNDER_WAY,
    BillingKey,
    BillingKeyDeletion,
    DeletionStatus,
)
from app.billing_keys.refusals import facts_of
from app.billing_keys.sealing import KeyUnreadable, open_key
from app.billing_keys.stopping import REVOKED, revoke_agreed
from app.database import lock
from app.extensions import db, portone
from app.leases import claim
from app.portone.errors import PortOneError, PortOneRefused, PortOneUncertain

log = logging.getLogger(__name__)

#: The worker asks as well after this, in case whoever began has died.
SENDER_SECONDS = 8
#: The longest wait between two questions.
UNKNOWN_SECONDS = 10
#: PortOne remembers idempotency keys for three hours; after this the key itself has to tell.
KEY_LIFETIME = timedelta(hours=2, minutes=30)


@dataclass(frozen=True, slots=True)
class Question:
    """What PortOne is asked, as plain values: reading a row during the call would open a transaction."""

    deletion_id: UUID
    row_id: UUID
    billing_key: str = field(repr=False)
    reason: str
    requester: str
    agreed: frozenset[str]
    is_repeat: bool


def claim_waiting_deletions(*, holder: str, limit: int) -> list[UUID]:
    """Claim deletions without an answer that are due to be asked about. Commits."""
    return list(claim(BillingKeyDeletion, IS_UNDER_WAY, holder=holder, limit=limit))


def follow(deletion_id: UUID) -> None:
    """Take an unfinished deletion one step further: look at the key, and ask again while that is safe."""
    deletion = db.session.get_one(BillingKeyDeletion, deletion_id, populate_existing=True)
    is_open, age = deletion.status in UNDER_WAY, clock.now() - deletion.created_at
    row_id, is_gone = deletion.billing_key_id, deletion.billing_key.status == DELETED
    try:
        question = _question_of(deletion)
    except KeyUnreadable:
        question = None
    db.session.commit()
    if not is_open:
        return
    if is_gone:  # a webhook has told meanwhile
        _settle(deletion_id, row_id, DeletionStatus.SUCCEEDED)
    elif question is None:
        _keep_waiting(deletion_id, "KEY_UNREADABLE")
    else:
        _follow_up(question, is_key_remembered=age < KEY_LIFETIME)


def _follow_up(question: Question, *, is_key_remembered: bool) -> None:
    try:
        is_deleted = _is_deleted_at_portone(question)
    except PortOneRefused as refusal:
        _take_no(question, refusal)
    except PortOneUncertain as silence:
        _keep_waiting(question.deletion_id, silence.reason)
    else:
        if is_deleted:
            _settle(question.deletion_id, question.row_id, DeletionStatus.SUCCEEDED)
        elif is_key_remembered:
            carry_out(question)
        else:
            _settle(
                question.deletion_id,
                question.row_id,
                DeletionStatus.FAILED,
                problem="NOT_DELETED_AT_PORTONE",
            )


def _question_of(deletion: BillingKeyDeletion) -> Question:
    return Question(
        deletion.id,
        deletion.billing_key_id,
        open_key(deletion.billing_key),
        deletion.reason,
        deletion.requester,
        frozenset(raw["scheduleId"] for raw in deletion.schedules or ()),
        is_repeat=True,
    )


def carry_out(question: Question) -> None:
    """Revoke what has been agreed to, ask for the deletion, and record what PortOne says. Safe to repeat."""
    try:
        stopped = revoke_agreed(question.billing_key, question.agreed, intent=question.deletion_id)
        if stopped is None:
            _settle_as_found(question, {"problem": "PAYMENT_SCHEDULE_ALREADY_EXISTS"})
            return
        if stopped:
            _note_stopped(question.deletion_id, stopped)
        deleted_at = portone.delete_billing_key(
            question.billing_key,
            reason=question.reason,
            requester=question.requester,
            idempotency_key=str(question.deletion_id),
        )
    except PortOneUncertain as silence:
        _keep_waiting(question.deletion_id, silence.reason)
    except PortOneRefused as refusal:
        _take_no(question, refusal)
    else:
        _settle(question.deletion_id, question.row_id, DeletionStatus.SUCCEEDED, deleted_at=deleted_at)
        _sync_quietly(question)


def _note_stopped(deletion_id: UUID, statuses: Mapping[str, str]) -> None:
    """Keep what became of the schedules: one may have been charged before it could be revoked."""
    deletion = lock(BillingKeyDeletion, deletion_id)
    deletion.schedules = [
        {**raw, "status": statuses.get(raw["scheduleId"], raw["status"])} for raw in deletion.schedules or ()
    ]
    if deletion.schedules_revoked_at is None and REVOKED in statuses.values():
        deletion.schedules_revoked_at = clock.now()
    db.session.commit()


def _take_no(question: Question, refusal: PortOneRefused) -> None:
    """PortOne said no, so the key itself tells: an earlier try or somebody else may have deleted it.

    A no to us rather than to the deletion (an expired secret, something between) decides nothing, once an
    earlier try may have been carried out.
    """
    is_first = not question.is_repeat and not refusal.is_after_silence
    if refusal.type == "BILLING_KEY_ALREADY_DELETED":
        problem = refusal.type if is_first else None
        _settle(question.deletion_id, question.row_id, DeletionStatus.SUCCEEDED, problem=problem)
        _sync_quietly(question)
    elif not is_first and (refusal.is_about_us or refusal.is_wordless):
        _keep_waiting(question.deletion_id, refusal.type)
    else:
        is_plain_no = is_first and refusal.type != "CHANNEL_SPECIFIC"
        _settle_as_found(question, facts_of(refusal, question.billing_key), is_plain_no=is_plain_no)


def _settle_as_found(question: Question, facts: dict[str, Any], *, is_plain_no: bool = True) -> None:
    """Deleted where PortOne says so of the key; anything else means that it was not.

    Where PortOne is silent about the key, only a plain no to the first try counts.
    """
    try:
        is_deleted = _is_deleted_at_portone(question)
    except PortOneUncertain as silence:
        if not is_plain_no:
            _keep_waiting(question.deletion_id, silence.reason)
            return
        is_deleted = False
    except PortOneRefused:
        is_deleted = False
    status = DeletionStatus.SUCCEEDED if is_deleted else DeletionStatus.FAILED
    _settle(question.deletion_id, question.row_id, status, **facts)


def _is_deleted_at_portone(question: Question) -> bool:
    """Read the key, bring our row in line, and tell whether it is deleted."""
    service.sync_billing_key(question.billing_key)
    row = db.session.get_one(BillingKey, question.row_id, populate_existing=True)
    is_deleted = row.status == DELETED
    db.session.commit()
    return is_deleted


def _settle(
    deletion_id: UUID,
    row_id: UUID,
    status: DeletionStatus,
    *,
    deleted_at: datetime | None = None,
    **facts: Any,
) -> None:
    """Record how a deletion ended, once. Commits."""
    row, deletion = lock(BillingKey, row_id), lock(BillingKeyDeletion, deletion_id)
    if deletion.status not in UNDER_WAY:
        db.session.rollback()
        return
    before = deletion.status
    deletion.status, deletion.settled_at = status, clock.now()
    deletion.problem = deletion.problem_message = deletion.pg_code = deletion.pg_message = None
    deletion.channels = None
    for name, value in facts.items():
        setattr(deletion, name, value)
    deletion.release()
    row.deleting_since = None
    if status == DeletionStatus.SUCCEEDED:
        service.retire(row, deleted_at)
    told = {name: value for name, value in facts.items() if value}
    if deletion.schedules_revoked_at:
        told["schedules_revoked"] = len(deletion.revoked_schedules)
    audit.record(
        _ACTION[status],
        "billing_key",
        row_id,
        before={"status": before},
        after={"status": status},
        facts=told,
    )
    db.session.commit()


_ACTION = {
    DeletionStatus.SUCCEEDED: "billing_key.deleted",
    DeletionStatus.FAILED: "billing_key.deletion_failed",
    DeletionStatus.UNCERTAIN: "billing_key.deletion_uncertain",
}


def _keep_waiting(deletion_id: UUID, problem: str) -> None:
    """No answer that counts: the key stays on hold, and PortOne is asked again soon."""
    deletion = lock(BillingKeyDeletion, deletion_id)
    if deletion.status not in UNDER_WAY:
        db.session.rollback()  # somebody else has the answer
        return
    before, is_news = deletion.status, problem != deletion.problem
    deletion.problem = problem
    deletion.attempts += 1
    wait = min(2 ** min(deletion.attempts, 20), UNKNOWN_SECONDS)
    deletion.release(next_attempt_at=clock.now() + timedelta(seconds=wait))
    if problem != "outstanding":  # that one is still being sent
        deletion.status = DeletionStatus.UNCERTAIN
    if is_news and deletion.status == DeletionStatus.UNCERTAIN:
        audit.record(
            _ACTION[DeletionStatus.UNCERTAIN],
            "billing_key",
            deletion.billing_key_id,
            before={"status": before},
            after={"status": deletion.status},
            facts={"problem": problem, "tries": deletion.attempts},
        )
    db.session.commit()


def _sync_quietly(question: Question) -> None:
    """Bring the row in line if PortOne answers; if not, its webhook will."""
    try:
        service.sync_billing_key(question.billing_key)
    except PortOneError as problem:
        log.info("billing key not read again after its deletion: %s", problem)
