"""Plan a charge, once, and give one up: store the wish, ask PortOne, settle what became of it (`settling`).

No transaction is open while PortOne is asked.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy.exc import IntegrityError

from app import clock
from app.access.permissions import Permission
from app.accounts.models import User
from app.approvals import queries as approvals
from app.approvals.queries import Kind
from app.approvals.service import Proof, refuse_above_limit, refuse_unproven, refuse_without
from app.audit import service as audit
from app.audit.service import Actor
from app.billing_keys.models import BillingKey
from app.billing_keys.tally import most_beside
from app.columns import new_id
from app.database import lock
from app.errors import DomainError
from app.extensions import db
from app.leases import claim
from app.schedules import (
    planned,  # noqa: F401 - tells what is planned
    settling,
)
from app.schedules.models import IS_OPEN, UNANSWERED, PaymentSchedule, ScheduleStatus
from app.schedules.queries import find_schedule, get_schedule, lock_schedule

#: A charge lies at least so far ahead, so that PortOne has it before its time has come.
LEAD = timedelta(minutes=5)


class ScheduleRefused(DomainError):
    """The schedule cannot be made or given up, and PortOne was not asked."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A charge that a person wants at a time to come; amounts in minor units of `currency`."""

    intent: UUID
    amount: int
    currency: str
    order_name: str
    time_to_pay: datetime
    tax_free_amount: int | None = None


def payment_id_of(intent: UUID) -> str:
    """The paymentId of an intent: made with the form, and never another one."""
    return "sch" + base64.b32encode(intent.bytes).decode().rstrip("=").lower()


def request_schedule(billing_key_row_id: UUID, wish: Wish, *, by: User, proof: Proof | None = None) -> None:
    """Plan a charge with a billing key; the same intent again changes nothing.

    Raises `ScheduleRefused` or `ApprovalRefused` where PortOne need not be asked. What PortOne answers, or
    that it does not, is recorded on the schedule.
    """
    key = lock(BillingKey, billing_key_row_id)
    first = find_schedule(wish.intent)
    if first is not None:
        is_of_another = first.billing_key_id != billing_key_row_id
        db.session.rollback()
        if is_of_another:
            raise ScheduleRefused(_("This form belongs to another billing key. Open the form again."))
        return
    refuse_if_impossible(key, wish.time_to_pay)
    beside = most_beside(key.id, wish.currency, [wish.time_to_pay])
    refuse_if_not_theirs(by, Permission.SCHEDULE_CREATE, wish.amount, wish.currency, beside=beside)
    refuse_unproven(by, proof, wish.amount, wish.currency, Kind.CHARGE)
    row = new_row(key, wish)
    row.requested_by = by.id
    dispatch = settling.dispatch_of(row)
    if dispatch is None:
        raise ScheduleRefused(
            _("This billing key cannot be read here any more. Look at DATA_ENCRYPTION_KEYS.")
        )
    db.session.add(row)
    audit.record(
        "schedule.requested", "schedule", row.id, by=by, after={"status": row.status}, facts=facts_of(row)
    )
    commit_alone()
    settling.send(dispatch, is_first=True)


def refuse_if_not_theirs(
    by: User, permission: Permission, amount: int, currency: str, *, beside: int = 0
) -> None:
    """Raise what a person may not plan: the limits of charges hold for charges to come as well.

    `beside` is what the key is charged within a day of it anyway.
    """
    refuse_without(by, permission)
    refuse_above_limit(by, amount, currency, Kind.CHARGE)
    refuse_if_it_takes_two(amount, currency, beside=beside)


def refuse_if_it_takes_two(amount: int, currency: str, *, beside: int) -> None:
    """Raise for a charge to come that takes a second person: nobody approves those."""
    if approvals.needs_second_person(amount + beside, currency, Kind.CHARGE):
        raise ScheduleRefused(
            _(
                "A charge of this amount takes a second person, and nobody approves charges to come. "
                "Charge it by hand when it is due, and have it approved then."
            ),
            status=422,
        )


