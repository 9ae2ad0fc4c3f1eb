"""A state machine that tries to make Portico charge a customer twice.

Two admins, two workers, a PortOne that fails in every way it can, processes that die between any two
commits, keys that are deleted and switched off, and a clock that leaps. After every step the payments at
PortOne's double are held against our charges.
"""

import threading
from collections import Counter, defaultdict
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import select

from app.billing_keys.models import BillingKey
from app.charges.approving import approve_charge, reject_charge, withdraw_charge
from app.charges.checks import Wish
from app.charges.models import IN_FLIGHT, OUTCOMES, Charge, ChargeStatus, payment_id_of
from app.charges.queries import find_twin
from app.charges.service import recheck_charge, request_charge
from app.columns import new_id
from app.extensions import db
from app.payments.service import sync_payment
from app.simulator.faults import CALL_FAULTS
from tests.factories import make_billing_key, make_charge_wish
from tests.journeys.refund_machine import (
    DECISIONS,
    FAULTS,
    IMPATIENT,
    LONGEST_CALL_SECONDS,
    PATIENT,
    WAYS,
    World,
)

#: Several equal amounts, so that one charge can be taken for another.
AMOUNTS = st.sampled_from([3_000, 3_000, 5_000, 10_000])
#: What can go wrong: at the call itself what goes wrong with any, but for what only a cancellation knows.
GOES_WRONG = {
    "pay_with_billing_key": tuple(sorted(CALL_FAULTS - {"slow", "trickles"})),
    **{place: faults for place, faults in FAULTS.items() if place != "cancel"},
}
#: Above this a second person decides, in the stories where one is asked.
THRESHOLD = 9_000
#: What the worker does beside its inboxes, as far as it concerns charges.
OF_CHARGES = {"charges that waited too long", "charged payments"}
#: Past nothing, the sender's time, a claim, an unreadable answer, a backoff, the time of asking, the key.
LEAPS = st.sampled_from([1, 9, 13, 130, 660, 1_900, 12_600])


class ChargeWorld(World):
    """What outlives an example; `made` has the payments that the double made for an idempotency key."""

    call = "pay_with_billing_key"
    threshold = ("charge_approval_threshold", THRESHOLD)
    of_the_worker = OF_CHARGES

    def _keep_books(self, monkeypatch: pytest.MonkeyPatch) -> None:
        charge = self.simulator.charge

        def keep_books(payment_id: str, wanted: Any) -> Any:
            from flask import g

            payment = charge(payment_id, wanted)
            self.made[g.call.idempotency_key.strip('"')].append(payment_id)
            return payment

        monkeypatch.setattr(self.simulator, "charge", keep_books)


