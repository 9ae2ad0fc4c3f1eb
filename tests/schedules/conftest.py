"""A billing key at PortOne's double, a clock that tests move, and workers that do all that is due."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from app import clock
from app.accounts.models import User
from app.billing_keys.models import BillingKey
from app.billing_keys.queries import find_billing_key
from app.billing_keys.service import sync_billing_key
from app.columns import new_id
from app.extensions import db
from app.schedules.models import ChargePlan, PaymentSchedule
from app.schedules.periods import Cadence
from app.schedules.plans import PlanWish, create_plan
from app.schedules.service import Wish, request_schedule
from app.worker import Worker
from app.worker.duties import stop_plans_of_lost_keys
from app.worker.inboxes import INBOXES
from app.worker.tasks import Duty

#: Ten in the morning in Seoul.
START = datetime(2026, 12, 10, 1, 0, tzinfo=UTC)


class Time:
    """The clock of us and of PortOne's double alike, which stands until it is moved."""

    def __init__(self) -> None:
        self.now = START

    def pass_by(self, **span: float) -> None:
        self.now += timedelta(**span)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    standing = Time()
    monkeypatch.setattr(clock, "now", lambda: standing.now)
    return standing


@pytest.fixture
def double(time: Time, simulator: Any, app: Flask, monkeypatch: pytest.MonkeyPatch) -> Any:
    """PortOne's double, on the clock of the test; whoever repeats a call does so at once."""
    monkeypatch.setattr(app.extensions["portone"]._transport, "_sleep", lambda seconds: None)
    return simulator


@pytest.fixture
def key(double: Any) -> BillingKey:
    """A billing key of a customer."""
    document = double.make_billing_key(customer_id="customer-9", customer_name="한지우")
    sync_billing_key(document["billingKey"])
    found = find_billing_key(document["billingKey"])
    assert found is not None
    return found


@pytest.fixture
def work(app: Flask, double: Any, time: Time) -> Callable[..., None]:
    """Let time pass, PortOne do what is due and tell us, and a worker do all that is due then."""
    client = app.test_client()
    double.outbox.url = "http://portico.example/webhooks/portone"
    double.outbox.send = lambda message: client.post(
        "/webhooks/portone", data=message.body, headers=message.headers
    )
    worker = Worker(app, threads=1, inboxes=INBOXES, duties=[Duty("lost keys", 1, stop_plans_of_lost_keys)])

    def run(**span: float) -> None:
        time.pass_by(**span)
        db.session.commit()
        double.charge_due()
        double.outbox.flush()
        worker.run_once()
        db.session.expire_all()

    return run


def make_schedule(
    key: BillingKey, by: User, *, ahead: timedelta = timedelta(days=3), **values: Any
) -> PaymentSchedule:
    """A schedule that a person has asked for."""
    defaults = {"intent": new_id(), "amount": 19_900, "currency": "KRW", "order_name": "월간 멤버십"}
    wish = Wish(**{**defaults, "time_to_pay": clock.now() + ahead, **values})
    request_schedule(key.id, wish, by=by)
    return db.session.get_one(PaymentSchedule, wish.intent, populate_existing=True)


def make_plan(key: BillingKey, by: User, **values: Any) -> ChargePlan:
    """A plan of every month on the 31st at 10:00, unless told otherwise."""
    defaults: dict[str, Any] = {
        "intent": new_id(),
        "cadence": Cadence.MONTHLY,
        "day": 31,
        "minute": 600,
        "starts_on": date(2026, 12, 20),
        "amount": 9_900,
        "currency": "KRW",
        "order_name": "월간 멤버십",
    }
    wish = PlanWish(**{**defaults, **values})
    create_plan(key.id, wish, by=by)
    return db.session.get_one(ChargePlan, wish.intent, populate_existing=True)


def rows_of(plan: ChargePlan) -> list[PaymentSchedule]:
    """All schedules of a plan, in the order they were made."""
    mine = select(PaymentSchedule).where(PaymentSchedule.plan_id == plan.id)
    ordered = mine.order_by(PaymentSchedule.period, PaymentSchedule.plan_try)
    return list(db.session.scalars(ordered.execution_options(populate_existing=True)))
