"""Charges: a person's decision to take money from a billing key now, from that moment to its outcome."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.accounts.models import User
from app.billing_keys.models import BillingKey
from app.columns import Id, Identified, Sealed, Timestamped, UtcDateTime
from app.extensions import Model
from app.leases import Leased
from app.payments.models import Payment


class ChargeStatus(StrEnum):
    """Where a charge stands. `failed` is PortOne's no, or the PG's.

    `rejected`: the second person said no, nobody approved in time, or the requester took it back (`problem`).
    """

    AWAITING_APPROVAL = "awaiting_approval"
    SENDING = "sending"
    UNCERTAIN = "uncertain"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REJECTED = "rejected"


#: PortOne's answer is known.
OUTCOMES = frozenset({ChargeStatus.SUCCEEDED, ChargeStatus.FAILED})

#: Asked of PortOne, and its answer is not known: the money may have been taken.
IN_FLIGHT = frozenset({ChargeStatus.SENDING, ChargeStatus.UNCERTAIN})

#: The same as a condition. Spelled out, without parameters, so that the partial indexes serve it.
IS_IN_FLIGHT = text("charges.status IN ('sending', 'uncertain')")
_IN_FLIGHT_ROWS = text("status IN ('sending', 'uncertain')")

#: The money was taken, or perhaps.
MAY_HAVE_TAKEN = IN_FLIGHT | {ChargeStatus.SUCCEEDED}

MOVES: dict[ChargeStatus, frozenset[ChargeStatus]] = {
    ChargeStatus.AWAITING_APPROVAL: frozenset({ChargeStatus.SENDING, ChargeStatus.REJECTED}),
    ChargeStatus.SENDING: OUTCOMES | {ChargeStatus.UNCERTAIN},
    ChargeStatus.UNCERTAIN: OUTCOMES,
    # We conclude a failure from a refusal, or from silence about it; a payment that was paid is the truth.
    ChargeStatus.FAILED: frozenset({ChargeStatus.SUCCEEDED}),
}


def payment_id_of(intent: UUID) -> str:
    """PortOne's id of the payment that a charge makes: the same for an intent, whenever it is asked.

    Letters and digits, 40 at most: what every PG takes (portone-v2.md, section 5).
    """
    return f"charge{intent.hex}"


class Charge(Identified, Timestamped, Leased, Model):
    """Take `amount` (minor units of `currency`) from a billing key; its id is its idempotency key."""

    __tablename__ = "charges"
    __table_args__ = (
        CheckConstraint(
            "status IN ('awaiting_approval', 'sending', 'uncertain', 'succeeded', 'failed', 'rejected')",
            name="status_known",
        ),
        CheckConstraint("amount > 0", name="amount_positive"),
        CheckConstraint("tax_free_amount >= 0 AND tax_free_amount <= amount", name="tax_free_within_amount"),
        # The last fence: whatever the code believes, one charge of an amount is under way for a key.
        Index(
            "uq_charges_in_flight",
            "billing_key_id",
            "amount",
            "currency",
            unique=True,
            sqlite_where=_IN_FLIGHT_ROWS,
            postgresql_where=_IN_FLIGHT_ROWS,
        ),
        Index(
            "ix_charges_waiting",
            "next_attempt_at",
            "id",
            sqlite_where=_IN_FLIGHT_ROWS,
            postgresql_where=_IN_FLIGHT_ROWS,
        ),
        Index("ix_charges_created_at_id", "created_at", "id"),
        Index("ix_charges_status_created_at_id", "status", "created_at", "id"),
        Index("ix_charges_billing_key_id_created_at_id", "billing_key_id", "created_at", "id"),
        Index("ix_charges_requested_by_created_at_id", "requested_by", "created_at", "id"),
        Index("ix_charges_approved_by_created_at_id", "approved_by", "created_at", "id"),
    )

    billing_key_id: Mapped[UUID] = mapped_column(Id, ForeignKey("billing_keys.id", ondelete="RESTRICT"))
    #: PortOne's id of the payment, made with the form: asking again under it cannot charge twice.
    named_payment_id: Mapped[str] = mapped_column(String(64), unique=True)
    #: Our row of that payment, once PortOne has told of it.
    payment_id: Mapped[UUID | None] = mapped_column(
        Id, ForeignKey("payments.id", ondelete="SET NULL"), index=True
    )
    status: Mapped[str] = mapped_column(String(20))
    amount: Mapped[int] = mapped_column(BigInteger)
    tax_free_amount: Mapped[int] = mapped_column(BigInteger, server_default="0")
    currency: Mapped[str] = mapped_column(String(3))
    order_name: Mapped[str] = mapped_column(Text)
    customer_id: Mapped[str | None] = mapped_column(Text)
    customer_name: Mapped[str | None] = mapped_column(Text)
    #: Why, for colleagues: PortOne and the customer do not see it.
    reason: Mapped[str] = mapped_column(Text, server_default="")
    #: The body of the request to PortOne, sealed as it holds the key; sent again as it stands, and erased
    #: once nothing more is to be asked.
    request_sealed: Mapped[str | None] = mapped_column(Sealed)

    requested_by: Mapped[UUID | None] = mapped_column(Id, ForeignKey("users.id", ondelete="SET NULL"))
    approved_by: Mapped[UUID | None] = mapped_column(Id, ForeignKey("users.id", ondelete="SET NULL"))
    #: Why there is no answer (`timeout`, …) or why PortOne said no (its error type).
    problem: Mapped[str | None] = mapped_column(String(80))
    problem_message: Mapped[str | None] = mapped_column(Text)
    pg_code: Mapped[str | None] = mapped_column(String(80))
    pg_message: Mapped[str | None] = mapped_column(Text)
    #: Until when it waits for approval.
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    settled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    billing_key: Mapped[BillingKey] = relationship()
    payment: Mapped[Payment | None] = relationship()
    requester: Mapped[User | None] = relationship(foreign_keys=[requested_by])
    approver: Mapped[User | None] = relationship(foreign_keys=[approved_by])
