"""A batch of refunds from one file, and its rows: what was typed, what was found, and what became of it."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    false,
)
from sqlalchemy.orm import Mapped, foreign, mapped_column, relationship

from app.accounts.models import User
from app.columns import Document, Id, Identified, Sealed, Timestamped, UtcDateTime, new_id
from app.extensions import Model
from app.payments.models import Payment
from app.refunds.models import Refund


class BatchStatus(StrEnum):
    """Where a batch stands. Nothing is refunded before `running`."""

    CHECKING = "checking"
    CHECKED = "checked"
    AWAITING_APPROVAL = "awaiting_approval"
    RUNNING = "running"
    FINISHED = "finished"
    REJECTED = "rejected"
    DISCARDED = "discarded"
    EXPIRED = "expired"


class Level(StrEnum):
    """What the check found about a row: fit, fit but worth a look, or not to be carried out."""

    GOOD = "good"
    WARNED = "warned"
    BAD = "bad"


class RowStatus(StrEnum):
    """What became of a row. One that was `sent` has a refund, whose own status says how that went."""

    WAITING = "waiting"
    SENT = "sent"
    REFUSED = "refused"
    LEFT_OUT = "left_out"


#: The refunds of these are still to come, so the same row in another file is worth a look.
OPEN = frozenset(
    {BatchStatus.CHECKING, BatchStatus.CHECKED, BatchStatus.AWAITING_APPROVAL, BatchStatus.RUNNING}
)

#: A person has still to decide; such a batch is closed by itself after a while.
UNDECIDED = frozenset({BatchStatus.CHECKED, BatchStatus.AWAITING_APPROVAL})


class RefundBatch(Identified, Timestamped, Model):
    """One uploaded file. `unused_columns` are headings of it that mean nothing here."""

    __tablename__ = "refund_batches"
    __table_args__ = (
        CheckConstraint(
            "status IN ('checking', 'checked', 'awaiting_approval', 'running', 'finished', 'rejected',"
            " 'discarded', 'expired')",
            name="status_known",
        ),
        Index("ix_refund_batches_created_at_id", "created_at", "id"),
        Index("ix_refund_batches_status_created_at", "status", "created_at"),
    )

    status: Mapped[str] = mapped_column(String(20), server_default=BatchStatus.CHECKING.value)
    file_name: Mapped[str] = mapped_column(Text)
    #: SHA-256 of the file, to know one that comes twice.
    file_digest: Mapped[str] = mapped_column(String(64), index=True)
    default_reason: Mapped[str] = mapped_column(Text, server_default="")
    unused_columns: Mapped[list[str] | None] = mapped_column(Document)
    row_count: Mapped[int] = mapped_column(Integer, server_default="0")
    includes_warned: Mapped[bool] = mapped_column(server_default=false())
    uploaded_by: Mapped[UUID | None] = mapped_column(Id, ForeignKey("users.id", ondelete="SET NULL"))
    confirmed_by: Mapped[UUID | None] = mapped_column(Id, ForeignKey("users.id", ondelete="SET NULL"))
    #: How the confirmer proved who they are, where the sum asked for it: `password`.
    proof: Mapped[str | None] = mapped_column(String(20))
    confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    decided_by: Mapped[UUID | None] = mapped_column(Id, ForeignKey("users.id", ondelete="SET NULL"))
    decided_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    decision_note: Mapped[str] = mapped_column(Text, server_default="")
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    uploader: Mapped[User | None] = relationship(foreign_keys=[uploaded_by])
    confirmer: Mapped[User | None] = relationship(foreign_keys=[confirmed_by])
    decider: Mapped[User | None] = relationship(foreign_keys=[decided_by])


class RefundBatchRow(Identified, Model):
    """One row: `number` as a spreadsheet counts it, `cells` as typed, the rest as the check understood it.

    `intent` is the id its refund will have. It is stored long before PortOne is asked, so whoever takes the
    row up again asks for the same refund. Amounts are in minor units of `currency`.
    """

    __tablename__ = "refund_batch_rows"
    __table_args__ = (
        CheckConstraint("level IN ('good', 'warned', 'bad')", name="level_known"),
        CheckConstraint("status IN ('waiting', 'sent', 'refused', 'left_out')", name="status_known"),
        UniqueConstraint("batch_id", "number"),
        Index("ix_refund_batch_rows_batch_id_status_number", "batch_id", "status", "number"),
    )

    batch_id: Mapped[UUID] = mapped_column(Id, ForeignKey("refund_batches.id", ondelete="CASCADE"))
    number: Mapped[int] = mapped_column(Integer)
    cells: Mapped[dict[str, Any]] = mapped_column(Document)
    #: The cells with account and phone number, sealed, until the row is checked: a JSON object like `cells`.
    cells_sealed: Mapped[str | None] = mapped_column(Sealed)
    #: None until the row was checked.
    level: Mapped[str | None] = mapped_column(String(10))
    #: Sentences in the language of whoever uploaded the file.
    findings: Mapped[list[str] | None] = mapped_column(Document)

    payment_id: Mapped[UUID | None] = mapped_column(
        Id, ForeignKey("payments.id", ondelete="SET NULL"), index=True
    )
    currency: Mapped[str | None] = mapped_column(String(8))
    is_test: Mapped[bool] = mapped_column(server_default=false())
    amount: Mapped[int | None] = mapped_column(BigInteger)
    tax_free_amount: Mapped[int | None] = mapped_column(BigInteger)
    #: What was left of the payment when the row was checked, before any row of this file.
    checked_refundable: Mapped[int | None] = mapped_column(BigInteger)
    reason: Mapped[str] = mapped_column(Text, server_default="")
    #: The refund as it was checked, its account in the clear, sealed until the row is over: a `Wish` as JSON.
    wish_sealed: Mapped[str | None] = mapped_column(Sealed)
    account_bank: Mapped[str | None] = mapped_column(String(60))
    account_last_digits: Mapped[str | None] = mapped_column(String(8))
    account_holder: Mapped[str | None] = mapped_column(Text)

    intent: Mapped[UUID] = mapped_column(Id, unique=True, default=new_id)
    status: Mapped[str] = mapped_column(String(10), server_default=RowStatus.WAITING.value)
    #: Why it was refused before PortOne was asked, in a sentence.
    problem: Mapped[str | None] = mapped_column(Text)
    carried_out_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    batch: Mapped[RefundBatch] = relationship()
    payment: Mapped[Payment | None] = relationship()
    refund: Mapped[Refund | None] = relationship(
        primaryjoin=lambda: foreign(RefundBatchRow.intent) == Refund.id, viewonly=True
    )
