"""Users, their signed-in sessions, and the attempts that throttle sign-in."""

from datetime import datetime
from uuid import UUID

from flask_login import UserMixin
from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, UniqueConstraint, false, true
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app import clock
from app.access.permissions import Role
from app.columns import Document, Id, Identified, Sealed, Timestamped, UtcDateTime, utc_now
from app.extensions import Model


class User(Identified, Timestamped, UserMixin, Model):
    """A customer, or an admin who may sign in. Customers have no e-mail here and never a password."""

    __tablename__ = "users"
    __allow_unmapped__ = True  # `sign_in` is no column
    __table_args__ = (CheckConstraint("role IN ('customer', 'admin', 'super_admin')", name="role_known"),)

    email: Mapped[str | None] = mapped_column(String(320), unique=True)
    name: Mapped[str] = mapped_column(String(200), server_default="")
    role: Mapped[str] = mapped_column(String(20), server_default=Role.CUSTOMER.value)
    password_hash: Mapped[str | None] = mapped_column(String(255))
    is_active: Mapped[bool] = mapped_column(server_default=true())
    customer_id: Mapped[str | None] = mapped_column(String(255), unique=True)
    language: Mapped[str | None] = mapped_column(String(8))
    #: Permissions this admin was given beyond the role; see `permissions.GRANTABLE`.
    grants: Mapped[list[str] | None] = mapped_column(Document)
    #: Limits of this person alone, `{"refund_limit": {"KRW": 500000}}`; see `accounts.limits`.
    limits: Mapped[dict[str, dict[str, int]] | None] = mapped_column(Document)

    #: When the personal data of a customer was erased, and the hash of their id: see `accounts.erased`.
    erased_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    erased_id_hash: Mapped[str | None] = mapped_column(String(64), index=True)

    #: The secret of the second factor; it counts from when a code of it was shown to be right.
    totp_sealed: Mapped[str | None] = mapped_column(Sealed)
    totp_confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: The half minute (since the epoch) of the last code that was taken: no code works twice.
    totp_last_step: Mapped[int | None] = mapped_column(BigInteger)

    #: The session this person is signed in with, while a request is served.
    sign_in: "SignIn | None" = None

    @property
    def has_second_factor(self) -> bool:
        """Whether a code is asked for at the sign-in."""
        return self.totp_confirmed_at is not None

    def get_id(self) -> str:
        """What Flask-Login keeps in the cookie: the session's secret, never the user's id."""
        if self.sign_in is None or self.sign_in.token is None:
            raise RuntimeError("a user is signed in only through accounts.service.sign_in()")
        return self.sign_in.token


class SignIn(Identified, Model):
    """One signed-in session, so that it can be ended here and a captured cookie is worth nothing after."""

    __tablename__ = "sign_ins"
    __allow_unmapped__ = True  # `token` is no column

    user_id: Mapped[UUID] = mapped_column(Id, ForeignKey("users.id", ondelete="CASCADE"), index=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    address: Mapped[str] = mapped_column(String(45), server_default="")
    user_agent: Mapped[str] = mapped_column(String(400), server_default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=utc_now())
    last_seen_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=utc_now())
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    user: Mapped[User] = relationship()

    #: The secret itself, known only while it is handed out or presented.
    token: str | None = None


class RecoveryCode(Identified, Model):
    """A code that stands in for the second factor once, for whoever lost the phone."""

    __tablename__ = "recovery_codes"
    __table_args__ = (UniqueConstraint("user_id", "code_hash"),)

    user_id: Mapped[UUID] = mapped_column(Id, ForeignKey("users.id", ondelete="CASCADE"))
    code_hash: Mapped[str] = mapped_column(String(64))
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Invitation(Identified, Model):
    """An offer to become an admin, or to choose a new password, taken up by a link that is passed on."""

    __tablename__ = "invitations"
    __table_args__ = (CheckConstraint("role IN ('admin', 'super_admin')", name="role_known"),)

    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    email: Mapped[str] = mapped_column(String(320), index=True)
    name: Mapped[str] = mapped_column(String(200), server_default="")
    role: Mapped[str] = mapped_column(String(20))
    invited_by: Mapped[UUID | None] = mapped_column(Id, ForeignKey("users.id", ondelete="SET NULL"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=utc_now())
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    accepted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: For somebody who is an admin already and forgot their password.
    is_reset: Mapped[bool] = mapped_column(server_default=false())

    inviter: Mapped[User | None] = relationship()

    @property
    def is_open(self) -> bool:
        """Whether it can still be accepted."""
        return self.accepted_at is None and self.revoked_at is None and self.expires_at > clock.now()


class SignInAttempt(Identified, Model):
    """A try to sign in, counted by e-mail and by network to slow down guessing."""

    __tablename__ = "sign_in_attempts"
    __table_args__ = (
        Index("ix_sign_in_attempts_email_attempted_at", "email", "attempted_at"),
        Index("ix_sign_in_attempts_address_attempted_at", "address", "attempted_at"),
    )

    email: Mapped[str] = mapped_column(String(320))
    #: The network it came from, as `throttling.network_of` writes it.
    address: Mapped[str] = mapped_column(String(45), server_default="")
    #: A browser that this account has signed in with before; None for a stranger's.
    device: Mapped[str | None] = mapped_column(String(64))
    succeeded: Mapped[bool]
    attempted_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=utc_now(), index=True)


class ErasureKey(Identified, Model):
    """The key of the hashes by which erased customers are known again: one row, made by the first erasure."""

    __tablename__ = "erasure_keys"

    key_sealed: Mapped[str] = mapped_column(Sealed)
