"""The list of payments: which ones a person wants, found by text, time and everything else."""

from calendar import monthrange
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy import CTE, ColumnElement, Select, func, select

from app.database import TookTooLong, no_longer_than
from app.extensions import db
from app.payments.filters import CLOCKS, PaymentFilters, between
from app.payments.models import Payment, PaymentSearch
from app.payments.search import CLOCK_LETTERS, time_token
from app.payments.text_query import TextQuery
from app.web.brief_cache import BriefCache
from app.web.pagination import COUNT_CAP, PAGE_SIZE, Page, Position, capped_count, list_rows, page_of

__all__ = [
    "PaymentFilters",
    "PaymentList",
    "count_without_period",
    "list_payments",
    "select_matches",
]

#: The columns a row of the list shows.
_SHOWN: tuple[Any, ...] = (
    Payment.id,
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
    Payment.has_drift,
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
    Payment.has_drift,
    Payment.changed_clock,
    Payment.requested_clock,
    Payment.paid_at,
)

#: No search runs longer: a person narrows it sooner than they wait.
LONGEST_SEARCH = 2.0

#: No count of what a page was found of runs longer.
LONGEST_COUNT = 0.5

#: What found more than is counted will do so for a while; smaller numbers are counted each time.
_many: BriefCache[int] = BriefCache(seconds=60)

#: How many payments, the newest, are looked through for a text of one or two letters, which no index knows.
LOOKED_THROUGH = 20_000

#: Up to so many matches of a word are all read at once, and counted by the way.
FEW = 700

#: So many payments are looked at first for a word that more hold than are counted as candidates.
NEAREST = 300

#: Up to so many candidates are named one by one; more are looked up again, which costs less than naming them.
NAMED = 100


@dataclass(frozen=True, slots=True)
class PaymentList:
    """A page of payments, as rows of the columns that are shown.

    `total` counts all of them as `capped_count` does; None where that is not worth it. `found_in` names the
    fields in which each row (by id) holds what was searched for. A list that `is_partial` looked through the
    newest `LOOKED_THROUGH` payments only.
    """

    page: Page[Any]
    total: int | None
    found_in: Mapping[UUID, list[str]]
    is_partial: bool


def list_payments(filters: PaymentFilters, *, after: str | None, before: str | None = None) -> PaymentList:
    """A page of payments, newest first by the clock the filters name; raises `TookTooLong`."""
    at = Position(after, before)
    with no_longer_than(LONGEST_SEARCH):
        page, total = _find_page(filters, at)
        if before and len(page.rows) < PAGE_SIZE:  # the start is near: a whole page from there
            at = Position()
            page, total = _find_page(filters, at)
        found_in = _fields_found(page.rows, filters.text)
    if at.is_start and filters.text.is_blank:
        total = _count(filters, page)
    return PaymentList(page, total, found_in, _is_partial(filters.text))


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


def _find_page(filters: PaymentFilters, at: Position) -> tuple[Page[Any], int | None]:
    text = filters.text
    if text.is_blank:
        return _page(_nearest(filters, at), filters, Payment, at), None
    if text.candidates is not None and len(text.candidates) < FEW:
        return _collect(filters, at, _among(text, text.candidates))
    if not text.is_indexed:
        return _page(_walk(filters), filters, Payment, at), None
    if CLOCKS[filters.clock] in CLOCK_LETTERS:
        page = _among_the_nearest(filters, at) or _by_time(filters, at)
    else:
        page, _total = _collect(filters, at, text.has_tokens())
    return page, _count_confirmed(filters) if at.is_start else None


def _count(filters: PaymentFilters, first: Page[Any]) -> int | None:
    """How many there are, known from a first page that is the only one; None where counting takes long.

    The page is found already, and nobody waits for a number.
    """
    if first.next_cursor is None:
        return len(first.rows)
    key = db.engine.url, filters
    if _many.find(key):
        return COUNT_CAP + 1
    try:
        with no_longer_than(LONGEST_COUNT):
            total = capped_count(select(Payment.id).where(*filters.conditions(Payment)))
    except TookTooLong:
        return None
    if total > COUNT_CAP:
        _many.keep(key, total)
    return total


