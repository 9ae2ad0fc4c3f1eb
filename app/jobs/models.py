"""A job: long work on many things, how far it is, and what came of it."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.accounts.models import User
from app.columns import Document, Id, Identified, Timestamped, UtcDateTime
from app.extensions import Model
from app.leases import Leased


class JobStatus(StrEnum):
    """Where a job stands. A running one whose worker died is taken up by another."""

    WAITING = "waiting"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"


#: A worker has something to do about it.
IS_OPEN = text("jobs.status IN ('waiting', 'running')")
_OPEN_ROWS = text("status IN ('waiting', 'running')")

ENDED = frozenset({JobStatus.DONE, JobStatus.FAILED, JobStatus.STOPPED})


class Job(Identified, Timestamped, Leased, Model):
    """`total` things to do (None: not known yet), of which `done` are over and `failed` ended badly.

    `kind` names the handler in the domain it belongs to, `subject_id` the row there that it works on.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        CheckConstraint(
            "status IN ('waiting', 'running', 'paused', 'done', 'failed', 'stopped')", name="status_known"
        ),
        Index("ix_jobs_open", "next_attempt_at", "id", sqlite_where=_OPEN_ROWS, postgresql_where=_OPEN_ROWS),
        Index("ix_jobs_created_at_id", "created_at", "id"),
    )

    kind: Mapped[str] = mapped_column(String(40))
    subject_id: Mapped[UUID | None] = mapped_column(Id, index=True)
    status: Mapped[str] = mapped_column(String(20), server_default=JobStatus.WAITING.value)
    params: Mapped[dict[str, Any] | None] = mapped_column(Document)
    result: Mapped[dict[str, Any] | None] = mapped_column(Document)
    total: Mapped[int | None] = mapped_column(BigInteger)
    done: Mapped[int] = mapped_column(BigInteger, server_default="0")
    failed: Mapped[int] = mapped_column(BigInteger, server_default="0")
    problem: Mapped[str | None] = mapped_column(Text)
    requested_by: Mapped[UUID | None] = mapped_column(Id, ForeignKey("users.id", ondelete="SET NULL"))
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    requester: Mapped[User | None] = relationship()

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.status in ENDED

    @property
    def name(self) -> str | None:
        """What tells it from others of its kind, such as a file's name: `params["name"]`."""
        return (self.params or {}).get("name")

    @property
    def percent(self) -> int | None:
        """How much of it is over, in whole percent; None while nobody knows how much there is."""
        if self.status == JobStatus.DONE:
            return 100
        return min(self.done * 100 // self.total, 100) if self.total else None
