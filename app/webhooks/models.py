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

from app.columns import Document, Id, Identified, Sealed, Timestamped, UtcDateTime
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


class GapKind(StrEnum):
    """How PortOne's log of a delivery and ours differ.

    `missed`: PortOne sent it and we hold nothing. `refused`: PortOne was last answered with an error.
    `late`: it first came long after it was triggered. `repeated`: PortOne sent it more than once.
    `elsewhere`: it went to another system, which did not take it.
    """

    MISSED = "missed"
    REFUSED = "refused"
    LATE = "late"
    REPEATED = "repeated"
    ELSEWHERE = "elsewhere"


class WebhookGap(Identified, Model):
    """A delivery in PortOne's log of a payment that ours does not bear out, by its `webhook_id`.

    `healed_at`: when the payment was read again because of it; where we hold the message nothing is to heal.
    """

    __tablename__ = "webhook_gaps"
    __table_args__ = (
        CheckConstraint("kind IN ('missed', 'refused', 'late', 'repeated', 'elsewhere')", name="kind_known"),
        Index("ix_webhook_gaps_triggered_at_id", "triggered_at", "id"),
        Index("ix_webhook_gaps_kind_triggered_at_id", "kind", "triggered_at", "id"),
        Index(
            "ix_webhook_gaps_open",
            "checked_at",
            sqlite_where=text("is_held = 0 AND healed_at IS NULL"),
            postgresql_where=text("NOT is_held AND healed_at IS NULL"),
        ),
    )

    payment_id: Mapped[UUID] = mapped_column(Id, ForeignKey("payments.id", ondelete="CASCADE"), index=True)
    webhook_id: Mapped[str] = mapped_column(Text, unique=True)
    kind: Mapped[str] = mapped_column(String(20))
    #: Whether we hold the message all the same.
    is_held: Mapped[bool] = mapped_column(server_default=false())
    #: The status of the payment that the message told of.
    payment_status: Mapped[str | None] = mapped_column(Text)
    url: Mapped[str | None] = mapped_column(Text)
    delivery_status: Mapped[str | None] = mapped_column(Text)
    response_code: Mapped[str | None] = mapped_column(Text)
    tries: Mapped[int | None] = mapped_column(Integer)
    most_tries: Mapped[int | None] = mapped_column(Integer)
    triggered_at: Mapped[datetime] = mapped_column(UtcDateTime)
    received_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    checked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    healed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: What healing it came to (msgid).
    note: Mapped[str | None] = mapped_column(Text)

    payment: Mapped[Payment] = relationship()


class WebhookWatch(Model):
    """How far the walk through PortOne's recent payments has come, by the clock of their last change."""

    __tablename__ = "webhook_watch"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    reached_at: Mapped[datetime] = mapped_column(UtcDateTime)


class WebhookLog(Identified, Timestamped, Leased, Model):
    """One message, known by `webhook_id`; a repeated delivery adds to `deliveries`.

    A message that fails verification has no `webhook_id`, so that a stranger cannot occupy a real one.
    """

    __tablename__ = "webhook_logs"
    __table_args__ = (
        CheckConstraint(
            "status IN ('received', 'processed', 'failed', 'skipped', 'rejected')", name="status_known"
        ),
        # The status leads, though it is one: else SQLite prefers the index of the status alone.
        Index(
            "ix_webhook_logs_waiting_due",
            "status",
            "next_attempt_at",
            "id",
            sqlite_where=text("status = 'received'"),
            postgresql_where=text("status = 'received'"),
        ),
        # What workers hold at this moment: a few rows, and their payments are nobody else's meanwhile.
        Index(
            "ix_webhook_logs_held",
            "status",
            "claimed_until",
            sqlite_where=text("status = 'received' AND claimed_by IS NOT NULL"),
            postgresql_where=text("status = 'received' AND claimed_by IS NOT NULL"),
        ),
        # Few messages are about a key. With the others in it SQLite would count on as many for each.
        Index(
            "ix_webhook_logs_key",
            "billing_key_hash",
            sqlite_where=text("billing_key_hash IS NOT NULL"),
            postgresql_where=text("billing_key_hash IS NOT NULL"),
        ),
        Index(
            "ix_webhook_logs_repeated",
            "created_at",
            "id",
            sqlite_where=text("deliveries > 1"),
            postgresql_where=text("deliveries > 1"),
        ),
        Index(
            "ix_webhook_logs_tried_again",
            "created_at",
            "id",
            sqlite_where=text("attempts > 1"),
            postgresql_where=text("attempts > 1"),
        ),
        Index(
            "ix_webhook_logs_not_ok",
            "created_at",
            "id",
            sqlite_where=text("response_status >= 300"),
            postgresql_where=text("response_status >= 300"),
        ),
        Index("ix_webhook_logs_webhook_type_created_at", "webhook_type", "created_at"),
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
    billing_key_hash: Mapped[str | None] = mapped_column(String(64))

    request_headers: Mapped[dict[str, Any] | None] = mapped_column(Document)
    request_body: Mapped[Any | None] = mapped_column(Document)
    response_status: Mapped[int | None] = mapped_column(Integer)
    response_body: Mapped[Any | None] = mapped_column(Document)
    status: Mapped[str] = mapped_column(String(20), server_default=WebhookStatus.RECEIVED.value)
    #: How processing first ended, if a replay has changed that since: statistics go by it.
    first_status: Mapped[str | None] = mapped_column(String(20))
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


class BulkItemStatus(StrEnum):
    """Where one message of a bulk stands.

    `asked`: PortOne was asked to send it again, and its answer is still to come, or was lost on the way.
    """

    WAITING = "waiting"
    ASKED = "asked"
    DONE = "done"
    FAILED = "failed"
    LEFT_OUT = "left_out"


class WebhookBulkItem(Model):
    """One message of a bulk replay or resend: the bulk's id is the `subject_id` of its job."""

    __tablename__ = "webhook_bulk_items"
    __table_args__ = (
        CheckConstraint("status IN ('waiting', 'asked', 'done', 'failed', 'left_out')", name="status_known"),
        Index("ix_webhook_bulk_items_bulk_id_status", "bulk_id", "status"),
    )

    bulk_id: Mapped[UUID] = mapped_column(Id, primary_key=True)
    webhook_log_id: Mapped[UUID] = mapped_column(
        Id, ForeignKey("webhook_logs.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    status: Mapped[str] = mapped_column(String(20), server_default=BulkItemStatus.WAITING.value)
    #: What it came to, in words (msgid).
    told: Mapped[str | None] = mapped_column(Text)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    log: Mapped[WebhookLog] = relationship()
