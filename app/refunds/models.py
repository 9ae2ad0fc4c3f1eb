"""Refunds: an admin's decision to give money back, from the moment it is made to its outcome."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Integer, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.accounts.models import User
from app.columns import Id, Identified, Sealed, Timestamped, UtcDateTime
from app.extensions import Model
from app.leases import Leased
from app.payments.models import Payment


class RefundStatus(StrEnum):
    """Where a refund stands. `failed` is PortOne's no.

    `rejected`: the second person said no, nobody approved in time, or the requester took it back (`problem`).
    """

    AWAITING_APPROVAL = "awaiting_approval"
    SENDING = "sending"
    UNCERTAIN = "uncertain"
    REQUESTED = "requested"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REJECTED = "rejected"


#: PortOne's answer is known.
OUTCOMES = frozenset({RefundStatus.REQUESTED, RefundStatus.SUCCEEDED, RefundStatus.FAILED})

#: Asked of PortOne, and not yet final: a second refund of the payment waits.
IN_FLIGHT = frozenset({RefundStatus.SENDING, RefundStatus.UNCERTAIN, RefundStatus.REQUESTED})

#: The same as a condition. Spelled out, without parameters, so that the partial indexes serve it.
IS_IN_FLIGHT = text("refunds.status IN ('sending', 'uncertain', 'requested')")
_IN_FLIGHT_ROWS = text("status IN ('sending', 'uncertain', 'requested')")

#: What was given back. Spelled out as well, for the index of when.
HAS_SUCCEEDED = text("refunds.status = 'succeeded'")

#: Their amount is spoken for.
HOLDING = IN_FLIGHT | {RefundStatus.AWAITING_APPROVAL}

#: The money went, or is on its way, on the word of whoever asked.
WENT_ALONE = IN_FLIGHT | {RefundStatus.SUCCEEDED}

MOVES: dict[RefundStatus, frozenset[RefundStatus]] = {
    RefundStatus.AWAITING_APPROVAL: frozenset({RefundStatus.SENDING, RefundStatus.REJECTED}),
    RefundStatus.SENDING: OUTCOMES | {RefundStatus.UNCERTAIN},
    RefundStatus.UNCERTAIN: OUTCOMES,
    RefundStatus.REQUESTED: frozenset({RefundStatus.SUCCEEDED, RefundStatus.FAILED}),
    # We conclude a failure from what PortOne does not show; its own answer, be it late, is the truth.
    RefundStatus.FAILED: frozenset({RefundStatus.SUCCEEDED}),
}


class Refund(Identified, Timestamped, Leased, Model):
    """Give back `amount` (minor units of the payment's currency); its id is its idempotency key."""

    __tablename__ = "refunds"
    __table_args__ = (
        CheckConstraint(
            "status IN ('awaiting_approval', 'sending', 'uncertain', 'requested', 'succeeded', 'failed',"
            " 'rejected')",
            name="status_known",
        ),
        CheckConstraint("amount > 0", name="amount_positive"),
        CheckConstraint("tax_free_amount >= 0 AND tax_free_amount <= amount", name="tax_free_within_amount"),
        # The last fence: whatever the code believes, the database lets one refund of a payment be under way.
        Index(
            "uq_refunds_payment_in_flight",
            "payment_id",
            unique=True,
            sqlite_where=_IN_FLIGHT_ROWS,
            postgresql_where=_IN_FLIGHT_ROWS,
        ),
        Index(
            "ix_refunds_waiting",
            "next_attempt_at",
            "id",
            sqlite_where=_IN_FLIGHT_ROWS,
            postgresql_where=_IN_FLIGHT_ROWS,
        ),
        Index("ix_refunds_status_id", "status", "id"),
        Index("ix_refunds_created_at_id", "created_at", "id"),
        Index("ix_refunds_status_created_at_id", "status", "created_at", "id"),
        Index("ix_refunds_settled_at_id", "settled_at", "id"),
        Index("ix_refunds_requested_by_created_at_id", "requested_by", "created_at", "id"),
        Index("ix_refunds_approved_by_created_at_id", "approved_by", "created_at", "id"),
        Index(
            "ix_refunds_succeeded",
            "settled_at",
            sqlite_where=text("status = 'succeeded'"),
            postgresql_where=text("status = 'succeeded'"),
        ),
    )

    payment_id: Mapped[UUID] = mapped_column(Id, ForeignKey("payments.id", ondelete="RESTRICT"), index=True)
    status: Mapped[str] = mapped_column(String(20))
    amount: Mapped[int] = mapped_column(BigInteger)
    tax_free_amount: Mapped[int] = mapped_column(BigInteger, server_default="0")
    #: As typed; None where PortOne was left to compute it.
    vat_amount: Mapped[int | None] = mapped_column(BigInteger)
    #: Of a promotion payment: whether the discount stays, which later refunds have to repeat.
    retain_option: Mapped[str | None] = mapped_column(String(20))
    #: PortOne's balance when the refund was decided: the `currentCancellableAmount` that was sent.
    balance_before: Mapped[int | None] = mapped_column(BigInteger)
    reason_code: Mapped[str | None] = mapped_column(String(40))
    reason: Mapped[str] = mapped_column(Text, server_default="")
    #: The body of the request to PortOne, sealed as it may hold an account number; sent again as it stands.
    request_sealed: Mapped[str | None] = mapped_column(Sealed)
    #: What was wished, while the refund waits for approval: sealed too, and gone once that is decided.
    wish_sealed: Mapped[str | None] = mapped_column(Sealed)
    account_bank: Mapped[str | None] = mapped_column(String(60))
    account_last_digits: Mapped[str | None] = mapped_column(String(8))
    account_holder: Mapped[str | None] = mapped_column(Text)
    #: When the account number, and the request that held it, were erased.
    account_erased_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    requested_by: Mapped[UUID | None] = mapped_column(Id, ForeignKey("users.id", ondelete="SET NULL"))
    approved_by: Mapped[UUID | None] = mapped_column(Id, ForeignKey("users.id", ondelete="SET NULL"))
    cancellation_id: Mapped[str | None] = mapped_column(Text, index=True)
    #: Why there is no answer (`timeout`, …) or why PortOne said no (its error type).
    problem: Mapped[str | None] = mapped_column(String(80))
    problem_message: Mapped[str | None] = mapped_column(Text)
    pg_code: Mapped[str | None] = mapped_column(String(80))
    pg_message: Mapped[str | None] = mapped_column(Text)
    #: Until when it waits for approval.
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    settled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    payment: Mapped[Payment] = relationship()
    requester: Mapped[User | None] = relationship(foreign_keys=[requested_by])
    approver: Mapped[User | None] = relationship(foreign_keys=[approved_by])


class ClosureStatus(StrEnum):
    """Where the closing of a virtual account stands; `failed` is PortOne's no."""

    CLOSING = "closing"
    CLOSED = "closed"
    FAILED = "failed"


#: PortOne has not answered yet. Spelled out, without parameters, so that the partial index serves it.
IS_BEING_CLOSED = text("account_closures.status = 'closing'")
_BEING_CLOSED = text("status = 'closing'")


class AccountClosure(Identified, Timestamped, Leased, Model):
    """A wish to close a virtual account that nobody has paid into; its id is its idempotency key."""

    __tablename__ = "account_closures"
    __table_args__ = (
        CheckConstraint("status IN ('closing', 'closed', 'failed')", name="status_known"),
        Index(
            "uq_account_closures_payment_closing",
            "payment_id",
            unique=True,
            sqlite_where=_BEING_CLOSED,
            postgresql_where=_BEING_CLOSED,
        ),
        Index(
            "ix_account_closures_waiting",
            "next_attempt_at",
            "id",
            sqlite_where=_BEING_CLOSED,
            postgresql_where=_BEING_CLOSED,
        ),
    )

    payment_id: Mapped[UUID] = mapped_column(Id, ForeignKey("payments.id", ondelete="RESTRICT"), index=True)
    status: Mapped[str] = mapped_column(String(20))
    requested_by: Mapped[UUID | None] = mapped_column(Id, ForeignKey("users.id", ondelete="SET NULL"))
    problem: Mapped[str | None] = mapped_column(String(80))
    pg_code: Mapped[str | None] = mapped_column(String(80))
    pg_message: Mapped[str | None] = mapped_column(Text)
    settled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    payment: Mapped[Payment] = relationship()
    requester: Mapped[User | None] = relationship(foreign_keys=[requested_by])


class AccountLink(Identified, Timestamped, Model):
    """A link by which the buyer enters the account to refund to; its token is kept as a hash only."""

    __tablename__ = "account_links"

    payment_id: Mapped[UUID] = mapped_column(Id, ForeignKey("payments.id", ondelete="CASCADE"), index=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    made_by: Mapped[UUID | None] = mapped_column(Id, ForeignKey("users.id", ondelete="SET NULL"))
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: How often the form was sent, right or wrong.
    tries: Mapped[int] = mapped_column(Integer, server_default="0")
    entered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: The account as JSON, sealed; bank and last digits stay when it is erased.
    account_sealed: Mapped[str | None] = mapped_column(Sealed)
    account_bank: Mapped[str | None] = mapped_column(String(60))
    account_last_digits: Mapped[str | None] = mapped_column(String(8))
    account_holder: Mapped[str | None] = mapped_column(Text)
    account_erased_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    payment: Mapped[Payment] = relationship()
