"""The list of payments: which ones a person wants, found by text, time and everything else."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CTE, ColumnElement, Select, func, select
from sqlalchemy.orm import load_only

from app.database import no_longer_than
from app.extensions import db
from app.payments.filters import CLOCKS, PaymentFilters
from app.payments.models import Payment, PaymentSearch
from app.payments.search import is_sqlite
from app.payments.text_query import FREQUENT, TextQuery
from app.web.pagination import PAGE_SIZE, Page, Position, capped_count, list_rows, page_of

__all__ = [
    "PaymentFilters",
    "PaymentList",
    "count_without_period",
    "list_payments",
    "select_matches",
]

#: The columns a row of the list shows.
_SHOWN = (
    Payment.payment_id,
    Payment.transaction_id,
    Payment.status,
    Payment.order_name,
    Payment.currency,
    Payment.amount,
    Payment.cancelled_amount,
    Payment.method,
    Payment.pg_provider,
    Payment.channel_type,
    Payment.customer_name,
    Payment.customer_email,
    Payment.customer_phone,
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
    Payment.cancelled_amount,
    Payment.billing_key_hash,
    Payment.has_pending_cancellation,
    Payment.has_open_dispute,
    Payment.is_mismatched,
    Payment.account_refund_status,
    Payment.changed_clock,
    Payment.requested_clock,
    Payment.paid_at,
)

#: No search runs longer: a person narrows it sooner than they wait.
LONGEST_SEARCH = 2.0

#: How many payments a search for a frequent word walks before its matches are put in order after all.
WALKED = 2_000

#: How many payments, the newest, are looked through for a text of one or two letters, which no index knows.
LOOKED_THROUGH = 20_000

#: How many of a word's matches, the newest, are looked at first, and by how much more each further time.
_FIRST_LOOK, _FURTHER, _LAST_LOOK = 64, 8, 32_000

#: Up to so many matches of a word are all read at once, and counted by the way.
FEW = 300


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


def list_payments(filters: PaymentFilters, *, after: str | None, before: str | None = None) -> PaymentList:
    """A page of payments, newest first by the clock the filters name; raises `TookTooLong`."""
    at = Position(after, before)
    with no_longer_than(LONGEST_SEARCH):
        page, total = _find_page(filters, at)
        if before and len(page.rows) < PAGE_SIZE:  # the start is near: a whole page from there
            page, total = _find_page(filters, Position())
        return PaymentList(page, total, _fields_found(page.rows, filters.text), _is_partial(filters.text))


def count_without_period(filters: PaymentFilters) -> int:
    """How many payments the filters find once their period is taken away, as `capped_count` counts."""
    with no_longer_than(LONGEST_SEARCH):
        wider = replace(filters, since=None, until=None)
        return 0 if _is_partial(wider.text) else capped_count(select_matches(wider, Payment.id))


def select_matches(filters: PaymentFilters, *columns: Any) -> Select[Any]:
    """Columns of every payment the filters find, in no order: for files and totals, which leave none out."""
    statement = select(*columns).select_from(Payment).where(*filters.conditions(Payment))
    text = filters.text
    if text.is_blank:
        return statement
    has_tokens = [text.has_tokens()] if text.is_indexed else []
    return statement.join(PaymentSearch, PaymentSearch.payment_id == Payment.id).where(
        *has_tokens, *text.confirms()
    )


def _is_partial(text: TextQuery) -> bool:
    return text.is_needle and not text.is_indexed


def _find_page(filters: PaymentFilters, at: Position) -> tuple[Page[Payment], int | None]:
    text = filters.text
    if text.is_blank:
        conditions = filters.conditions(Payment)
        total = capped_count(select(Payment.id).where(*conditions)) if at.is_start else None
        return _page(_rows().where(*conditions), filters, Payment, at), total
    if text.candidates is not None and (len(text.candidates) < FEW or not _has_clocks(filters)):
        return _collect(filters, at, PaymentSearch.id.in_(text.candidates))
    return _find_frequent(filters, at), _count_confirmed(filters) if at.is_start else None


def _find_frequent(filters: PaymentFilters, at: Position) -> Page[Payment]:
    """A page of what many payments hold, or no index knows."""
    text = filters.text
    if not text.is_indexed or (text.candidates is None and _is_everywhere(text)):
        walked = _page(_walk(filters, at), filters, Payment, at)
        if not text.is_indexed or _goes_on(walked, at):
            return walked
    if _has_clocks(filters):
        ordered = _in_order(filters, at)
        if ordered is not None:
            return ordered
    return _collect(filters, at, text.has_tokens())[0]


def _has_clocks(filters: PaymentFilters) -> bool:
    """Whether the index can put matches in the order of the list by itself."""
    return is_sqlite() and filters.clock != "paid"


def _count_confirmed(filters: PaymentFilters) -> int | None:
    """How many candidates hold the text; None where that is not worth it, or more narrows the list."""
    text = filters.text
    if text.candidates is None or not filters.is_text_only:
        return None
    confirmed = select(PaymentSearch.id).where(PaymentSearch.id.in_(text.candidates), *text.confirms())
    return capped_count(confirmed)


def _rows() -> Select[Payment]:
    """What a row of the list shows, and nothing more: documents are large."""
    return select(Payment).options(load_only(*_SHOWN, raiseload=True))


def _page(statement: Select[Any], filters: PaymentFilters, on: Any, at: Position) -> Page[Any]:
    clock = getattr(on, CLOCKS[filters.clock])
    found = list_rows(statement, clock=clock, key=on.id, at=at, size=PAGE_SIZE + 1)
    return page_of(found, at, size=PAGE_SIZE, scalars=on is Payment)


def _collect(
    filters: PaymentFilters, at: Position, candidates: ColumnElement[bool]
) -> tuple[Page[Payment], int | None]:
    """All matches of the text first, whatever the planner would do; then filters, order and page."""
    hits = _hits(filters.text, candidates)
    statement = _rows().join(hits, hits.c.id == Payment.id).where(*filters.conditions(hits.c))
    page = _page(statement.add_columns(func.count().over().label("total")), filters, hits.c, at)
    total = (page.rows[0].total if page.rows else 0) if at.is_start else None
    return replace(page, rows=[row[0] for row in page.rows]), total


def _hits(text: TextQuery, candidates: ColumnElement[bool]) -> CTE:
    return (
        select(*_NARROWING)
        .join(PaymentSearch, PaymentSearch.payment_id == Payment.id)
        .where(candidates, *text.confirms())
        .cte("hits")
        .prefix_with("MATERIALIZED")
    )


def _is_everywhere(text: TextQuery) -> bool:
    """Whether a frequent word is so dense among the newest payments that walking them soon fills a page."""
    if not is_sqlite():
        return True
    newest = db.session.scalar(select(func.max(PaymentSearch.id))) or 0
    return newest - text.newest_candidates[-1] < FREQUENT * WALKED / PAGE_SIZE / 2


def _walk(filters: PaymentFilters, at: Position) -> Select[Payment]:
    """The payments by time, each looked at for the text: soon done when many match.

    The walk is bounded, or a word that only old payments hold would be looked for in all of them.
    """
    statement = (
        _rows()
        .join(PaymentSearch, PaymentSearch.payment_id == Payment.id)
        .where(*filters.conditions(Payment), *filters.text.confirms())
    )
    if _is_partial(filters.text):
        end, is_back = _end_of_walk(filters, Position(), LOOKED_THROUGH), False
    elif filters.text.is_indexed:
        end, is_back = _end_of_walk(filters, at, WALKED), bool(at.before)
    else:
        return statement
    if end is None:
        return statement
    moment = _clock_of(filters)
    return statement.where(moment <= end if is_back else moment >= end)


def _end_of_walk(filters: PaymentFilters, at: Position, length: int) -> datetime | None:
    """The moment of the last payment of a walk from a position on; None when fewer are left."""
    moment = _clock_of(filters)
    statement = select(moment).where(*filters.conditions(Payment), *at.conditions(moment, Payment.id))
    return db.session.scalar(statement.order_by(*at.order(moment, Payment.id)).offset(length).limit(1))


def _in_order(filters: PaymentFilters, at: Position) -> Page[Payment] | None:
    """The page by the clocks beside SQLite's index: more and more of the nearest matches, until it is full.

    None when so many had to be looked at that it is quicker to collect them all.
    """
    look = _FIRST_LOOK
    while look <= _LAST_LOOK:
        nearest, is_all = filters.text.nearest_rows(CLOCKS[filters.clock], at, look)
        candidates = PaymentSearch.id.in_(nearest)
        page, _ = _collect(filters, at, candidates)
        if is_all or _goes_on(page, at):
            return page
        look *= _FURTHER
    return None


def _goes_on(page: Page[Payment], at: Position) -> bool:
    """Whether a row was found beyond the page, so that the page itself cannot lack any."""
    return bool(page.previous_cursor if at.before else page.next_cursor)


def _clock_of(filters: PaymentFilters) -> Any:
    return getattr(Payment, CLOCKS[filters.clock])


def _fields_found(payments: Iterable[Payment], text: TextQuery) -> dict[UUID, list[str]]:
    if not text.words:
        return {}
    rows = select(PaymentSearch.payment_id, PaymentSearch.text)
    found = db.session.execute(rows.where(PaymentSearch.payment_id.in_([payment.id for payment in payments])))
    return {row_id: text.fields_in(lines) for row_id, lines in found}
