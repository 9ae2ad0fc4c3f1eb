"""Delete a key at PortOne, once: what is wanted is stored first, then PortOne is asked (`settling`).

While a deletion is under way nothing may be charged with the key, so that no schedule comes in between the
revoking of those there are and the deletion. No transaction is open while PortOne is asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import joinedload

from app import clock
from app.accounts.models import User
from app.audit import service as audit
from app.billing_keys import service, settling
from app.billing_keys.models import DELETED, BillingKey, BillingKeyDeletion, DeletionStatus
from app.billing_keys.sealing import open_key
from app.billing_keys.settling import SENDER_SECONDS, Question
from app.billing_keys.stopping import StoppingSchedule, ids_of, list_open_schedules
from app.database import lock
from app.errors import DomainError
from app.extensions import db


class DeletionRefused(DomainError):
    """The key cannot be deleted now, and PortOne was not asked to."""


class AlreadyDeleted(DeletionRefused):
    """There is nothing left to do."""


class SchedulesMoved(DeletionRefused):
    """A charge is to come that the person has not seen; `schedules` are all there are now."""

    def __init__(self, message: str, schedules: Sequence[StoppingSchedule]) -> None:
        super().__init__(message)
        self.schedules = schedules


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person wants; `schedule_ids` are the charges to come that they saw and agreed to stop."""

    intent: UUID
    reason: str
    requester: str
    schedule_ids: frozenset[str] = frozenset()


def look_before(row: BillingKey) -> list[StoppingSchedule]:
    """Read the key at PortOne this moment, and the schedules that would stop with it.

    Raises PortOneRefused, PortOneUncertain, and `KeyUnreadable` where the key cannot be opened here.
    """
    billing_key = open_key(row)
    service.sync_billing_key(billing_key)
    return list_open_schedules(billing_key)


def delete_billing_key(row_id: UUID, wish: Wish, *, by: User) -> BillingKeyDeletion:
    """Delete a key at PortOne, and before that revoke the schedules the person has seen, all or none.

    The same intent again answers how the first time went. Raises `DeletionRefused` where PortOne need not be
    asked, and PortOneRefused or PortOneUncertain where it did not even tell which schedules there are:
    nothing is kept then. What PortOne makes of the deletion is recorded on it.
    """
    if find_deletion(wish.intent, row_id) is None:
        question = _prepare(row_id, wish, by)
        if question is not None:
            settling.carry_out(question)
    return get_deletion(wish.intent)


def get_deletion(deletion_id: UUID) -> BillingKeyDeletion:
    """The deletion with this id."""
    return db.session.get_one(BillingKeyDeletion, deletion_id, populate_existing=True)


def find_deletion(intent: UUID, row_id: UUID) -> BillingKeyDeletion | None:
    """The deletion of this key that was made with this intent."""
    found = db.session.get(BillingKeyDeletion, intent)
    return found if found is not None and found.billing_key_id == row_id else None


def find_latest_deletion(row: BillingKey) -> BillingKeyDeletion | None:
    """The newest wish to delete a key."""
    return db.session.scalar(
        select(BillingKeyDeletion)
        .where(BillingKeyDeletion.billing_key_id == row.id)
        .options(joinedload(BillingKeyDeletion.person))
        .order_by(BillingKeyDeletion.created_at.desc(), BillingKeyDeletion.id.desc())
        .limit(1)
    )


def _prepare(row_id: UUID, wish: Wish, by: User) -> Question | None:
    """Store what is wanted, over the schedules as they are now; None when this intent was stored before."""
    row = db.session.get_one(BillingKey, row_id, populate_existing=True)
    _refuse_if_impossible(row)
    billing_key = open_key(row)
    db.session.rollback()
    schedules = list_open_schedules(billing_key)
    _refuse_if_moved(schedules, wish.schedule_ids)
    return _hold(row_id, wish, billing_key, schedules, by)


def _refuse_if_impossible(row: BillingKey) -> None:
    if row.status == DELETED:
        raise AlreadyDeleted(_("This billing key is deleted already. There is nothing left to do."))
    if row.deleting_since is not None:
        raise DeletionRefused(_("This billing key is being deleted at this moment."))


def _refuse_if_moved(schedules: Sequence[StoppingSchedule], agreed: frozenset[str]) -> None:
    if any(schedule.is_being_charged for schedule in schedules):
        raise SchedulesMoved(
            _(
                "A scheduled payment is being charged right now. Nothing was revoked or deleted; "
                "try again later."
            ),
            schedules,
        )
    if not agreed.issuperset(ids_of(schedules)):
        raise SchedulesMoved(
            _(
                "PortOne deletes no billing key while payments are scheduled with it. Nothing was changed: "
                "look at those that would stop, and send the form again to revoke them first."
            ),
            schedules,
        )


def _hold(
    row_id: UUID, wish: Wish, billing_key: str, schedules: Sequence[StoppingSchedule], by: User
) -> Question | None:
    row = lock(BillingKey, row_id)
    if find_deletion(wish.intent, row_id) is not None:
        db.session.rollback()
        return None
    _refuse_if_impossible(row)
    moment = clock.now()
    reason = service.without_key(wish.reason, billing_key)
    deletion = BillingKeyDeletion(
        id=wish.intent,
        billing_key_id=row_id,
        status=DeletionStatus.SENDING,
        reason=reason,
        requester=wish.requester,
        requested_by=by.id,
        schedules=[schedule.to_raw() for schedule in schedules] or None,
        created_at=moment,
        next_attempt_at=moment + timedelta(seconds=SENDER_SECONDS),
    )
    db.session.add(deletion)
    row.deleting_since = moment
    facts = {
        "reason": reason,
        "requester": wish.requester,
        "billing_key": service.mask_key(billing_key),
        "schedules": [schedule.to_raw() for schedule in schedules],
    }
    try:
        db.session.flush()
        audit.record("billing_key.deletion_requested", "billing_key", row_id, by=by, facts=facts)
        db.session.commit()
    except IntegrityError as clash:
        db.session.rollback()
        raise DeletionRefused(_("This billing key is being deleted at this moment.")) from clash
    return Question(
        wish.intent,
        row_id,
        billing_key,
        reason,
        wish.requester,
        frozenset(ids_of(schedules)),
        is_repeat=False,
    )