def refuse_if_impossible(key: BillingKey, time_to_pay: datetime) -> None:
    """Raise `ScheduleRefused` for a key that cannot be charged, or a time that is too near."""
    if not key.is_chargeable:
        raise ScheduleRefused(_("This billing key is deleted or switched off, so it cannot be charged."))
    if time_to_pay < clock.now() + LEAD:
        raise ScheduleRefused(
            _("Choose a time at least %(minutes)s minutes ahead.", minutes=int(LEAD.total_seconds() // 60))
        )


def new_row(key: BillingKey, wish: Wish) -> PaymentSchedule:
    """The row of a wish, about to be sent."""
    moment = clock.now()
    return PaymentSchedule(
        id=wish.intent,
        payment_id=payment_id_of(wish.intent),
        billing_key_id=key.id,
        billing_key=key,
        status=ScheduleStatus.SENDING,
        is_ours=True,
        amount=wish.amount,
        tax_free_amount=wish.tax_free_amount,
        currency=wish.currency,
        order_name=wish.order_name,
        customer_id=key.user.customer_id if key.user else None,
        customer_name=key.customer_name,
        time_to_pay=wish.time_to_pay,
        created_at=moment,
        sent_at=moment,
        attempts=0,
        next_attempt_at=moment + timedelta(seconds=settling.SENDER_SECONDS),
    )


def facts_of(row: PaymentSchedule) -> dict[str, object]:
    """What the trail keeps of a schedule."""
    return {
        "payment_id": row.payment_id,
        "billing_key": str(row.billing_key_id),
        "amount": row.amount,
        "currency": row.currency,
        "time_to_pay": row.time_to_pay,
        **({"plan_id": row.plan_id, "period": row.period, "try": row.plan_try} if row.plan_id else {}),
    }


def commit_alone() -> None:
    """Commit, with the database as the last fence against a second one."""
    try:
        db.session.commit()
    except IntegrityError as clash:
        db.session.rollback()
        raise ScheduleRefused(_("Somebody else did this at the same moment. Open the page again.")) from clash


def revoke_schedules(row_ids: Sequence[UUID], reason: str, *, by: User) -> None:
    """Give up charges to come: all of these, or none. What PortOne says is recorded on each.

    Raises `ScheduleRefused` when one of them has begun, is over, or is being given up already.
    """
    rows = [lock_schedule(row_id) for row_id in sorted(row_ids)]
    for row in rows:
        refuse_if_not_revocable(row)
    revoke_id = new_id()
    for row in rows:
        wish_to_revoke(row, revoke_id, reason, by=by)
    db.session.commit()
    settling.revoke(revoke_id)


def refuse_if_not_revocable(row: PaymentSchedule) -> None:
    """Raise `ScheduleRefused`, with why a charge cannot be given up."""
    if row.is_being_revoked:
        raise ScheduleRefused(_("This charge is being revoked already."))
    if not row.is_open:
        raise ScheduleRefused(_("This charge is over, so there is nothing to revoke."))
    if row.status in UNANSWERED:
        raise ScheduleRefused(
            _("PortOne has not answered yet whether it has this schedule. Wait a few seconds.")
        )
    if row.status != ScheduleStatus.SCHEDULED:
        raise ScheduleRefused(_("This charge has already begun, so it cannot be revoked any more."))


def wish_to_revoke(row: PaymentSchedule, revoke_id: UUID, reason: str, *, by: Actor | None) -> None:
    """Note, in the caller's transaction, that a charge is to be given up; a worker sees to it."""
    moment = clock.now()
    row.revoke_id, row.revoke_reason, row.revoke_problem = revoke_id, reason, None
    row.revoke_requested_by, row.revoke_requested_at = (by.id if by else None), moment
    row.attempts = 0
    row.release(next_attempt_at=moment + timedelta(seconds=settling.SENDER_SECONDS))
    audit.record("schedule.revoke_requested", "schedule", row.id, by=by, facts={"reason": reason})


def recheck_schedule(row_id: UUID, *, by: User) -> None:
    """Find out now where a charge to come stands, because a person wants to know."""
    row = get_schedule(row_id)
    audit.record("schedule.rechecked", "schedule", row.id, by=by, facts={"status": row.status})
    db.session.commit()
    settling.follow(row_id)


def claim_waiting(*, holder: str, limit: int) -> list[UUID]:
    """Claim open schedules that are due to be looked at. Commits."""
    return list(claim(PaymentSchedule, IS_OPEN, holder=holder, limit=limit))
