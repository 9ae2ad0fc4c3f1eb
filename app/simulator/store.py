"""A believable store, made at once: its payments of the last two months, billing keys and schedules."""

import random
from datetime import datetime, timedelta
from typing import Any

from app.clock import SEOUL
from app.simulator.billing_keys import open_billing_key, open_schedule, over_two_channels
from app.simulator.documents import Document, Ids, moment_of
from app.simulator.scene import Scene, Story
from app.simulator.shop import (
    GOODS,
    GOODS_ABROAD,
    SERVICES,
    Item,
    customers_abroad,
    make_card,
    make_customers,
)
from app.simulator.state import State
from app.simulator.stories import STORIES

DAYS = 60
_MONTH = timedelta(days=30)

#: How busy the store is by the hour of the day in Seoul.
_BUSY = [2, 1, 0, 0, 0, 0, 1, 2, 4, 7, 10, 12, 13, 12, 10, 9, 9, 10, 11, 12, 13, 13, 9, 5]

_BILLING_KEY_KINDS = [
    ("CARD", "TOSSPAYMENTS", 10),
    ("EASY_PAY", "KAKAOPAY", 5),
    ("CARD", "KCP_V2", 3),
    ("TRANSFER", "NAVERPAY", 2),
    ("MOBILE", "DANAL", 2),
    ("PAYPAL", "PAYPAL_V2", 1),
]
_MEMBERSHIP = Item("월간 멤버십", 19_900, "sub-monthly")


