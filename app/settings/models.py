"""The settings that were changed from their default; the catalogue says which there are."""

from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from app.columns import Document, Id, Timestamped
from app.extensions import Model


class StoredSetting(Timestamped, Model):
    """A setting that differs from its default: `{"value": …}`, as its kind in the catalogue writes it."""

    __tablename__ = "settings"

    name: Mapped[str] = mapped_column(String(80), primary_key=True)
    document: Mapped[dict[str, Any]] = mapped_column(Document)
    changed_by: Mapped[UUID | None] = mapped_column(Id, ForeignKey("users.id", ondelete="SET NULL"))
