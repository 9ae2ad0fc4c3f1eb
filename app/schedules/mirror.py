"""PortOne's schedules become our rows: those we made, and those that others made.

A schedule has no time of change, so readings are ordered by how far it has come: it never goes back.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import exists, or_, select, update

from app import clock, leases
from app.audit import service as audit
from app.billing_keys.models import BillingKey
from app.billing_keys.queries import find_billing_key
from app.billing_keys.service import sync_billing_key, without_key
from app.columns import new_id
from app.database import begin_writing, insert_into
from app.extensions import db, portone
from app.portone.errors import PortOneError, PortOneRefused
from app.portone.payloads import ScheduleInfo
from app.schedules.erasing import without_erased_person
from app.schedules.models import FINAL, IS_OPEN, ChargePlan, PaymentSchedule, ScheduleStatus
from app.schedules.queries import lock_schedule

log = logging.getLogger(__name__)

#: Both ends are always asked for: PortOne's own default leaves out all that is to come.
LONG_AGO = datetime(2014, 1, 1, tzinfo=UTC)
FAR_AHEAD = timedelta(days=36_500)
PAGE_SIZE = 100
#: How far back the worker looks each time; `flask sync` reads all there ever was.
LOOK_BACK = timedelta(days=3)
#: So often the worker reads what others may have planned.
EVERY_SECONDS = 600
#: PortOne has carried a charge out so long after its time, as a rule.
USUAL_DELAY = timedelta(seconds=60)

#: How far a schedule has come; one of these never goes back. Statuses nobody knows lie before the end.
_REACHED = {
    ScheduleStatus.SENDING: 0,
    ScheduleStatus.UNCERTAIN: 0,
    ScheduleStatus.REFUSED: 0,  # we concluded that from what PortOne did not show: its own word is the truth
    ScheduleStatus.SCHEDULED: 1,
    ScheduleStatus.STARTED: 2,
    ScheduleStatus.PENDING: 3,
    **dict.fromkeys(FINAL - {ScheduleStatus.REFUSED}, 5),
}
_UNKNOWN_REACHED = 4

#: What PortOne tells of a schedule that others made, and that may differ from what we have.
_TOLD = ("status", "started_at", "completed_at", "revoked_at")


@dataclass(frozen=True, slots=True)
class Mirrored:
    """How many schedules were read, and how many of them changed something here."""

    read: int
    changed: int


def sync_schedules(since: datetime = LONG_AGO) -> Mirrored:
    """Read the store's schedules from a time to pay on, all to come included; each change is one commit.

    Raises PortOneRefused and PortOneUncertain.
    """
    read = changed = page = 0
    is_last = False
    db.session.rollback()
    until = clock.now() + FAR_AHEAD
    while not is_last:
        found = portone.list_schedules(since=since, until=until, page=page, size=PAGE_SIZE)
        _know_keys(found.items)
        changed += sum(store(each) for each in _news_among(found.items))
        db.session.rollback()
        read += len(found.items)
        page, is_last = page + 1, found.is_last
    return Mirrored(read, changed)


def watch(holder: str) -> int:
    """The duty: mirror what is to come and what was lately due. One worker at a time.

    Where no billing key is known nobody has planned anything.
    """
    if not _has_keys() or not leases.hold("schedules", holder=holder, seconds=EVERY_SECONDS):
        return 0
    try:
        return sync_schedules(clock.now() - LOOK_BACK).changed
    except PortOneError as problem:
        log.info("Schedules could not be read: %s", problem)
        return 0


def wake_by_payment(payment_ids: Sequence[str]) -> None:
    """Have the schedules behind these payments looked at at once, in the caller's transaction."""
    if payment_ids:
        db.session.execute(
            update(PaymentSchedule)
            .where(PaymentSchedule.payment_id.in_(payment_ids), IS_OPEN)
            .values(next_attempt_at=clock.now())
            .execution_options(synchronize_session=False)
        )


def store(info: ScheduleInfo) -> bool:
    """Bring our row of a schedule in line, or make one. Commits; False when nothing was new."""
    begin_writing()
    row_id = _find_row(info)
    if row_id is None:
        _insert(info)
        db.session.commit()
        return True
    row = lock_schedule(row_id)
    is_new = _take_over(row, info)
    if is_new:
        db.session.commit()
    else:
        db.session.rollback()
    return is_new


def _take_over(row: PaymentSchedule, info: ScheduleInfo) -> bool:
    before = row.status
    if row.schedule_id not in {None, info.schedule_id} or _reached(info.status.lower()) <= _reached(before):
        return False
    if before == ScheduleStatus.REFUSED:
        _let_go_if_replaced(row)
    row.schedule_id = info.schedule_id
    if row.billing_key_id is None:
        row.billing_key_id = _key_id_of(info)
    _write(row, info)
    row.problem = row.problem_message = None
    row.attempts = 0
    row.release(next_attempt_at=_next_look(row))
    wake_plan_of(row)
    if row.is_ours:
        audit.record(
            f"schedule.{row.status}",
            "schedule",
            row.id,
            before={"status": before},
            after={"status": row.status},
        )
    return True