class ChargeMachine(RuleBasedStateMachine):
    """One billing key, and everything that can happen while it is charged.

    Which rules may follow depends on what was drawn alone, never on who won a race: Hypothesis has to be able
    to play a story again.
    """

    forms = Bundle("forms")
    world: ChargeWorld

    @initialize(hears_webhooks=st.booleans(), by_two=st.sampled_from([False, False, True]))
    def register(self, hears_webhooks: bool, by_two: bool) -> None:
        self.world.have_two_decide(by_two)
        self.world.line._timeout = IMPATIENT
        self.hears_webhooks, self.by_two, self.has_asked, self.is_deleted = (
            hears_webhooks,
            by_two,
            False,
            False,
        )
        self.simulator = self.world.simulator
        self.simulator.forget_calls()
        with self.world.app.app_context():
            self.row_id = make_billing_key(self.simulator).id
            self.billing_key = self.simulator.state.billing_keys()[-1]["billingKey"]

    # What admins do.

    @rule(target=forms, amount=AMOUNTS, knows=st.booleans())
    def open_form(self, amount: int, knows: bool) -> Wish:
        return self._open(amount, knows=knows)

    @rule(target=forms, amount=AMOUNTS, admin=st.integers(0, 1))
    def charge(self, amount: int, admin: int) -> Wish:
        return self._charge(amount, "plain", admin)

    @rule(target=forms, amount=AMOUNTS, admin=st.integers(0, 1))
    def charge_while_portone_is_slow(self, amount: int, admin: int) -> Wish:
        return self._charge(amount, "slow", admin)

    @rule(target=forms, amount=AMOUNTS, admin=st.integers(0, 1))
    def charge_at_once(self, amount: int, admin: int) -> Wish:
        return self._charge(amount, "at once", admin)

    @rule(target=forms, amount=AMOUNTS, line=st.integers(1, 10))
    def charge_and_die(self, amount: int, line: int) -> Wish:
        return self._charge(amount, "die", 0, line)

    @rule(
        target=forms,
        amount=AMOUNTS,
        fault=st.sampled_from(GOES_WRONG["pay_with_billing_key"]),
        silence=st.sampled_from(["timeout", "unreachable"]),
        then=st.sampled_from(["nothing", "nothing", "recheck", "secret expires", "switched off"]),
    )
    def charge_and_it_goes_wrong(self, amount: int, fault: str, silence: str, then: str) -> Wish:
        self.simulator.faults.clear()
        self.something_will_go_wrong(("pay_with_billing_key", fault), 1, silence)
        wish = self._charge(amount, "plain", 0)
        if then == "secret expires":
            self.simulator.api_secret = "another secret"
        if then == "switched off":
            self.switch(is_active=False)
        if then != "nothing":
            self.recheck(1, 0)
        return wish

    @rule(wish=forms, way=WAYS, admin=st.integers(0, 1), line=st.integers(1, 8))
    def press_again(self, wish: Wish, way: str, admin: int, line: int) -> None:
        self._submit(wish, way, admin, line)

    @precondition(lambda self: self.has_asked)
    @rule(admin=st.integers(0, 1), line=st.integers(0, 8))
    def recheck(self, admin: int, line: int) -> None:
        self._count("rechecked")
        for charge in self._charges():
            self.world.crash.arm(line)
            with self.world.process():
                recheck_charge(charge.id, by=self.world.admin(admin))

    @precondition(lambda self: self.has_asked)
    @rule(what=DECISIONS, admin=st.integers(0, 1), line=st.integers(0, 8))
    def decide(self, what: str, admin: int, line: int) -> None:
        act = {"approve": approve_charge, "reject": reject_charge, "withdraw": withdraw_charge}[what]
        for charge in self._charges():
            if charge.status == ChargeStatus.AWAITING_APPROVAL:
                self._count(f"decided: {what}")
                self.world.crash.arm(line)
                with self.world.process():
                    act(charge.id, by=self.world.admin(admin))

    @precondition(lambda self: self.has_asked)
    @rule(is_active=st.sampled_from([True, True, True, False]))
    def switch(self, is_active: bool) -> None:
        self._count("key switched on" if is_active else "key switched off")
        with self.world.app.app_context():
            row = db.session.get_one(BillingKey, self.row_id)
            row.is_active = is_active and row.status == "ISSUED"
            db.session.commit()

    # What PortOne, the PG, the network and the customer do.

    @rule(
        what=st.sampled_from([(place, fault) for place, faults in GOES_WRONG.items() for fault in faults]),
        times=st.integers(1, 4),
        silence=st.sampled_from(["timeout", "unreachable"]),
    )
    def something_will_go_wrong(self, what: tuple[str, str], times: int, silence: str) -> None:
        place, fault = what
        self._count(f"{place}: {fault}")
        self.world.silence = silence
        self.simulator.faults.next(place, fault, times=times, seconds=30 if fault == "late" else 0)

    @rule(times=st.integers(0, 2))
    def card_is_refused(self, times: int) -> None:
        self._count("card refused")
        self.simulator.let_charges_fail(self.billing_key, times)

    @rule(is_secret_valid=st.sampled_from([True, True, True, False]))
    def all_is_well_but_perhaps_the_secret(self, is_secret_valid: bool) -> None:
        self._count("calm" if is_secret_valid else "secret expired")
        self.simulator.faults.clear()
        self.world.let_portone_finish()
        self.simulator.api_secret = self.world.secret if is_secret_valid else "another secret"

    @precondition(lambda self: self.has_asked and not self.is_deleted)
    @rule(is_sure=st.sampled_from([False, False, True]))
    def customer_deletes_the_key(self, is_sure: bool) -> None:
        if is_sure:
            self._count("key deleted")
            self.is_deleted = True
            self.simulator.delete_billing_key(self.billing_key, reason="탈퇴", requester="CUSTOMER")

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
    def no_intent_was_charged_twice(self) -> None:
        for charge in self._charges():
            assert len(self.world.made[str(charge.id)]) <= 1

    @invariant()
    def nothing_was_charged_that_nobody_asked_for(self) -> None:
        known = {payment_id_of(charge.id) for charge in self._charges()}
        assert {payment["id"] for payment in self._at_portone()} <= known

    @invariant()
    def an_intent_is_asked_for_in_the_same_words(self) -> None:
        asked: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
        for call in self.simulator.calls("pay_with_billing_key"):
            asked[str(call.idempotency_key)].add((call.path, call.body))
        assert all(len(words) == 1 for words in asked.values())
        assert len({path for words in asked.values() for path, _body in words}) == len(asked)

    @invariant()
    def nobody_alone_charged_what_takes_two(self) -> None:
        for charge in self._charges():
            if self.by_two and charge.amount > THRESHOLD and self.world.made[str(charge.id)]:
                assert charge.approved_by not in {None, charge.requested_by}

    @invariant()
    def one_charge_of_an_amount_is_in_flight_at_most(self) -> None:
        in_flight = Counter(each.amount for each in self._charges() if each.status in IN_FLIGHT)
        assert all(number == 1 for number in in_flight.values())

    @invariant()
    def what_was_charged_is_what_succeeded_and_what_is_not_known(self) -> None:
        charges = {charge.named_payment_id: charge for charge in self._charges()}
        paid = {
            each["id"]: each["amount"]["total"] for each in self._at_portone() if each["status"] == "PAID"
        }
        sure = {key for key, charge in charges.items() if charge.status == ChargeStatus.SUCCEEDED}
        open_ = {key for key, charge in charges.items() if charge.status in IN_FLIGHT}
        assert sure <= paid.keys() <= sure | open_, "a failure or a success of ours is not true"
        assert all(charges[key].amount == amount for key, amount in paid.items())

    @invariant()
    def what_is_over_holds_no_key(self) -> None:
        for charge in self._charges():
            is_over = charge.status in {*OUTCOMES, ChargeStatus.REJECTED}
            assert (charge.request_sealed is None) == is_over

    def teardown(self) -> None:
        """PortOne answers again and the workers work: nothing stays behind."""
        if not hasattr(self, "row_id"):
            return
        self.world.line._timeout = PATIENT
        self.simulator.faults.clear()
        self.simulator.api_secret = self.world.secret
        self.world.let_portone_finish()
        self._settle_down()
        for charge in self._charges():
            is_watched = charge.status in IN_FLIGHT and charge.problem == "NOT_ASKED_AGAIN"
            assert is_watched or charge.status not in IN_FLIGHT, f"{charge.status}: {charge.problem}"
        self.world.leap += timedelta(days=4)  # what waits for a second person runs out
        self._settle_down()
        for charge in self._charges():
            assert charge.status in {*OUTCOMES, ChargeStatus.REJECTED}, f"{charge.status}: {charge.problem}"
        self.what_was_charged_is_what_succeeded_and_what_is_not_known()
        self._know_every_payment()
        self.world.outcomes.update(f"{each.status} {each.problem or ''}".strip() for each in self._charges())

    def _know_every_payment(self) -> None:
        """What was charged can be seen here: the payment is ours too, and says whose charge it was."""
        for charge in self._charges():
            if charge.status == ChargeStatus.SUCCEEDED and not charge.payment_id:
                with self.world.app.app_context():  # neither told nor read for a day
                    sync_payment(charge.named_payment_id)
        assert all(each.payment_id for each in self._charges() if each.status == ChargeStatus.SUCCEEDED)

    def _settle_down(self) -> None:
        for _ in range(3):
            self.world.leap += timedelta(seconds=15)
            if self.hears_webhooks:
                self.simulator.outbox.flush()
            for worker in self.world.workers:
                worker.run_once()

    def _open(self, amount: int, *, knows: bool) -> Wish:
        """A form, by somebody who has seen the last charge of this amount and means another, or has not."""
        self._count("form opened")
        intent = new_id()
        with self.world.app.app_context():
            twin = find_twin(self.row_id, amount, "KRW", besides=intent) if knows else None
            return make_charge_wish(amount, intent=intent, not_twin=twin.id if twin else None)

    def _charge(self, amount: int, way: str, admin: int, line: int = 0) -> Wish:
        wish = self._open(amount, knows=True)
        self._submit(wish, way, admin, line)
        return wish

    def _submit(self, wish: Wish, way: str, admin: int, line: int) -> None:
        self._count(f"submitted: {way}")
        self.has_asked = True
        if way == "at once":
            self._submit_at_once(wish, admin)
            return
        if way == "die":
            self.world.crash.arm(line)
        elif way == "slow":
            self.simulator.faults.next("pay_with_billing_key", "slow", seconds=LONGEST_CALL_SECONDS)
        self._request(wish, admin)

    def _submit_at_once(self, wish: Wish, admin: int) -> None:
        other = make_charge_wish(wish.amount, not_twin=wish.not_twin)
        presses = [(wish, admin), (other, 1 - admin), (wish, 1 - admin)]
        threads = [threading.Thread(target=self._request, args=press) for press in presses]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _request(self, wish: Wish, admin: int) -> None:
        with self.world.process():
            request_charge(self.row_id, wish, by=self.world.admin(admin))

    def _at_portone(self) -> list[dict[str, Any]]:
        """The payments made with the key of this story."""
        return [each for each in self.simulator.payments() if each.get("billingKey") == self.billing_key]

    def _charges(self) -> list[Charge]:
        """Copies of our charges, so that no transaction stays open."""
        with self.world.app.app_context():
            ours = select(Charge).where(Charge.billing_key_id == self.row_id)
            found = list(db.session.scalars(ours))
            db.session.expunge_all()
            return found

    def _count(self, step: str) -> None:
        self.world.steps[step] += 1
