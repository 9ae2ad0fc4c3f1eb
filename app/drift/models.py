"""Drifts, refunds that were made at the PG and PortOne cannot see, and how far comparing has come."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Date,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    false,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.accounts.models import User
from app.columns import Document, Id, Identified, UtcDateTime
from app.extensions import Model
from app.payments.models import Payment


class DriftKind(StrEnum):
    """How a payment here and at PortOne differ. Where PortOne is right ours was healed (`HEALED`)."""

    PAYMENT_UNKNOWN = "payment_unknown"
    CANCELLATION_UNKNOWN = "cancellation_unknown"
    CANCELLATION_BEHIND = "cancellation_behind"
    STATUS_BEHIND = "status_behind"
    FIGURES_DIFFER = "figures_differ"
    NOT_EXPECTED = "not_expected"
    PAYMENT_GONE = "payment_gone"
    REFUND_UNCONFIRMED = "refund_unconfirmed"
    CANCELLED_UNEXPLAINED = "cancelled_unexplained"
    CANCELLED_LESS = "cancelled_less"
    AMOUNT_DIFFERS = "amount_differs"
    CURRENCY_DIFFERS = "currency_differs"
    STORE_DIFFERS = "store_differs"
    REFUNDED_AT_PG = "refunded_at_pg"


#: Ours was behind, and taking PortOne's word settled it.
HEALED = frozenset(
    {
        DriftKind.PAYMENT_UNKNOWN,
        DriftKind.CANCELLATION_UNKNOWN,
        DriftKind.CANCELLATION_BEHIND,
        DriftKind.STATUS_BEHIND,
        DriftKind.FIGURES_DIFFER,
    }
)

#: A person has to judge, and yet a later look can show that both agree again.
SEEN_AGAIN = frozenset(
    {
        DriftKind.NOT_EXPECTED,
        DriftKind.PAYMENT_GONE,
        DriftKind.REFUND_UNCONFIRMED,
        DriftKind.CANCELLED_UNEXPLAINED,
        DriftKind.CANCELLED_LESS,
    }
)

OPEN_ROWS = text("healed_at IS NULL AND closed_at IS NULL")


class Drift(Identified, Model):
    """One difference of a payment, from when it was first seen until it is healed or a person closes it.

    `subject` tells apart differences of a kind: the id of a refund of ours, or of a `PgRefund`. `fields` maps
    what differs to our value and PortOne's. `amount` is the money it is about, in the payment's minor units.
    """

    __tablename__ = "drifts"
    __table_args__ = (
        CheckConstraint(
            "kind IN ({})".format(", ".join(f"'{kind}'" for kind in DriftKind)), name="kind_known"
        ),
        CheckConstraint("healed_at IS NULL OR closed_at IS NULL", name="ended_once"),
        Index("ix_drifts_first_seen_at_id", "first_seen_at", "id"),
        Index("ix_drifts_last_seen_at", "last_seen_at"),
        Index("ix_drifts_kind_first_seen_at_id", "kind", "first_seen_at", "id"),
        Index(
            "uq_drifts_open",
            "payment_id",
            "kind",
            "subject",
            unique=True,
            sqlite_where=OPEN_ROWS,
            postgresql_where=OPEN_ROWS,
        ),
        Index("ix_drifts_waiting", "first_seen_at", "id", sqlite_where=OPEN_ROWS, postgresql_where=OPEN_ROWS),
    )

    payment_id: Mapped[UUID] = mapped_column(Id, ForeignKey("payments.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str] = mapped_column(String(30))
    subject: Mapped[str] = mapped_column(Text, server_default="")
    fields: Mapped[dict[str, Any] | None] = mapped_column(Document)
    amount: Mapped[int] = mapped_column(BigInteger, server_default="0")
    seen_how: Mapped[str] = mapped_column(String(20))
    #: When PortOne's side last changed: since then, at most, the two have differed.
    changed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    first_seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    times_seen: Mapped[int] = mapped_column(Integer, server_default="1")
    healed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: `synced`: ours took PortOne's word. `agrees`: a later look found no difference any more.
    healed_how: Mapped[str | None] = mapped_column(String(20))
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    closed_by: Mapped[UUID | None] = mapped_column(Id, ForeignKey("users.id", ondelete="SET NULL"))
    note: Mapped[str | None] = mapped_column(Text)

    payment: Mapped[Payment] = relationship()
    closer: Mapped[User | None] = relationship()

    @property
    def is_open(self) -> bool:
        """Whether it waits for a person."""
        return self.healed_at is None and self.closed_at is None


class PgRefund(Identified, Model):
    """A refund that somebody made at the PG itself, as a person noted it; `amount` is in minor units.

    PortOne cannot see it. `is_shown`: PortOne tells of it by now, so that its balance holds again.
    """

    __tablename__ = "pg_refunds"
    __table_args__ = (CheckConstraint("amount > 0", name="amount_positive"),)

    payment_id: Mapped[UUID] = mapped_column(Id, ForeignKey("payments.id", ondelete="CASCADE"), index=True)
    amount: Mapped[int] = mapped_column(BigInteger)
    refunded_on: Mapped[date] = mapped_column(Date)
    note: Mapped[str] = mapped_column(Text)
    flagged_by: Mapped[UUID | None] = mapped_column(Id, ForeignKey("users.id", ondelete="SET NULL"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    withdrawn_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    resolved_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    is_shown: Mapped[bool] = mapped_column(server_default=false())

    payment: Mapped[Payment] = relationship()
    flagger: Mapped[User | None] = relationship()

    @property
    def is_open(self) -> bool:
        """Whether it is neither withdrawn nor resolved."""
        return self.withdrawn_at is None and self.resolved_at is None


_UNDER_WAY = text("finished_at IS NULL")


class DriftRun(Identified, Model):
    """One walk through what PortOne has: where it stands, so that any worker goes on, and what it found.

    `reached_at` is up to where it has come; before `next_at` PortOne is left in peace.
    """

    __tablename__ = "drift_runs"
    __table_args__ = (
        Index(
            "uq_drift_runs_under_way",
            "walk",
            unique=True,
            sqlite_where=_UNDER_WAY,
            postgresql_where=_UNDER_WAY,
        ),
        Index("ix_drift_runs_walk_finished_at", "walk", "finished_at"),
    )

    walk: Mapped[str] = mapped_column(String(20))
    since: Mapped[datetime] = mapped_column(UtcDateTime)
    until: Mapped[datetime] = mapped_column(UtcDateTime)
    cursor: Mapped[str | None] = mapped_column(Text)
    reached_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    payments_read: Mapped[int] = mapped_column(BigInteger, server_default="0")
    differences: Mapped[int] = mapped_column(BigInteger, server_default="0")
    #: Payments that PortOne sent and nobody could read.
    left_out: Mapped[int] = mapped_column(BigInteger, server_default="0")
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    touched_at: Mapped[datetime] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    failures: Mapped[int] = mapped_column(Integer, server_default="0")
    next_at: Mapped[datetime] = mapped_column(UtcDateTime)
    problem: Mapped[str | None] = mapped_column(Text)
