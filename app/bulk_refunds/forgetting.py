"""Rows of files of refunds without the person whose payment they name."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import select

from app.bulk_refunds.models import OPEN, RefundBatch, RefundBatchRow
from app.extensions import db

#: The cells that tell of a person; the file gave their numbers sealed.
_PERSONAL = frozenset({"holder_name", "holder_phone", "account_number", "bank"})


def is_in_open_batch(payment_ids: Collection[UUID]) -> bool:
    """Whether a bulk refund that is not over names one of these payments (by row id)."""
    named = select(RefundBatchRow.id).join(RefundBatchRow.batch)
    named = named.where(RefundBatchRow.payment_id.in_(payment_ids), RefundBatch.status.in_(OPEN))
    return db.session.scalar(named.limit(1)) is not None


def erase_persons(payment_ids: Collection[UUID]) -> int:
    """Erase what the files told of who paid, in the caller's transaction; answers how many rows did."""
    rows = db.session.scalars(
        select(RefundBatchRow).where(RefundBatchRow.payment_id.in_(payment_ids)).with_for_update()
    ).all()
    for row in rows:
        row.cells = {name: cell for name, cell in row.cells.items() if name not in _PERSONAL}
        row.cells_sealed = row.wish_sealed = row.account_holder = None
    return len(rows)
