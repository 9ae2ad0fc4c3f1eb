"""An export: which list, narrowed how, asked for by whom and why; and the pieces of its file."""

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
    LargeBinary,
    String,
    Text,
    false,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app import clock
from app.accounts.models import User
from app.columns import Document, Id, Identified, Timestamped, UtcDateTime
from app.extensions import Model
from app.jobs.models import Job


class Format(StrEnum):
    """What a spreadsheet opens."""

    CSV = "csv"
    XLSX = "xlsx"


class Export(Identified, Timestamped, Model):
    """The rows of a list that `query` narrows, up to the moment `until`, as a file of `size` bytes.

    `position` is the cursor of the last row in the file, `pieces` of which are stored. When `expires_at` has
    come the pieces are erased; who asked, why and for what stays.
    """

    __tablename__ = "exports"
    __table_args__ = (
        CheckConstraint("format IN ('csv', 'xlsx')", name="format_known"),
        Index("ix_exports_created_at_id", "created_at", "id"),
    )

    list_name: Mapped[str] = mapped_column(String(40))
    format: Mapped[str] = mapped_column(String(8))
    query: Mapped[str] = mapped_column(Text, server_default="")
    reason: Mapped[str] = mapped_column(Text)
    columns: Mapped[list[Any]] = mapped_column(Document)
    is_unmasked: Mapped[bool] = mapped_column(server_default=false())
    #: The language of headings and statuses, which are written where nobody is signed in.
    language: Mapped[str] = mapped_column(String(8))
    requested_by: Mapped[UUID | None] = mapped_column(
        Id, ForeignKey("users.id", ondelete="SET NULL"), index=True
    )
    job_id: Mapped[UUID | None] = mapped_column(Id, ForeignKey("jobs.id", ondelete="SET NULL"), unique=True)
    until: Mapped[datetime] = mapped_column(UtcDateTime)
    position: Mapped[str | None] = mapped_column(Text)
    rows: Mapped[int] = mapped_column(BigInteger, server_default="0")
    pieces: Mapped[int] = mapped_column(Integer, server_default="0")
    size: Mapped[int] = mapped_column(BigInteger, server_default="0")
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    erased_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    job: Mapped[Job | None] = relationship()
    requester: Mapped[User | None] = relationship()

    @property
    def is_open(self) -> bool:
        """Whether a worker still has something to do about it."""
        return self.job is not None and not self.job.has_ended

    @property
    def has_expired(self) -> bool:
        """Whether the file may no longer be fetched."""
        return self.erased_at is not None or self.expires_at <= clock.now()

    @property
    def is_ready(self) -> bool:
        """Whether the file is whole and can be fetched."""
        return self.finished_at is not None and not self.has_expired

    @property
    def filename(self) -> str:
        """A name that sorts by time: `payments-20260329-202208.csv`."""
        return f"{self.list_name}-{self.until.astimezone(clock.SEOUL):%Y%m%d-%H%M%S}.{self.format}"


class ExportChunk(Model):
    """One piece of a file, compressed; the pieces in the order of their numbers are the file."""

    __tablename__ = "export_chunks"

    export_id: Mapped[UUID] = mapped_column(
        Id, ForeignKey("exports.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    content: Mapped[bytes] = mapped_column(LargeBinary)
