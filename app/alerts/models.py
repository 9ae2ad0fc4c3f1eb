"""Alerts that last, and the messages that told of them."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, Index, Integer, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from app.columns import Identified, UtcDateTime
from app.extensions import Model


class Occasion(StrEnum):
    """Why a message is sent."""

    BEGAN = "began"
    REMINDER = "reminder"
    ENDED = "ended"
    TEST = "test"


class Alert(Model):
    """Something that is amiss now, by the name of what is watched; it goes when that is over."""

    __tablename__ = "alerts"

    name: Mapped[str] = mapped_column(String(20), primary_key=True)
    began_at: Mapped[datetime] = mapped_column(UtcDateTime)
    #: When people were last told.
    told_at: Mapped[datetime] = mapped_column(UtcDateTime)
    value: Mapped[int] = mapped_column(BigInteger)


_DUE = text("sent_at IS NULL AND given_up_at IS NULL")


class AlertMessage(Identified, Model):
    """One message on one channel: sent, waiting to be tried again, or given up. It holds no personal data."""

    __tablename__ = "alert_messages"
    __table_args__ = (
        CheckConstraint("occasion IN ('began', 'reminder', 'ended', 'test')", name="occasion_known"),
        CheckConstraint("channel IN ('slack', 'email')", name="channel_known"),
        Index("ix_alert_messages_created_at_id", "created_at", "id"),
        Index("ix_alert_messages_due", "next_attempt_at", sqlite_where=_DUE, postgresql_where=_DUE),
    )

    alert: Mapped[str] = mapped_column(String(20))
    occasion: Mapped[str] = mapped_column(String(20))
    channel: Mapped[str] = mapped_column(String(20))
    text: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    next_attempt_at: Mapped[datetime] = mapped_column(UtcDateTime)
    attempts: Mapped[int] = mapped_column(Integer, server_default="0")
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    given_up_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: Why it could not be sent (msgid, or the words of the other side).
    problem: Mapped[str | None] = mapped_column(Text)
