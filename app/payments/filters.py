"""Which payments are wanted: one typed filter for lists, totals, files, saved views and the API."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from babel.numbers import list_currencies
from flask import current_app
from sqlalchemy import ColumnElement, and_, false, or_, select

from app.clock import start_of_day
from app.config import Settings
from app.money import MAX_AMOUNT, decimals
from app.payments.models import Cancellation
from app.payments.text_query import TextQuery
from app.web.query_language import Term
from app.web.query_values import Span

#: What a value of a word demands of the payments, or of a selection with the same columns.
Condition = Callable[[Any, Any], ColumnElement[bool]]

#: The clocks a period can be meant by, and the column each is read from.
CLOCKS = {
    "status_changed": "changed_clock",
    "requested": "requested_clock",
    "paid": "paid_at",
    "cancelled": "changed_clock",
}

USUAL_CLOCK = "status_changed"

#: The words whose days are of a clock of their own; those of `date` are of the clock that is chosen.
CLOCK_WORDS = {"date": None, "approved": "paid", "requested": "requested", "cancelled-on": "cancelled"}

#: Payments that something is unsettled about.
FLAGS: dict[str, Callable[[Any], ColumnElement[bool]]] = {
    "pending_cancellation": lambda on: on.has_pending_cancellation,
    "open_dispute": lambda on: on.has_open_dispute,
    # Once nothing was paid, or all of it went back, there is nothing left to do about it.
    "mismatched": lambda on: and_(on.is_mismatched, on.status.not_in(("FAILED", "CANCELLED"))),
    "account_refund_failed": lambda on: on.account_refund_status.in_(("FAILED", "PARTIAL_REFUND_FAILED")),
    "account_refund_pending": lambda on: on.account_refund_status == "PENDING",
    "drift": lambda on: on.has_drift,
}

#: Currencies by their decimals; those that are not here have two.
_CURRENCIES_OF = {
    places: sorted(code for code in list_currencies() if decimals(code) == places) for places in (0, 3, 4)
}


@dataclass(frozen=True, slots=True)
class PaymentFilters:
    """Which payments a list shows. `since` is included and `until` is not; amounts are in major units.

    `terms` are what a query says beyond the fields of the filter row; all of them have to hold.
    """

    text: TextQuery = field(default_factory=TextQuery)
    statuses: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    pg_providers: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    clock: str = USUAL_CLOCK
    least: Decimal | None = None
    most: Decimal | None = None
    currency: str | None = None
    flag: str | None = None
    is_real_only: bool = False
    billing_key_hash: str | None = None
    terms: tuple[Term, ...] = ()

    @property
    def is_text_only(self) -> bool:
        """Whether nothing but the text narrows the list."""
        return replace(self, text=TextQuery(), clock=USUAL_CLOCK) == PaymentFilters()

    @property
    def is_by_amount(self) -> bool:
        """Whether amounts narrow the list."""
        is_bound = self.least is not None or self.most is not None
        return is_bound or any(term.word == "amount" for term in self.terms)

    def conditions(self, on: Any) -> list[ColumnElement[bool]]:
        """What all but the text demands of `on`: the payments, or a selection with the same columns."""
        found = [
            column.in_(values)
            for column, values in (
                (on.status, self.statuses),
                (on.method, self.methods),
                (on.pg_provider, self.pg_providers),
            )
            if values
        ]
        found += self._period(on)
        if self.least is not None or self.most is not None:
            found.append(is_amount_within(Span(self.least, self.most), on, self.currency))
        if self.currency:
            found.append(on.currency == self.currency)
        if self.flag:
            found.append(FLAGS[self.flag](on))
        if self.is_real_only:
            found.append(on.channel_type == real_channel_type())
        if self.billing_key_hash:
            found.append(on.billing_key_hash == self.billing_key_hash)
        return [*found, *(self._condition(term, on) for term in self.terms)]

    def _period(self, on: Any) -> list[ColumnElement[bool]]:
        bounds = _is_within(self.clock, self.since, self.until, on)
        return bounds if self.since or self.until or self.clock in {"paid", "cancelled"} else []

    def _condition(self, term: Term, on: Any) -> ColumnElement[bool]:
        held = or_(*(self._one(term.word, value, on) for value in term.values))
        return held.is_not(True) if term.is_negated else held

    def _one(self, word: str, value: Any, on: Any) -> ColumnElement[bool]:
        if word == "amount":
            return is_amount_within(value, on, self.currency)
        if word in CLOCK_WORDS:
            since = start_of_day(value.low) if value.low else None
            until = start_of_day(value.high + timedelta(days=1)) if value.high else None
            return and_(*_is_within(CLOCK_WORDS[word] or self.clock, since, until, on))
        return CONDITIONS[word](on, value)


def is_test(on: Any) -> ColumnElement[bool]:
    """Whether a payment went through a test channel."""
    condition: ColumnElement[bool] = on.channel_type == "TEST"
    return condition


#: What each word demands; the domains above add theirs.
CONDITIONS: dict[str, Condition] = {
    "status": lambda on, value: on.status == value,
    "method": lambda on, value: on.method == value,
    "pg": lambda on, value: on.pg_provider == value,
    "currency": lambda on, value: on.currency == value,
    "drift": lambda on, value: _is(value, FLAGS["drift"](on)),
    "real": lambda on, value: _is(value, on.channel_type == real_channel_type()),
    "test": lambda on, value: _is(value, is_test(on)),
}


def _is(wanted: bool, condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return condition if wanted else condition.is_not(True)


def real_channel_type() -> str:
    """The type of channel whose payments count as real money."""
    settings: Settings = current_app.config["SETTINGS"]
    return settings.real_channel_type


def _is_within(
    clock: str, since: datetime | None, until: datetime | None, on: Any
) -> list[ColumnElement[bool]]:
    """The conditions of a period on a clock; to be of the clocks `paid` and `cancelled` is one by itself."""
    if clock == "cancelled":
        bounds = between(since, until, Cancellation.cancelled_at)
        cancelled = select(Cancellation.payment_id).where(Cancellation.status == "SUCCEEDED", *bounds)
        return [on.id.in_(cancelled)]
    moment = getattr(on, CLOCKS[clock])
    bounds = between(since, until, moment)
    return [moment.is_not(None), *bounds] if clock == "paid" else bounds


def between(since: datetime | None, until: datetime | None, moment: Any) -> list[ColumnElement[bool]]:
    """That a moment is at `since` or later, and before `until`, where they are given."""
    return ([moment >= since] if since else []) + ([moment < until] if until else [])


def is_amount_within(span: Span, on: Any, currency: str | None) -> ColumnElement[bool]:
    """Bounds in major units mean each payment's own currency: 30 is 30 won here and 30 dollars there."""
    if currency:
        return _is_minor_within(span, decimals(currency), on.amount)
    odd = [code for codes in _CURRENCIES_OF.values() for code in codes]
    groups = [(places, on.currency.in_(codes)) for places, codes in _CURRENCIES_OF.items()]
    return or_(
        *(
            and_(is_in_group, _is_minor_within(span, places, on.amount))
            for places, is_in_group in [*groups, (2, on.currency.not_in(odd))]
        )
    )


def _is_minor_within(span: Span, places: int, amount: ColumnElement[int]) -> ColumnElement[bool]:
    low, high = 0, MAX_AMOUNT
    if span.low is not None:
        exact = span.low.scaleb(places)
        low = int(exact.to_integral_value(ROUND_CEILING))
        low += span.is_low_open and low == exact
    if span.high is not None:
        exact = span.high.scaleb(places)
        high = int(exact.to_integral_value(ROUND_FLOOR))
        high -= span.is_high_open and high == exact
    if low > MAX_AMOUNT or high < low:
        return false()
    return amount.between(low, min(high, MAX_AMOUNT))
