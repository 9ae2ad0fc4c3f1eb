"""Charging billing keys: now, or later by a schedule that the outbox carries out when its time has come."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app import clock
from app.simulator import lifecycle
from app.simulator.billing_keys import open_schedule
from app.simulator.documents import Document, public, timestamp
from app.simulator.outbox import Outbox
from app.simulator.problems import Problem, pg_refusal
from app.simulator.reading import Fields
from app.simulator.state import State

#: What the PG says of a charge that `let_charges_fail` has ordered to fail.
REFUSAL = ("EXCEED_MAX_AMOUNT", "카드 한도가 초과되었습니다.")

_ENDED = frozenset({"SUCCEEDED", "FAILED"})


@dataclass(frozen=True)
class Charge:
    """What a call to charge a billing key asks for; amounts in minor units."""

    billing_key: str
    order_name: str
    total: int
    tax_free: int
    currency: str
    customer: Document | None
    custom_data: str


def read_charge(fields: Fields) -> Charge:
    """Read the body of a charge. Raises INVALID_REQUEST, for an amount of 0 too."""
    amount = fields.part("amount") or Fields({})
    total = amount.integer("total", minimum=1)
    if total is None:
        raise Problem("INVALID_REQUEST", "amount.total")
    customer = fields.part("customer")
    return Charge(
        billing_key=fields.required_text("billingKey"),
        order_name=fields.required_text("orderName"),
        total=total,
        tax_free=amount.integer("taxFree") or 0,
        currency=fields.required_text("currency"),
        customer=_read_customer(customer) if customer else None,
        custom_data=fields.text("customData") or "",
    )


def _read_customer(fields: Fields) -> Document:
    name = fields.part("name")
    read = {"id": fields.text("id"), "name": name.text("full") if name else None}
    return {member: value for member, value in read.items() if value}


class Charger:
    """What may be done with billing keys that moves money."""

    state: State
    outbox: Outbox
    billing_key: Any
    _tell: Any

    def charge(self, payment_id: str, charge: Charge) -> Document:
        """Pay with a billing key now; answers the payment. A refusal of the PG leaves a FAILED one behind."""
        with self.state.transaction():
            self._check_free(payment_id)
            key = self._chargeable(charge)
            payment = self._open(payment_id, key, charge)
            is_paid = self._attempt(payment, key)
        if not is_paid:
            raise pg_refusal(*REFUSAL)
        return public(payment)

    def schedule(self, payment_id: str, charge: Charge, at: datetime) -> Document:
        """Plan a charge; answers the schedule."""
        if at <= clock.now():
            raise Problem("INVALID_REQUEST", "timeToPay")
        with self.state.transaction():
            payment = self.state.find_payment(payment_id)
            if payment and payment["status"] in lifecycle.PAID_STATUSES | {"VIRTUAL_ACCOUNT_ISSUED"}:
                raise Problem("ALREADY_PAID_OR_WAITING")
            self._check_unplanned(payment_id)
            key = self._chargeable(charge)
            schedule = open_schedule(
                key,
                time_to_pay=at,
                total=charge.total,
                order_name=charge.order_name,
                payment_id=payment_id,
                created_at=clock.now(),
            )
            schedule |= {"currency": charge.currency, "taxFreeAmount": charge.tax_free}
            schedule |= {"customData": charge.custom_data}
            schedule["customer"] = charge.customer or key["customer"]
            self.state.save_schedule(schedule)
            return schedule

    def find_schedule(self, schedule_id: str) -> Document:
        """The schedule. Raises PAYMENT_SCHEDULE_NOT_FOUND."""
        schedule = self.state.find_schedule(schedule_id)
        if schedule is None:
            raise Problem("PAYMENT_SCHEDULE_NOT_FOUND")
        return schedule

    def revoke_schedules(self, schedule_ids: Collection[str], *, billing_key: str | None = None) -> list[str]:
        """Give up charges to come: all that are named or none; a billing key alone means all of its own."""
        if not schedule_ids and billing_key is None:
            raise Problem("INVALID_REQUEST", "billingKey, scheduleIds")
        with self.state.transaction():
            if billing_key is not None and self.billing_key(billing_key)["status"] == "DELETED":
                raise Problem("BILLING_KEY_ALREADY_DELETED")
            schedules = [self.find_schedule(schedule_id) for schedule_id in schedule_ids] or [
                schedule
                for schedule in self.state.schedules(billing_key)
                if schedule["status"] == "SCHEDULED"
            ]
            for schedule in schedules:
                self._check_revocable(schedule, billing_key)
            for schedule in schedules:
                schedule.update(status="REVOKED", revokedAt=timestamp(clock.now()))
                self.state.save_schedule(schedule)
        return [str(schedule["id"]) for schedule in schedules]

    def charge_due(self) -> None:
        """Carry out the schedules whose time has come."""
        for schedule in self.state.schedules():
            if schedule["status"] == "SCHEDULED" and schedule["timeToPay"] <= timestamp(clock.now()):
                self._carry_out(schedule)

    def let_charges_fail(self, billing_key: str, times: int) -> None:
        """Let the next charges of this key be refused by its PG."""
        with self.state.transaction():
            key = self.billing_key(billing_key)
            key["_refusals"] = times
            self.state.save_billing_key(key)

    def _carry_out(self, schedule: Document) -> None:
        with self.state.transaction():
            key = self.billing_key(schedule["billingKey"])
            charge = Charge(
                billing_key=schedule["billingKey"],
                order_name=schedule["orderName"],
                total=schedule["totalAmount"],
                tax_free=schedule["taxFreeAmount"],
                currency=schedule["currency"],
                customer=schedule["customer"],
                custom_data=schedule["customData"],
            )
            payment = self._open(schedule["paymentId"], key, charge)
            payment["scheduleId"] = schedule["id"]
            is_paid = self._attempt(payment, key)
            moment = timestamp(clock.now())
            outcome = "SUCCEEDED" if is_paid else "FAILED"
            schedule.update(status=outcome, startedAt=moment, completedAt=moment)
            self.state.save_schedule(schedule)

    def _open(self, payment_id: str, key: Document, charge: Charge) -> Document:
        payment = lifecycle.open_payment(
            payment_id=payment_id,
            store_id=self.state.store_id,
            requested_at=clock.now(),
            order_name=charge.order_name,
            total=charge.total,
            tax_free=charge.tax_free,
            currency=charge.currency,
            customer=charge.customer or key["customer"],
            pg_provider=key["channels"][0]["pgProvider"],
            channel_type=key["channels"][0]["type"],
            platform_type="API",
        )
        card = key["methods"][0].get("card")
        if card:
            payment["method"] = {**payment["method"], "card": card}
        payment["billingKey"] = key["billingKey"]
        if charge.custom_data:
            payment["customData"] = charge.custom_data
        return payment

    def _attempt(self, payment: Document, key: Document) -> bool:
        refusals = key.get("_refusals", 0)
        if refusals:
            key["_refusals"] = refusals - 1
            self.state.save_billing_key(key)
            lifecycle.fail(payment, clock.now(), reason=REFUSAL[1], pg_code=REFUSAL[0])
            self._tell(payment, "Transaction.Failed")
            return False
        lifecycle.pay(payment, clock.now())
        self._tell(payment, "Transaction.Paid")
        return True

    def _chargeable(self, charge: Charge) -> Document:
        if charge.tax_free > charge.total:
            raise Problem("SUM_OF_PARTS_EXCEEDS_TOTAL_AMOUNT")
        key: Document = self.billing_key(charge.billing_key)
        if key["status"] == "DELETED":
            raise Problem("BILLING_KEY_ALREADY_DELETED")
        return key

    def _check_free(self, payment_id: str) -> None:
        payment = self.state.find_payment(payment_id)
        if payment and payment["status"] in lifecycle.PAID_STATUSES:
            raise Problem("ALREADY_PAID")
        self._check_unplanned(payment_id)

    def _check_unplanned(self, payment_id: str) -> None:
        open_ones = [it for it in self.state.schedules() if it["status"] not in _ENDED | {"REVOKED"}]
        if any(schedule["paymentId"] == payment_id for schedule in open_ones):
            raise Problem("PAYMENT_SCHEDULE_ALREADY_EXISTS")

    def _check_revocable(self, schedule: Document, billing_key: str | None) -> None:
        if billing_key not in {None, schedule["billingKey"]}:
            raise Problem("PAYMENT_SCHEDULE_NOT_FOUND")
        if schedule["status"] == "REVOKED":
            raise Problem("PAYMENT_SCHEDULE_ALREADY_REVOKED")
        if schedule["status"] != "SCHEDULED":
            raise Problem("PAYMENT_SCHEDULE_ALREADY_PROCESSED")
