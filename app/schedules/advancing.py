"""What comes next in a recurring plan: decided under its lock, stored, and only then asked of PortOne.

Whoever dies in between leaves a row that the worker takes up. The database lets a plan have one open
schedule, and a period one that is open or has succeeded, so each charge is planned exactly once.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import and_, or_, select

from app import clock
from app.audit import service as audit
from app.audit.service import Actor
from app.billing_keys.models import DELETED, BillingKey
from app.columns import new_id
from app.database import lock, reading
from app.extensions import db
from app.leases import claim
from app.portone.meanings import N_
from app.schedules import settling
from app.schedules.models import (
    IS_ACTIVE,
    UNANSWERED,
    ChargePlan,
    PaymentSchedule,
    PlanStatus,
    ScheduleStatus,
    Stop,
)
from app.schedules.periods import at_minute
from app.schedules.queries import count_charges, find_open_of, list_tries
from app.schedules.service import Wish, facts_of, new_row, wish_to_revoke
from app.schedules.settling import Dispatch
from app.settings.service import value_of

#: What should have been charged already is charged so long from now.
SOON = timedelta(minutes=10)
#: A plan is looked at at least this often, whatever woke it or did not.
LONGEST_REST = timedelta(hours=6)
#: Plans stopped in one round when their keys are lost.
STOPPED_AT_ONCE = 50
#: Why a schedule was given up with its plan.
KEY_LOST = N_("The billing key can no longer be charged.")


def advance(plan_id: UUID) -> None:
    """Take a plan one step further: plan its next charge, try a failed one again, or stop. Safe to repeat."""
    dispatch = _decide(plan_id)
    if dispatch is not None:
        settling.send(dispatch, is_first=True)


def claim_due(*, holder: str, limit: int) -> list[UUID]:
    """Claim plans that are due to be looked at. Commits."""
    return list(claim(ChargePlan, IS_ACTIVE, holder=holder, limit=limit))


def stop_plans_of_lost_keys() -> int:
    """Stop plans whose key was deleted or switched off; answers how many. Commits each."""
    is_lost = and_(
        ChargePlan.status == PlanStatus.ACTIVE,
        ~BillingKey.is_chargeable,
        BillingKey.deleting_since.is_(None),
    )
    is_gone = and_(ChargePlan.status == PlanStatus.PAUSED, BillingKey.status == DELETED)
    concerned = select(ChargePlan.id).join(ChargePlan.billing_key).where(or_(is_lost, is_gone))
    with reading():
        plan_ids = db.session.scalars(concerned.limit(STOPPED_AT_ONCE)).all()
    for plan_id in plan_ids:
        advance(plan_id)
    return len(plan_ids)


def next_dates(plan: ChargePlan, count: int = 6) -> list[datetime]:
    """When the next charges of a plan are due, as far as it goes."""
    begun = find_open_of(plan.id) is not None or any(
        row.status == ScheduleStatus.SUCCEEDED for row in list_tries(plan.id, plan.next_period)
    )
    first = plan.next_period + (1 if begun else 0)
    left = plan.most_charges - count_charges(plan.id) - begun if plan.most_charges else count
    periods = range(first, first + max(min(count, left), 0))
    return [
        plan.rhythm.due_at(period)
        for period in periods
        if plan.ends_on is None or plan.rhythm.due_on(period) <= plan.ends_on
    ]


def _decide(plan_id: UUID) -> Dispatch | None:
    """What comes next, stored. Commits."""
    plan = lock(ChargePlan, plan_id)
    key, dispatch = lock(BillingKey, plan.billing_key_id), None  # a deletion begins under the same lock
    open_row = find_open_of(plan_id)
    if plan.status != PlanStatus.ENDED and key.status == DELETED:
        give_up_open(open_row, KEY_LOST, by=None)
        _end(plan, Stop.KEY_DELETED)
    elif plan.status != PlanStatus.ACTIVE:
        plan.release()
    elif key.deleting_since is not None:  # that may fail, and then the plan goes on
        rest(plan, until=clock.now() + SOON)
    elif not key.is_chargeable:
        give_up_open(open_row, KEY_LOST, by=None)
        _pause(plan, Stop.KEY_INACTIVE)
    elif open_row is None:
        dispatch = _plan_next(plan)
    else:
        latest = clock.now() + LONGEST_REST
        rest(plan, until=min(latest, max(open_row.time_to_pay + SOON, clock.now() + SOON)))
    db.session.commit()
    return dispatch


def _plan_next(plan: ChargePlan) -> Dispatch | None:
    tries = list_tries(plan.id, plan.next_period)
    last = tries[-1] if tries else None
    if last is None:
        return _hold_regular(plan)
    if last.status == ScheduleStatus.SUCCEEDED:
        plan.next_period += 1
        return _hold_regular(plan)
    if last.status == ScheduleStatus.REVOKED:
        _pause(plan, Stop.REVOKED)
    elif last.status == ScheduleStatus.REFUSED and last.problem != settling.NOT_FOUND:
        _pause(plan, Stop.REFUSED, problem=last.problem)
    else:
        return _try_again(plan, tries)
    return None


def _try_again(plan: ChargePlan, tries: Sequence[PaymentSchedule]) -> Dispatch | None:
    """A charge failed, or never reached PortOne: our own retry policy, since PortOne's is going away."""
    last = tries[-1]
    failed = [row for row in tries if row.status in {ScheduleStatus.FAILED, ScheduleStatus.REFUSED}]
    if len(failed) >= int(value_of("plan_tries")):
        _pause(plan, Stop.FAILURES, problem=last.problem)
        return None
    at = clock.now() + SOON
    if last.status == ScheduleStatus.FAILED:
        ended = (last.completed_at or clock.now()).astimezone(clock.SEOUL).date()
        at = max(at, at_minute(ended + timedelta(days=int(value_of("plan_retry_days"))), plan.minute))
    else:
        at = max(at, last.time_to_pay)
    if at >= plan.rhythm.due_at(plan.next_period + 1):
        _pause(plan, Stop.FAILURES, problem=last.problem)
        return None
    return hold(plan, at)


