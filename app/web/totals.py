"""Sums of a filtered list, a currency at a time and never across.

Those of a short list are computed at once, those of a long one on demand, and kept for a while.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask import current_app
from sqlalchemy import ColumnElement, Select, func

from app import clock
from app.extensions import db
from app.web.pagination import COUNT_CAP

#: How long the sums of a long list are shown again, and how many lists' are remembered.
KEPT_FOR, KEPT_LISTS = timedelta(minutes=2), 200

#: What a value of `totals` in an address asks for, besides the sums themselves: sums that are not kept ones.
FRESH = "fresh"

#: Amounts are added in two halves: a sum of 64-bit integers outgrows 64 bits, and SQLite refuses it then.
_HALF = 10**9


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
    halves = [
        half for amount in sums.values() for half in (func.sum(amount // _HALF), func.sum(amount % _HALF))
    ]
    grouped = statement.with_only_columns(currency, counts, func.count(), *halves, maintain_column_froms=True)
    rows = db.session.execute(grouped.group_by(currency, counts).order_by(None)).all()
    found = [
        Total(code, count, dict(zip(sums, _joined(amounts), strict=True)))
        for code, is_counted, count, *amounts in rows
        if is_counted
    ]
    left_out = sum(count for _code, is_counted, count, *_amounts in rows if not is_counted)
    return Totals(sorted(found, key=lambda total: (-total.count, total.currency)), left_out, clock.now())


def totals_for(
    key: str, compute: Callable[[], Totals], *, count: int | None, asked: str | None
) -> Totals | None:
    """The totals of a list of `count` rows, as `capped_count` counts; None means that nobody knows how many.

    Those of a long list are computed when the address asks for them, and shown again for a while under `key`,
    which says which list it is and how it is narrowed. None where nobody asked.
    """
    if count is not None and count <= COUNT_CAP:
        return compute()
    if not asked:
        return None
    kept = _kept()
    found = kept.get(key)
    if found is None or asked == FRESH or found.at + KEPT_FOR <= clock.now():
        found = kept[key] = compute()
        kept.move_to_end(key)
    while len(kept) > KEPT_LISTS:
        kept.popitem(last=False)
    return found


def _kept() -> OrderedDict[str, Totals]:
    kept: OrderedDict[str, Totals] = current_app.extensions.setdefault("totals", OrderedDict())
    return kept


def _joined(halves: list[Any]) -> list[int]:
    pairs = zip(halves[::2], halves[1::2], strict=True)
    return [int(high or 0) * _HALF + int(low or 0) for high, low in pairs]
