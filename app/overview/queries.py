"""What needs a person now, a day's figures, and whether a new install is complete."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from flask import current_app
from sqlalchemy import (
    ColumnElement,
    Numeric,
    Select,
    String,
    and_,
    case,
    cast,
    exists,
    func,
    literal,
    null,
    select,
    union_all,
)
from sqlalchemy.orm import aliased

from app import clock
from app.charges.listing import is_real as charges_real_money
from app.charges.models import Charge, ChargeStatus
from app.config import Settings
from app.database import sum_of, whole_sum
from app.drift.models import OPEN_ROWS, Drift
from app.extensions import db, portone
from app.leases import Lease
from app.money import Money
from app.payments.filters import FLAGS
from app.payments.models import Cancellation, Payment
from app.refunds.models import Refund, RefundStatus
from app.schedules.listing import is_in_trouble
from app.schedules.listing import is_real as is_real_charge
from app.schedules.missing import missing_keys
from app.schedules.models import ChargePlan, PaymentSchedule, ScheduleStatus
from app.webhooks.gaps import is_missing
from app.webhooks.models import WebhookGap, WebhookLog, WebhookStatus
from app.worker.loop import ALIVE_SECONDS, SIGN_OF_LIFE

#: Sent or processed within seconds, as long as a worker lives and PortOne answers.
OVERDUE = timedelta(minutes=1)

#: How many days banks work on a transfer to a customer before somebody should ask.
TRANSFER_DAYS = 2

#: How long a failed charge that nobody tries again is news.
FAILED_CHARGE_DAYS = 14

_ANY_REFUND = aliased(Refund)
_ANY_CHARGE = aliased(Charge)
_ANY_WEBHOOK = aliased(WebhookLog)


@dataclass(frozen=True, slots=True)
class Concern:
    """Rows that need a person: how many, how much real money by currency, and the list of exactly them."""

    kind: str
    count: int
    amounts: tuple[Money, ...]
    endpoint: str
    query: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Figures:
    """What was paid and what was cancelled on a day, in minor units of one currency; no test payments."""

    currency: str
    paid: int = 0
    paid_count: int = 0
    cancelled: int = 0
    cancelled_count: int = 0

    @property
    def net(self) -> int:
        """What was paid less what was cancelled; below zero where more went back than came in."""
        return self.paid - self.cancelled


@dataclass(frozen=True, slots=True)
class _Watch:
    """A kind of concern: its rows counted and summed by currency, and the list that shows exactly them."""

    kind: str
    counted: Select[Any]
    endpoint: str
    query: dict[str, Any]


def list_concerns() -> Sequence[Concern]:
    """Everything that needs a person now, most money at risk first; what has no rows is left out."""
    watches = _watches()
    counted = db.session.execute(union_all(*(watch.counted for watch in watches))).all()
    concerns = []
    for watch in watches:
        rows = [row for row in counted if row.kind == watch.kind]
        if count := sum(row.rows for row in rows):
            amounts = tuple(Money(amount, row.currency) for row in rows if (amount := whole_sum(row)))
            concerns.append(Concern(watch.kind, count, amounts, watch.endpoint, watch.query))
    return concerns


def list_figures(day: date) -> Sequence[Figures]:
    """The figures of a day in Asia/Seoul by currency; won come first, and stand there even without a sale."""
    paid = _summed("paid", Payment.amount).where(_is_on(day, Payment.paid_at), is_real())
    cancelled = (
        _summed("cancelled", Cancellation.total_amount)
        .join_from(Cancellation, Payment)
        .where(_is_on(day, Cancellation.cancelled_at), Cancellation.status == "SUCCEEDED", is_real())
    )
    found: dict[str, dict[str, int]] = {"KRW": {}}
    for row in db.session.execute(union_all(paid, cancelled)):
        sums = {row.kind: whole_sum(row), f"{row.kind}_count": row.rows}
        found.setdefault(row.currency, {}).update(sums)
    currencies = sorted(found, key=lambda currency: (currency != "KRW", currency))
    return [Figures(currency, **found[currency]) for currency in currencies]


def has_payments() -> bool:
    """Whether any payment is known here; a new install knows none."""
    return _is_there(select(Payment.id))


def has_authentic_webhook() -> bool:
    """Whether a message that PortOne signed has ever arrived."""
    return _is_there(select(WebhookLog.id).where(WebhookLog.status != WebhookStatus.REJECTED))


def has_live_worker() -> bool:
    """Whether a worker gave a sign of life that still holds."""
    return _is_there(select(Lease.name).where(Lease.name.like("worker:%"), Lease.expires_at > clock.now()))


def last_sign_of_life() -> datetime | None:
    """When a worker was last seen; a dead one's sign is forgotten a minute later by those that live."""
    last = db.session.scalar(
        select(func.max(Lease.expires_at)).where(Lease.name.startswith(SIGN_OF_LIFE, autoescape=True))
    )
    return last - timedelta(seconds=ALIVE_SECONDS) if last else None


