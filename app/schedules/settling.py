"""Ask PortOne for a schedule that is stored, or to give one up, and record what became of it.

Every step here may be repeated: by a second press, by another worker, after a crash. What is asked is made of
columns that never change, and the row's id is its idempotency key; that of a revocation is `revoke_id`.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Row as RowOf
from sqlalchemy import select

from app import clock
from app.audit import service as audit
from app.encryption import InvalidToken, vault
from app.extensions import db, portone
from app.portone.errors import PortOneError, PortOneRefused, PortOneUncertain
from app.portone.payloads import ScheduleInfo
from app.portone.requests import ChargeRequest
from app.schedules import mirror
from app.schedules.models import UNANSWERED, PaymentSchedule, ScheduleStatus
from app.schedules.queries import get_schedule, lock_schedule

log = logging.getLogger(__name__)

#: After this the worker asks as well, in case whoever began has died; the same key makes that safe.
SENDER_SECONDS = 8
#: The longest wait between two questions about a schedule that PortOne has not answered for.
UNKNOWN_SECONDS = 10
#: The longest wait between two looks at a charge that is under way.
UNDER_WAY_SECONDS = 600
#: PortOne remembers idempotency keys for three hours; well before that we stop relying on it.
KEY_LIFETIME = timedelta(hours=2, minutes=30)
#: By then a call has been answered or given up, retries and all.
ANSWER_WITHIN = timedelta(minutes=2)
#: Why a wish that never reached PortOne was given up.
NOT_FOUND = "NOT_FOUND_AT_PORTONE"


#: The schedules of one wish to revoke: our id, and PortOne's.
Rows = Sequence[RowOf[UUID, str | None]]


@dataclass(frozen=True, slots=True)
class Dispatch:
    """A request to PortOne as plain values: reading a row during the call would open a transaction."""

    row_id: UUID
    payment_id: str
    body: str = field(repr=False)


def dispatch_of(row: PaymentSchedule) -> Dispatch | None:
    """What PortOne is asked; None where the key cannot be read. The key is unsealed here and kept nowhere."""
    key = row.billing_key
    try:
        billing_key = vault().open(key.billing_key_encrypted) if key and key.billing_key_encrypted else None
    except InvalidToken:
        log.exception("the key of schedule %s is sealed with a key we do not have", row.id)
        billing_key = None
    if key is None or billing_key is None:
        return None
    request = ChargeRequest(
        store_id=key.store_id or portone.store_id,
        billing_key=billing_key,
        order_name=row.order_name,
        total_amount=row.amount,
        tax_free_amount=row.tax_free_amount,
        currency=row.currency,
        customer_id=row.customer_id,
        customer_name=row.customer_name,
        time_to_pay=row.time_to_pay,
    )
    return Dispatch(row.id, row.payment_id, request.to_json())


def send(dispatch: Dispatch, *, is_first: bool = False) -> None:
    """Ask PortOne to plan the charge, and record what it says. Safe to repeat: key and request never change.

    `is_first` when nobody can have asked before: only then does PortOne's no alone end the wish.
    """
    try:
        schedule_id = portone.schedule_payment(
            dispatch.payment_id, dispatch.body, idempotency_key=str(dispatch.row_id)
        )
    except PortOneUncertain as silence:
        _keep_waiting(dispatch.row_id, silence.reason)
    except PortOneRefused as refusal:
        if is_first and not _may_have_been_done(dispatch.row_id, refusal):
            settle(dispatch.row_id, ScheduleStatus.REFUSED, refusal=refusal)
        else:
            _settle_by_comparison(dispatch.row_id, refusal)
    else:
        settle(dispatch.row_id, ScheduleStatus.SCHEDULED, schedule_id=schedule_id)


def follow(row_id: UUID) -> None:
    """Take a schedule one step further: ask again, give it up, or look at what PortOne made of it."""
    row = get_schedule(row_id)
    is_open, is_unanswered = row.is_open, row.status in UNANSWERED
    age = clock.now() - (row.sent_at or row.created_at)
    is_due, revoke_id, schedule_id = row.time_to_pay <= clock.now(), row.revoke_id, row.schedule_id
    dispatch = dispatch_of(row) if is_unanswered else None
    db.session.commit()
    if not is_open:
        return
    if is_unanswered and dispatch is not None and age < KEY_LIFETIME and not is_due:
        send(dispatch)
    elif is_unanswered:
        _settle_by_comparison(row_id, None, may_still_run=age < ANSWER_WITHIN)
    elif revoke_id is not None:
        revoke(revoke_id)
    elif schedule_id is not None:
        read_again(row_id, schedule_id)


def settle(
    row_id: UUID,
    status: ScheduleStatus,
    *,
    schedule_id: str | None = None,
    refusal: PortOneRefused | None = None,
    problem: str | None = None,
) -> bool:
    """Record PortOne's answer to a wish. Commits; False when one was known before."""
    row = lock_schedule(row_id)
    before, tries = row.status, row.attempts + 1
    if before not in UNANSWERED:
        db.session.rollback()
        return False
    row.status, row.schedule_id, row.attempts = status, schedule_id, 0
    row.problem = refusal.type[:80] if refusal else problem
    row.problem_message = (refusal.message or None) if refusal else None
    soon = clock.now() + timedelta(seconds=UNKNOWN_SECONDS)
    row.release(
        next_attempt_at=clock.now() if row.revoke_id else max(row.time_to_pay + mirror.USUAL_DELAY, soon)
    )
    mirror.wake_plan_of(row)
    _record(row, before, tries=tries if tries > 1 else None, schedule_id=schedule_id, problem=row.problem)
    db.session.commit()
    return True