def _among_the_nearest(filters: PaymentFilters, at: Position) -> Page[Any] | None:
    """A page of what so many payments hold that those next to its place fill it; None where they do not.

    The index would be asked for all that hold it in a year, and PostgreSQL's has to put them together first.
    """
    if filters.text.candidates is not None:
        return None
    moment = _clock_of(filters)
    place = moment, Payment.id
    nearest = select(Payment.id).where(*between(*_ends_of(filters), moment), *at.conditions(*place))
    nearest = nearest.order_by(*at.order(*place)).limit(NEAREST)
    walked = _walk(filters).where(Payment.id.in_(nearest))
    found = list_rows(walked, clock=moment, key=Payment.id, at=at, size=PAGE_SIZE + 1)
    return page_of(found, at, size=PAGE_SIZE, scalars=False) if len(found) > PAGE_SIZE else None


def _by_time(filters: PaymentFilters, at: Position) -> Page[Any]:
    """A page of what many payments hold, met by years, months and days until the page is full.

    A month in which nothing holds it costs one look at the index, and so does the rest of a year of none.
    """
    found: list[Any] = []
    for stretch, candidates in _stretches(filters, at):
        found += _rows_within(filters, at, stretch, candidates, PAGE_SIZE + 1 - len(found))
        if len(found) > PAGE_SIZE:
            break
    return page_of(found, at, size=PAGE_SIZE, scalars=False)


def _stretches(filters: PaymentFilters, at: Position) -> Iterator[tuple[tuple[int, ...], list[int] | None]]:
    """The months that hold few matches or very many, and the days of the others, in the order they are met.

    Each with its candidates, or None where they are many and walking soon meets a page of them.
    """
    text, clock = filters.text, CLOCKS[filters.clock]
    many = None if filters.is_text_only else FEW  # what else narrows the list leaves less to walk through
    for year, months in groupby(_months(filters, at), lambda month: month[0]):
        is_year_of_some = False
        for month in months:
            candidates = text.candidates_with(time_token(clock, *month), many)
            if candidates == [] and not is_year_of_some:  # the look at a whole year is the dearest
                is_year_of_some = text.has_candidates_with(time_token(clock, year))
                if not is_year_of_some:
                    break
            if candidates is None or len(candidates) < FEW:
                yield month, candidates
                continue
            days = range(1, monthrange(*month)[1] + 1)
            for day in days if at.before else reversed(days):
                yield (*month, day), text.candidates_with(time_token(clock, *month, day))


