"""What people wish of recurring plans: begin one, pause it, have it go on, change it, end it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy.orm import make_transient

from app import clock
from app.access.permissions import Permission
from app.accounts.models import User
from app.approvals.queries import Kind
from app.approvals.service import Proof, refuse_unproven
from app.audit import service as audit
from app.billing_keys.models import BillingKey
from app.billing_keys.tally import most_beside
from app.database import lock
from app.errors import DomainError
from app.extensions import db
from app.schedules import settling
from app.schedules.advancing import SOON, advance, give_up_open, record_stop, rest, stand, take_up
from app.schedules.models import ChargePlan, PlanStatus, Stop
from app.schedules.periods import Cadence, Rhythm, anchor_of
from app.schedules.planned import Course
from app.schedules.queries import find_open_of
from app.schedules.service import refuse_if_not_theirs


class PlanRefused(DomainError):
    """What was wished of a plan cannot be."""


@dataclass(frozen=True, slots=True)
class PlanWish:
    """A recurring plan as a person wants it; `amount` in minor units, days in Asia/Seoul."""

    intent: UUID
    cadence: Cadence
    day: int
    minute: int
    starts_on: date
    amount: int
    currency: str
    order_name: str
    ends_on: date | None = None
    most_charges: int | None = None


@dataclass(frozen=True, slots=True)
class PlanChange:
    """What may change while a plan goes on; it holds for the next charge that is planned."""

    day: int
    minute: int
    amount: int
    order_name: str
    ends_on: date | None
    most_charges: int | None


def create_plan(billing_key_row_id: UUID, wish: PlanWish, *, by: User, proof: Proof | None = None) -> None:
    """Begin a plan and plan its first charge; the same intent again changes nothing.

    Raises `PlanRefused`, `ScheduleRefused` or `ApprovalRefused`.
    """
    key = lock(BillingKey, billing_key_row_id)
    first = db.session.get(ChargePlan, wish.intent)
    if first is not None:
        is_of_another = first.billing_key_id != billing_key_row_id
        db.session.rollback()
        if is_of_another:
            raise PlanRefused(_("This form belongs to another billing key. Open the form again."))
        return
    plan = draft(key, wish)
    plan.created_by = by.id
    refuse_if_impossible(plan)
    refuse_to_begin(key, wish, by=by)
    refuse_unproven(by, proof, wish.amount, wish.currency, Kind.CHARGE)
    db.session.add(plan)
    audit.record("plan.created", "plan", plan.id, by=by, after={"status": plan.status}, facts=_terms(plan))
    db.session.commit()
    advance(wish.intent)


def draft(key: BillingKey, wish: PlanWish) -> ChargePlan:
    """The plan that a wish means, stored nowhere yet."""
    return ChargePlan(
        id=wish.intent,
        billing_key_id=key.id,
        billing_key=key,
        status=PlanStatus.ACTIVE,
        cadence=wish.cadence,
        day=wish.day,
        minute=wish.minute,
        anchor=anchor_of(wish.cadence, wish.day, wish.starts_on),
        starts_on=wish.starts_on,
        ends_on=wish.ends_on,
        most_charges=wish.most_charges,
        amount=wish.amount,
        currency=wish.currency,
        order_name=wish.order_name,
        next_period=0,
        skipped_periods=0,
        created_at=clock.now(),
        next_attempt_at=clock.now(),
    )


def refuse_to_begin(key: BillingKey, wish: PlanWish, *, by: User) -> None:
    """Raise what a person may not begin: the limits of charges, with what the key is charged anyway."""
    rhythm = Rhythm(wish.cadence, wish.day, wish.minute, anchor_of(wish.cadence, wish.day, wish.starts_on))
    dates = Course(rhythm, most=wish.most_charges, ends_on=wish.ends_on).near()
    beside = most_beside(key.id, wish.currency, dates)
    refuse_if_not_theirs(by, Permission.PLAN_MANAGE, wish.amount, wish.currency, beside=beside)


def dates_of(key: BillingKey, wish: PlanWish, count: int = 6) -> list[datetime]:
    """When the first charges of a plan would be due. Raises `PlanRefused` for one that cannot be."""
    plan = draft(key, wish)
    make_transient(plan)  # it shares its key with the session, and must not be stored with it
    refuse_if_impossible(plan)
    periods = range(min(count, plan.most_charges or count))
    return [
        plan.rhythm.due_at(period)
        for period in periods
        if plan.ends_on is None or plan.rhythm.due_on(period) <= plan.ends_on
    ]


def refuse_if_impossible(plan: ChargePlan) -> None:
    """Raise `PlanRefused` for a plan that could not make its first charge."""
    if not plan.billing_key.is_chargeable:
        raise PlanRefused(_("This billing key is deleted or switched off, so it cannot be charged."))
    if plan.rhythm.due_at(0) < clock.now() + SOON:
        raise PlanRefused(
            _("The first charge would have to be in the past. Choose a later first day or time of day.")
        )
    if plan.ends_on is not None and plan.rhythm.due_on(0) > plan.ends_on:
        raise PlanRefused(_("The plan would end before its first charge."))


def pause_plan(plan_id: UUID, reason: str, *, by: User) -> None:
    """Have a plan stand still; its open schedule is revoked. Raises `PlanRefused` unless it goes on."""
    _stop_by_person(plan_id, PlanStatus.PAUSED, reason, by)


def end_plan(plan_id: UUID, reason: str, *, by: User) -> None:
    """End a plan for good; its open schedule is revoked. Raises `PlanRefused` if it has ended."""
    _stop_by_person(plan_id, PlanStatus.ENDED, reason, by)


def resume_plan(plan_id: UUID, reason: str, *, by: User, charges_now: bool = False) -> None:
    """Have a paused plan go on with its next regular charge, or with the one it owes at once.

    Periods that went by while it stood still are not charged. The limits of charges hold as for a new plan.
    Raises `PlanRefused`, `ScheduleRefused` or `ApprovalRefused`.
    """
    plan = lock(ChargePlan, plan_id)
    if plan.status != PlanStatus.PAUSED:
        raise PlanRefused(_("Only a paused plan can be resumed."))
    if not lock(BillingKey, plan.billing_key_id).is_chargeable:
        raise PlanRefused(_("This billing key is deleted or switched off, so it cannot be charged."))
    last = find_open_of(plan_id)
    if last is not None and last.is_being_revoked:
        raise PlanRefused(_("Its last schedule is still being revoked. Try again in a few seconds."))
    soon = [clock.now() + SOON] if charges_now else []
    _refuse_if_not_theirs(plan, plan.amount, [*soon, *Course.of(plan).near(clock.now())], by)
    _go_on(plan)
    dispatch = None if last is not None else take_up(plan, charges_now=charges_now)
    facts = {"reason": reason, "charges_now": charges_now, "next_period": plan.next_period}
    audit.record(
        "plan.resumed",
        "plan",
        plan.id,
        by=by,
        before={"status": "paused"},
        after={"status": plan.status},
        facts=facts,
    )
    db.session.commit()
    if dispatch is not None:
        settling.send(dispatch, is_first=True)


def change_plan(
    plan_id: UUID, wish: PlanChange, reason: str, *, by: User, proof: Proof | None = None
) -> None:
    """Change the terms of a plan; an open schedule keeps those it was made with.

    Raises `PlanRefused`, and for another amount or more dates `ScheduleRefused` or `ApprovalRefused`.
    """
    plan = lock(ChargePlan, plan_id)
    lock(BillingKey, plan.billing_key_id)  # what it is charged besides stays as it is
    if plan.status == PlanStatus.ENDED:
        raise PlanRefused(_("This plan has ended. Make a new one."))
    course = Course.of(plan)
    dates = _with_terms(course, wish).near()
    if wish.amount != plan.amount or not set(dates) <= set(course.near()):
        _refuse_if_not_theirs(plan, wish.amount, dates, by)
    if wish.amount != plan.amount:
        refuse_unproven(by, proof, wish.amount, plan.currency, Kind.CHARGE)
    before = _terms(plan)
    plan.day, plan.minute, plan.amount, plan.order_name = wish.day, wish.minute, wish.amount, wish.order_name
    plan.ends_on, plan.most_charges = wish.ends_on, wish.most_charges
    after = _terms(plan)
    changed = {name for name, value in after.items() if value != before[name]}
    if not changed:
        db.session.rollback()
        return
    plan.next_attempt_at = clock.now()
    audit.record(
        "plan.changed",
        "plan",
        plan.id,
        by=by,
        before={name: before[name] for name in sorted(changed)},
        after={name: after[name] for name in sorted(changed)},
        facts={"reason": reason},
    )
    db.session.commit()


def _with_terms(course: Course, wish: PlanChange) -> Course:
    rhythm = replace(course.rhythm, day=wish.day, minute=wish.minute)
    return replace(course, rhythm=rhythm, most=wish.most_charges, ends_on=wish.ends_on)


def _refuse_if_not_theirs(plan: ChargePlan, amount: int, dates: Iterable[datetime], by: User) -> None:
    """Raise where a person may not have a plan, its key locked, charge an amount on these dates."""
    beside = most_beside(plan.billing_key_id, plan.currency, dates, besides=plan.id)
    refuse_if_not_theirs(by, Permission.PLAN_MANAGE, amount, plan.currency, beside=beside)


def _stop_by_person(plan_id: UUID, status: PlanStatus, reason: str, by: User) -> None:
    plan = lock(ChargePlan, plan_id)
    before = plan.status
    if before == PlanStatus.ENDED:
        raise PlanRefused(_("This plan has ended already."))
    if before == status:
        raise PlanRefused(_("This plan is paused already."))
    stand(plan, status, Stop.PERSON, note=reason)
    revoke_id = give_up_open(find_open_of(plan_id), reason, by=by)
    record_stop(plan, before, by=by, reason=reason)
    db.session.commit()
    if revoke_id is not None:
        settling.revoke(revoke_id)


def _go_on(plan: ChargePlan) -> None:
    plan.status, plan.stop, plan.problem, plan.note, plan.stopped_at = (
        PlanStatus.ACTIVE,
        None,
        None,
        None,
        None,
    )
    rest(plan, until=clock.now())


def _terms(plan: ChargePlan) -> dict[str, object]:
    return {
        "billing_key": str(plan.billing_key_id),
        "cadence": plan.cadence,
        "day": plan.day,
        "minute": plan.minute,
        "amount": plan.amount,
        "currency": plan.currency,
        "order_name": plan.order_name,
        "starts_on": str(plan.starts_on),
        "ends_on": str(plan.ends_on) if plan.ends_on else None,
        "most_charges": plan.most_charges,
    }