def read_again(row_id: UUID, schedule_id: str) -> bool:
    """Read a schedule from PortOne and bring the row in line; whether anything was new. Commits."""
    try:
        info = portone.get_schedule(schedule_id)
    except PortOneError as problem:
        log.info("schedule %s could not be read: %s", schedule_id, problem)
        _look_again_later(row_id)
        return False
    if mirror.store(info):
        return True
    _look_again_later(row_id)
    return False


def revoke(revoke_id: UUID) -> None:
    """Ask PortOne to give up the schedules of one wish, all or none, and record what it says."""
    rows = db.session.execute(
        select(PaymentSchedule.id, PaymentSchedule.schedule_id)
        .where(PaymentSchedule.revoke_id == revoke_id)
        .order_by(PaymentSchedule.id)
    ).all()
    db.session.commit()
    ids = [row.schedule_id for row in rows if row.schedule_id]
    if len(ids) < len(rows) or not ids:
        return  # PortOne has not answered for one of them yet; it is revoked as soon as it has
    try:
        portone.revoke_schedules(ids, idempotency_key=str(revoke_id))
    except PortOneUncertain as silence:
        _keep_revoking(rows, silence.reason)
    except PortOneRefused as refusal:
        if refusal.is_about_us or refusal.is_wordless:
            _keep_revoking(rows, refusal.type)
        else:
            _compare_revoked(rows, refusal)
    else:
        for row in rows:
            _settle_revoked(row.id)


def _compare_revoked(rows: Rows, refusal: PortOneRefused) -> None:
    """PortOne will not give them all up: what each of them is decides, and the wish is over."""
    try:
        known = [portone.get_schedule(row.schedule_id) for row in rows]
    except PortOneRefused as problem:
        log.warning("a schedule that cannot be revoked (%s) cannot be read: %s", refusal, problem)
        known = []
    except PortOneUncertain as silence:
        _keep_revoking(rows, silence.reason)
        return
    for row in rows:
        _drop_wish(row.id, refusal.type)
    for info in known:
        mirror.store(info)


def _settle_revoked(row_id: UUID) -> None:
    row = lock_schedule(row_id)
    before = row.status
    if not row.is_open:
        db.session.rollback()
        return
    row.status, row.revoked_at, row.attempts = ScheduleStatus.REVOKED, clock.now(), 0
    row.revoke_problem = None
    row.release()
    mirror.wake_plan_of(row)
    _record(row, before, reason=row.revoke_reason)
    db.session.commit()


def _drop_wish(row_id: UUID, problem: str) -> None:
    row = lock_schedule(row_id)
    if not row.is_open:
        db.session.rollback()
        return
    row.revoke_id, row.revoke_problem = None, problem[:80]
    row.release(next_attempt_at=clock.now() + timedelta(seconds=UNKNOWN_SECONDS))
    audit.record("schedule.revoke_refused", "schedule", row.id, facts={"problem": problem})
    db.session.commit()


