"""What became of webhooks and cancellations in a period, and where our balances do not add up.

Each answer is bounded: what is rare is found through an index, what is many is counted up to a cap or looked
at in a sample, and the page says which.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask import current_app
from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select, text
from sqlalchemy.orm import joinedload, load_only

from app import clock
from app.config import Settings
from app.database import join_sum, sum_of
from app.extensions import db
from app.payments.models import Cancellation, Payment
from app.payments.queries import snapshot_of
from app.refunds.models import Refund, RefundStatus
from app.web.pagination import capped_count
from app.webhooks.models import WebhookLog, WebhookStatus

#: The most webhooks of a period that are counted, the newest first.
MOST_COUNTED = 50_000
#: Payments whose balance is held against their snapshot, the last changed first.
SNAPSHOTS_COMPARED = 1_000
#: Rows shown of each finding.
SHOWN = 50
#: A hold that is older needs somebody to look.
OLD_HOLD = timedelta(hours=1)
#: Refunds of so many days are held against PortOne's records.
REFUND_DAYS = 90

#: Spelled out, so that the partial index serves.
UNBALANCED = text(
    "payments.cancellable_amount <> payments.amount - payments.cancelled_amount"
    " AND payments.snapshot IS NOT NULL"
)


@dataclass(frozen=True, slots=True)
class Period:
    """From a moment, which is included, until another, which is not."""

    since: datetime
    until: datetime

    def holds(self, moment: Any) -> ColumnElement[bool]:
        """The condition that a column lies within."""
        return and_(moment >= self.since, moment < self.until)


@dataclass(frozen=True, slots=True)
class Drift:
    """A payment whose balance here is not what PortOne's snapshot says."""

    payment: Payment
    told: int


@dataclass(frozen=True, slots=True)
class Found:
    """Rows that should not be: how many (exact up to the cap), and the first of them."""

    count: int
    rows: Sequence[Any]


@dataclass(frozen=True, slots=True)
class WebhookCounts:
    """How many webhooks of each outcome: by day in Asia/Seoul, newest first, and by type, most first."""

    by_day: Mapping[str, Counter[str]]
    by_type: Mapping[str | None, Counter[str]]


@dataclass(frozen=True, slots=True)
class CancellationTotal:
    """The cancellations of one method, PG, currency and status: how many, and their sum in minor units."""

    method: str | None
    pg_provider: str | None
    currency: str
    status: str
    total: int
    amount: int


def count_webhooks(period: Period) -> WebhookCounts:
    """The webhooks of a period by day, by type and by outcome."""
    by_day: dict[str, Counter[str]] = {}
    by_type: dict[str | None, Counter[str]] = {}
    for day, webhook_type, status, total in _count_webhooks(period):
        by_day.setdefault(day, Counter())[status] += total
        by_type.setdefault(webhook_type, Counter())[status] += total
    most_first = sorted(by_type.items(), key=lambda each: -each[1].total())
    return WebhookCounts(dict(sorted(by_day.items(), reverse=True)), dict(most_first))


def _count_webhooks(period: Period) -> Sequence[Any]:
    newest = (
        select(_day_of(WebhookLog.created_at).label("day"), WebhookLog.webhook_type, WebhookLog.status)
        .where(period.holds(WebhookLog.created_at))
        .order_by(WebhookLog.created_at.desc())
        .limit(MOST_COUNTED)
        .subquery()
    )
    columns = newest.c.day, newest.c.webhook_type, newest.c.status
    return db.session.execute(select(*columns, func.count()).group_by(*columns)).all()


def count_failures(period: Period) -> Sequence[Any]:
    """Why webhooks failed, the most frequent reason first; rows of reason (msgid) and total."""
    is_failed = WebhookLog.status == WebhookStatus.FAILED, period.holds(WebhookLog.created_at)
    newest = select(WebhookLog.error_message).where(*is_failed).limit(MOST_COUNTED).subquery()
    return db.session.execute(
        select(newest.c.error_message.label("reason"), func.count().label("total"))
        .group_by(newest.c.error_message)
        .order_by(func.count().desc())
        .limit(SHOWN)
    ).all()


