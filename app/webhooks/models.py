"""The webhook log: what PortOne sent, our answer, and what became of it. It is the worker's inbox too."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.database import Document, Id, Identified, Sealed, Timestamped, UtcDateTime
from app.extensions import Model
from app.leases import Leased
from app.payments.models import Payment


class WebhookStatus(StrEnum):
    """What became of a message. `received` waits or is being tried again; `failed` used up its tries."""

    RECEIVED = "received"
    PROCESSED = "processed"
    FAILED = "failed"
    SKIPPED = "skipped"
    REJECTED = "rejected"


class WebhookLog(Identified, Timestamped, Leased, Model):
    """One message, known by `webhook_id`; a repeated delivery adds to `deliveries`.

    A message that fails verification has no `webhook_id`, so that a stranger cannot occupy a real one.
    """

    __tablename__ = "webhook_logs"
    __table_args__ = (
        CheckConstraint(
            "status IN ('received', 'processed', 'failed', 'skipped', 'rejected')", name="status_known"
        ),
        Index(
            "ix_webhook_logs_waiting",
            "next_attempt_at",
            "id",
            sqlite_where=text("status = 'received'"),
            postgresql_where=text("status = 'received'"),
        ),
        # What workers hold at this moment: a few rows, and their payments are nobody else's meanwhile.
        Index(
            "ix_webhook_logs_claimed",
            "claimed_until",
            sqlite_where=text("status = 'received' AND claimed_by IS NOT NULL"),
            postgresql_where=text("status = 'received' AND claimed_by IS NOT NULL"),
        ),
        Index(
            "ix_webhook_logs_repeated",
            "created_at",
            "id",
            sqlite_where=text("deliveries > 1"),
            postgresql_where=text("deliveries > 1"),
        ),
        # Those whose contents may grow too old; the rows before them were emptied.
        Index(
            "ix_webhook_logs_with_contents",
            "created_at",
            sqlite_where=text("contents_removed_at IS NULL"),
            postgresql_where=text("contents_removed_at IS NULL"),
        ),
        Index("ix_webhook_logs_status_created_at", "status", "created_at"),
        Index("ix_webhook_logs_created_at", "created_at"),
    )

    webhook_id: Mapped[str | None] = mapped_column(Text, unique=True)
    webhook_type: Mapped[str | None] = mapped_column(Text)
    payment_id: Mapped[UUID | None] = mapped_column(
        Id, ForeignKey("payments.id", ondelete="SET NULL"), index=True
    )
    #: The paymentId the message names, whether or not we know the payment.
    named_payment_id: Mapped[str | None] = mapped_column(Text, index=True)
    provider_transaction_id: Mapped[str | None] = mapped_column(Text, index=True)
    #: A billing key is a credential: it is taken out of the body, sealed, and found by its hash.
    billing_key_sealed: Mapped[str | None] = mapped_column(Sealed)
    billing_key_hash: Mapped[str | None] = mapped_column(String(64), index=True)

    request_headers: Mapped[dict[str, Any] | None] = mapped_column(Document)
    request_body: Mapped[Any | None] = mapped_column(Document)
    response_status: Mapped[int | None] = mapped_column(Integer)
    response_body: Mapped[Any | None] = mapped_column(Document)
    status: Mapped[str] = mapped_column(String(20), server_default=WebhookStatus.RECEIVED.value)
    error_message: Mapped[str | None] = mapped_column(Text)
    deliveries: Mapped[int] = mapped_column(Integer, server_default="1")
    last_delivered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: When PortOne says the event happened.
    occurred_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: What processing changed: {field: [before, after]}.
    changes: Mapped[dict[str, Any] | None] = mapped_column(Document)
    processed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: When headers, bodies and the billing key were removed, because they had grown old.
    contents_removed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: Whether a person has asked to process it again; until that is over.
    is_replay: Mapped[bool] = mapped_column(server_default=false())

    payment: Mapped[Payment | None] = relationship()


class AttemptOutcome(StrEnum):
    """What an attempt to process a message came to.

    `postponed`: PortOne gave no answer, which uses up no try. `refused`: it said no. `broken`: an error of
    our own.
    """

    PROCESSED = "processed"
    SKIPPED = "skipped"
    POSTPONED = "postponed"
    REFUSED = "refused"
    BROKEN = "broken"


class WebhookAttempt(Identified, Model):
    """One attempt to process a message, numbered from 1; `problem` is a sentence (msgid).

    Postponements that follow each other are one row: it counts them in `times`, and lasts from the first
    one's start to the last one's end.
    """

    __tablename__ = "webhook_attempts"
    __table_args__ = (
        CheckConstraint(
            "outcome IN ('processed', 'skipped', 'postponed', 'refused', 'broken')", name="outcome_known"
        ),
        UniqueConstraint("webhook_log_id", "number"),
    )

    webhook_log_id: Mapped[UUID] = mapped_column(Id, ForeignKey("webhook_logs.id", ondelete="CASCADE"))
    number: Mapped[int] = mapped_column(Integer)
    outcome: Mapped[str] = mapped_column(String(20))
    problem: Mapped[str | None] = mapped_column(Text)
    times: Mapped[int] = mapped_column(Integer, server_default="1")
    #: Whether a person had asked for it; health figures leave such attempts out.
    is_replay: Mapped[bool] = mapped_column(server_default=false())
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime] = mapped_column(UtcDateTime)
