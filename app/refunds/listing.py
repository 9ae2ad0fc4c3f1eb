"""The list of refunds, and beside it the money that went back without us: which ones a person wants."""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from flask import current_app
from sqlalchemy import ColumnElement, Select, and_, case, exists, func, or_, select
from sqlalchemy.orm import contains_eager, joinedload

from app.accounts.models import User
from app.config import Settings
from app.extensions import db
from app.payments.filters import is_amount_within
from app.payments.models import Cancellation, Payment
from app.refunds.models import HOLDING, Refund, RefundStatus
from app.web.pagination import Page, capped_count, list_page
from app.web.query_values import Span
from app.web.totals import Totals, totals_of

#: The clocks a period can be meant by, and the column each is read from.
CLOCKS = {"requested": Refund.created_at, "settled": Refund.settled_at}

#: When a cancellation of PortOne's happened, as far as it says.
ELSEWHERE_CLOCK = func.coalesce(Cancellation.cancelled_at, Cancellation.requested_at, Cancellation.created_at)


@dataclass(frozen=True, slots=True)
class RefundFilters:
    """Which refunds a list shows. `since` is included and `until` is not; amounts are in major units.

    `channel` is `real`, `other` (what is no real money) or empty for both.
    """

    text: str | None = None
    statuses: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    clock: str = "requested"
    least: Decimal | None = None
    most: Decimal | None = None
    currency: str | None = None
    methods: tuple[str, ...] = ()
    pg_providers: tuple[str, ...] = ()
    requested_by: UUID | None = None
    approved_by: UUID | None = None
    reason_code: str | None = None
    is_to_account: bool = False
    channel: str = ""


def list_refunds(filters: RefundFilters, *, after: str | None) -> Page[Refund]:
    """A page of refunds, newest first by the clock the filters name."""
    statement = select(Refund).join(Refund.payment).where(*_conditions(filters))
    related = contains_eager(Refund.payment), joinedload(Refund.requester), joinedload(Refund.approver)
    clock = CLOCKS[filters.clock]
    return list_page(statement.options(*related), clock=clock, key=Refund.id, after=after)


def select_refunds(filters: RefundFilters, *columns: Any) -> Select[Any]:
    """Columns of every refund the filters find, and of its payment, in no order."""
    return select(*columns).select_from(Refund).join(Refund.payment).where(*_conditions(filters))


def count_refunds(filters: RefundFilters) -> dict[str, int]:
    """How many refunds there are in each status, whatever statuses the filters name, and under "" in all.

    Each number is exact up to the cap of `capped_count`.
    """
    wider = replace(filters, statuses=())
    wanted = {
        "": wider,
        **{status.value: replace(wider, statuses=(status.value,)) for status in RefundStatus},
    }
    return {name: capped_count(select_refunds(each, Refund.id)) for name, each in wanted.items()}


def list_people() -> list[User]:
    """Everybody who ever asked for a refund or decided about one."""
    asked, decided = (
        exists().where(column == User.id) for column in (Refund.requested_by, Refund.approved_by)
    )
    staff = select(User).where(User.password_hash.is_not(None), or_(asked, decided))
    return list(db.session.scalars(staff.order_by(User.name, User.email)))


def total_refunds(filters: RefundFilters) -> Totals:
    """What the refunds add up to: asked for, given back, and still under way."""
    return totals_of(
        select_refunds(filters, Refund.id),
        currency=Payment.currency,
        sums={
            "asked": Refund.amount,
            "succeeded": case((Refund.status == RefundStatus.SUCCEEDED, Refund.amount), else_=0),
            "open": case((Refund.status.in_(HOLDING), Refund.amount), else_=0),
        },
        counts=is_real(),
    )


def total_elsewhere(filters: RefundFilters) -> Totals:
    """What the cancellations made elsewhere add up to: given back, and still under way."""
    amount = Cancellation.total_amount
    return totals_of(
        select_elsewhere(filters, Cancellation.id),
        currency=Payment.currency,
        sums={
            "succeeded": case((Cancellation.status == "SUCCEEDED", amount), else_=0),
            "open": case((Cancellation.status.not_in(("SUCCEEDED", "FAILED")), amount), else_=0),
        },
        counts=is_real(),
    )


