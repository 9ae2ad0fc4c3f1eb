"""What the staff of the demo did with billing keys: defaults, one switched off, and one deleted."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select

from app.accounts.models import User
from app.billing_keys import deleting, switching
from app.billing_keys.models import BillingKey
from app.billing_keys.stopping import ids_of
from app.columns import new_id
from app.extensions import db

#: So many customers have a default.
DEFAULTS = 6


def keep_keys(*, owner: User, support: User) -> None:
    """Tell it through the services, over the keys that PortOne's double has issued."""
    row_ids = _newest_of_each_customer()
    for row_id in row_ids[:DEFAULTS]:
        switching.set_default(row_id, True, by=support)
    for row_id in row_ids[DEFAULTS : DEFAULTS + 1]:
        switching.set_active(row_id, False, by=support)
    _delete_one_with_schedules(row_ids[DEFAULTS + 1 :], by=owner)


def _newest_of_each_customer() -> list[UUID]:
    keys = (
        select(BillingKey.user_id, BillingKey.id)
        .where(BillingKey.is_chargeable, BillingKey.user_id.is_not(None))
        .order_by(BillingKey.registered_clock, BillingKey.id)
    )
    newest = dict(db.session.execute(keys).all())  # of each customer the last one counts
    db.session.commit()
    return list(newest.values())


def _delete_one_with_schedules(row_ids: Sequence[UUID], *, by: User) -> None:
    for row_id in row_ids:
        schedules = deleting.look_before(db.session.get_one(BillingKey, row_id))
        if schedules:
            reason = "고객 해지 요청 (전화 상담)"
            wish = deleting.Wish(new_id(), reason, "CUSTOMER", schedule_ids=frozenset(ids_of(schedules)))
            deleting.delete_billing_key(row_id, wish, by=by)
            return
