"""Charges to come. A row is our wish and PortOne's schedule in one; a plan makes one row after the other."""

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
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.accounts.models import User
from app.billing_keys.models import BillingKey
from app.columns import Document, Id, Identified, Timestamped, UtcDateTime
from app.extensions import Model
from app.leases import Leased
from app.schedules.periods import Cadence, Rhythm


class ScheduleStatus(StrEnum):
    """Where a charge to come stands; a status that PortOne adds one day is kept in lower case beside these.

    `refused` is PortOne's no, or that a wish of ours never reached it.
    """

    SENDING = "sending"
    UNCERTAIN = "uncertain"
    SCHEDULED = "scheduled"
    STARTED = "started"
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REVOKED = "revoked"
    REFUSED = "refused"


#: Nothing follows any more. All else, a status nobody knows included, is open.
FINAL = frozenset(
    {ScheduleStatus.SUCCEEDED, ScheduleStatus.FAILED, ScheduleStatus.REVOKED, ScheduleStatus.REFUSED}
)

#: PortOne has not said yet whether it has the schedule.
UNANSWERED = frozenset({ScheduleStatus.SENDING, ScheduleStatus.UNCERTAIN})

#: The same as conditions, spelled out without parameters so that partial indexes serve them.
IS_OPEN = text("payment_schedules.status NOT IN ('succeeded', 'failed', 'revoked', 'refused')")
_OPEN_ROWS = text("status NOT IN ('succeeded', 'failed', 'revoked', 'refused')")
_OPEN_ROWS_OF_PLANS = text(
    "plan_id IS NOT NULL AND status NOT IN ('succeeded', 'failed', 'revoked', 'refused')"
)
_SPENT_PERIODS = text("plan_id IS NOT NULL AND status NOT IN ('failed', 'revoked', 'refused')")
_OURS = text("is_ours")


class PlanStatus(StrEnum):
    """Whether a plan goes on; `ended` is for good."""

    ACTIVE = "active"
    PAUSED = "paused"
    ENDED = "ended"


class Stop(StrEnum):
    """Why a plan does not go on."""

    PERSON = "person"
    FAILURES = "failures"
    REFUSED = "refused"
    REVOKED = "revoked"
    KEY_INACTIVE = "key_inactive"
    KEY_DELETED = "key_deleted"
    COMPLETED = "completed"


#: A plan that stands still although nobody wanted it to: a person has to look.
STOPPED_BY_TROUBLE = (Stop.FAILURES, Stop.REFUSED, Stop.REVOKED, Stop.KEY_INACTIVE, Stop.KEY_DELETED)

IS_ACTIVE = text("charge_plans.status = 'active'")
_ACTIVE_ROWS = text("status = 'active'")


class ChargePlan(Identified, Timestamped, Leased, Model):
    """Charge a key `amount` (minor units) every month or week; the next charge is planned after the last."""

    __tablename__ = "charge_plans"
    __table_args__ = (
        CheckConstraint("status IN ('active', 'paused', 'ended')", name="status_known"),
        CheckConstraint("amount > 0", name="amount_positive"),
        CheckConstraint(
            "(cadence = 'monthly' AND day >= 1 AND day <= 31)"
            " OR (cadence = 'weekly' AND day >= 0 AND day <= 6)",
            name="day_of_cadence",
        ),
        CheckConstraint("minute >= 0 AND minute < 1440", name="minute_of_day"),
        CheckConstraint("next_period >= 0", name="next_period_counted"),
        Index("ix_charge_plans_created_at_id", "created_at", "id"),
        Index(
            "ix_charge_plans_due",
            "next_attempt_at",
            "id",
            sqlite_where=_ACTIVE_ROWS,
            postgresql_where=_ACTIVE_ROWS,
        ),
    )

    billing_key_id: Mapped[UUID] = mapped_column(
        Id, ForeignKey("billing_keys.id", ondelete="RESTRICT"), index=True
    )
    status: Mapped[str] = mapped_column(String(20))
    cadence: Mapped[str] = mapped_column(String(20))
    day: Mapped[int] = mapped_column(Integer)
    minute: Mapped[int] = mapped_column(Integer)
    anchor: Mapped[date] = mapped_column(Date)
    starts_on: Mapped[date] = mapped_column(Date)
    #: The last day a charge may be due on.
    ends_on: Mapped[date | None] = mapped_column(Date)
    #: It ends after so many charges that succeeded.
    most_charges: Mapped[int | None] = mapped_column(Integer)
    amount: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    order_name: Mapped[str] = mapped_column(Text)
    #: The period that is charged next, or being charged now.
    next_period: Mapped[int] = mapped_column(Integer, server_default="0")
    #: Periods that went by uncharged while nothing ran, and that only a person may charge after all.
    skipped_periods: Mapped[int] = mapped_column(Integer, server_default="0")
    #: Why it is paused or ended (`Stop`), what PortOne said to it, and what a person wrote.
    stop: Mapped[str | None] = mapped_column(String(40))
    problem: Mapped[str | None] = mapped_column(String(80))
    note: Mapped[str | None] = mapped_column(Text)
    stopped_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_by: Mapped[UUID | None] = mapped_column(Id, ForeignKey("users.id", ondelete="SET NULL"))

    billing_key: Mapped[BillingKey] = relationship()
    creator: Mapped[User | None] = relationship()

    @property
    def rhythm(self) -> Rhythm:
        """When its periods are due."""
        return Rhythm(Cadence(self.cadence), self.day, self.minute, self.anchor)


