"""Billing keys as PortOne keeps them. The key itself is a credential: sealed, and found by its hash."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Computed, ForeignKey, Index, Integer, String, Text, false, text, true
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.accounts.models import User
from app.database import Document, Id, Identified, Sealed, Timestamped, UtcDateTime
from app.extensions import Model


class BillingKey(Identified, Timestamped, Model):
    """PortOne's token to charge a card, an account, a phone or a wallet again."""

    __tablename__ = "billing_keys"
    __table_args__ = (
        CheckConstraint(
            "expiry_year IS NULL OR (expiry_year >= 2024 AND expiry_year <= 2099)", name="expiry_year"
        ),
        CheckConstraint(
            "expiry_month IS NULL OR (expiry_month >= 1 AND expiry_month <= 12)", name="expiry_month"
        ),
        Index(
            "uq_billing_keys_default",
            "user_id",
            unique=True,
            sqlite_where=text("is_default"),
            postgresql_where=text("is_default"),
        ),
        Index("ix_billing_keys_registered_clock_id", "registered_clock", "id"),
    )

    user_id: Mapped[UUID | None] = mapped_column(Id, ForeignKey("users.id", ondelete="SET NULL"), index=True)
    #: The keyed hash of the key.
    billing_key: Mapped[str] = mapped_column(String(64), unique=True, index=True)
    billing_key_encrypted: Mapped[str | None] = mapped_column(Sealed)
    card_type: Mapped[str | None] = mapped_column(String(40))
    card_company: Mapped[str | None] = mapped_column(String(80))
    card_number: Mapped[str | None] = mapped_column(String(40))
    card_name: Mapped[str | None] = mapped_column(Text)
    expiry_year: Mapped[int | None] = mapped_column(Integer)
    expiry_month: Mapped[int | None] = mapped_column(Integer)
    is_default: Mapped[bool] = mapped_column(server_default=false(), index=True)
    is_active: Mapped[bool] = mapped_column(server_default=true(), index=True)
    metadata_: Mapped[dict[str, Any] | None] = mapped_column("metadata", Document)
    registered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    #: The last characters of the key, enough to tell two apart.
    key_ending: Mapped[str | None] = mapped_column(String(8))
    status: Mapped[str] = mapped_column(String(40), server_default="ISSUED")
    store_id: Mapped[str | None] = mapped_column(Text)
    method: Mapped[str | None] = mapped_column(String(60))
    method_summary: Mapped[str | None] = mapped_column(Text)
    pg_provider: Mapped[str | None] = mapped_column(String(60))
    channel_type: Mapped[str | None] = mapped_column(String(20))
    customer_name: Mapped[str | None] = mapped_column(Text)
    deleted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    synced_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: PortOne's answer as it came, but for the key.
    snapshot: Mapped[dict[str, Any] | None] = mapped_column(Document)

    #: What the list is ordered by; a key whose time of issue is not known counts from when we met it.
    registered_clock: Mapped[datetime] = mapped_column(
        UtcDateTime, Computed("coalesce(registered_at, created_at)", persisted=True)
    )

    user: Mapped[User | None] = relationship()

    @property
    def is_chargeable(self) -> bool:
        """Whether PortOne still has the key and nobody has switched it off here."""
        return self.status == "ISSUED" and self.is_active
