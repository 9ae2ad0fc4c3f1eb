"""The list of payments: which ones a person wants, found by text, time and everything else."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from flask import current_app
from sqlalchemy import CTE, ColumnElement, Select, func, literal, select, tuple_
from sqlalchemy.orm import load_only

from app.config import Settings
from app.extensions import db
from app.payments.models import Cancellation, Payment, PaymentSearch
from app.payments.search import TextQuery
from app.web.amount_range import is_amount_within
from app.web.pagination import Page, capped_count, list_page, read_cursor

#: The clocks a period can be meant by, and the column each is read from.
CLOCKS = {
    "status_changed": "changed_clock",
    "requested": "requested_clock",
    "paid": "paid_at",
    "cancelled": "changed_clock",
}

#: Payments that something is unsettled about.
FLAGS: dict[str, Callable[[Any], ColumnElement[bool]]] = {
    "pending_cancellation": lambda on: on.has_pending_cancellation,
    "open_dispute": lambda on: on.has_open_dispute,
    "mismatched": lambda on: on.is_mismatched,
    "account_refund_failed": lambda on: on.account_refund_status.in_(("FAILED", "PARTIAL_REFUND_FAILED")),
    "account_refund_pending": lambda on: on.account_refund_status == "PENDING",
}

#: The columns a row of the list shows.
_SHOWN = (
    Payment.payment_id,
    Payment.status,
    Payment.order_name,
    Payment.currency,
    Payment.amount,
    Payment.cancelled_amount,
    Payment.method,
    Payment.pg_provider,
    Payment.channel_type,
    Payment.customer_name,
    Payment.has_pending_cancellation,
    Payment.has_open_dispute,
    Payment.is_mismatched,
    Payment.account_refund_status,
    Payment.changed_clock,
    Payment.requested_clock,
    Payment.paid_at,
)

#: The columns a list is narrowed and ordered by.
_NARROWING = (
    Payment.id,
    Payment.status,
    Payment.method,
    Payment.pg_provider,
    Payment.channel_type,
    Payment.currency,
    Payment.amount,
    Payment.billing_key_hash,
    Payment.has_pending_cancellation,
    Payment.has_open_dispute,
    Payment.is_mismatched,
    Payment.account_refund_status,
    Payment.changed_clock,
    Payment.requested_clock,
    Payment.paid_at,
)

#: How many payments a search for a frequent word walks before all its matches are collected after all.
WALKED = 5_000

#: How many payments, the newest, are looked through for a text of one or two letters, which no index knows.
LOOKED_THROUGH = 20_000


@dataclass(frozen=True, slots=True)
class PaymentFilters:
    """Which payments a list shows. `since` is included and `until` is not; amounts are in major units."""

    text: TextQuery = field(default_factory=lambda: TextQuery(()))
    statuses: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    pg_providers: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    clock: str = "status_changed"
    least: Decimal | None = None
    most: Decimal | None = None
    currency: str | None = None
    flag: str | None = None
    is_real_only: bool = False
    billing_key_hash: str | None = None

    @property
    def is_text_only(self) -> bool:
        """Whether nothing but the text narrows the list."""
        return replace(self, text=TextQuery(()), clock="status_changed") == PaymentFilters()


@dataclass(frozen=True, slots=True)
class PaymentList:
    """A page of payments. `total` counts all of them as `capped_count` does; None where that is not worth it.

    `found_in` names the fields in which each row (by id) holds what was searched for. A list that
    `is_partial` looked through the newest `LOOKED_THROUGH` payments only.
    """

    page: Page[Payment]
    total: int | None
    found_in: Mapping[UUID, list[str]]
    is_partial: bool


def list_payments(filters: PaymentFilters, *, after: str | None) -> PaymentList:
    """A page of payments, newest first by the clock the filters name."""
    page, total = _find_page(filters, after)
    is_partial = bool(filters.text.words) and not filters.text.tokens
    return PaymentList(page, total, _fields_found(page.rows, filters.text), is_partial)


def count_without_period(filters: PaymentFilters) -> int:
    """How many payments the filters find once their period is taken away, as `capped_count` counts."""
    wider = replace(filters, since=None, until=None)
    text = wider.text
    if text.words and not text.tokens:
        return 0
    on: Any = _hits(text, text.has_tokens()).c if text.words else Payment
    return capped_count(select(on.id).where(*_conditions(wider, on)))


def select_matches(filters: PaymentFilters, *columns: Any) -> Select[Any]:
    """Columns of every payment the filters find, in no order: for files and totals, which leave none out."""
    statement = select(*columns).select_from(Payment).where(*_conditions(filters, Payment))
    text = filters.text
    if not text.words:
        return statement
    has_tokens = [text.has_tokens()] if text.tokens else []
    return statement.join(PaymentSearch, PaymentSearch.payment_id == Payment.id).where(
        *has_tokens, *text.confirms()
    )


def _find_page(filters: PaymentFilters, after: str | None) -> tuple[Page[Payment], int | None]:
    text = filters.text
    if not text.words:
        conditions = _conditions(filters, Payment)
        total = capped_count(select(Payment.id).where(*conditions)) if not after else None
        return _page_of(_rows().where(*conditions), filters, Payment, after), total
    if text.candidates is not None:
        return _collect(filters, after, PaymentSearch.id.in_(text.candidates))
    walked = _page_of(_walk(filters, after), filters, Payment, after)
    if walked.next_cursor or not text.tokens:
        return walked, None
    return _collect(filters, after, text.has_tokens())[0], None


def _rows() -> Select[Payment]:
    """What a row of the list shows, and nothing more: documents are large."""
    return select(Payment).options(load_only(*_SHOWN, raiseload=True))


def _page_of(statement: Select[Any], filters: PaymentFilters, on: Any, after: str | None) -> Page[Any]:
    clock_column = getattr(on, CLOCKS[filters.clock])
    return list_page(statement, clock=clock_column, key=on.id, after=after, scalars=on is Payment)


def _collect(
    filters: PaymentFilters, after: str | None, candidates: ColumnElement[bool]
) -> tuple[Page[Payment], int | None]:
    """All matches of the text first, whatever the planner would do; then filters, order and page."""
    hits = _hits(filters.text, candidates)
    statement = _rows().join(hits, hits.c.id == Payment.id).where(*_conditions(filters, hits.c))
    page = _page_of(statement.add_columns(func.count().over()), filters, hits.c, after)
    total = page.rows[0][1] if page.rows else 0
    return Page([row[0] for row in page.rows], page.next_cursor), None if after else total


def _hits(text: TextQuery, candidates: ColumnElement[bool]) -> CTE:
    return (
        select(*_NARROWING)
        .join(PaymentSearch, PaymentSearch.payment_id == Payment.id)
        .where(candidates, *text.confirms())
        .cte("hits")
        .prefix_with("MATERIALIZED")
    )


def _walk(filters: PaymentFilters, after: str | None) -> Select[Payment]:
    """The payments by time, each looked at for the text: soon done when many match.

    The walk is bounded, or a word that only old payments hold would be looked for in all of them.
    """
    statement = (
        _rows()
        .join(PaymentSearch, PaymentSearch.payment_id == Payment.id)
        .where(*_conditions(filters, Payment), *filters.text.confirms())
    )
    end = _end_of_walk(filters, after) if filters.text.tokens else _end_of_search(filters)
    return statement if end is None else statement.where(_clock_of(filters) >= end)


def _end_of_walk(filters: PaymentFilters, after: str | None) -> datetime | None:
    """The moment of the last payment to look at for one page; None when fewer are left."""
    moment = _clock_of(filters)
    statement = select(moment).where(*_conditions(filters, Payment))
    if after:
        at, row_id = read_cursor(after)
        cursor = tuple_(literal(at, moment.type), literal(row_id, Payment.id.type))
        statement = statement.where(tuple_(moment, Payment.id) < cursor)
    return db.session.scalar(statement.order_by(moment.desc(), Payment.id.desc()).offset(WALKED).limit(1))


def _end_of_search(filters: PaymentFilters) -> datetime | None:
    """The moment of the oldest payment to look at for a text the index knows nothing of."""
    moment = _clock_of(filters)
    newest = select(moment).where(*_conditions(filters, Payment)).order_by(moment.desc(), Payment.id.desc())
    return db.session.scalar(newest.offset(LOOKED_THROUGH).limit(1))


def _clock_of(filters: PaymentFilters) -> Any:
    return getattr(Payment, CLOCKS[filters.clock])


def _conditions(filters: PaymentFilters, on: Any) -> list[ColumnElement[bool]]:
    """What the filters demand of `on`: the payments, or a selection with the same columns."""
    found = [
        column.in_(values)
        for column, values in (
            (on.status, filters.statuses),
            (on.method, filters.methods),
            (on.pg_provider, filters.pg_providers),
        )
        if values
    ]
    found += _period(filters, on)
    if filters.least is not None or filters.most is not None:
        found.append(is_amount_within(filters.least, filters.most, on.currency, on.amount))
    if filters.currency:
        found.append(on.currency == filters.currency)
    if filters.flag:
        found.append(FLAGS[filters.flag](on))
    if filters.is_real_only:
        settings: Settings = current_app.config["SETTINGS"]
        found.append(on.channel_type == settings.real_channel_type)
    if filters.billing_key_hash:
        found.append(on.billing_key_hash == filters.billing_key_hash)
    return found


def _period(filters: PaymentFilters, on: Any) -> list[ColumnElement[bool]]:
    if filters.clock == "cancelled":
        bounds = _within(filters, Cancellation.cancelled_at)
        cancelled = select(Cancellation.payment_id).where(Cancellation.status == "SUCCEEDED", *bounds)
        return [on.id.in_(cancelled)]
    moment = getattr(on, CLOCKS[filters.clock])
    bounds = _within(filters, moment)
    return [moment.is_not(None), *bounds] if filters.clock == "paid" else bounds


def _within(filters: PaymentFilters, moment: Any) -> list[ColumnElement[bool]]:
    since = [moment >= filters.since] if filters.since else []
    return since + ([moment < filters.until] if filters.until else [])


def _fields_found(payments: Iterable[Payment], text: TextQuery) -> dict[UUID, list[str]]:
    if not text.words:
        return {}
    rows = select(PaymentSearch.payment_id, PaymentSearch.text)
    found = db.session.execute(rows.where(PaymentSearch.payment_id.in_([payment.id for payment in payments])))
    return {row_id: text.fields_in(lines) for row_id, lines in found}
