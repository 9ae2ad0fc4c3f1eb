"""Recurring plans of the demo, one of each state, with the charges they have made so far."""

from datetime import datetime, timedelta
from typing import Any

from app import clock
from app.accounts.models import User
from app.audit import service as audit
from app.billing_keys.models import BillingKey
from app.billing_keys.queries import find_billing_key
from app.billing_keys.service import sync_billing_key
from app.columns import new_id
from app.encryption import vault
from app.extensions import db
from app.payments.snapshots import store_snapshot
from app.portone.payloads import PaymentSnapshot
from app.schedules import advancing, mirror
from app.schedules.models import ChargePlan, PlanStatus, ScheduleStatus, Stop
from app.schedules.periods import Cadence, anchor_of
from app.schedules.service import Wish, new_row, request_schedule
from app.simulator import Simulator

#: So many periods lie behind each plan.
PAST_PERIODS = 3

#: Customer, what they pay for, how much, and the outcomes of the tries of the period at hand.
SUBSCRIBERS: tuple[tuple[str, str, int, tuple[str, ...]], ...] = (
    ("강하늘", "월간 멤버십", 19_900, ()),
    ("남궁서윤", "주간 꽃 구독", 12_000, ()),
    ("문지호", "월간 멤버십", 19_900, ("failed",)),
    ("배수아", "커피 원두 정기배송", 24_000, ("failed", "failed", "failed")),
    ("선우진", "월간 멤버십", 19_900, ("revoked",)),
    ("황보라", "영양제 정기배송", 33_000, ("revoked",)),
)
WEEKLY = "주간 꽃 구독"
#: Subscribers of the store's own, whom nobody has scheduled again.
FORGOTTEN = ("탁은채", "피현우")


def tell_plans(simulator: Simulator, staff: list[User]) -> None:
    """Write plans of every state, schedule what comes next, and mirror the store's own."""
    for number, (name, order_name, amount, tries) in enumerate(SUBSCRIBERS):
        key = _issue_key(simulator, name)
        plan = _begin(key, order_name, amount, by=staff[number % len(staff)])
        charged = PAST_PERIODS - ("failed" in tries)  # what fails is the last one that was due
        for period in range(charged):
            _charge(simulator, plan, period, 1, ScheduleStatus.SUCCEEDED)
        plan.next_period = charged
        _tell_period_at_hand(simulator, plan, tries)
        db.session.commit()
        advancing.advance(plan.id)
    for name in FORGOTTEN:
        _forget(simulator, name)
    _schedule_single(_issue_key(simulator, "현빈나"), by=staff[-1])
    mirror.sync_schedules()


def _issue_key(simulator: Simulator, name: str) -> BillingKey:
    issued_at = clock.now() - timedelta(days=140)
    document = simulator.make_billing_key(
        customer_id=f"member-{name}",
        customer_name=name,
        customer_email=None,
        customer_phone=None,
        issued_at=issued_at,
    )
    sync_billing_key(document["billingKey"])
    key = find_billing_key(document["billingKey"])
    assert key is not None  # noqa: S101 - it was stored a line above
    return key


def _begin(key: BillingKey, order_name: str, amount: int, *, by: User) -> ChargePlan:
    """A plan whose last full period ended a few days ago."""
    last = clock.today() - timedelta(days=4)
    cadence = Cadence.WEEKLY if order_name == WEEKLY else Cadence.MONTHLY
    day = (last.weekday() + 1) % 7 if cadence == Cadence.WEEKLY else last.day
    span = timedelta(weeks=1) if cadence == Cadence.WEEKLY else timedelta(days=30)
    starts_on = last - (PAST_PERIODS - 1) * span - timedelta(days=2)
    plan = ChargePlan(
        id=new_id(),
        billing_key_id=key.id,
        status=PlanStatus.ACTIVE,
        cadence=cadence,
        day=day,
        minute=600,
        anchor=anchor_of(cadence, day, starts_on),
        starts_on=starts_on,
        amount=amount,
        currency="KRW",
        order_name=order_name,
        created_by=by.id,
        created_at=clock.start_of_day(starts_on) - timedelta(days=3),
    )
    db.session.add(plan)
    db.session.flush()
    with clock.fixed_at(plan.created_at):
        audit.record("plan.created", "plan", plan.id, by=by, facts={"amount": amount, "currency": "KRW"})
    return plan


