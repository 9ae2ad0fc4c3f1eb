"""Sums of a filtered list, a currency at a time and never across.

Those of a short list are computed at once, those of a long one on demand, and kept for a while.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func

from app import clock
from app.database import join_sum, sum_of
from app.extensions import db
from app.web.brief_cache import BriefCache
from app.web.pagination import COUNT_CAP


@dataclass(frozen=True, slots=True)
class Total:
    """So many rows in one currency, and what they add up to by name, in minor units."""

    currency: str
    count: int
    sums: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Totals:
    """The totals of a list at a moment, and how many rows are left out of them as no real money."""

    rows: list[Total]
    left_out: int
    at: datetime


def totals_of(
    statement: Select[Any], *, currency: Any, sums: Mapping[str, Any], counts: ColumnElement[bool]
) -> Totals:
    """What those rows of `statement` that `counts` names add up to, the currency with the most rows first."""
    halves = [half for amount in sums.values() for half in sum_of(amount)]
    grouped = statement.with_only_columns(currency, counts, func.count(), *halves, maintain_column_froms=True)
    rows = db.session.execute(grouped.group_by(currency, counts).order_by(None)).all()
    found = [
        Total(code, count, dict(zip(sums, _joined(amounts), strict=True)))
        for code, is_counted, count, *amounts in rows
        if is_counted
    ]
    left_out = sum(count for _code, is_counted, count, *_amounts in rows if not is_counted)
    return Totals(sorted(found, key=lambda total: (-total.count, total.currency)), left_out, clock.now())


_kept: BriefCache[Totals] = BriefCache(seconds=60)


def totals_for(key: str, compute: Callable[[], Totals], *, count: int, is_asked: bool) -> Totals | None:
    """The totals of a list of `count` rows, as `capped_count` counts; None for a long one nobody asked about.

    Those of a long list are kept for a minute under `key`: which list it is, and how it is narrowed.
    """
    if count <= COUNT_CAP:
        return compute()
    return _kept.get((db.engine.url, key), compute).value if is_asked else None


def _joined(halves: list[Any]) -> list[int]:
    pairs = zip(halves[::2], halves[1::2], strict=True)
    return [join_sum(high, low) for high, low in pairs]
