"""An erasure that was carried out: by whom, why, and how much of what; never whom it was about."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.accounts.models import User
from app.columns import Document, Id, Identified, UtcDateTime
from app.extensions import Model


class Erasure(Identified, Model):
    """`counts` says how many payments, messages and so on lost a person."""

    __tablename__ = "erasures"
    __table_args__ = (Index("ix_erasures_at_id", "at", "id"),)

    at: Mapped[datetime] = mapped_column(UtcDateTime)
    requested_by: Mapped[UUID | None] = mapped_column(Id, ForeignKey("users.id", ondelete="SET NULL"))
    reason: Mapped[str] = mapped_column(Text)
    counts: Mapped[dict[str, Any]] = mapped_column(Document)

    requester: Mapped[User | None] = relationship()
