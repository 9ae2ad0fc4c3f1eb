"""The list of charges: which ones a person wants."""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from flask import current_app
from sqlalchemy import ColumnElement, Select, and_, case, exists, or_, select
from sqlalchemy.orm import contains_eager, joinedload

from app.accounts.models import User
from app.billing_keys.models import BillingKey
from app.charges.models import IN_FLIGHT, Charge, ChargeStatus
from app.config import Settings
from app.extensions import db
from app.payments.filters import is_amount_within
from app.web.pagination import Page, capped_count, list_page
from app.web.query_values import Span
from app.web.totals import Totals, totals_of


@dataclass(frozen=True, slots=True)
class ChargeFilters:
    """Which charges a list shows. `since` is included and `until` is not; amounts are in major units.

    `channel` is `real`, `other` (what is no real money) or empty for both.
    """

    text: str | None = None
    statuses: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    least: Decimal | None = None
    most: Decimal | None = None
    currency: str | None = None
    billing_key: UUID | None = None
    requested_by: UUID | None = None
    approved_by: UUID | None = None
    channel: str = ""


def list_charges(filters: ChargeFilters, *, after: str | None) -> Page[Charge]:
    """A page of charges, newest first."""
    statement = select(Charge).join(Charge.billing_key).where(*_conditions(filters))
    related = contains_eager(Charge.billing_key), joinedload(Charge.requester), joinedload(Charge.approver)
    return list_page(statement.options(*related), clock=Charge.created_at, key=Charge.id, after=after)


def select_charges(filters: ChargeFilters, *columns: Any) -> Select[Any]:
    """Columns of every charge the filters find, and of its billing key, in no order."""
    return select(*columns).select_from(Charge).join(Charge.billing_key).where(*_conditions(filters))


def count_charges(filters: ChargeFilters) -> dict[str, int]:
    """How many charges there are in each status, whatever statuses the filters name, and under "" in all.

    Each number is exact up to the cap of `capped_count`.
    """
    wider = replace(filters, statuses=())
    by_status = {status.value: replace(wider, statuses=(status.value,)) for status in ChargeStatus}
    wanted = {"": wider, **by_status}
    return {name: capped_count(select_charges(each, Charge.id)) for name, each in wanted.items()}


def total_charges(filters: ChargeFilters) -> Totals:
    """What the charges add up to: asked for, charged, and without an outcome."""
    return totals_of(
        select_charges(filters, Charge.id),
        currency=Charge.currency,
        sums={
            "asked": Charge.amount,
            "succeeded": case((Charge.status == ChargeStatus.SUCCEEDED, Charge.amount), else_=0),
            "open": case((Charge.status.in_(IN_FLIGHT), Charge.amount), else_=0),
        },
        counts=is_real(),
    )


def list_people() -> list[User]:
    """Everybody who ever asked for a charge or decided about one."""
    asked, decided = (
        exists().where(column == User.id) for column in (Charge.requested_by, Charge.approved_by)
    )
    staff = select(User).where(User.password_hash.is_not(None), or_(asked, decided))
    return list(db.session.scalars(staff.order_by(User.name, User.email)))


def is_real() -> ColumnElement[bool]:
    """The condition that a billing key charges real money; one whose channel is not known charges none."""
    settings: Settings = current_app.config["SETTINGS"]
    return and_(BillingKey.channel_type.is_not(None), BillingKey.channel_type == settings.real_channel_type)


def _conditions(filters: ChargeFilters) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if filters.since:
        found.append(Charge.created_at >= filters.since)
    if filters.until:
        found.append(Charge.created_at < filters.until)
    if filters.statuses:
        found.append(Charge.status.in_(filters.statuses))
    if filters.least is not None or filters.most is not None:
        found.append(is_amount_within(Span(filters.least, filters.most), Charge, filters.currency))
    equal = (
        (Charge.currency, filters.currency),
        (Charge.billing_key_id, filters.billing_key),
        (Charge.requested_by, filters.requested_by),
        (Charge.approved_by, filters.approved_by),
    )
    found += [column == value for column, value in equal if value]
    if filters.channel:
        found.append(is_real() if filters.channel == "real" else ~is_real())
    if filters.text:
        found.append(_holds(filters.text))
    return found


def _holds(text: str) -> ColumnElement[bool]:
    columns = (Charge.order_name, Charge.named_payment_id, Charge.customer_name, Charge.reason)
    found = [column.icontains(text, autoescape=True) for column in columns]
    return or_(*found, Charge.customer_id == text)