def _let_go_if_replaced(row: PaymentSchedule) -> None:
    """A schedule that was given up for lost and is there after all: its plan may have made another since."""
    other = exists().where(
        PaymentSchedule.plan_id == row.plan_id,
        PaymentSchedule.id != row.id,
        or_(IS_OPEN, PaymentSchedule.status == ScheduleStatus.SUCCEEDED),
        PaymentSchedule.period >= row.period,
    )
    if row.plan_id is not None and db.session.scalar(select(other)):
        facts = {"plan_id": row.plan_id, "period": row.period}
        row.plan_id = row.period = row.plan_try = None
        audit.record("schedule.found_late", "schedule", row.id, facts=facts)


def wake_plan_of(row: PaymentSchedule) -> None:
    """Have the plan of a schedule looked at now that this one is done with, in the caller's transaction."""
    if row.plan_id is not None and not row.is_open:
        db.session.execute(
            update(ChargePlan)
            .where(ChargePlan.id == row.plan_id)
            .values(next_attempt_at=clock.now())
            .execution_options(synchronize_session=False)
        )


def _next_look(row: PaymentSchedule) -> datetime:
    """When to ask PortOne again: at once where it is to be revoked, else when its time has come."""
    moment = clock.now()
    if row.is_being_revoked:
        return moment
    return max(row.time_to_pay + USUAL_DELAY, moment + timedelta(seconds=10))


def _write(row: PaymentSchedule, info: ScheduleInfo) -> None:
    row.status = info.status.lower()[:40]
    row.started_at, row.completed_at, row.revoked_at = info.started_at, info.completed_at, info.revoked_at
    row.synced_at = clock.now()
    kept = without_erased_person(row, info)
    row.snapshot = without_key(dict(kept.raw), info.billing_key)


def _insert(info: ScheduleInfo) -> None:
    """A schedule that others made. Two workers at once make one row."""
    customer = without_erased_person(None, info).customer
    row = PaymentSchedule(
        id=new_id(),
        schedule_id=info.schedule_id[:255],
        payment_id=info.payment_id,
        billing_key_id=_key_id_of(info),
        is_ours=False,
        amount=info.total_amount,
        tax_free_amount=info.tax_free_amount,
        currency=info.currency[:3],
        order_name=info.order_name,
        customer_id=customer.id,
        customer_name=customer.name,
        time_to_pay=info.time_to_pay or info.created_at or clock.now(),
        created_at=info.created_at or clock.now(),
    )
    _write(row, info)
    row.next_attempt_at = _next_look(row)
    columns = PaymentSchedule.__table__.c
    values = {
        column.name: getattr(row, column.name) for column in columns if getattr(row, column.name) is not None
    }
    once = insert_into(PaymentSchedule).values(values)
    db.session.execute(once.on_conflict_do_nothing(index_elements=[PaymentSchedule.schedule_id]))


def _find_row(info: ScheduleInfo) -> UUID | None:
    """Our row of a schedule: by PortOne's id of it, or the one of ours that waits for such an id."""
    known = select(PaymentSchedule.id).where(PaymentSchedule.schedule_id == info.schedule_id)
    waiting = select(PaymentSchedule.id).where(
        PaymentSchedule.payment_id == info.payment_id,
        PaymentSchedule.is_ours,
        PaymentSchedule.schedule_id.is_(None),
    )
    return db.session.scalar(known) or db.session.scalar(waiting)


def _news_among(items: Sequence[ScheduleInfo]) -> list[ScheduleInfo]:
    """Those that differ from what we have: reading a page that holds no news locks nothing."""
    ids = [info.schedule_id for info in items]
    rows = db.session.execute(
        select(PaymentSchedule.schedule_id, PaymentSchedule.status).where(
            PaymentSchedule.schedule_id.in_(ids)
        )
    )
    known: dict[Any, str] = {row.schedule_id: row.status for row in rows}
    db.session.rollback()
    return [
        info
        for info in items
        if info.schedule_id not in known or _reached(info.status.lower()) > _reached(known[info.schedule_id])
    ]


def _know_keys(items: Sequence[ScheduleInfo]) -> None:
    """Read the keys behind these schedules that are not known here yet."""
    for billing_key in {info.billing_key for info in items}:
        if find_billing_key(billing_key) is not None:
            continue
        try:
            sync_billing_key(billing_key)
        except PortOneRefused as refusal:
            log.info("The key of a schedule could not be read: %s", refusal)
    db.session.rollback()


def _key_id_of(info: ScheduleInfo) -> UUID | None:
    row = find_billing_key(info.billing_key)
    return row.id if row else None


def _has_keys() -> bool:
    found = db.session.scalar(select(BillingKey.id).limit(1)) is not None
    db.session.rollback()
    return found


def _reached(status: str) -> int:
    return _REACHED.get(ScheduleStatus(status), 0) if status in set(ScheduleStatus) else _UNKNOWN_REACHED
