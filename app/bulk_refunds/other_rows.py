"""What other rows take of a payment: those above in the same file, and those of other files."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select

from app.bulk_refunds.models import OPEN, Level, RefundBatch, RefundBatchRow, RowStatus
from app.extensions import db
from app.payments.models import Payment


@dataclass
class Spoken:
    """What earlier rows of the file take of a payment, and the last of them."""

    amount: int = 0
    tax_free: int = 0
    number: int = 0


def spoken_for(batch: RefundBatch, number: int, payments: Iterable[Payment]) -> dict[UUID, Spoken]:
    """What the rows before this one take of some payments."""
    rows = db.session.execute(
        select(
            RefundBatchRow.payment_id,
            func.sum(RefundBatchRow.amount),
            func.sum(RefundBatchRow.tax_free_amount),
            func.max(RefundBatchRow.number),
        )
        .where(
            RefundBatchRow.batch_id == batch.id,
            RefundBatchRow.number < number,
            RefundBatchRow.level != Level.BAD,
            RefundBatchRow.payment_id.in_([payment.id for payment in payments]),
        )
        .group_by(RefundBatchRow.payment_id)
    )
    return {
        row_id: Spoken(int(amount or 0), int(free or 0), last)
        for row_id, amount, free, last in rows
        if row_id is not None
    }


def rows_elsewhere(batch: RefundBatch, payments: Iterable[Payment]) -> set[tuple[UUID | None, int | None]]:
    """Payment and amount of rows that another batch has sent or may still send."""
    rows = db.session.execute(
        select(RefundBatchRow.payment_id, RefundBatchRow.amount)
        .join(RefundBatchRow.batch)
        .where(
            RefundBatchRow.batch_id != batch.id,
            RefundBatchRow.payment_id.in_([payment.id for payment in payments]),
            (RefundBatchRow.status == RowStatus.SENT)
            | (
                (RefundBatchRow.status == RowStatus.WAITING)
                & (RefundBatchRow.level != Level.BAD)
                & RefundBatch.status.in_(OPEN)
            ),
        )
    )
    return {(payment_id, amount) for payment_id, amount in rows}