def find_failed(period: Period) -> Found:
    """The webhooks of a period that stand as failed, the last received first."""
    is_failed = WebhookLog.status == WebhookStatus.FAILED, period.holds(WebhookLog.created_at)
    statement = select(WebhookLog).where(*is_failed)
    newest = statement.options(joinedload(WebhookLog.payment)).order_by(WebhookLog.created_at.desc())
    return Found(capped_count(statement), db.session.scalars(newest.limit(SHOWN)).all())


def count_cancellations(period: Period) -> Sequence[CancellationTotal]:
    """Cancellations by method, PG, currency and status, of real payments.

    Those that succeeded count when they did, others when they were asked for. The largest amount comes first.
    """
    happened = or_(
        period.holds(Cancellation.cancelled_at),
        and_(Cancellation.cancelled_at.is_(None), period.holds(Cancellation.requested_at)),
    )
    settings: Settings = current_app.config["SETTINGS"]
    columns = Payment.method, Payment.pg_provider, Payment.currency, Cancellation.status
    counted = (
        select(*columns, func.count(), *sum_of(Cancellation.total_amount))
        .join_from(Cancellation, Payment)
        .where(happened, Payment.channel_type == settings.real_channel_type)
        .group_by(*columns)
    )
    found = [
        CancellationTotal(method, pg, currency, status, total, join_sum(*parts))
        for method, pg, currency, status, total, *parts in db.session.execute(counted)
    ]
    return sorted(found, key=lambda each: each.amount, reverse=True)


def find_unbalanced() -> Found:
    """Payments whose cancellable amount is not the amount less what was cancelled."""
    statement = select(Payment).where(UNBALANCED)
    shown = statement.options(_BALANCE).limit(SHOWN)
    return Found(capped_count(statement), db.session.scalars(shown).all())


def find_drift() -> Found:
    """Of the payments that changed last, those whose balance here is not what their snapshot says."""
    newest = (
        select(Payment)
        .where(Payment.snapshot.is_not(None))
        .order_by(Payment.changed_clock.desc(), Payment.id.desc())
        .limit(SNAPSHOTS_COMPARED)
        .options(_BALANCE, load_only(Payment.snapshot))
    )
    read = ((payment, snapshot_of(payment)) for payment in db.session.scalars(newest))
    drifts = [
        Drift(payment, snapshot.amount.cancellable)
        for payment, snapshot in read
        if snapshot is not None and snapshot.amount.cancellable != payment.cancellable_amount
    ]
    return Found(len(drifts), drifts[:SHOWN])


def find_refunds_without_cancellation() -> Found:
    """Refunds that succeeded, of which PortOne's snapshot has no cancellation that succeeded."""
    is_known = exists().where(
        Cancellation.payment_id == Refund.payment_id,
        Cancellation.cancellation_id == Refund.cancellation_id,
        Cancellation.status == "SUCCEEDED",
    )
    since = clock.now() - timedelta(days=REFUND_DAYS)
    is_done = Refund.status == RefundStatus.SUCCEEDED, Refund.created_at >= since
    return _found(select(Refund).where(*is_done, ~is_known))


def find_old_holds() -> Found:
    """Refunds that have held their amount for more than an hour without PortOne's answer."""
    holds = Refund.status.in_([RefundStatus.SENDING, RefundStatus.UNCERTAIN])
    since = func.coalesce(Refund.sent_at, Refund.created_at, type_=Refund.created_at.type)
    return _found(select(Refund).where(holds, since < clock.now() - OLD_HOLD))


_BALANCE = load_only(
    Payment.payment_id,
    Payment.order_name,
    Payment.currency,
    Payment.amount,
    Payment.cancelled_amount,
    Payment.cancellable_amount,
)


def _found(statement: Select[Refund]) -> Found:
    shown = statement.options(joinedload(Refund.payment)).order_by(Refund.created_at).limit(SHOWN)
    return Found(capped_count(statement), db.session.scalars(shown).all())


def _day_of(moment: Any) -> ColumnElement[str]:
    """The day in Asia/Seoul, as text; Korea has one offset all year."""
    if db.engine.dialect.name == "postgresql":
        return func.to_char(func.timezone("Asia/Seoul", moment), "YYYY-MM-DD")
    return func.date(func.substr(moment, 1, 19), "+9 hours")