def find_oldest_waiting_webhook() -> datetime | None:
    """When the message arrived that has waited longest; None when none waits."""
    waiting = select(func.min(WebhookLog.created_at)).where(WebhookLog.status == WebhookStatus.RECEIVED)
    return db.session.scalar(waiting)


def count_payments_at_portone() -> int:
    """How many payments the store has, by PortOne's own count: a cheap question that tests the settings.

    Raises `PortOneRefused` or `PortOneUncertain`.
    """
    db.session.rollback()  # no transaction is open while PortOne is asked
    return portone.list_payments(size=1).total


def is_real() -> ColumnElement[bool]:
    """That a payment is of the channel type which counts as real money."""
    settings: Settings = current_app.config["SETTINGS"]
    return Payment.channel_type == settings.real_channel_type


def last_slow_day(today: date) -> date:
    """A transfer under way since this day, or longer, has had its business days in full.

    Public holidays are not known here: around them a transfer counts as slow a little early.
    """
    day, business_days = today, 0
    while business_days <= TRANSFER_DAYS:
        day -= timedelta(days=1)
        business_days += day.weekday() < 5
    return day


def _watches() -> list[_Watch]:
    """Every kind there is, in the order of the page; a condition is what the filter in the link means."""
    yesterday, slow = clock.today() - timedelta(days=1), last_slow_day(clock.today())
    return [
        _refunds("uncertain_refunds", RefundStatus.UNCERTAIN),
        _refunds("stuck_refunds", RefundStatus.SENDING, _has_overdue_refund()),
        _charges("uncertain_charges", ChargeStatus.UNCERTAIN),
        _charges("stuck_charges", ChargeStatus.SENDING, _has_overdue_charge()),
        _mismatched(),
        _webhooks("failed_webhooks", WebhookStatus.FAILED),
        _webhooks("waiting_webhooks", WebhookStatus.RECEIVED, _has_overdue_webhook()),
        _drifts(),
        _payments("failed_transfers", "account_refund_failed"),
        _payments(
            "slow_transfers",
            "account_refund_pending",
            Payment.changed_clock < clock.start_of_day(slow + timedelta(days=1)),
            to=slow.isoformat(),
        ),
        _payments("open_disputes", "open_dispute"),
        _payments("pending_cancellations", "pending_cancellation"),
        _webhooks(
            "rejected_webhooks",
            WebhookStatus.REJECTED,
            WebhookLog.created_at >= clock.start_of_day(yesterday),
            **{"from": yesterday.isoformat()},
        ),
        _missing_webhooks("missing_webhooks", yesterday),
        _plans_in_trouble("stopped_plans"),
        _failed_charges("failed_charges", clock.today() - timedelta(days=FAILED_CHARGE_DAYS)),
        _Watch("missing_charges", _missing_charges("missing_charges"), "schedules.missing_next", {}),
        _refunds("refunds_to_approve", RefundStatus.AWAITING_APPROVAL),
        _charges("charges_to_approve", ChargeStatus.AWAITING_APPROVAL),
    ]


def _refunds(kind: str, status: RefundStatus, *conditions: ColumnElement[bool]) -> _Watch:
    """Refunds of a status. Those of test payments are in the list and in the count, not in the sum."""
    counted = _summed(kind, case((is_real(), Refund.amount), else_=0)).join_from(Refund, Payment)
    return _Watch(
        kind, counted.where(Refund.status == status, *conditions), "refunds.index", {"status": status.value}
    )


def _charges(kind: str, status: ChargeStatus, *conditions: ColumnElement[bool]) -> _Watch:
    """Charges of a status. Those of test channels are in the list and in the count, not in the sum."""
    amount = case((charges_real_money(), Charge.amount), else_=0)
    counted = _summed(kind, amount, Charge.currency).select_from(Charge).join(Charge.billing_key)
    return _Watch(
        kind, counted.where(Charge.status == status, *conditions), "charges.index", {"status": status.value}
    )


