"""A state machine that tries to make a recurring plan charge twice for a period, or plan two charges at once.

Two workers and two people, a PortOne that fails in every way it can, processes that die between any two
commits or calls, webhooks late, twice and lost, and a clock that leaps by months. After every step the
schedules of PortOne's double are held against ours.
"""

import threading
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import select

from app import clock
from app.accounts.models import User
from app.billing_keys.models import BillingKey
from app.billing_keys.queries import find_billing_key
from app.billing_keys.service import sync_billing_key
from app.columns import new_id
from app.extensions import db
from app.schedules.models import UNANSWERED, ChargePlan, PaymentSchedule, PlanStatus
from app.schedules.periods import Cadence
from app.schedules.plans import (
    PlanChange,
    PlanWish,
    change_plan,
    create_plan,
    end_plan,
    pause_plan,
    resume_plan,
)
from app.schedules.service import Wish, recheck_schedule, request_schedule, revoke_schedules
from app.simulator.problems import Problem
from app.worker import Worker
from app.worker.duties import DUTIES
from tests.journeys import refund_machine
from tests.journeys.refund_machine import IMPATIENT, PATIENT

FAULTS = {
    "schedule_payment": (
        "done_then_silent",
        "silent",
        "broken_json",
        "proxy_error",
        "proxy_refuses",
        "throttled",
    ),
    "revoke_schedules": ("done_then_silent", "silent", "broken_json", "proxy_error"),
    "list_schedules": ("silent", "proxy_error", "throttled"),
    "get_schedule": ("silent", "broken_json", "proxy_error"),
    "webhook": ("twice", "late", "out_of_order", "lost", "never"),
}
OF_SCHEDULES = {"schedules of others", "plans of lost keys"}
OPEN_AT_PORTONE = {"SCHEDULED", "STARTED", "PENDING"}
#: Past a claim, a backoff, the key's life, a day, a period, several periods.
LEAPS = st.sampled_from([1, 13, 700, 9_060, 12_600, 86_400, 8 * 86_400, 32 * 86_400, 95 * 86_400])
CADENCES = st.sampled_from(
    [(Cadence.MONTHLY, 31), (Cadence.MONTHLY, 1), (Cadence.WEEKLY, 0), (Cadence.WEEKLY, 4)]
)
LINES = st.integers(0, 9)


@dataclass(frozen=True)
class Row:
    """What the invariants need of a schedule of ours."""

    id: UUID
    status: str
    payment_id: str
    plan_id: UUID | None
    period: int | None
    is_being_revoked: bool


