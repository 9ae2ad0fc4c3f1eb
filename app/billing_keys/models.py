"""Billing keys as PortOne keeps them. The key itself is a credential: sealed, and found by its hash."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    Computed,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    and_,
    false,
    text,
    true,
)
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.accounts.models import User
from app.columns import Document, Id, Identified, Sealed, Timestamped, UtcDateTime
from app.extensions import Model
from app.leases import Leased

#: PortOne's statuses of a key; what it adds later is neither.
ISSUED, DELETED = "ISSUED", "DELETED"


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
    #: A person's switch: a sync never turns it on. A deleted key is off for good.
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
    #: While a `BillingKeyDeletion` is under way: since when.
    deleting_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    synced_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: When the personal data of whose key it is was erased; a sync does not bring it back.
    person_erased_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: PortOne's answer as it came, but for the key and an erased person.
    snapshot: Mapped[dict[str, Any] | None] = mapped_column(Document)

    #: What the list is ordered by; a key whose time of issue is not known counts from when we met it.
    registered_clock: Mapped[datetime] = mapped_column(
        UtcDateTime, Computed("coalesce(registered_at, created_at)", persisted=True)
    )

    user: Mapped[User | None] = relationship()

    @hybrid_property
    def is_chargeable(self) -> bool:
        """Whether PortOne still has the key, nobody has switched it off here, and nobody is deleting it.

        Decide by it under `lock(BillingKey, …)`, in the transaction that records what is to be charged: a
        deletion begins under the same lock. It also works as a condition of a query.
        """
        return self.status == ISSUED and self.is_active and self.deleting_since is None

    @is_chargeable.inplace.expression
    @classmethod
    def _is_chargeable(cls) -> ColumnElement[bool]:
        return and_(cls.status == ISSUED, cls.is_active, cls.deleting_since.is_(None))


class DeletionStatus(StrEnum):
    """Where the deletion of a key stands; `failed` is PortOne's no."""

    SENDING = "sending"
    UNCERTAIN = "uncertain"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


#: Asked of PortOne, and not yet answered.
UNDER_WAY = frozenset({DeletionStatus.SENDING, DeletionStatus.UNCERTAIN})

#: The same as a condition. Spelled out, without parameters, so that the partial indexes serve it.
IS_UNDER_WAY = text("billing_key_deletions.status IN ('sending', 'uncertain')")
_UNDER_WAY_ROWS = text("status IN ('sending', 'uncertain')")


class BillingKeyDeletion(Identified, Timestamped, Leased, Model):
    """A person's decision to delete a key at PortOne; its id is its idempotency key."""

    __tablename__ = "billing_key_deletions"
    __table_args__ = (
        CheckConstraint("status IN ('sending', 'uncertain', 'succeeded', 'failed')", name="status_known"),
        CheckConstraint("requester IN ('ADMIN', 'CUSTOMER')", name="requester_known"),
        # The last fence: whatever the code believes, the database lets one deletion of a key be under way.
        Index(
            "uq_billing_key_deletions_under_way",
            "billing_key_id",
            unique=True,
            sqlite_where=_UNDER_WAY_ROWS,
            postgresql_where=_UNDER_WAY_ROWS,
        ),
        Index(
            "ix_billing_key_deletions_waiting",
            "next_attempt_at",
            "id",
            sqlite_where=_UNDER_WAY_ROWS,
            postgresql_where=_UNDER_WAY_ROWS,
        ),
    )

    billing_key_id: Mapped[UUID] = mapped_column(
        Id, ForeignKey("billing_keys.id", ondelete="RESTRICT"), index=True
    )
    status: Mapped[str] = mapped_column(String(20))
    reason: Mapped[str] = mapped_column(Text)
    #: On whose wish, in PortOne's words: ADMIN or CUSTOMER.
    requester: Mapped[str] = mapped_column(String(20))
    requested_by: Mapped[UUID | None] = mapped_column(Id, ForeignKey("users.id", ondelete="SET NULL"))
    #: The schedules that the person saw and agreed to stop, as `StoppingSchedule.to_raw()` writes them; their
    #: `status` is what became of them.
    schedules: Mapped[list[dict[str, Any]] | None] = mapped_column(Document)
    #: When PortOne had given them up; it stays so, even where the key itself was not deleted afterwards.
    schedules_revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: Why there is no answer (`timeout`, …) or why PortOne said no (its error type).
    problem: Mapped[str | None] = mapped_column(String(80))
    problem_message: Mapped[str | None] = mapped_column(Text)
    pg_code: Mapped[str | None] = mapped_column(String(80))
    pg_message: Mapped[str | None] = mapped_column(Text)
    #: What each channel of a key over several channels answered, where one of them said no.
    channels: Mapped[list[dict[str, Any]] | None] = mapped_column(Document)
    settled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    billing_key: Mapped[BillingKey] = relationship()
    person: Mapped[User | None] = relationship(foreign_keys=[requested_by])

    @property
    def revoked_schedules(self) -> list[dict[str, Any]]:
        """The schedules that PortOne has given up for this deletion."""
        return [raw for raw in self.schedules or () if raw["status"] == "REVOKED"]
