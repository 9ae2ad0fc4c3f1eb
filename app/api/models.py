"""Bearer tokens of the store's servers, and how often each asked within a minute."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Integer, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.accounts.models import User
from app.columns import Document, Id, Identified, Timestamped, UtcDateTime
from app.extensions import Model


class Scope(StrEnum):
    """What a token may be used for: one scope for each operation."""

    INITIALIZE = "initialize"
    VERIFY = "verify"
    CONFIRM = "confirm"
    CANCEL = "cancel"


class ApiToken(Identified, Timestamped, Model):
    """A token somebody made on the page; only its hash is kept, so that it can be shown just once."""

    __tablename__ = "api_tokens"

    name: Mapped[str] = mapped_column(String(80))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    #: The first characters, by which people tell tokens apart.
    hint: Mapped[str] = mapped_column(String(16))
    scopes: Mapped[list[str]] = mapped_column(Document)
    created_by: Mapped[UUID | None] = mapped_column(Id, ForeignKey("users.id", ondelete="SET NULL"))
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    creator: Mapped[User | None] = relationship()


class ApiMinute(Model):
    """How many requests came with one token within one minute (since the epoch)."""

    __tablename__ = "api_minutes"

    caller: Mapped[str] = mapped_column(String(120), primary_key=True)
    minute: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    requests: Mapped[int] = mapped_column(Integer)