def list_elsewhere(filters: RefundFilters, *, after: str | None) -> Page[Cancellation]:
    """A page of the cancellations that no refund of ours asked for, the newest first."""
    statement = select(Cancellation).join(Cancellation.payment).where(*_conditions_elsewhere(filters))
    statement = statement.options(contains_eager(Cancellation.payment))
    return list_page(statement, clock=ELSEWHERE_CLOCK, key=Cancellation.id, after=after)


def select_elsewhere(filters: RefundFilters, *columns: Any) -> Select[Any]:
    """Columns of every cancellation that no refund of ours asked for, and of its payment, in no order."""
    statement = select(*columns).select_from(Cancellation).join(Cancellation.payment)
    return statement.where(*_conditions_elsewhere(filters))


def count_elsewhere(filters: RefundFilters) -> int:
    """How many cancellations no refund of ours asked for, as `capped_count` counts."""
    return capped_count(select_elsewhere(filters, Cancellation.id))


def _conditions(filters: RefundFilters) -> list[ColumnElement[bool]]:
    found = _conditions_on_payment(filters, Refund.amount)
    clock = CLOCKS[filters.clock]
    found += _period(filters, clock)
    if filters.clock == "settled":
        found.append(clock.is_not(None))
    if filters.statuses:
        found.append(Refund.status.in_(filters.statuses))
    equal = (
        (Refund.requested_by, filters.requested_by),
        (Refund.approved_by, filters.approved_by),
        (Refund.reason_code, filters.reason_code),
    )
    found += [column == value for column, value in equal if value]
    if filters.is_to_account:
        found.append(Refund.account_bank.is_not(None))
    if filters.text:
        found.append(_holds(filters.text, Refund.reason, Refund.account_holder, Refund.cancellation_id))
    return found


def _conditions_elsewhere(filters: RefundFilters) -> list[ColumnElement[bool]]:
    """Filters about what only a refund of ours has find none here."""
    ours = exists().where(
        Refund.payment_id == Cancellation.payment_id, Refund.cancellation_id == Cancellation.cancellation_id
    )
    found = [
        *_conditions_on_payment(filters, Cancellation.total_amount),
        *_period(filters, ELSEWHERE_CLOCK),
        ~ours,
    ]
    if filters.text:
        found.append(_holds(filters.text, Cancellation.reason, Cancellation.cancellation_id))
    return found


def _conditions_on_payment(filters: RefundFilters, amount: Any) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if filters.least is not None or filters.most is not None:
        on = SimpleNamespace(currency=Payment.currency, amount=amount)
        found.append(is_amount_within(Span(filters.least, filters.most), on, filters.currency))
    if filters.currency:
        found.append(Payment.currency == filters.currency)
    if filters.methods:
        found.append(Payment.method.in_(filters.methods))
    if filters.pg_providers:
        found.append(Payment.pg_provider.in_(filters.pg_providers))
    if filters.channel:
        found.append(is_real() if filters.channel == "real" else ~is_real())
    return found


def is_real() -> ColumnElement[bool]:
    """The condition that a payment is real money; what has no channel yet is none."""
    settings: Settings = current_app.config["SETTINGS"]
    return and_(Payment.channel_type.is_not(None), Payment.channel_type == settings.real_channel_type)


def _period(filters: RefundFilters, moment: Any) -> list[ColumnElement[bool]]:
    since = [moment >= filters.since] if filters.since else []
    return since + ([moment < filters.until] if filters.until else [])


def _holds(text: str, *columns: Any) -> ColumnElement[bool]:
    searched = (Payment.payment_id, Payment.order_name, Payment.customer_name, *columns)
    return or_(*(column.icontains(text, autoescape=True) for column in searched))