def _tell_period_at_hand(simulator: Simulator, plan: ChargePlan, tries: tuple[str, ...]) -> None:
    """What has become of the period that follows those that were charged."""
    for number, status in enumerate(tries, start=1):
        _charge(simulator, plan, plan.next_period, number, ScheduleStatus(status))
    if tries.count("failed") == PAST_PERIODS:
        _stop(plan, PlanStatus.PAUSED, Stop.FAILURES)
    elif tries == ("revoked",):
        is_pause = plan.order_name == "월간 멤버십"
        _stop(plan, PlanStatus.PAUSED if is_pause else PlanStatus.ENDED, Stop.PERSON)
        plan.note = "고객 요청으로 잠시 쉼" if is_pause else "고객 해지"


def _stop(plan: ChargePlan, status: PlanStatus, stop: Stop) -> None:
    plan.status, plan.stop, plan.stopped_at = status, stop, clock.now() - timedelta(days=1)
    audit.record(f"plan.{status}", "plan", plan.id, facts={"stop": stop})


def _charge(simulator: Simulator, plan: ChargePlan, period: int, number: int, status: ScheduleStatus) -> None:
    """A charge of the past, at PortOne's double and here."""
    at = plan.rhythm.due_at(period)
    if status == ScheduleStatus.FAILED:  # the last try was a little while ago
        at = clock.now() - timedelta(days=3 - number, hours=2)
    wish = Wish(new_id(), plan.amount, plan.currency, plan.order_name, at)
    row = new_row(plan.billing_key, wish)
    row.plan_id, row.period, row.plan_try, row.status = plan.id, period, number, status
    row.created_at = row.sent_at = at - timedelta(days=25)
    row.started_at = row.completed_at = at if status != ScheduleStatus.REVOKED else None
    row.revoked_at = clock.now() - timedelta(days=1) if status == ScheduleStatus.REVOKED else None
    plain = vault().open(plan.billing_key.billing_key_encrypted or "")
    document = simulator.make_schedule(
        plain,
        time_to_pay=at,
        total=plan.amount,
        order_name=plan.order_name,
        payment_id=row.payment_id,
        status=status.upper(),
        created_at=row.created_at,
    )
    row.schedule_id = document["id"]
    db.session.add(row)
    if status != ScheduleStatus.REVOKED:
        _pay(simulator, plan.billing_key, document, is_paid=status == ScheduleStatus.SUCCEEDED)


def _pay(simulator: Simulator, key: BillingKey, schedule: dict[str, Any], *, is_paid: bool) -> None:
    """The payment that a schedule of the past has become, with our copy of it."""
    payment = simulator.make_payment(
        status="PAID" if is_paid else "FAILED",
        total=schedule["totalAmount"],
        payment_id=schedule["paymentId"],
        order_name=schedule["orderName"],
        customer_id=key.user.customer_id if key.user else None,
        customer_name=key.customer_name,
        customer_email=None,
        customer_phone=None,
        requested_at=datetime.fromisoformat(schedule["timeToPay"]),
        platform_type="API",
        extra={"scheduleId": schedule["id"], "billingKey": schedule["billingKey"]},
    )
    store_snapshot(PaymentSnapshot.from_raw(payment), read_at=clock.now())


def _forget(simulator: Simulator, name: str) -> None:
    """A subscriber whom the store itself has charged every month, and not scheduled again."""
    key = _issue_key(simulator, name)
    plain = vault().open(key.billing_key_encrypted or "")
    for days in (73, 43, 13):
        at = clock.now() - timedelta(days=days)
        document = simulator.make_schedule(plain, time_to_pay=at, status="SUCCEEDED")
        _pay(simulator, key, document, is_paid=True)


def _schedule_single(key: BillingKey, *, by: User) -> None:
    at = clock.start_of_day(clock.today() + timedelta(days=9)) + timedelta(hours=14)
    request_schedule(key.id, Wish(new_id(), 57_000, "KRW", "촬영 잔금", at), by=by)