def _webhooks(kind: str, status: WebhookStatus, *conditions: ColumnElement[bool], **query: str) -> _Watch:
    rows = _counted(kind, WebhookLog.id).where(WebhookLog.status == status, *conditions)
    return _Watch(kind, rows, "webhooks.index", {"status": status.value, **query})


def _missing_webhooks(kind: str, first: date) -> _Watch:
    since = WebhookGap.triggered_at >= clock.start_of_day(first)
    rows = _counted(kind, WebhookGap.id).where(*is_missing(), since)
    return _Watch(kind, rows, "webhooks.missing", {"from": first.isoformat()})


def _plans_in_trouble(kind: str) -> _Watch:
    """Recurring plans that stand still though nobody wished it; what each owes is in the sum."""
    counted = _summed(kind, ChargePlan.amount, ChargePlan.currency).where(is_in_trouble())
    return _Watch(kind, counted, "plans.index", {"stop": "trouble"})


def _failed_charges(kind: str, first: date) -> _Watch:
    """Scheduled charges of late that failed and that no plan tries again."""
    amount = case((is_real_charge(), PaymentSchedule.amount), else_=0)
    failed = (
        _summed(kind, amount, PaymentSchedule.currency)
        .outerjoin(PaymentSchedule.billing_key)
        .where(PaymentSchedule.status == ScheduleStatus.FAILED, PaymentSchedule.plan_id.is_(None))
        .where(PaymentSchedule.time_to_pay >= clock.start_of_day(first))
    )
    query = {"status": "failed", "origin": "unplanned", "from": first.isoformat()}
    return _Watch(kind, failed, "schedules.index", query)


def _missing_charges(kind: str) -> Select[Any]:
    return _counted(kind, missing_keys().subquery().c.billing_key_id)


def _counted(kind: str, what: Any) -> Select[Any]:
    return select(
        literal(kind).label("kind"),
        cast(null(), String).label("currency"),
        func.count(what).label("rows"),
        cast(null(), Numeric).label("high"),
        cast(null(), Numeric).label("low"),
    )


def _payments(kind: str, flag: str, *conditions: ColumnElement[bool], **query: str) -> _Watch:
    """Real payments about which something is unsettled; how much of each is at risk, its page tells."""
    rows = _summed(kind, literal(0)).where(FLAGS[flag](Payment), is_real(), *conditions)
    return _Watch(kind, rows, "payments.index", {"flag": flag, "real": "1", **query})


def _mismatched() -> _Watch:
    """Payments that are not what the store announced, test channels included: that may be how they differ."""
    rows = _summed("mismatched_payments", Payment.amount).where(FLAGS["mismatched"](Payment))
    return _Watch("mismatched_payments", rows, "payments.index", {"flag": "mismatched"})


def _drifts() -> _Watch:
    """Differences from PortOne that a person has to judge. Test payments are counted, not summed."""
    amount = case((is_real(), Drift.amount), else_=0)
    rows = _summed("drifts", amount).join_from(Drift, Payment).where(OPEN_ROWS)
    return _Watch("drifts", rows, "drift.index", {})


def _summed(kind: str, amount: Any, currency: Any = Payment.currency) -> Select[Any]:
    return select(
        literal(kind).label("kind"),
        currency.label("currency"),
        func.count().label("rows"),
        *sum_of(amount),
    ).group_by(currency)


def _has_overdue_refund() -> ColumnElement[bool]:
    since = func.coalesce(_ANY_REFUND.sent_at, _ANY_REFUND.created_at)
    return exists().where(_ANY_REFUND.status == RefundStatus.SENDING, since < clock.now() - OVERDUE)


def _has_overdue_charge() -> ColumnElement[bool]:
    since = func.coalesce(_ANY_CHARGE.sent_at, _ANY_CHARGE.created_at)
    return exists().where(_ANY_CHARGE.status == ChargeStatus.SENDING, since < clock.now() - OVERDUE)


def _has_overdue_webhook() -> ColumnElement[bool]:
    is_waiting = _ANY_WEBHOOK.status == WebhookStatus.RECEIVED
    return exists().where(is_waiting, _ANY_WEBHOOK.created_at < clock.now() - OVERDUE)


def _is_on(day: date, moment: Any) -> ColumnElement[bool]:
    return and_(moment >= clock.start_of_day(day), moment < clock.start_of_day(day + timedelta(days=1)))


def _is_there(rows: Select[Any]) -> bool:
    return db.session.scalar(rows.limit(1)) is not None
