"""Batches to show: the list, one with its rows, and what they add up to."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import contains_eager, joinedload

from app.bulk_refunds.models import Level, RefundBatch, RefundBatchRow, RowStatus
from app.bulk_refunds.safeguards import Sum
from app.database import join_sum, sum_of
from app.errors import NotFound
from app.extensions import db
from app.refunds.models import HOLDING, Refund, RefundStatus
from app.web.pagination import PAGE_SIZE, Page, list_page

_ROW, _ENDED_BADLY = RefundBatchRow, (RefundStatus.FAILED, RefundStatus.REJECTED)

#: The rows that can be looked at alone.
VIEWS: dict[str, ColumnElement[bool] | None] = {
    "all": None,
    "good": _ROW.level == Level.GOOD,
    "warned": _ROW.level == Level.WARNED,
    "bad": _ROW.level == Level.BAD,
    "waiting": _ROW.status == RowStatus.WAITING,
    "open": and_(_ROW.status == RowStatus.SENT, Refund.status.in_(HOLDING)),
    "refunded": and_(_ROW.status == RowStatus.SENT, Refund.status == RefundStatus.SUCCEEDED),
    "failed": or_(_ROW.status == RowStatus.REFUSED, Refund.status.in_(_ENDED_BADLY)),
}

#: Before a batch runs people look at what the check found, and then at what became of the rows.
VIEWS_BEFORE, VIEWS_AFTER = (
    ("all", "good", "warned", "bad"),
    ("all", "failed", "open", "refunded", "waiting", "bad"),
)


@dataclass(frozen=True, slots=True)
class RowPage:
    """Rows of a batch in the order of the file, and the number after which the next page begins."""

    rows: Sequence[RefundBatchRow]
    next_after: int | None


@dataclass(frozen=True, slots=True)
class Total:
    """What rows add up to in one currency; those of test channels apart, as they move no money."""

    currency: str
    is_test: bool
    count: int
    amount: int


def get_batch(batch_id: UUID) -> RefundBatch:
    """The batch with this id; raises NotFound."""
    people = (RefundBatch.uploader, RefundBatch.confirmer, RefundBatch.decider)
    batch = db.session.get(RefundBatch, batch_id, options=[joinedload(person) for person in people])
    if batch is None:
        raise NotFound(_("There is no bulk refund with this number."))
    return batch


def list_batches(*, after: str | None) -> Page[RefundBatch]:
    """A page of batches, newest first."""
    statement = select(RefundBatch).options(joinedload(RefundBatch.uploader))
    return list_page(statement, clock=RefundBatch.created_at, key=RefundBatch.id, after=after)


def list_same_files(batch: RefundBatch) -> Sequence[RefundBatch]:
    """Other batches made of this very file, newest first."""
    return db.session.scalars(
        select(RefundBatch)
        .where(RefundBatch.file_digest == batch.file_digest, RefundBatch.id != batch.id)
        .order_by(RefundBatch.created_at.desc())
        .limit(3)
    ).all()


def list_rows(batch_id: UUID, view: str, *, after: int = 0) -> RowPage:
    """The next rows of a batch; `view` is one of `VIEWS`."""
    statement = _rows_with_refunds(batch_id).where(_ROW.number > after).limit(PAGE_SIZE + 1)
    condition = VIEWS[view]
    found = db.session.scalars(statement if condition is None else statement.where(condition)).all()
    shown = found[:PAGE_SIZE]
    return RowPage(shown, shown[-1].number if len(found) > PAGE_SIZE else None)


def iterate_rows(batch_id: UUID) -> Iterator[RefundBatchRow]:
    """Every row of a batch in the order of the file, a few at a time."""
    after: int | None = 0
    while after is not None:
        page = list_rows(batch_id, "all", after=after)
        yield from page.rows
        after = page.next_after


def count_rows(batch_id: UUID, views: Sequence[str]) -> dict[str, int]:
    """How many rows each view has."""
    counts = [
        func.count() if (condition := VIEWS[view]) is None else func.count().filter(condition)
        for view in views
    ]
    statement = select(*counts).select_from(_ROW).outerjoin(Refund, Refund.id == _ROW.intent)
    figures = db.session.execute(statement.where(_ROW.batch_id == batch_id)).one()
    return dict(zip(views, figures, strict=True))


def totals(batch_id: UUID, *, with_warned: bool) -> list[Total]:
    """What the rows that may run add up to, for each currency."""
    rows = db.session.execute(
        select(_ROW.currency, _ROW.is_test, func.count(), *sum_of(_ROW.amount))
        .where(*_may_run(batch_id, with_warned))
        .group_by(_ROW.currency, _ROW.is_test)
        .order_by(_ROW.is_test, func.count().desc(), _ROW.currency)
    )
    return [_total(*row) for row in rows]


def refunded(batch_id: UUID) -> list[Total]:
    """What has gone back so far, for each currency."""
    rows = db.session.execute(
        select(_ROW.currency, _ROW.is_test, func.count(), *sum_of(Refund.amount))
        .join(_ROW.refund)
        .where(_ROW.batch_id == batch_id, Refund.status == RefundStatus.SUCCEEDED)
        .group_by(_ROW.currency, _ROW.is_test)
        .order_by(_ROW.is_test, func.count().desc(), _ROW.currency)
    )
    return [_total(*row) for row in rows]


def sums(batch_id: UUID, *, with_warned: bool) -> list[Sum]:
    """The same for `safeguards`, with the largest row."""
    rows = db.session.execute(
        select(_ROW.currency, func.count(), func.max(_ROW.amount), *sum_of(_ROW.amount))
        .where(*_may_run(batch_id, with_warned))
        .group_by(_ROW.currency)
    )
    return [
        Sum(currency or "", count, join_sum(*parts), int(largest or 0))
        for currency, count, largest, *parts in rows
    ]


def _total(currency: str | None, is_test: bool, count: int, *parts: Any) -> Total:
    return Total(currency or "", is_test, count, join_sum(*parts))


def _may_run(batch_id: UUID, with_warned: bool) -> tuple[ColumnElement[bool], ...]:
    levels = [Level.GOOD, Level.WARNED] if with_warned else [Level.GOOD]
    return _ROW.batch_id == batch_id, _ROW.level.in_(levels), _ROW.status != RowStatus.LEFT_OUT


def _rows_with_refunds(batch_id: UUID) -> Select[Any]:
    return (
        select(_ROW)
        .outerjoin(_ROW.refund)
        .where(_ROW.batch_id == batch_id)
        .options(contains_eager(_ROW.refund), joinedload(_ROW.payment))
        .order_by(_ROW.number)
    )
