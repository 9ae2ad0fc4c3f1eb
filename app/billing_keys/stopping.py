"""What stops with a billing key: the schedules that PortOne still holds for it, read live."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self
from uuid import UUID

from app.extensions import portone
from app.portone.client import LONG_AGO
from app.portone.errors import PortOneRefused
from app.portone.payloads import ScheduleInfo

#: PortOne lists the schedules to come only up to the `until` that is named.
FAR_AHEAD = datetime(2199, 12, 31, tzinfo=UTC)

#: How many schedules are asked for at once.
PAGE_SIZE = 100

REVOKED = "REVOKED"

#: How often the schedules are read anew when one of them was revoked by somebody else meanwhile.
REVOKE_TRIES = 3

#: Nothing was revoked, because one of the schedules is not what it was a moment ago.
_MOVED_ON = frozenset({"PAYMENT_SCHEDULE_ALREADY_REVOKED", "PAYMENT_SCHEDULE_NOT_FOUND"})


@dataclass(frozen=True, slots=True)
class StoppingSchedule:
    """A charge to come that stops; `amount` is in minor units of `currency`."""

    schedule_id: str
    payment_id: str
    order_name: str
    amount: int
    currency: str
    time_to_pay: datetime | None
    status: str

    @property
    def is_being_charged(self) -> bool:
        """Whether its time has come: PortOne is at work on it, and gives it up no more."""
        return self.status in {"STARTED", "PENDING"}

    def to_raw(self) -> dict[str, Any]:
        """The schedule as JSON, without the key."""
        at = self.time_to_pay.isoformat() if self.time_to_pay else None
        return {
            "scheduleId": self.schedule_id,
            "paymentId": self.payment_id,
            "orderName": self.order_name,
            "amount": self.amount,
            "currency": self.currency,
            "timeToPay": at,
            "status": self.status,
        }

    @classmethod
    def from_raw(cls, raw: Mapping[str, Any]) -> Self:
        """The schedule that `to_raw` wrote."""
        at = raw["timeToPay"]
        return cls(
            raw["scheduleId"],
            raw["paymentId"],
            raw["orderName"],
            raw["amount"],
            raw["currency"],
            datetime.fromisoformat(at) if at else None,
            raw["status"],
        )


def list_open_schedules(billing_key: str) -> list[StoppingSchedule]:
    """The charges still to come or under way with a key, the earliest first, as PortOne has them now.

    Every status is asked for: one that nobody knows counts as open.
    Raises PortOneRefused and PortOneUncertain.
    """
    return [
        StoppingSchedule(
            it.schedule_id,
            it.payment_id,
            it.order_name,
            it.total_amount,
            it.currency,
            it.time_to_pay,
            it.status,
        )
        for it in _all_schedules(billing_key)
        if it.is_open
    ]


def ids_of(schedules: Iterable[StoppingSchedule]) -> list[str]:
    """Their ids, in one order."""
    return sorted(schedule.schedule_id for schedule in schedules)


def revoke_agreed(billing_key: str, agreed: frozenset[str], *, intent: UUID) -> dict[str, str] | None:
    """Give up the charges to come with a key, all or none; None while there is one that is not `agreed`.

    Answers what became of the agreed: {schedule id: status}. What is open is read afresh each time, so that a
    repeat finds what an earlier try has done already. Raises PortOneRefused and PortOneUncertain.
    """
    for attempt in range(1, REVOKE_TRIES + 1):
        found = list(_all_schedules(billing_key))
        statuses = {it.schedule_id: it.status for it in found if it.schedule_id in agreed}
        open_ids = sorted(it.schedule_id for it in found if it.is_open)
        if not agreed.issuperset(open_ids):
            return None
        if not open_ids:
            return statuses
        try:
            portone.revoke_schedules(
                open_ids, billing_key=billing_key, idempotency_key=_key_of(intent, open_ids)
            )
        except PortOneRefused as refusal:
            if refusal.type not in _MOVED_ON or attempt == REVOKE_TRIES:
                raise
        else:
            return statuses | dict.fromkeys(open_ids, REVOKED)
    raise AssertionError("the last try answers or raises")


def _key_of(intent: UUID, schedule_ids: Sequence[str]) -> str:
    """An idempotency key for revoking just these: another set is another request."""
    digest = hashlib.sha256("\n".join(schedule_ids).encode()).hexdigest()
    return f"{intent}-{digest[:16]}"


def _all_schedules(billing_key: str) -> Iterator[ScheduleInfo]:
    page, is_last = 0, False
    while not is_last:
        found = portone.list_schedules(
            since=LONG_AGO, until=FAR_AHEAD, billing_key=billing_key, page=page, size=PAGE_SIZE
        )
        yield from found.items
        page, is_last = page + 1, found.is_last
