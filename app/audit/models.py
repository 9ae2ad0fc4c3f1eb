"""The audit trail: append-only, each entry sealed by a hash that covers it and the one before."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.columns import Document, Id, Identified, UtcDateTime
from app.extensions import Model


class AuditEntry(Identified, Model):
    """Who did what to which thing, what changed, and the facts of that day."""

    __tablename__ = "audit_entries"
    __table_args__ = (Index("ix_audit_entries_subject", "subject_type", "subject_id"),)

    sequence: Mapped[int] = mapped_column(BigInteger, unique=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    action: Mapped[str] = mapped_column(String(80))
    subject_type: Mapped[str] = mapped_column(String(40))
    subject_id: Mapped[str] = mapped_column(Text)
    actor_id: Mapped[UUID | None] = mapped_column(Id, index=True)
    actor_name: Mapped[str] = mapped_column(String(200))
    address: Mapped[str | None] = mapped_column(String(45))
    sign_in_id: Mapped[UUID | None] = mapped_column(Id)
    before: Mapped[dict[str, Any] | None] = mapped_column(Document)
    after: Mapped[dict[str, Any] | None] = mapped_column(Document)
    facts: Mapped[dict[str, Any] | None] = mapped_column(Document)
    previous_hash: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64), unique=True)
