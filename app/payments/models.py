"""Payments, PortOne's records of money going back, staff notes, and the text they are found by."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Computed,
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

from app.accounts.models import User
from app.columns import Document, Id, Identified, Timestamped, Tokens, UtcDateTime, utc_now
from app.extensions import Model


class Payment(Identified, Timestamped, Model):
    """One purchase: a projection of PortOne's last snapshot of it, never a second truth.

    Amounts are in minor units of `currency`. What the store expects stands apart, in
    `expected_amount` and `expected_currency`, and no sync touches it.
    """

    __tablename__ = "payments"
    __table_args__ = (
        CheckConstraint(
            "cancelled_amount >= 0 AND cancelled_amount <= amount", name="cancelled_within_amount"
        ),
        CheckConstraint(
            "cancellable_amount >= 0 AND cancellable_amount <= amount", name="cancellable_within_amount"
        ),
        Index("ix_payments_changed_clock_id", "changed_clock", "id"),
        Index("ix_payments_requested_clock_id", "requested_clock", "id"),
        Index("ix_payments_status_changed_clock_id", "status", "changed_clock", "id"),
        Index("ix_payments_method_changed_clock_id", "method", "changed_clock", "id"),
        # Bounds of amounts mean each payment's own currency.
        Index("ix_payments_amount_changed_clock_id_currency", "amount", "changed_clock", "id", "currency"),
        Index(
            "ix_payments_unbalanced",
            "id",
            sqlite_where=text("cancellable_amount <> amount - cancelled_amount AND snapshot IS NOT NULL"),
            postgresql_where=text("cancellable_amount <> amount - cancelled_amount AND snapshot IS NOT NULL"),
        ),
        Index("ix_payments_pg_provider_changed_clock_id", "pg_provider", "changed_clock", "id"),
        # All that totals add up, so that they need not read the rows, which hold documents.
        Index(
            "ix_payments_totals",
            "changed_clock",
            "status",
            "currency",
            "channel_type",
            "amount",
            "cancelled_amount",
        ),
        # Few payments are in another currency or of a test channel; a list of them must not walk through all.
        Index(
            "ix_payments_foreign_currency",
            "currency",
            "changed_clock",
            "id",
            sqlite_where=text("currency <> 'KRW'"),
            postgresql_where=text("currency <> 'KRW'"),
        ),
        Index(
            "ix_payments_test_channel",
            "changed_clock",
            "id",
            sqlite_where=text("channel_type = 'TEST'"),
            postgresql_where=text("channel_type = 'TEST'"),
        ),
        # Few rows need a person; finding them must not cost a walk through all.
        Index(
            "ix_payments_pending_cancellation",
            "changed_clock",
            "id",
            sqlite_where=text("has_pending_cancellation = 1"),
            postgresql_where=text("has_pending_cancellation"),
        ),
        Index(
            "ix_payments_in_motion",
            "synced_at",
            sqlite_where=text("has_pending_cancellation OR account_refund_status = 'PENDING'"),
            postgresql_where=text("has_pending_cancellation OR account_refund_status = 'PENDING'"),
        ),
        Index(
            "ix_payments_open_dispute",
            "changed_clock",
            "id",
            sqlite_where=text("has_open_dispute = 1"),
            postgresql_where=text("has_open_dispute"),
        ),
        Index(
            "ix_payments_mismatched",
            "changed_clock",
            "id",
            sqlite_where=text("is_mismatched = 1"),
            postgresql_where=text("is_mismatched"),
        ),
        Index(
            "ix_payments_drift",
            "changed_clock",
            "id",
            sqlite_where=text("has_drift = 1"),
            postgresql_where=text("has_drift"),
        ),
        Index(
            "ix_payments_account_refund_status",
            "account_refund_status",
            "changed_clock",
            "id",
            sqlite_where=text("account_refund_status IS NOT NULL"),
            postgresql_where=text("account_refund_status IS NOT NULL"),
        ),
    )

    payment_id: Mapped[str] = mapped_column(Text, unique=True)
    transaction_id: Mapped[str | None] = mapped_column(Text, index=True)
    pg_tx_id: Mapped[str | None] = mapped_column(Text, index=True)
    store_id: Mapped[str | None] = mapped_column(Text)
    user_id: Mapped[UUID | None] = mapped_column(Id, ForeignKey("users.id", ondelete="SET NULL"), index=True)
    status: Mapped[str] = mapped_column(String(40))
    order_name: Mapped[str | None] = mapped_column(Text)
    currency: Mapped[str] = mapped_column(String(8), server_default="KRW")
    amount: Mapped[int] = mapped_column(BigInteger, server_default="0")
    cancelled_amount: Mapped[int] = mapped_column(BigInteger, server_default="0")
    cancellable_amount: Mapped[int] = mapped_column(BigInteger, server_default="0")
    tax_free_amount: Mapped[int] = mapped_column(BigInteger, server_default="0")
    cancelled_tax_free_amount: Mapped[int] = mapped_column(BigInteger, server_default="0")
    expected_amount: Mapped[int | None] = mapped_column(BigInteger)
    expected_currency: Mapped[str | None] = mapped_column(String(8))
    expected_tax_free_amount: Mapped[int | None] = mapped_column(BigInteger)
    #: A hash of all that the store announced: the same again is a repeat, anything else a conflict.
    expected_digest: Mapped[str | None] = mapped_column(String(64))
    #: PortOne reports something else than the store expects.
    is_mismatched: Mapped[bool] = mapped_column(server_default=false())

    #: PortOne's filter code (`CARD`, `VIRTUAL_ACCOUNT`, …); a method it has added since stands as it came.
    method: Mapped[str | None] = mapped_column(String(60))
    pg_provider: Mapped[str | None] = mapped_column(String(60))
    channel_type: Mapped[str | None] = mapped_column(String(20))
    customer_name: Mapped[str | None] = mapped_column(Text)
    customer_email: Mapped[str | None] = mapped_column(Text)
    customer_phone: Mapped[str | None] = mapped_column(Text)
    billing_key_hash: Mapped[str | None] = mapped_column(String(64), index=True)

    #: A cancellation in REQUESTED, a dispute in UNRESOLVED, the state of a virtual account's refund.
    has_pending_cancellation: Mapped[bool] = mapped_column(server_default=false())
    has_open_dispute: Mapped[bool] = mapped_column(server_default=false())
    account_refund_status: Mapped[str | None] = mapped_column(String(40))
    #: Something of it differs from PortOne and waits for a person; the drift domain keeps both up to date.
    has_drift: Mapped[bool] = mapped_column(server_default=false())
    #: What was refunded at the PG itself, as people noted it, and PortOne does not show (minor units).
    refunded_at_pg_amount: Mapped[int] = mapped_column(BigInteger, server_default="0")

    requested_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    paid_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)
    status_changed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: PortOne's `updatedAt`, which orders snapshots, and when we last read one.
    reported_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    synced_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: When the personal data of who paid was erased; a sync does not bring it back.
    person_erased_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: PortOne's answer as it came, but for the billing key, which is a credential, and an erased person.
    snapshot: Mapped[dict[str, Any] | None] = mapped_column(Document)

    #: The two clocks lists are ordered by; a payment PortOne does not know yet counts from when we met it.
    changed_clock: Mapped[datetime] = mapped_column(
        UtcDateTime, Computed("coalesce(status_changed_at, created_at)", persisted=True)
    )
    requested_clock: Mapped[datetime] = mapped_column(
        UtcDateTime, Computed("coalesce(requested_at, created_at)", persisted=True)
    )

    customer: Mapped[User | None] = relationship()
    cancellations: Mapped[list["Cancellation"]] = relationship(
        back_populates="payment", order_by="Cancellation.requested_at, Cancellation.id", passive_deletes=True
    )
    notes: Mapped[list["Note"]] = relationship(
        back_populates="payment", order_by="Note.created_at, Note.id", passive_deletes=True
    )


class Cancellation(Identified, Timestamped, Model):
    """PortOne's record that money went back, or is about to, or could not."""

    __tablename__ = "cancellations"
    __table_args__ = (UniqueConstraint("payment_id", "cancellation_id"),)

    payment_id: Mapped[UUID] = mapped_column(Id, ForeignKey("payments.id", ondelete="CASCADE"))
    cancellation_id: Mapped[str] = mapped_column(Text, index=True)
    status: Mapped[str] = mapped_column(String(40))
    total_amount: Mapped[int] = mapped_column(BigInteger)
    tax_free_amount: Mapped[int] = mapped_column(BigInteger, server_default="0")
    vat_amount: Mapped[int] = mapped_column(BigInteger, server_default="0")
    reason: Mapped[str] = mapped_column(Text, server_default="")
    trigger: Mapped[str | None] = mapped_column(String(40))
    pg_cancellation_id: Mapped[str | None] = mapped_column(Text)
    receipt_url: Mapped[str | None] = mapped_column(Text)
    requested_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    cancelled_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)

    payment: Mapped[Payment] = relationship(back_populates="cancellations")