def _months(filters: PaymentFilters, at: Position) -> Sequence[tuple[int, int]]:
    """The months (UTC) that the list may hold, in the order they are met."""
    moment = _clock_of(filters)
    ends = (select(end(moment)).scalar_subquery() for end in (func.min, func.max))
    first, last = db.session.execute(select(*ends)).one()
    if first is None:
        return ()
    since, until = _ends_of(filters)
    first = max(filter(None, (first, since, at.moment if at.before else None))).astimezone(UTC)
    last = min(filter(None, (last, until, at.moment if at.after else None))).astimezone(UTC)
    numbers = range(first.year * 12 + first.month - 1, last.year * 12 + last.month)
    return [(number // 12, number % 12 + 1) for number in (numbers if at.before else reversed(numbers))]


def _ends_of(filters: PaymentFilters) -> tuple[datetime | None, datetime | None]:
    """The period of the clock that the list is in order of: that of cancellations is of another."""
    return (None, None) if filters.clock == "cancelled" else (filters.since, filters.until)


def _rows_within(
    filters: PaymentFilters, at: Position, stretch: tuple[int, ...], candidates: list[int] | None, size: int
) -> Sequence[Any]:
    """The matches of a month or a day: all of them first, or where they are many by walking."""
    if candidates is not None:
        token = time_token(CLOCKS[filters.clock], *stretch)
        among = _among(filters.text, candidates, and_token=token)
        return _collect_rows(filters, at, among, size) if candidates else ()
    year, month, *day = stretch
    start = datetime(year, month, day[0] if day else 1, tzinfo=UTC)
    end = start + timedelta(days=1 if day else monthrange(year, month)[1])
    moment = _clock_of(filters)
    walked = _walk(filters).where(moment >= start, moment < end)
    return list_rows(walked, clock=moment, key=Payment.id, at=at, size=size)


def _count_confirmed(filters: PaymentFilters) -> int | None:
    """How many candidates hold the text; None where that is not worth it, or more narrows the list."""
    text = filters.text
    if text.candidates is None or not filters.is_text_only:
        return None
    if text.is_a_token:
        return len(text.candidates)
    return capped_count(select(PaymentSearch.id).where(text.has_tokens(), *text.confirms()))


def _nearest(filters: PaymentFilters, at: Position) -> Select[Any]:
    """What the filters find. By amount no index gives the order: ids are put in order, not whole rows."""
    conditions = filters.conditions(Payment)
    if not filters.is_by_amount:
        return _rows().where(*conditions)
    place = _clock_of(filters), Payment.id
    ids = select(Payment.id).where(*conditions, *at.conditions(*place)).order_by(*at.order(*place))
    return _rows().where(Payment.id.in_(ids.limit(PAGE_SIZE + 1)))


def _rows() -> Select[Any]:
    """What a row of the list shows, and nothing more: documents are large, and plain rows quickly made."""
    return select(*_SHOWN).select_from(Payment)


def _page(statement: Select[Any], filters: PaymentFilters, on: Any, at: Position) -> Page[Any]:
    clock = getattr(on, CLOCKS[filters.clock])
    found = list_rows(statement, clock=clock, key=on.id, at=at, size=PAGE_SIZE + 1)
    return page_of(found, at, size=PAGE_SIZE, scalars=False)


def _collect(
    filters: PaymentFilters, at: Position, candidates: ColumnElement[bool]
) -> tuple[Page[Any], int | None]:
    """All matches of the text, and how many there are."""
    found = _collect_rows(filters, at, candidates, PAGE_SIZE + 1)
    total = (found[0].total if found else 0) if at.is_start else None
    return page_of(found, at, size=PAGE_SIZE, scalars=False), total


def _collect_rows(
    filters: PaymentFilters, at: Position, candidates: ColumnElement[bool], size: int
) -> Sequence[Any]:
    """All matches of the text first, whatever the planner would do; then filters, order and page."""
    hits = _hits(filters.text, candidates)
    statement = _rows().join(hits, hits.c.id == Payment.id).where(*filters.conditions(hits.c))
    statement = statement.add_columns(func.count().over().label("total"))
    clock = getattr(hits.c, CLOCKS[filters.clock])
    return list_rows(statement, clock=clock, key=hits.c.id, at=at, size=size)


def _among(text: TextQuery, candidates: list[int], *, and_token: str | None = None) -> ColumnElement[bool]:
    """The condition that a row of the search table is a candidate, of those with one more token if given."""
    if len(candidates) <= NAMED:
        return PaymentSearch.id.in_(candidates)
    return text.has_tokens(and_token=and_token)


def _hits(text: TextQuery, candidates: ColumnElement[bool]) -> CTE:
    return (
        select(*_NARROWING)
        .join(PaymentSearch, PaymentSearch.payment_id == Payment.id)
        .where(candidates, *text.confirms())
        .cte("hits")
        .prefix_with("MATERIALIZED")
    )


def _walk(filters: PaymentFilters) -> Select[Any]:
    """The payments by time, each looked at for the text: soon done when many match.

    Where no index knows the text, only the newest are looked through.
    """
    statement = (
        _rows()
        .join(PaymentSearch, PaymentSearch.payment_id == Payment.id)
        .where(*filters.conditions(Payment), *filters.text.confirms())
    )
    end = _end_of_search(filters) if _is_partial(filters.text) else None
    return statement if end is None else statement.where(_clock_of(filters) >= end)


def _end_of_search(filters: PaymentFilters) -> datetime | None:
    """The moment of the oldest payment to look at for a text the index knows nothing of."""
    moment = _clock_of(filters)
    newest = select(moment).where(*filters.conditions(Payment)).order_by(moment.desc(), Payment.id.desc())
    return db.session.scalar(newest.offset(LOOKED_THROUGH).limit(1))


def _clock_of(filters: PaymentFilters) -> Any:
    return getattr(Payment, CLOCKS[filters.clock])


def _fields_found(payments: Iterable[Any], text: TextQuery) -> dict[UUID, list[str]]:
    if not text.words:
        return {}
    rows = select(PaymentSearch.payment_id, PaymentSearch.text)
    found = db.session.execute(rows.where(PaymentSearch.payment_id.in_([payment.id for payment in payments])))
    return {row_id: text.fields_in(lines) for row_id, lines in found}
