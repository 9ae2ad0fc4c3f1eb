"""What happened to a balance since a person last saw it, in sentences: who gave back how much, and when."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from flask_babel import gettext as _

from app import clock
from app.payments.models import Cancellation, Payment
from app.refunds import balance
from app.refunds.models import HOLDING, Refund, RefundStatus
from app.refunds.queries import list_refunds_of
from app.web.filters import money
from app.web.labels import label_of


@dataclass(frozen=True, slots=True)
class _Taking:
    """An amount that left the balance."""

    at: datetime
    amount: int
    who: str
    is_final: bool


def tell_meanwhile(payment: Payment, seen: int) -> list[str]:
    """Why the refundable balance is no longer `seen`, in minor units: the newest events that explain it."""
    gap = seen - balance.refundable(payment)
    if gap < 0:
        return [_("A refund that held a part ended without giving it back, so more is refundable now.")]
    told: list[str] = []
    for taking in sorted(_takings(payment), key=lambda taking: taking.at, reverse=True):
        if gap <= 0:
            break
        gap -= taking.amount
        told.append(_sentence(taking, payment.currency))
    return told


def who_asked(refund: Refund) -> str:
    """The name of the person who wanted a refund."""
    person = refund.requester
    return (person.name or person.email or "") if person else _("somebody")


def time_of_day(moment: datetime) -> str:
    """A moment in Asia/Seoul, with the day where that is not today."""
    there, now = moment.astimezone(clock.SEOUL), clock.now().astimezone(clock.SEOUL)
    return f"{there:%H:%M}" if there.date() == now.date() else f"{there:%Y-%m-%d %H:%M}"


def _takings(payment: Payment) -> Iterator[_Taking]:
    """What PortOne cancelled, whoever asked, and what refunds of ours hold that it does not show yet."""
    ours = {refund.cancellation_id: refund for refund in list_refunds_of(payment)}
    shown = {row.cancellation_id for row in payment.cancellations}
    for row in payment.cancellations:
        if row.status == "SUCCEEDED":
            who = who_asked(ours[row.cancellation_id]) if row.cancellation_id in ours else _elsewhere(row)
            yield _Taking(row.cancelled_at or row.requested_at or row.created_at, row.total_amount, who, True)
    for refund in list_refunds_of(payment):
        is_unseen = refund.status == RefundStatus.SUCCEEDED and refund.cancellation_id not in shown
        if refund.status in HOLDING or is_unseen:
            yield _Taking(refund.created_at, refund.amount, who_asked(refund), is_unseen)


def _elsewhere(row: Cancellation) -> str:
    return str(label_of("trigger", row.trigger).text) if row.trigger else _("elsewhere")


def _sentence(taking: _Taking, currency: str) -> str:
    values = {"amount": money(taking.amount, currency), "who": taking.who, "at": time_of_day(taking.at)}
    if taking.is_final:
        return str(_("Meanwhile %(amount)s was refunded (%(who)s, %(at)s).", **values))
    return str(_("Meanwhile a refund of %(amount)s was asked for (%(who)s, %(at)s).", **values))