def fill_store(
    state: State,
    *,
    payments: int = 400,
    until: datetime,
    seed: int = 7,
    webhook_url: str = "http://127.0.0.1:8000/webhooks/portone",
) -> None:
    """Fill an empty state; the same seed and `until` make the same store.

    With 50 payments or more every story is told at least once. Nothing waits to be sent or settled
    afterwards: the history says that all webhooks were sent, and pending cancellations stay so until somebody
    ends them.
    """
    filler = _Filler(state, until, random.Random(seed), webhook_url)  # noqa: S311
    with state.transaction():
        charges = filler.add_billing_keys(most_charges=payments // 40)
        filler.add_payments(payments - charges)
        filler.add_unusual_keys()


class _Filler:
    """One run of filling."""

    def __init__(self, state: State, until: datetime, rng: random.Random, webhook_url: str) -> None:
        self._state = state
        self._until = until
        self._rng = rng
        self._ids = Ids(rng)
        self._webhook_url = webhook_url
        self._customers = make_customers(rng, 130)
        self._abroad = customers_abroad()
        self._number = 0

    def add_payments(self, count: int) -> None:
        """Tell `count` stories, and store them in the order in which they began."""
        weights = [story.weight for story in STORIES]
        chosen = [*STORIES, *self._rng.choices(STORIES, weights, k=max(0, count - len(STORIES)))][:count]
        begun = sorted(((self._beginning(story), story) for story in chosen), key=lambda pair: pair[0])
        for moment, story in begun:
            scene = self._scene(moment, is_abroad=story.is_abroad)
            self._keep(story.tell(scene), scene)

    def add_billing_keys(self, *, most_charges: int) -> int:
        """Keys of every kind, some deleted, one of nobody known; answers how many members paid."""
        known = [customer for customer in self._customers if "id" in customer]
        members: list[Document] = []
        for kind, pg_provider, count in _BILLING_KEY_KINDS:
            for number in range(count):
                customer = {} if kind == "CARD" and number == 4 else self._rng.choice(known)
                document = self._add_billing_key(kind, pg_provider, customer, is_deleted=number % 5 == 3)
                if kind == "CARD" and document["status"] == "ISSUED" and customer:
                    members.append(document)
        for member in members:
            self._plan_next_month(member)
        for member in members[:most_charges]:
            self._charge_last_month(member)
        return min(len(members), most_charges)

    def add_unusual_keys(self) -> None:
        """A wallet with a card in it, one with an account, a key over two channels, and one for tests."""
        card = self._card()
        account = {
            "type": "BillingKeyPaymentMethodTransfer",
            "bank": "SHINHAN",
            "accountNumber": "1103****5521",
        }
        wallet = {"type": "BillingKeyPaymentMethodEasyPay", "provider": "NAVERPAY"}
        for inner in (card, account):
            self._keep_unusual_key(method={**wallet, "method": inner}, pg_provider="NAVERPAY")
        self._keep_unusual_key(method=self._card(), pg_provider="KCP_V2", channel_type="TEST")
        routed = self._keep_unusual_key(method=self._card(), pg_provider="TOSSPAYMENTS")
        self._state.save_billing_key(over_two_channels(routed, moment_of(routed["issuedAt"])))

    def _keep_unusual_key(self, **wishes: Any) -> Document:
        customer = self._rng.choice([customer for customer in self._customers if "id" in customer])
        document = open_billing_key(
            store_id=self._state.store_id,
            customer_id=customer["id"],
            customer_name=customer.get("name"),
            issued_at=self._until - timedelta(days=self._rng.uniform(1, 30)),
            ids=self._ids,
            **wishes,
        )
        self._state.save_billing_key(document)
        return document

    def _beginning(self, story: Story) -> datetime:
        if story.days_ago is not None:
            return self._until - timedelta(days=self._rng.uniform(*story.days_ago))
        days_ago = int(DAYS * self._rng.random() ** 1.5)
        midnight = self._until.astimezone(SEOUL).replace(hour=0, minute=0, second=0, microsecond=0)
        hour = self._rng.choices(range(24), _BUSY)[0]
        moment = midnight + timedelta(days=-days_ago, hours=hour, seconds=self._rng.uniform(0, 3_600))
        if moment > self._until:
            moment = midnight + (self._until - midnight) * self._rng.random()
        return moment

    def _scene(self, moment: datetime, *, is_abroad: bool) -> Scene:
        self._number += 1
        goods = GOODS_ABROAD if is_abroad else [*SERVICES, *GOODS]
        return Scene(
            rng=self._rng,
            ids=self._ids,
            store_id=self._state.store_id,
            webhook_url=self._webhook_url,
            number=self._number,
            moment=moment,
            until=self._until,
            customer=dict(self._rng.choice(self._abroad if is_abroad else self._customers)),
            item=self._rng.choice(goods),
        )

    def _keep(self, payment: Document, scene: Scene) -> None:
        self._state.save_payment(payment)
        for attempt in scene.earlier_attempts:
            self._state.keep_attempt(payment["id"], attempt)
        for kind, entry in scene.told:
            self._state.save_delivery(
                {"kind": kind, "entry": entry, "resends": 0}, payment_id=payment["id"], due_at=None
            )

    def _add_billing_key(
        self, kind: str, pg_provider: str, customer: Document, *, is_deleted: bool
    ) -> Document:
        issued_at = self._until - timedelta(days=self._rng.uniform(31, 88))
        document = open_billing_key(
            store_id=self._state.store_id,
            method=self._card() if kind == "CARD" else kind,
            pg_provider=pg_provider,
            customer_id=customer.get("id"),
            customer_name=customer.get("name"),
            customer_email=customer.get("email"),
            customer_phone=customer.get("phoneNumber"),
            issued_at=issued_at,
            deleted_at=issued_at + timedelta(days=self._rng.uniform(1, 30)) if is_deleted else None,
            ids=self._ids,
        )
        self._state.save_billing_key(document)
        return document

    def _card(self) -> Document:
        return {"type": "BillingKeyPaymentMethodCard", "card": make_card(self._rng, self._ids)}

    def _schedule(self, billing_key: Document, time_to_pay: datetime, status: str) -> Document:
        schedule = open_schedule(
            billing_key,
            time_to_pay=time_to_pay,
            status=status,
            order_name=_MEMBERSHIP.name,
            total=_MEMBERSHIP.price,
            ids=self._ids,
        )
        self._state.save_schedule(schedule)
        return schedule

    def _plan_next_month(self, billing_key: Document) -> None:
        due = moment_of(billing_key["issuedAt"])
        while due <= self._until:
            due += _MONTH
        self._schedule(billing_key, due, "SCHEDULED")

    def _charge_last_month(self, billing_key: Document) -> None:
        due = moment_of(billing_key["issuedAt"]) + _MONTH
        schedule = self._schedule(billing_key, due, "SUCCEEDED")
        scene = self._scene(due, is_abroad=False)
        scene.customer, scene.item = billing_key["customer"], _MEMBERSHIP
        scene.payment_id = schedule["paymentId"]
        method = {**scene.card(), "card": billing_key["methods"][0]["card"]}
        payment = scene.open(method, billing_key["channels"][0]["pgProvider"], platform_type="API")
        payment |= {"scheduleId": schedule["id"], "billingKey": billing_key["billingKey"]}
        self._keep(scene.pay(payment), scene)
