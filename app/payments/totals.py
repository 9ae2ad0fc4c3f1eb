"""What the payments of a list add up to, by currency, and how many of each status there are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Integer, and_, case, func, literal, or_, select, union_all

from app.database import join_sum, no_longer_than, sum_of
from app.extensions import db
from app.payments.filters import PaymentFilters, real_channel_type
from app.payments.listing import LONGEST_SEARCH, select_matches
from app.payments.models import Payment
from app.web.brief_cache import BriefCache, Dated
from app.web.pagination import COUNT_CAP

#: Totals may take longer than a page: they are asked for one by one, and kept.
LONGEST_SUM = 20.0

_PAID = ("PAID", "PARTIAL_CANCELLED", "CANCELLED")

_totals: BriefCache[Sequence["Total"]] = BriefCache(seconds=60)
_counts: BriefCache[Mapping[str, int]] = BriefCache(seconds=30)


@dataclass(frozen=True, slots=True)
class Total:
    """The payments of one currency, in minor units; `tests` of them went through test channels.

    Those of test channels are counted in `tests` alone, and no amount is summed across currencies.
    """

    currency: str
    count: int
    paid: int
    cancelled: int
    tests: int

    @property
    def net(self) -> int:
        """What was paid less what was cancelled."""
        return self.paid - self.cancelled


def totals_of(filters: PaymentFilters) -> Dated[Sequence[Total]]:
    """The totals of all payments the filters find, won first; at most a minute old. Raises `TookTooLong`."""
    return _totals.get((db.engine.url, filters), lambda: _sum(filters))


def counts_by_status(filters: PaymentFilters, statuses: Sequence[str]) -> Dated[Mapping[str, int]]:
    """How many payments of each status there are but for the status that is chosen, up to `COUNT_CAP` + 1.

    At most half a minute old. Raises `TookTooLong`.
    """
    anyone = replace(filters, statuses=())
    return _counts.get((db.engine.url, anyone, tuple(statuses)), lambda: _count(anyone, statuses))


def _sum(filters: PaymentFilters) -> Sequence[Total]:
    is_real = or_(Payment.channel_type.is_(None), Payment.channel_type == real_channel_type())
    is_paid = and_(is_real, Payment.status.in_(_PAID))
    summed = (
        case((is_paid, Payment.amount), else_=0),
        case((is_real, Payment.cancelled_amount), else_=0),
    )
    statement = select_matches(
        filters,
        Payment.currency,
        func.sum(case((is_real, 1), else_=0)),
        func.sum(case((is_real, 0), else_=1)),
        *(part for value in summed for part in sum_of(value)),
    ).group_by(Payment.currency)
    with no_longer_than(LONGEST_SUM):
        found = [_total(*row) for row in db.session.execute(statement)]
    return sorted(found, key=lambda total: (total.currency != "KRW", total.currency))


def _total(currency: str, count: Any, tests: Any, *parts: Any) -> Total:
    paid, cancelled = join_sum(*parts[:2]), join_sum(*parts[2:])
    return Total(currency, count=int(count), paid=paid, cancelled=cancelled, tests=int(tests))


def _count(filters: PaymentFilters, statuses: Sequence[str]) -> Mapping[str, int]:
    with no_longer_than(LONGEST_SEARCH):
        return _count_each(filters, statuses) if filters.text.is_blank else _count_together(filters)


def _count_each(filters: PaymentFilters, statuses: Sequence[str]) -> Mapping[str, int]:
    """Each status by its own index."""
    counts = []
    for status in statuses:
        ones = select_matches(replace(filters, statuses=(status,)), literal(1, Integer).label("one"))
        capped = ones.limit(COUNT_CAP + 1).subquery()
        counts.append(select(literal(status).label("status"), func.count(capped.c.one).label("found")))
    return {row.status: row.found for row in db.session.execute(union_all(*counts))}


def _count_together(filters: PaymentFilters) -> Mapping[str, int]:
    """The matches of a text once for all statuses; nothing is told where there are too many."""
    if filters.text.candidates is None:
        return {}
    matches = select_matches(filters, Payment.status).subquery()
    found = db.session.execute(select(matches.c.status, func.count()).group_by(matches.c.status))
    return {row.status: row[1] for row in found}