class World(refund_machine.World):
    """What outlives an example; the books are kept of schedules, by the paymentId they were made under."""

    def __init__(
        self, app: Flask, simulator: Any, admins: list[User], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        super().__init__(app, simulator, admins, monkeypatch)
        duties = [duty for duty in DUTIES if duty.name in OF_SCHEDULES]
        self.workers = [Worker(app, threads=1, duties=duties) for _ in range(2)]
        schedule = simulator.schedule

        def keep_books(payment_id: str, *args: Any, **how: Any) -> Any:
            made = schedule(payment_id, *args, **how)
            self.made[payment_id].append(made["id"])
            return made

        monkeypatch.setattr(simulator, "schedule", keep_books)


class ScheduleMachine(RuleBasedStateMachine):
    """One billing key, its plans and single charges, and everything that can happen to them."""

    world: World

    @initialize(hears_webhooks=st.booleans(), cadence=CADENCES)
    def issue_key(self, hears_webhooks: bool, cadence: tuple[Cadence, int]) -> None:
        self.hears_webhooks = hears_webhooks
        self.simulator = self.world.simulator
        self.simulator.faults.clear()
        self.simulator.api_secret = self.world.secret
        self.world.line._timeout = IMPATIENT
        document = self.simulator.make_billing_key(customer_id=f"customer-{new_id()}")
        self.plain = document["billingKey"]
        with self.world.app.app_context():
            sync_billing_key(self.plain)
            key = find_billing_key(self.plain)
            assert key is not None
            self.key_id = key.id
        self.plan_ids: list[UUID] = []
        self.wishes: list[Wish] = []
        self._begin(cadence, 0)

    # What people do.

    @precondition(lambda self: len(self.plan_ids) < 2)
    @rule(cadence=CADENCES, line=LINES)
    def begin_a_plan(self, cadence: tuple[Cadence, int], line: int) -> None:
        self._begin(cadence, line)

    @rule(line=LINES, hours=st.sampled_from([1, 30]))
    def schedule_a_charge(self, line: int, hours: int) -> None:
        at = clock.now() + timedelta(hours=hours)
        self.wishes.append(Wish(new_id(), 5_000, "KRW", "단건", at))
        self._act("charge scheduled", line, lambda by: request_schedule(self.key_id, self.wishes[-1], by=by))

    @precondition(lambda self: self.wishes)
    @rule(line=LINES, is_at_once=st.booleans())
    def press_again(self, line: int, is_at_once: bool) -> None:
        wish = self.wishes[-1]
        if is_at_once:
            self._at_once(lambda by: request_schedule(self.key_id, wish, by=by))
        else:
            self._act("pressed again", line, lambda by: request_schedule(self.key_id, wish, by=by))

    @rule(what=st.sampled_from(["pause", "resume", "resume", "charge now", "change", "end"]), line=LINES)
    def decide(self, what: str, line: int) -> None:
        for plan_id in self.plan_ids:
            self._act(f"plan: {what}", line, lambda by, plan_id=plan_id: self._decide(plan_id, what, by))

    @rule(what=st.sampled_from(["resume", "charge now", "pause"]))
    def decide_at_once(self, what: str) -> None:
        for plan_id in self.plan_ids:
            self._at_once(lambda by, plan_id=plan_id: self._decide(plan_id, what, by))

    @rule(line=LINES)
    def revoke_by_hand(self, line: int) -> None:
        for row in self._rows()[-2:]:
            self._act("revoked", line, lambda by, row=row: revoke_schedules([row.id], "해지", by=by))

    @rule(line=LINES)
    def recheck(self, line: int) -> None:
        for row in self._rows()[-2:]:
            self._act("rechecked", line, lambda by, row=row: recheck_schedule(row.id, by=by))

    @rule(is_active=st.booleans())
    def switch_the_key(self, is_active: bool) -> None:
        self._count("key switched")
        with self.world.app.app_context():
            db.session.get_one(BillingKey, self.key_id).is_active = is_active
            db.session.commit()

    # What PortOne, the PG, the network and others do.

    @rule(
        what=st.sampled_from([(place, fault) for place, faults in FAULTS.items() for fault in faults]),
        times=st.integers(1, 4),
        silence=st.sampled_from(["timeout", "unreachable"]),
    )
    def something_will_go_wrong(self, what: tuple[str, str], times: int, silence: str) -> None:
        place, fault = what
        self._count(f"{place}: {fault}")
        self.world.silence = silence
        self.simulator.faults.next(place, fault, times=times, seconds=30 if fault == "late" else 0)

    @rule(is_secret_valid=st.sampled_from([True, True, True, False]))
    def all_is_well_but_perhaps_the_secret(self, is_secret_valid: bool) -> None:
        self._count("calm" if is_secret_valid else "secret expired")
        self.simulator.faults.clear()
        self.simulator.api_secret = self.world.secret if is_secret_valid else "another secret"

    @rule()
    def somebody_else_revokes(self) -> None:
        self._count("revoked elsewhere")
        for known in self._at_portone()[-1:]:
            with suppress(Problem):
                self.simulator.revoke_schedules([known["id"]])

    @precondition(lambda self: self.hears_webhooks)
    @rule(newest_first=st.booleans())
    def deliver(self, newest_first: bool) -> None:
        self._count("webhooks sent")
        self.simulator.outbox.flush(newest_first=newest_first)

    # What the machinery does.

    @rule(which=st.integers(0, 1), line=st.integers(0, 12))
    def work(self, which: int, line: int) -> None:
        self._count("worker ran")
        self.world.crash.arm(line)
        with self.world.process():
            self.world.workers[which].run_once()

    @rule(which=st.integers(0, 1), line=st.integers(0, 12))
    def a_charge_falls_due(self, which: int, line: int) -> None:
        self._fall_due(which, line)

    @rule(which=st.integers(0, 1), line=st.integers(0, 12), refusals=st.integers(0, 3))
    def a_charge_falls_due_and_may_be_refused(self, which: int, line: int, refusals: int) -> None:
        self.simulator.let_charges_fail(self.plain, refusals)
        self._fall_due(which, line)

    @rule(seconds=LEAPS)
    def time_passes(self, seconds: int) -> None:
        self._count("time passed")
        self.world.leap += timedelta(seconds=seconds)
        self.simulator.charge_due()

    # What must be true, whatever happened.

    @invariant()
    def one_charge_at_most_is_to_come_for_a_plan(self) -> None:
        of_plan = {row.payment_id: row.plan_id for row in self._rows() if row.plan_id}
        to_come = Counter(of_plan[each["paymentId"]] for each in self._at_portone(OPEN_AT_PORTONE, of_plan))
        assert all(number == 1 for number in to_come.values())

    @invariant()
    def a_period_is_charged_once_at_most(self) -> None:
        of_period = {row.payment_id: (row.plan_id, row.period) for row in self._rows() if row.plan_id}
        live = OPEN_AT_PORTONE | {"SUCCEEDED"}
        spent = Counter(of_period[each["paymentId"]] for each in self._at_portone(live, of_period))
        assert all(number == 1 for number in spent.values())

    @invariant()
    def no_intent_was_carried_out_twice(self) -> None:
        assert all(len(self.world.made[row.payment_id]) <= 1 for row in self._rows())
        assert {each["paymentId"] for each in self._at_portone()} <= {row.payment_id for row in self._rows()}

    @invariant()
    def what_we_call_an_end_is_one(self) -> None:
        at_portone = {each["paymentId"]: each["status"] for each in self._at_portone()}
        for row in self._rows():
            known = at_portone.get(row.payment_id)
            if row.status in {"succeeded", "failed", "revoked"}:
                assert known == row.status.upper()
            elif row.status == "refused":
                assert known is None

    def teardown(self) -> None:
        """PortOne answers again and the workers work: nothing stays behind, each plan has its next charge."""
        if not hasattr(self, "plan_ids"):
            return
        self.world.line._timeout = PATIENT
        self.simulator.faults.clear()
        self.simulator.api_secret = self.world.secret
        for _ in range(5):
            self.world.leap += timedelta(seconds=601)
            self.simulator.charge_due()
            if self.hears_webhooks:
                self.simulator.outbox.flush()
            for worker in self.world.workers:
                worker.run_once()
        for row in self._rows():
            assert row.status not in UNANSWERED, f"{row.status} though PortOne answers"
            assert not row.is_being_revoked
        self.one_charge_at_most_is_to_come_for_a_plan()
        self.a_period_is_charged_once_at_most()
        self.what_we_call_an_end_is_one()
        self._find_each_plan_going_on()
        self.world.outcomes.update(row.status for row in self._rows())

    def _find_each_plan_going_on(self) -> None:
        open_ids = {each["paymentId"] for each in self._at_portone(OPEN_AT_PORTONE)}
        coming = Counter(row.plan_id for row in self._rows() if row.payment_id in open_ids)
        with self.world.app.app_context():
            stored = db.session.scalars(select(ChargePlan).where(ChargePlan.id.in_(self.plan_ids))).all()
            told = [(plan.id, plan.status, plan.stop) for plan in stored]
        for plan_id, status, stop in told:
            assert coming[plan_id] == (status == PlanStatus.ACTIVE), f"{status}, {stop}"
            self.world.outcomes[f"plan {status} {stop or ''}".strip()] += 1

    def _fall_due(self, which: int, line: int) -> None:
        """Time leaps behind the next charge that PortOne has, and whoever is not dead hears of it."""
        self._count("charge fell due")
        to_come = [datetime.fromisoformat(it["timeToPay"]) for it in self._at_portone(OPEN_AT_PORTONE)]
        if to_come:
            self.world.leap += max(min(to_come) - clock.now(), timedelta()) + timedelta(minutes=2)
        self.simulator.charge_due()
        if self.hears_webhooks:
            self.simulator.outbox.flush()
        self.work(which, line)

    def _begin(self, cadence: tuple[Cadence, int], line: int) -> None:
        plan_id = new_id()
        starts_on = clock.today() + timedelta(days=1)
        wish = PlanWish(plan_id, cadence[0], cadence[1], 600, starts_on, 9_900, "KRW", "월간 멤버십")
        self.plan_ids.append(plan_id)
        self._act("plan begun", line, lambda by: create_plan(self.key_id, wish, by=by))

    def _decide(self, plan_id: UUID, what: str, by: User) -> None:
        if what == "pause":
            pause_plan(plan_id, "쉼", by=by)
        elif what == "end":
            end_plan(plan_id, "해지", by=by)
        elif what == "change":
            change_plan(plan_id, PlanChange(3, 615, 8_800, "연간", None, None), "변경", by=by)
        else:
            resume_plan(plan_id, "다시", by=by, charges_now=what == "charge now")

    def _act(self, step: str, line: int, act: Any) -> None:
        self._count(step)
        self.world.crash.arm(line)
        with self.world.process():
            act(self.world.admin(0))

    def _at_once(self, act: Any) -> None:
        self._count("at once")

        def press(number: int) -> None:
            with self.world.process():
                act(self.world.admin(number))

        threads = [threading.Thread(target=press, args=(number,)) for number in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _at_portone(self, statuses: Any = None, payment_ids: Any = None) -> list[dict[str, Any]]:
        """The schedules of our key at PortOne's double."""
        return [
            each
            for each in self.simulator.state.schedules(self.plain)
            if (statuses is None or each["status"] in statuses)
            and (payment_ids is None or each["paymentId"] in payment_ids)
        ]

    def _rows(self) -> list[Row]:
        """Our schedules of the key, in the order they were made."""
        with self.world.app.app_context():
            found = db.session.scalars(
                select(PaymentSchedule)
                .where(PaymentSchedule.billing_key_id == self.key_id)
                .order_by(PaymentSchedule.created_at, PaymentSchedule.id)
            )
            return [
                Row(row.id, row.status, row.payment_id, row.plan_id, row.period, row.is_being_revoked)
                for row in found
            ]

    def _count(self, step: str) -> None:
        self.world.steps[step] += 1