def _keep_revoking(rows: Rows, problem: str) -> None:
    for each in rows:
        row = lock_schedule(each.id)
        if row.is_open and row.revoke_id is not None:
            row.revoke_problem = problem[:80]
            row.attempts += 1
            row.release(next_attempt_at=_later(row.attempts, UNKNOWN_SECONDS))
        db.session.commit()


def _may_have_been_done(row_id: UUID, refusal: PortOneRefused) -> bool:
    """Whether what is refused here may have been done all the same, or was no answer to the wish.

    A plan must not stop because our secret has expired, so a no to us counts as no answer for it.
    """
    row = get_schedule(row_id)
    is_ours_alone = row.status == ScheduleStatus.SENDING and not row.attempts and not row.claimed_by
    is_of_plan = row.plan_id is not None
    db.session.commit()
    is_there = refusal.type == "PAYMENT_SCHEDULE_ALREADY_EXISTS"  # nobody else uses this paymentId
    is_no_answer = refusal.is_after_silence or refusal.is_wordless or (refusal.is_about_us and is_of_plan)
    return is_there or is_no_answer or not is_ours_alone


def _settle_by_comparison(
    row_id: UUID, refusal: PortOneRefused | None, *, may_still_run: bool = False
) -> None:
    """Look for our schedule among those PortOne has; what it does not have, and refuses, is refused."""
    try:
        found = _find_at_portone(row_id)
    except PortOneUncertain as silence:
        _keep_waiting(row_id, silence.reason)
        return
    except PortOneRefused as problem:
        log.warning("schedule %s cannot be compared: %s", row_id, problem)
        _keep_waiting(row_id, problem.type)
        return
    if found is not None:
        mirror.store(found)
    elif may_still_run:
        _keep_waiting(row_id, NOT_FOUND)
    elif refusal is None:
        settle(row_id, ScheduleStatus.REFUSED, problem=NOT_FOUND)
    elif refusal.is_about_us or refusal.is_wordless:
        _keep_waiting(row_id, refusal.type)
    else:
        settle(row_id, ScheduleStatus.REFUSED, refusal=refusal)


def _find_at_portone(row_id: UUID) -> ScheduleInfo | None:
    """PortOne's schedule of our paymentId, around the time it is due at."""
    row = get_schedule(row_id)
    payment_id, at, key = row.payment_id, row.time_to_pay, row.billing_key
    try:
        billing_key = vault().open(key.billing_key_encrypted) if key and key.billing_key_encrypted else None
    except InvalidToken:
        billing_key = None  # all that are due around then are looked through
    db.session.commit()
    page, is_last, around = 0, False, timedelta(minutes=5)
    while not is_last:
        found = portone.list_schedules(
            since=at - around, until=at + around, billing_key=billing_key, page=page
        )
        ours = next((info for info in found.items if info.payment_id == payment_id), None)
        if ours is not None:
            return ours
        page, is_last = page + 1, found.is_last
    return None


def _keep_waiting(row_id: UUID, problem: str) -> None:
    """No answer that counts: PortOne is asked again soon."""
    row = lock_schedule(row_id)
    before = row.status
    if before not in UNANSWERED:
        db.session.rollback()  # somebody else has the answer
        return
    is_news = problem != row.problem
    row.problem = problem[:80]
    row.attempts += 1
    row.release(next_attempt_at=_later(row.attempts, UNKNOWN_SECONDS))
    if problem != "outstanding":  # that one is still being sent
        row.status = ScheduleStatus.UNCERTAIN
    if is_news and row.status == ScheduleStatus.UNCERTAIN:  # the same silence again is counted, not told
        _record(row, before, problem=problem, tries=row.attempts)
    db.session.commit()


def _look_again_later(row_id: UUID) -> None:
    row = lock_schedule(row_id)
    if row.is_open and row.status not in UNANSWERED:
        row.attempts += 1
        later = _later(row.attempts + 2, UNDER_WAY_SECONDS)
        row.release(next_attempt_at=max(later, row.time_to_pay))
    db.session.commit()


def _later(attempts: int, most_seconds: int) -> datetime:
    return clock.now() + timedelta(seconds=min(2 ** min(attempts, 20), most_seconds))


def _record(row: PaymentSchedule, before: str, **facts: str | int | None) -> None:
    audit.record(
        f"schedule.{row.status}",
        "schedule",
        row.id,
        before={"status": before},
        after={"status": row.status},
        facts={name: value for name, value in facts.items() if value},
    )
