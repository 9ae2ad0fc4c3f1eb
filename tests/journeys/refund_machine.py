"""A state machine that tries to make the refund desk give money back twice.

Two admins, two workers, a PortOne that fails in every way it can, processes that die between any two
commits, and a clock that leaps. After every step the books of PortOne's double are held against ours.
"""

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import select

from app import clock
from app.accounts.models import User
from app.columns import new_id
from app.errors import DomainError
from app.extensions import db
from app.payments.models import Payment
from app.payments.queries import get_payment
from app.payments.service import sync_payment
from app.payments.snapshots import store_snapshot
from app.portone import transport
from app.portone.errors import PortOneError, PortOneUncertain
from app.portone.payloads import PaymentSnapshot
from app.refunds import balance
from app.refunds.approving import approve_refund, reject_refund, withdraw_refund
from app.refunds.models import HOLDING, IN_FLIGHT, Refund, RefundStatus
from app.refunds.service import Wish, recheck_refund, request_refund
from app.settings import service as settings
from app.simulator.cancel_request import CancelRequest
from app.simulator.problems import Problem
from app.worker import Worker
from app.worker.duties import DUTIES
from tests.conftest import Browser
from tests.factories import make_wish

#: Kinds of payments: how it was paid, at which PG, and how much of TOTAL is tax-free.
KINDS = {
    "card": {"method": "CARD"},
    "mixed tax": {"method": "CARD", "tax_free": 8_000},
    "virtual account": {"method": "VIRTUAL_ACCOUNT"},
    "asynchronous": {"method": "EASY_PAY", "pg_provider": "PAYPAL_V2"},
}
TOTAL = 24_000
#: What a person asks for; several equal amounts fit into one payment, so that they can be mistaken.
AMOUNTS = st.sampled_from([3_000, 4_000, 8_000, None])
#: How a form is sent: `die` between two commits, PortOne works on it for `slow`, both admins press at once.
WAYS = st.sampled_from(["plain", "die", "die", "slow", "at once"])
OTHERS = st.sampled_from(["console", "another server", "another server", "card company"])
FAULTS = {
    "cancel": (
        "done_then_silent",
        "silent",
        "broken_json",
        "proxy_error",
        "proxy_refuses",
        "portal",
        "redirect",
        "throttled",
        "pg_refuses",
        "requested",
        "requested_then_failed",
        "failed",
    ),
    "get_payment": ("silent", "broken_json", "proxy_error", "proxy_refuses", "throttled"),
    "webhook": ("twice", "late", "out_of_order", "lost"),
}
DECISIONS = st.sampled_from(["approve", "approve", "approve", "reject", "withdraw"])
#: Above this a second person decides, in the stories where one is asked.
THRESHOLD = 3_500
#: What the worker does beside its inboxes, as far as it concerns refunds.
OF_REFUNDS = {"payments in motion", "refunds that waited too long"}
#: Past nothing, the sender's time, a claim, an unreadable request, a backoff, the key, all of it.
LEAPS = st.sampled_from([1, 9, 13, 130, 660, 9_060, 12_600])
#: A payment, and what is wished for it.
Form = tuple[str, Wish]
#: A call that PortOne still works on is over by then.
LONGEST_CALL_SECONDS = 60
#: Seconds to connect and to read: PortOne's double is next door, so that silence costs little.
IMPATIENT, PATIENT = (5.0, 0.25), (5.0, 10.0)


class PowerCut(BaseException):
    """The process is gone at this line."""


@dataclass
class Crash:
    """Ends the thread that armed it at the `countdown`-th commit or call, before or after it."""

    countdown: int = 0
    thread: int = 0

    def arm(self, countdown: int) -> None:
        self.countdown, self.thread = countdown, threading.get_ident()

    def disarm(self) -> None:
        self.countdown = 0

    def pass_by(self) -> None:
        if self.countdown and self.thread == threading.get_ident():
            self.countdown -= 1
            if self.countdown == 0:
                raise PowerCut

    def watch(self, act: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*args: Any, **kwargs: Any) -> Any:
            self.pass_by()
            result = act(*args, **kwargs)
            self.pass_by()
            return result

        return watched


