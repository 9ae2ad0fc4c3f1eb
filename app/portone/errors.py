"""The two ways a call to PortOne can fail, because a caller does one of two things about them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class PortOneError(Exception):
    """A call to PortOne brought no answer to work with."""


@dataclass(frozen=True, slots=True)
class ChannelFailure:
    """Why one channel of a call over several channels said no."""

    type: str
    pg_provider: str | None
    channel_name: str | None
    message: str | None
    pg_code: str | None
    pg_message: str | None


class PortOneRefused(PortOneError):
    """PortOne said no and changed nothing: asking again the same way is no use.

    `type` is PortOne's word for the reason and the only thing to branch on (`HTTP_<status>` when the
    answer gave none); `message` is its Korean text, perhaps empty. `pg_code` and `pg_message` come with
    PG_PROVIDER, `failures` with CHANNEL_SPECIFIC. `is_after_silence` says that an earlier attempt of the same
    call went unanswered: that one may have been carried out, whatever the last was told.
    """

    is_after_silence = False

    @property
    def is_about_us(self) -> bool:
        """Whether this refuses the caller, as when the secret has expired, and not what was asked."""
        return self.type in {"UNAUTHORIZED", "FORBIDDEN"}

    @property
    def is_wordless(self) -> bool:
        """Whether PortOne's word for the reason is missing: something between may have said no."""
        return self.type.startswith("HTTP_")

    def __init__(
        self,
        error_type: str,
        *,
        status: int,
        message: str = "",
        pg_code: str | None = None,
        pg_message: str | None = None,
        failures: tuple[ChannelFailure, ...] = (),
        raw: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{error_type} ({status})")
        self.type = error_type
        self.status = status
        self.message = message
        self.pg_code = pg_code
        self.pg_message = pg_message
        self.failures = failures
        self.raw: dict[str, Any] = dict(raw or {})


class PortOneUncertain(PortOneError):
    """No final answer came, and what was asked for may have happened: ask again with the same key.

    `reason` is one of "timeout", "unreachable", "outstanding" (an earlier call with the same idempotency
    key still runs), "throttled", "server_error" and "unreadable". `retry_after` is PortOne's wish in
    seconds. `detail` is for logs and holds no secret.
    """

    def __init__(self, reason: str, *, retry_after: float | None = None, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.retry_after = retry_after
        self.detail = detail
