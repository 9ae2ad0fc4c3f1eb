"""The words in which the rules speak of a refund: the payment, how much of it, and at what moment."""

import calendar
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from sqlalchemy import select

from app import clock
from app.extensions import db
from app.payments.models import Payment
from app.payments.queries import snapshot_of
from app.portone.methods import METHOD_CODES, Card
from app.portone.payloads import PaymentSnapshot
from app.refunds.models import Refund, RefundStatus

#: Only money that arrived can go back.
REFUNDABLE_STATUSES = frozenset({"PAID", "PARTIAL_CANCELLED"})

#: PGs by their codes at PortOne, old modules too; PortOne's facts do not tell the two of Smartro apart.
INICIS = frozenset({"INICIS_V2", "INICIS", "HTML5_INICIS"})
KCP = frozenset({"KCP_V2", "KCP", "KCP_BILLING", "KCP_QUICK", "KCP_DIRECT"})
KICC = frozenset({"KICC_V2", "KICC"})
KPN = frozenset({"KPN"})
KSNET = frozenset({"KSNET"})
NICE = frozenset({"NICE_V2", "NICE"})
PAYMENTWALL = frozenset({"PAYMENTWALL"})
PAYPAL = frozenset({"PAYPAL_V2", "PAYPAL"})
SMARTRO = frozenset({"SMARTRO_V2", "SMARTRO"})
TOSS = frozenset({"TOSSPAYMENTS"})
TRIPLE_A = frozenset({"TRIPLE_A"})


@dataclass(frozen=True)
class Case:
    """A refund to be judged: `amount` in minor units, None while nobody has said how much."""

    payment: Payment
    amount: int | None
    at: datetime

    @classmethod
    def of(cls, payment: Payment, amount: int | None = None) -> "Case":
        """The case as it stands this moment."""
        return cls(payment, amount, clock.now().astimezone(clock.SEOUL))

    @property
    def status(self) -> str:
        """PortOne's status of the payment."""
        return self.payment.status

    @property
    def is_partial(self) -> bool:
        """Whether less than the whole payment goes back; so it is for the rest of one refunded in part."""
        return self.payment.cancelled_amount > 0 or (
            self.amount is not None and self.amount < self.payment.amount
        )

    def is_at(self, pgs: frozenset[str]) -> bool:
        """Whether one of these PGs carries it out."""
        return self.payment.pg_provider in pgs

    @property
    def method(self) -> str:
        """How it was paid, in PortOne's filter codes; other tools write the wire names into our table."""
        return METHOD_CODES.get(self.payment.method or "", self.payment.method or "")

    @property
    def is_virtual_account(self) -> bool:
        """Whether the buyer paid into an account number made for this payment."""
        return self.method == "VIRTUAL_ACCOUNT"

    @property
    def is_transfer(self) -> bool:
        """Whether it was a bank transfer, debited at once."""
        return self.method == "TRANSFER"

    @property
    def is_mobile(self) -> bool:
        """Whether it went onto the buyer's phone bill."""
        return self.method == "MOBILE"

    @property
    def is_gift_certificate(self) -> bool:
        """Whether a gift certificate paid."""
        return self.method == "GIFT_CERTIFICATE"

    @property
    def is_convenience_store(self) -> bool:
        """Whether the buyer paid in cash at a shop in Japan."""
        return self.method == "CONVENIENCE_STORE"

    @property
    def is_test(self) -> bool:
        """Whether it went through a test channel."""
        return self.payment.channel_type == "TEST"

    @cached_property
    def snapshot(self) -> PaymentSnapshot | None:
        """What PortOne reported last, if that can be read."""
        return snapshot_of(self.payment)

    @property
    def wallet(self) -> str:
        """The wallet of an easy-pay payment (KAKAOPAY, NAVERPAY, PAYPAL, …), or nothing."""
        method = self.snapshot.method if self.snapshot else None
        known = method.provider if method and method.provider else self.payment.pg_provider or ""
        return {"PAYPAL_V2": "PAYPAL", "NAVERCO": "NAVERPAY"}.get(known, known)

    @property
    def card(self) -> Card | None:
        """The card that was charged, in a wallet too."""
        return self.snapshot.method.any_card if self.snapshot and self.snapshot.method else None

    @property
    def is_card(self) -> bool:
        """Whether a card was charged."""
        return self.method == "CARD" or self.card is not None

    @property
    def is_plain_card(self) -> bool:
        """Whether the card's own deadlines count, and not those of a wallet with its own."""
        return self.is_card and self.wallet not in {"KAKAOPAY", "NAVERPAY", "PAYPAL"}

    @property
    def is_foreign(self) -> bool:
        """Whether it was paid in another country, or in another currency than won."""
        country = self.snapshot.country if self.snapshot else None
        return self.payment.currency != "KRW" or country not in {None, "KR"}

    @property
    def used_points(self) -> bool:
        """Whether card points paid a part."""
        method = self.snapshot.method if self.snapshot else None
        return bool(method and method.raw.get("pointUsed") is True)

    @property
    def escrow_status(self) -> str | None:
        """Where an escrow stands; None for a payment without, and for V1, which always says REGISTERED."""
        if self.snapshot is None or self.snapshot.version == "V1" or self.snapshot.escrow is None:
            return None
        return self.snapshot.escrow.status

    @property
    def has_cash_receipt(self) -> bool:
        """Whether a cash receipt is issued, even where PortOne shows no more of it."""
        if self.snapshot is None:
            return False
        receipt = self.snapshot.cash_receipt
        return (receipt.status if receipt else self.snapshot.cash_receipt_issuance_status) == "ISSUED"

    @property
    def has_promotion(self) -> bool:
        """Whether one of PortOne's promotions took something off the price."""
        return bool(self.snapshot and self.snapshot.promotion_id)

    @property
    def parts_refunded(self) -> int:
        """How many times money went back already."""
        return sum(row.status == "SUCCEEDED" for row in self.payment.cancellations)

    @property
    def was_told_too_many(self) -> bool:
        """Whether PortOne has refused a refund of this payment because there were too many before it."""
        told = select(Refund.id).where(
            Refund.payment_id == self.payment.id,
            Refund.status == RefundStatus.FAILED,
            Refund.problem == "MAX_CANCEL_COUNT_REACHED",
        )
        return db.session.scalar(told.limit(1)) is not None

    def is_older_than(self, *, months: int = 0, days: int = 0) -> bool:
        """Whether more time than this has gone by since it was paid; no, where that is not known."""
        if self.payment.paid_at is None:
            return False
        paid = self.payment.paid_at.astimezone(clock.SEOUL)
        return self.at > _months_later(paid, months) + timedelta(days=days)

    @property
    def is_of_earlier_month(self) -> bool:
        """Whether it was paid in an earlier month of the calendar: phone bills close with the month."""
        if self.payment.paid_at is None:
            return False
        paid = self.payment.paid_at.astimezone(clock.SEOUL)
        return (paid.year, paid.month) != (self.at.year, self.at.month)


def _months_later(moment: datetime, months: int) -> datetime:
    """The same day some months on, or the last day of a month that has no such day."""
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    day = min(moment.day, calendar.monthrange(year, month + 1)[1])
    return moment.replace(year=year, month=month + 1, day=day)