class Note(Identified, Model):
    """What a colleague wants the next one to know about a payment."""

    __tablename__ = "payment_notes"

    payment_id: Mapped[UUID] = mapped_column(Id, ForeignKey("payments.id", ondelete="CASCADE"), index=True)
    author_id: Mapped[UUID | None] = mapped_column(Id, ForeignKey("users.id", ondelete="SET NULL"))
    body: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=utc_now())

    payment: Mapped[Payment] = relationship(back_populates="notes")
    author: Mapped[User | None] = relationship()


class PaymentSearch(Model):
    """The searchable text of a payment and its tokens.

    SQLite: triggers carry `tokens` into the FTS5 table `payment_search_index`.
    PostgreSQL: `tokens` is an array under a GIN index.
    """

    __tablename__ = "payment_search"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    payment_id: Mapped[UUID] = mapped_column(Id, ForeignKey("payments.id", ondelete="CASCADE"), unique=True)
    text: Mapped[str] = mapped_column(Text)
    tokens: Mapped[list[str]] = mapped_column(Tokens)


class SyncRun(Identified, Model):
    """A walk through PortOne's payments by cursor: where it stands, so that it can be taken up again."""

    __tablename__ = "sync_runs"

    since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    until: Mapped[datetime] = mapped_column(UtcDateTime)
    cursor: Mapped[str | None] = mapped_column(Text)
    payments_read: Mapped[int] = mapped_column(BigInteger, server_default="0")
    payments_changed: Mapped[int] = mapped_column(BigInteger, server_default="0")
    started_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=utc_now())
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)