class PaymentSchedule(Identified, Timestamped, Leased, Model):
    """A charge to come; of ours the id is the intent and the idempotency key, and `payment_id` never changes.

    Amounts are in minor units of `currency`. What PortOne is asked is made of these columns and the sealed
    key each time, so the key stands nowhere else.
    """

    __tablename__ = "payment_schedules"
    __table_args__ = (
        CheckConstraint("amount >= 0", name="amount_not_negative"),
        UniqueConstraint("plan_id", "period", "plan_try", name="uq_payment_schedules_plan_try"),
        # The last fences: a plan has one open schedule, and a period is charged once, whatever the code does.
        Index(
            "uq_payment_schedules_plan_open",
            "plan_id",
            unique=True,
            sqlite_where=_OPEN_ROWS_OF_PLANS,
            postgresql_where=_OPEN_ROWS_OF_PLANS,
        ),
        Index(
            "uq_payment_schedules_period_spent",
            "plan_id",
            "period",
            unique=True,
            sqlite_where=_SPENT_PERIODS,
            postgresql_where=_SPENT_PERIODS,
        ),
        # Others may plan a paymentId anew once its schedule was revoked; we never do.
        Index(
            "uq_payment_schedules_payment_id_ours",
            "payment_id",
            unique=True,
            sqlite_where=_OURS,
            postgresql_where=_OURS,
        ),
        Index(
            "ix_payment_schedules_waiting",
            "next_attempt_at",
            "id",
            sqlite_where=_OPEN_ROWS,
            postgresql_where=_OPEN_ROWS,
        ),
        Index("ix_payment_schedules_payment_id", "payment_id"),
        Index("ix_payment_schedules_time_to_pay_id", "time_to_pay", "id"),
        Index("ix_payment_schedules_status_time_to_pay_id", "status", "time_to_pay", "id"),
        Index("ix_payment_schedules_billing_key_id_time_to_pay", "billing_key_id", "time_to_pay"),
        Index("ix_payment_schedules_revoke_id", "revoke_id"),
    )

    #: PortOne's id of it; None until PortOne has answered.
    schedule_id: Mapped[str | None] = mapped_column(String(255), unique=True)
    payment_id: Mapped[str] = mapped_column(Text)
    #: None for a key of others that is not known here.
    billing_key_id: Mapped[UUID | None] = mapped_column(
        Id, ForeignKey("billing_keys.id", ondelete="RESTRICT")
    )
    status: Mapped[str] = mapped_column(String(40))
    is_ours: Mapped[bool] = mapped_column(server_default=false())
    amount: Mapped[int] = mapped_column(BigInteger)
    tax_free_amount: Mapped[int | None] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    order_name: Mapped[str] = mapped_column(Text, server_default="")
    customer_id: Mapped[str | None] = mapped_column(Text)
    customer_name: Mapped[str | None] = mapped_column(Text)
    time_to_pay: Mapped[datetime] = mapped_column(UtcDateTime)
    plan_id: Mapped[UUID | None] = mapped_column(
        Id, ForeignKey("charge_plans.id", ondelete="RESTRICT"), index=True
    )
    period: Mapped[int | None] = mapped_column(Integer)
    plan_try: Mapped[int | None] = mapped_column(Integer)

    requested_by: Mapped[UUID | None] = mapped_column(Id, ForeignKey("users.id", ondelete="SET NULL"))
    #: Why there is no answer (`timeout`, …) or why PortOne said no (its error type), and its words for it.
    problem: Mapped[str | None] = mapped_column(String(80))
    problem_message: Mapped[str | None] = mapped_column(Text)
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    completed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: The wish to give it up, of one schedule or of several together; it is the idempotency key of the call.
    revoke_id: Mapped[UUID | None] = mapped_column(Id)
    revoke_reason: Mapped[str | None] = mapped_column(Text)
    revoke_problem: Mapped[str | None] = mapped_column(String(80))
    revoke_requested_by: Mapped[UUID | None] = mapped_column(Id, ForeignKey("users.id", ondelete="SET NULL"))
    revoke_requested_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    synced_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: PortOne's answer as it came, but for the key.
    snapshot: Mapped[dict[str, Any] | None] = mapped_column(Document)

    billing_key: Mapped[BillingKey | None] = relationship()
    plan: Mapped[ChargePlan | None] = relationship()
    requester: Mapped[User | None] = relationship(foreign_keys=[requested_by])
    revoker: Mapped[User | None] = relationship(foreign_keys=[revoke_requested_by])

    @property
    def is_open(self) -> bool:
        """Whether the charge is still to come or under way."""
        return self.status not in FINAL

    @property
    def is_being_revoked(self) -> bool:
        """Whether somebody wants it given up, and PortOne has not answered yet."""
        return self.is_open and self.revoke_id is not None

    @property
    def is_revocable(self) -> bool:
        """Whether it can still be given up."""
        return self.status == ScheduleStatus.SCHEDULED and self.revoke_id is None