def _hold_regular(plan: ChargePlan) -> Dispatch | None:
    """Plan the regular charge of the next period; of several that went by, the last one alone, and soon."""
    soon = clock.now() + SOON
    due = plan.rhythm.due_at(plan.next_period)
    if due < soon:
        _skip_what_went_by(plan)
        due = max(plan.rhythm.due_at(plan.next_period), soon)
    if _is_complete(plan):
        _end(plan, Stop.COMPLETED)
        return None
    return hold(plan, due)


def _skip_what_went_by(plan: ChargePlan) -> None:
    latest = plan.rhythm.last_until(clock.now()) or 0
    while (
        plan.ends_on is not None and latest > plan.next_period and plan.rhythm.due_on(latest) > plan.ends_on
    ):
        latest -= 1
    skipped = latest - plan.next_period
    if skipped > 0:
        plan.next_period += skipped
        plan.skipped_periods += skipped
        audit.record("plan.periods_skipped", "plan", plan.id, facts={"skipped": skipped})


def _is_complete(plan: ChargePlan) -> bool:
    if plan.ends_on is not None and plan.rhythm.due_on(plan.next_period) > plan.ends_on:
        return True
    return plan.most_charges is not None and count_charges(plan.id) >= plan.most_charges


def hold(plan: ChargePlan, at: datetime) -> Dispatch | None:
    """Store the next try of the period at hand, in the caller's transaction."""
    tries = list_tries(plan.id, plan.next_period)
    wish = Wish(new_id(), plan.amount, plan.currency, plan.order_name, at)
    row = new_row(plan.billing_key, wish)
    row.plan_id, row.period, row.plan_try = plan.id, plan.next_period, len(tries) + 1
    dispatch = settling.dispatch_of(row)
    if dispatch is None:
        _pause(plan, Stop.REFUSED, problem="KEY_UNREADABLE")
        return None
    db.session.add(row)
    rest(plan, until=min(at + SOON, clock.now() + LONGEST_REST))
    audit.record("schedule.requested", "schedule", row.id, after={"status": row.status}, facts=facts_of(row))
    return dispatch


def rest(plan: ChargePlan, *, until: datetime) -> None:
    plan.attempts = 0
    plan.release(next_attempt_at=until)


def give_up_open(open_row: PaymentSchedule | None, reason: str, *, by: Actor | None) -> UUID | None:
    """Wish the open schedule away; one that PortOne has not answered for is revoked once it has."""
    may_be = {ScheduleStatus.SCHEDULED, *UNANSWERED}
    if open_row is None or open_row.is_being_revoked or open_row.status not in may_be:
        return None
    row = lock(PaymentSchedule, open_row.id)
    if row.status not in may_be:
        return None
    revoke_id = new_id()
    wish_to_revoke(row, revoke_id, reason, by=by)
    if by is None:
        row.next_attempt_at = clock.now()
    return revoke_id


def take_up(plan: ChargePlan, *, charges_now: bool) -> Dispatch | None:
    """Where a plan that stood still goes on: behind what is paid, and now unless it charges at once."""
    tries = list_tries(plan.id, plan.next_period)
    if tries and tries[-1].status == ScheduleStatus.SUCCEEDED:
        plan.next_period += 1
    soon = clock.now() + SOON
    if not charges_now:
        plan.next_period = max(plan.next_period, plan.rhythm.first_after(soon))
    if _is_complete(plan):
        _end(plan, Stop.COMPLETED)
        return None
    return hold(plan, max(plan.rhythm.due_at(plan.next_period), soon))


def _pause(plan: ChargePlan, stop: Stop, *, problem: str | None = None) -> None:
    before = plan.status
    stand(plan, PlanStatus.PAUSED, stop, problem=problem)
    record_stop(plan, before)


def _end(plan: ChargePlan, stop: Stop) -> None:
    before = plan.status
    stand(plan, PlanStatus.ENDED, stop)
    record_stop(plan, before)


def stand(
    plan: ChargePlan, status: PlanStatus, stop: Stop, *, note: str | None = None, problem: str | None = None
) -> None:
    plan.status, plan.stop, plan.note, plan.problem = status, stop, note, problem
    plan.stopped_at = clock.now()
    plan.release()


def record_stop(plan: ChargePlan, before: str, *, by: Actor | None = None, reason: str | None = None) -> None:
    facts = {"stop": plan.stop, "problem": plan.problem, "reason": reason}
    audit.record(
        f"plan.{plan.status}",
        "plan",
        plan.id,
        by=by,
        before={"status": before},
        after={"status": plan.status},
        facts={name: value for name, value in facts.items() if value},
    )
