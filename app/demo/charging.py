"""Charges of the demo: some that went well, and one of each kind that a person has to look at."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import select

from app import clock
from app.access.permissions import Role
from app.accounts.models import User
from app.audit import service as audit
from app.billing_keys.models import BillingKey
from app.charges import approving, settling
from app.charges.checks import Wish
from app.charges.models import Charge, ChargeStatus
from app.charges.outcomes import key_in
from app.charges.service import new_charge, request_charge
from app.columns import new_id
from app.extensions import db
from app.settings.service import value_of
from app.simulator import Simulator

#: Amount in won, what for, and why, of those that PortOne is really asked for.
STORIES = (
    (9_900, "멤버십 7월분", "카드 한도 초과로 실패한 7월분 재청구. 고객 동의함"),
    (19_900, "프리미엄 구독 7월분", ""),
    (4_500, "배송비 추가분", "고객님 통화로 동의 받음"),
)


def tell_charges(simulator: Simulator, staff: Sequence[User]) -> None:
    """Charge billing keys as the staff would: charged, refused, waiting, rejected, and not decided yet."""
    support = next(person for person in staff if person.role == Role.ADMIN)
    keys = _keys("CARD", len(STORIES) + 3)
    if len(keys) < len(STORIES) + 3:  # a small store
        return
    for row_id, (amount, order_name, reason) in zip(keys, STORIES, strict=False):
        request_charge(row_id, _wish(row_id, amount, order_name, reason), by=support)
    refused, large, unwanted = keys[len(STORIES) :]
    _let_the_pg_refuse(simulator, refused, support)
    _wait_for_approval(large, _wish(large, 330_000, "연간 구독", "연간 결제로 바꾸신 고객"), support)
    rejected = _wait_for_approval(unwanted, _wish(unwanted, 55_000, "위약금"), support)
    approving.reject_charge(rejected, by=staff[0], note="위약금은 빌링키로 청구하지 않습니다.")
    for row_id in _keys("PAYPAL", 1):
        _wait_for_the_pg(simulator, row_id, support)


def _keys(method: str, number: int) -> Sequence[UUID]:
    usable = (
        select(BillingKey.id)
        .where(BillingKey.status == "ISSUED", BillingKey.is_active, BillingKey.method == method)
        .where(BillingKey.customer_name.is_not(None))
        .order_by(BillingKey.registered_clock.desc(), BillingKey.id)
        .limit(number)
    )
    return db.session.scalars(usable).all()


def _wish(row_id: UUID, amount: int, order_name: str, reason: str = "") -> Wish:
    name = db.session.get_one(BillingKey, row_id).customer_name
    return Wish(new_id(), amount, "KRW", order_name, customer_name=name, reason=reason)


def _let_the_pg_refuse(simulator: Simulator, row_id: UUID, by: User) -> None:
    row = db.session.get_one(BillingKey, row_id)
    billing_key = key_in(row)
    db.session.commit()
    if billing_key:
        simulator.let_charges_fail(billing_key, 1)
        request_charge(row_id, _wish(row_id, 29_900, "멤버십 8월분"), by=by)


def _wait_for_approval(row_id: UUID, wish: Wish, by: User) -> UUID:
    """A large charge that support asked for an hour ago."""
    with clock.fixed_at(clock.now() - timedelta(hours=1)):
        charge = _stored(row_id, wish, by, ChargeStatus.AWAITING_APPROVAL)
        charge.expires_at = clock.now() + timedelta(hours=value_of("charge_approval_hours"))
        db.session.commit()
    return wish.intent


def _wait_for_the_pg(simulator: Simulator, row_id: UUID, by: User) -> None:
    """A charge of twenty minutes ago that its PG has not decided about."""
    wish = _wish(row_id, 14_900, "해외 회원 구독")
    with clock.fixed_at(clock.now() - timedelta(minutes=20)):
        charge = _stored(row_id, wish, by, ChargeStatus.SENDING)
        charge.sent_at = clock.now()
        db.session.commit()
    simulator.make_payment(
        payment_id=wish.payment_id,
        status="PAY_PENDING",
        total=wish.amount,
        order_name=wish.order_name,
        method="EASY_PAY",
        pg_provider="PAYPAL_V2",
    )
    settling.follow(wish.intent)


def _stored(row_id: UUID, wish: Wish, by: User, status: ChargeStatus) -> Charge:
    charge = new_charge(db.session.get_one(BillingKey, row_id), wish, by)
    charge.status = status
    db.session.add(charge)
    facts = {"amount": wish.amount, "currency": wish.currency, "reason": wish.reason}
    audit.record("charge.requested", "charge", str(wish.intent), by=by, after={"status": status}, facts=facts)
    return charge