class World:
    """What outlives an example: the app, PortOne's double, the admins, the workers, and the clock.

    What it is about stands in the class: the call that moves money, the setting above which a second person
    decides, and what the worker does beside its inboxes.
    """

    call = "cancel"
    threshold = ("refund_approval_threshold", THRESHOLD)
    of_the_worker = OF_REFUNDS

    def __init__(
        self, app: Flask, simulator: Any, admins: list[User], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.app, self.simulator = app, simulator
        self.admin_ids = [admin.id for admin in admins]
        duties = [duty for duty in DUTIES if duty.name in self.of_the_worker]
        self.workers = [Worker(app, threads=1, duties=duties) for _ in range(2)]
        self.steps: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.crash = Crash()
        self.silence = "timeout"
        self.made: defaultdict[str, list[str]] = defaultdict(list)
        self.keys_used: defaultdict[str, set[str]] = defaultdict(set)
        self.leap = timedelta()
        self.secret = simulator.api_secret
        db.session.commit()
        self._patch(monkeypatch)
        self._receive_webhooks()

    def _patch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(clock, "now", lambda: datetime.now(UTC) + self.leap)  # the double's threads too
        monkeypatch.setattr(transport, "_silence", lambda problem: PortOneUncertain(self.silence))
        monkeypatch.setattr(db.session, "commit", self.crash.watch(db.session.commit))
        line = self.app.extensions["portone"]._transport
        monkeypatch.setattr(line, "send", self.crash.watch(line.send))
        monkeypatch.setattr(line, "_sleep", lambda seconds: None)
        self.line = line
        self._keep_books(monkeypatch)

    def _keep_books(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Note what PortOne's double does, and under which key."""
        cancel = self.simulator.cancel

        def keep_books(payment_id: str, request: CancelRequest, **how: Any) -> Any:
            from flask import g

            cancellation = cancel(payment_id, request, **how)
            key = g.call.idempotency_key.strip('"')
            self.made[key].append(cancellation["id"])
            self.keys_used[payment_id].add(key)
            return cancellation

        monkeypatch.setattr(self.simulator, "cancel", keep_books)
        self.cancel_elsewhere = cancel

    def _receive_webhooks(self) -> None:
        client = self.app.test_client()
        assert isinstance(client, Browser)
        self.simulator.outbox.url = "http://portico.example/webhooks/portone"
        self.simulator.outbox.send = lambda message: client.post(
            "/webhooks/portone", data=message.body, headers=message.headers
        )

    def admin(self, index: int) -> User:
        """One of the two, in the session at hand."""
        return db.session.get_one(User, self.admin_ids[index])

    def have_two_decide(self, is_so: bool) -> None:
        """Whether large amounts wait for a second person."""
        name, amount = self.threshold
        with self.app.app_context():
            settings.change({name: {"KRW": amount} if is_so else {}}, by=self.admin(0))

    @contextmanager
    def process(self) -> Iterator[None]:
        """A process of ours: it may be refused, it may hear nothing, and it may die."""
        try:
            with self.app.app_context():
                yield
        except (DomainError, PortOneError, PowerCut):
            pass
        finally:
            self.crash.disarm()

    def let_portone_finish(self) -> None:
        """The calls PortOne still works on come to their end."""
        self.simulator.faults.let_go()
        for _ in range(2_000):
            if all(call.status is not None for call in self.simulator.calls(self.call)[-20:]):
                return
            threading.Event().wait(0.005)
        raise AssertionError("a call at PortOne's double does not end")


class RefundMachine(RuleBasedStateMachine):
    """A few payments, one after the other, and everything that can happen to the one at hand.

    Which rules may follow depends on what was drawn alone, never on who won a race: Hypothesis has to be able
    to play a story again.
    """

    forms = Bundle("forms")
    world: World

    @initialize(kind=st.sampled_from(sorted(KINDS)), hears_webhooks=st.booleans(), by_two=st.booleans())
    def pay(self, kind: str, hears_webhooks: bool, by_two: bool) -> None:
        self.world.have_two_decide(by_two)
        self.world.line._timeout = IMPATIENT
        self.kind, self.hears_webhooks, self.by_two, self.has_asked = kind, hears_webhooks, by_two, False
        self.simulator = self.world.simulator
        self.simulator.forget_calls()
        self.payment_ids: list[str] = []
        self._take_next_payment()

    # What admins do.

    @rule(target=forms, amount=AMOUNTS, is_fresh=st.booleans())
    def open_form(self, amount: int | None, is_fresh: bool) -> Form:
        self._count("form opened")
        return self._open(amount, is_fresh=is_fresh)

    @rule(target=forms, amount=AMOUNTS, admin=st.integers(0, 1))
    def ask(self, amount: int | None, admin: int) -> Form:
        return self._ask(amount, "plain", admin)

    @rule(target=forms, amount=AMOUNTS, admin=st.integers(0, 1))
    def ask_while_portone_is_slow(self, amount: int | None, admin: int) -> Form:
        return self._ask(amount, "slow", admin)

    @rule(target=forms, amount=AMOUNTS, admin=st.integers(0, 1))
    def ask_at_once(self, amount: int | None, admin: int) -> Form:
        return self._ask(amount, "at once", admin)

    @rule(target=forms, amount=AMOUNTS, line=st.integers(1, 10))
    def ask_and_die(self, amount: int | None, line: int) -> Form:
        return self._ask(amount, "die", 0, line)

    @rule(
        target=forms,
        amount=AMOUNTS,
        fault=st.sampled_from(FAULTS["cancel"]),
        silence=st.sampled_from(["timeout", "unreachable"]),
        secret_expires=st.booleans(),
    )
    def ask_and_it_goes_wrong(
        self, amount: int | None, fault: str, silence: str, secret_expires: bool
    ) -> Form:
        self.simulator.faults.clear()
        self.something_will_go_wrong(("cancel", fault), 1, silence)
        form = self._ask(amount, "plain", 0)
        if secret_expires:
            self.simulator.api_secret = "another secret"
            self.recheck(1, 0)
        return form

    @rule(form=forms, way=WAYS, admin=st.integers(0, 1), line=st.integers(1, 8))
    def press_again(self, form: Form, way: str, admin: int, line: int) -> None:
        self._submit(form, way, admin, line)

    @precondition(lambda self: self.has_asked)
    @rule(admin=st.integers(0, 1), line=st.integers(0, 8))
    def recheck(self, admin: int, line: int) -> None:
        self._count("rechecked")
        for refund in self._refunds():
            self.world.crash.arm(line)
            with self.world.process():
                recheck_refund(refund.id, by=self.world.admin(admin))

    @precondition(lambda self: self.has_asked)
    @rule(what=DECISIONS, admin=st.integers(0, 1), line=st.integers(0, 8))
    def decide(self, what: str, admin: int, line: int) -> None:
        act = {"approve": approve_refund, "reject": reject_refund, "withdraw": withdraw_refund}[what]
        for refund in self._refunds():
            if refund.status == RefundStatus.AWAITING_APPROVAL:
                self._count(f"decided: {what}")
                self.world.crash.arm(line)
                with self.world.process():
                    act(refund.id, by=self.world.admin(admin))

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
        self.world.let_portone_finish()
        self.simulator.api_secret = self.world.secret if is_secret_valid else "another secret"

    @rule(
        who=st.sampled_from(["console", "another server", "another server", "card company"]), amount=AMOUNTS
    )
    def somebody_else_cancels(self, who: str, amount: int | None) -> None:
        self._count(f"cancelled by {who}")
        cancel = {
            "console": lambda: self.simulator.console_cancel(self.payment_id, amount),
            "another server": lambda: self.world.cancel_elsewhere(
                self.payment_id, CancelRequest(reason="주문 취소", amount=amount or 3_000)
            ),
            "card company": lambda: amount is None and self.simulator.chargeback(self.payment_id),
        }[who]
        with suppress(Problem):
            cancel()

    @precondition(lambda self: self.has_asked)
    @rule(outcome=st.sampled_from(["SUCCEEDED", "FAILED"]))
    def pg_decides(self, outcome: str) -> None:
        self._count("PG decided")
        for payment_id in self.payment_ids:
            for pending in self._at_portone("REQUESTED", payment_id):
                self.simulator.finish_cancellation(payment_id, pending["id"], outcome)

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

    @rule(seconds=LEAPS)
    def time_passes(self, seconds: int) -> None:
        self._count("time passed")
        if seconds > LONGEST_CALL_SECONDS:
            self.world.let_portone_finish()
        self.world.leap += timedelta(seconds=seconds)

    # What must be true, whatever happened.

    @invariant()
    def no_more_went_back_than_was_paid(self) -> None:
        for payment_id in self.payment_ids:
            gone = sum(each["totalAmount"] for each in self._at_portone("SUCCEEDED", payment_id))
            assert gone == self.simulator.payment(payment_id)["amount"]["cancelled"] <= TOTAL

    @invariant()
    def no_intent_was_carried_out_twice(self) -> None:
        known = {str(refund.id) for refund in self._refunds()}
        assert all(len(self.world.made[intent]) <= 1 for intent in known)
        assert all(self.world.keys_used[payment_id] <= known for payment_id in self.payment_ids)

    @invariant()
    def nobody_alone_gave_back_what_takes_two(self) -> None:
        for refund in self._refunds():
            if self.by_two and refund.amount > THRESHOLD and self.world.made[str(refund.id)]:
                assert refund.approved_by not in {None, refund.requested_by}

    @invariant()
    def one_refund_is_in_flight_at_most(self) -> None:
        in_flight = Counter(each.payment_id for each in self._refunds() if each.status in IN_FLIGHT)
        assert all(number == 1 for number in in_flight.values())

    @invariant()
    def what_we_call_succeeded_went_back(self) -> None:
        done = [refund for refund in self._refunds() if refund.status == RefundStatus.SUCCEEDED]
        found = {each["id"]: each["totalAmount"] for each in self._at_portone("SUCCEEDED")}
        assert {refund.cancellation_id for refund in done} <= found.keys()
        assert len({refund.cancellation_id for refund in done}) == len(done)
        assert all(found[refund.cancellation_id] == refund.amount for refund in done)
        for refund in done:
            assert self.world.made[str(refund.id)] in ([], [refund.cancellation_id])

    @invariant()
    def what_we_call_failed_did_not_go_back(self) -> None:
        gone = {each["id"] for each in [*self._at_portone("SUCCEEDED"), *self._at_portone("REQUESTED")]}
        for refund in self._refunds():
            if refund.status == RefundStatus.FAILED:
                assert not gone & set(self.world.made[str(refund.id)]), f"{refund.problem} is not true"

    def teardown(self) -> None:
        """PortOne answers again and the workers work: nothing stays behind."""
        if not hasattr(self, "payment_ids"):
            return
        self.world.line._timeout = PATIENT
        self.simulator.faults.clear()
        self.simulator.api_secret = self.world.secret
        self.world.let_portone_finish()
        self._settle_down()
        for refund in self._refunds():
            if refund.status in IN_FLIGHT:
                assert (refund.status, refund.cancellation_id) in {
                    ("requested", each["id"]) for each in self._at_portone("REQUESTED")
                }, f"{refund.status} though PortOne answers: {refund.problem}"
        self._hold_nothing_but_what_is_pending()
        self.pg_decides("SUCCEEDED")
        self.world.leap += timedelta(seconds=700)
        self._settle_down()
        self.world.leap += timedelta(days=4)  # what waits for a second person runs out
        self._settle_down()
        assert not any(refund.status in HOLDING for refund in self._refunds())
        self._balance_the_books()
        self.world.outcomes.update(f"{each.status} {each.problem or ''}".strip() for each in self._refunds())
        self.no_more_went_back_than_was_paid()
        self.what_we_call_succeeded_went_back()
        self.what_we_call_failed_did_not_go_back()

    def _settle_down(self) -> None:
        for _ in range(3):
            self.world.leap += timedelta(seconds=15)
            if self.hears_webhooks:
                self.simulator.outbox.flush()
            for worker in self.world.workers:
                worker.run_once()

    def _hold_nothing_but_what_is_pending(self) -> None:
        refunds = self._refunds()
        with self.world.app.app_context():
            for payment in map(get_payment, self.payment_ids):
                ours = [refund for refund in refunds if refund.payment_id == payment.id]
                pending = sum(refund.amount for refund in ours if refund.status in HOLDING)
                assert balance.held(payment) == pending

    def _balance_the_books(self) -> None:
        for payment_id in self.payment_ids:
            gone = self.simulator.payment(payment_id)["amount"]["cancelled"]
            with self.world.app.app_context():
                assert balance.held(get_payment(payment_id)) == 0
                if not self.hears_webhooks:
                    sync_payment(payment_id)  # nobody told us of the console
                payment = get_payment(payment_id)
                assert (payment.cancelled_amount, balance.refundable(payment)) == (gone, TOTAL - gone)

    def _take_next_payment(self) -> None:
        with self.world.app.app_context():
            document = self.simulator.make_payment(total=TOTAL, **KINDS[self.kind])
            store_snapshot(PaymentSnapshot.from_raw(document), read_at=clock.now())
            db.session.commit()
        self.payment_id = document["id"]
        self.payment_ids.append(self.payment_id)

    def _ask(self, amount: int | None, way: str, admin: int, line: int = 0) -> Form:
        if not self.simulator.payment(self.payment_id)["status"].startswith("PA"):
            self._take_next_payment()  # all of this one went back
        form = self._open(amount, is_fresh=True)
        self._submit(form, way, admin, line)
        return form

    def _open(self, amount: int | None, *, is_fresh: bool) -> Form:
        if is_fresh:
            with self.world.process():
                sync_payment(self.payment_id)
        with self.world.app.app_context():
            payment = get_payment(self.payment_id)
            left = balance.refundable(payment)
            wished = left if amount is None else amount
            tax_free = min(wished * payment.tax_free_amount // TOTAL, balance.refundable_tax_free(payment))
            return self.payment_id, make_wish(payment, max(wished, 1), tax_free_amount=tax_free)

    def _submit(self, form: Form, way: str, admin: int, line: int) -> None:
        self._count(f"submitted: {way}")
        self.has_asked = True
        if way == "at once":
            self._submit_at_once(form, admin)
            return
        if way == "die":
            self.world.crash.arm(line)
        elif way == "slow":
            self.simulator.faults.next("cancel", "slow", seconds=LONGEST_CALL_SECONDS)
        self._request(form, admin)

    def _submit_at_once(self, form: Form, admin: int) -> None:
        payment_id, wish = form
        other = replace(wish, intent=new_id(), amount=max(wish.amount - 1_000, 1), tax_free_amount=0)
        presses = [(form, admin), ((payment_id, other), 1 - admin), (form, 1 - admin)]
        threads = [threading.Thread(target=self._request, args=press) for press in presses]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _request(self, form: Form, admin: int) -> None:
        payment_id, wish = form
        with self.world.process():
            request_refund(payment_id, wish, by=self.world.admin(admin))

    def _at_portone(self, status: str, payment_id: str | None = None) -> list[dict[str, Any]]:
        """The cancellations of a status, of one payment or of all in this story."""
        payment_ids = [payment_id] if payment_id else self.payment_ids
        known = [each for key in payment_ids for each in self.simulator.payment(key).get("cancellations", [])]
        return [cancellation for cancellation in known if cancellation["status"] == status]

    def _refunds(self) -> list[Refund]:
        """Copies of our refunds, so that no transaction stays open."""
        with self.world.app.app_context():
            ours = select(Payment.id).where(Payment.payment_id.in_(self.payment_ids))
            found = list(db.session.scalars(select(Refund).where(Refund.payment_id.in_(ours))))
            db.session.expunge_all()
            return found

    def _count(self, step: str) -> None:
        self.world.steps[step] += 1
