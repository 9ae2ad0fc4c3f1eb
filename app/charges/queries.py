"""Charges to show and to compare: one, those of a billing key, and those that a new one may repeat."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import joinedload

from app import clock
from app.billing_keys.models import BillingKey
from app.billing_keys.tally import contribute_amounts
from app.charges.models import IN_FLIGHT, MAY_HAVE_TAKEN, Charge, ChargeStatus
from app.errors import NotFound
from app.extensions import db
from app.payments.models import Payment

#: The same amount from the same key within this may be one charge asked for twice.
REPEAT_WITHIN = timedelta(hours=24)

#: The most charges that are shown beside their billing key.
SHOWN_CHARGES = 10

_RELATED = (Charge.billing_key, Charge.payment, Charge.requester, Charge.approver)


def find_charge(charge_id: UUID) -> Charge | None:
    """The charge with this id, which is its intent too."""
    return db.session.get(Charge, charge_id, options=[joinedload(each) for each in _RELATED])


def get_charge(charge_id: UUID) -> Charge:
    """The charge with this id; raises NotFound."""
    charge = find_charge(charge_id)
    if charge is None:
        raise NotFound(_("There is no charge with this number."))
    return charge


def find_charge_behind(payment: Payment) -> Charge | None:
    """The charge that a payment was made by; None for all that others made."""
    made_by = select(Charge).where(Charge.named_payment_id == payment.payment_id)
    return db.session.scalar(made_by.options(joinedload(Charge.requester)))


def list_charges_of(row: BillingKey) -> Sequence[Charge]:
    """The latest charges of a billing key, one more than are shown, newest first."""
    return db.session.scalars(
        select(Charge)
        .where(Charge.billing_key_id == row.id)
        .options(joinedload(Charge.requester))
        .order_by(Charge.created_at.desc(), Charge.id.desc())
        .limit(SHOWN_CHARGES + 1)
    ).all()


def find_twin(row_id: UUID, amount: int, currency: str, *, besides: UUID) -> Charge | None:
    """The last charge that took the same amount from the same key lately, may take it, or waits to."""
    twins = _same(row_id, amount, currency, besides).where(
        Charge.status.in_([*MAY_HAVE_TAKEN, ChargeStatus.AWAITING_APPROVAL]),
        Charge.created_at > clock.now() - REPEAT_WITHIN,
    )
    return db.session.scalar(twins.order_by(Charge.created_at.desc(), Charge.id.desc()).limit(1))


def find_twin_in_flight(row_id: UUID, amount: int, currency: str, *, besides: UUID) -> Charge | None:
    """The charge of the same amount from the same key whose outcome is not known, however old it is."""
    return db.session.scalar(_same(row_id, amount, currency, besides).where(Charge.status.in_(IN_FLIGHT)))


@contribute_amounts
def list_without_approval(
    row_id: UUID, currency: str, since: datetime, until: datetime, _plan_id: UUID | None = None
) -> list[tuple[datetime, int]]:
    """What was charged to a key, or perhaps, without a second person: when, and minor units.

    It counts together towards the threshold, or a large amount in small parts would go round it.
    """
    alone = (
        Charge.billing_key_id == row_id,
        Charge.currency == currency,
        Charge.approved_by.is_(None),
        Charge.status.in_(MAY_HAVE_TAKEN),
        Charge.created_at > since,
        Charge.created_at < until,
    )
    return [
        (at, amount)
        for at, amount in db.session.execute(select(Charge.created_at, Charge.amount).where(*alone))
    ]


def count_waiting_for(person_id: UUID) -> int:
    """How many charges wait for a second person and were asked for by somebody else than this one."""
    is_by_others = or_(Charge.requested_by.is_(None), Charge.requested_by != person_id)
    waiting = select(func.count()).where(Charge.status == ChargeStatus.AWAITING_APPROVAL, is_by_others)
    return db.session.scalar(waiting) or 0


def count_waiting_of(row: BillingKey) -> int:
    """How many charges of a billing key wait for a second person."""
    waiting = Charge.billing_key_id == row.id, Charge.status == ChargeStatus.AWAITING_APPROVAL
    return db.session.scalar(select(func.count()).where(*waiting)) or 0


def _same(row_id: UUID, amount: int, currency: str, besides: UUID) -> Select[Charge]:
    return select(Charge).where(
        Charge.billing_key_id == row_id,
        Charge.amount == amount,
        Charge.currency == currency,
        Charge.id != besides,
    )
