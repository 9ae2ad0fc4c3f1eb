"""The Idempotency-Key header: a finished answer is repeated for three hours, a running call is 409.

What PortOne does with a key that comes back with another request is undocumented; here it is INVALID_REQUEST.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.simulator.problems import Problem
from app.simulator.state import State, milliseconds

KEPT_FOR = timedelta(hours=3)

#: An RFC 8941 string, that is, with its quotes; PortOne wants 16 to 256 ASCII characters within.
_HEADER = re.compile(r'"([\x20\x21\x23-\x5b\x5d-\x7e]{16,256})"')


@dataclass(frozen=True)
class KeptAnswer:
    """The answer that the first call with this key got."""

    status: int
    body: str


def read_key(header: str) -> str:
    """The key within the header. Raises INVALID_REQUEST when it is unquoted, too short or too long."""
    match = _HEADER.fullmatch(header)
    if match is None:
        raise Problem("INVALID_REQUEST", "Idempotency-Key")
    return match[1]


def begin(state: State, key: str, request: bytes, at: datetime) -> KeptAnswer | None:
    """Claim the key for this request, or give the answer kept for it.

    Raises IDEMPOTENCY_OUTSTANDING_REQUEST while the first call runs.
    """
    digest = hashlib.sha256(request).hexdigest()
    with state.transaction():
        state.execute("DELETE FROM answers WHERE begun_at < ?", milliseconds(at - KEPT_FOR))
        rows = state.rows("SELECT * FROM answers WHERE idempotency_key = ?", key)
        if not rows:
            state.execute(
                "INSERT INTO answers (idempotency_key, request_digest, begun_at) VALUES (?, ?, ?)",
                key,
                digest,
                milliseconds(at),
            )
            return None
    if rows[0]["request_digest"] != digest:
        raise Problem("INVALID_REQUEST", "Idempotency-Key")
    if rows[0]["status"] is None:
        raise Problem("IDEMPOTENCY_OUTSTANDING_REQUEST")
    return KeptAnswer(rows[0]["status"], rows[0]["body"])


def finish(state: State, key: str, answer: KeptAnswer) -> None:
    """Keep the answer for repetitions."""
    state.execute(
        "UPDATE answers SET status = ?, body = ? WHERE idempotency_key = ?", answer.status, answer.body, key
    )


def forget_unfinished(state: State, key: str) -> None:
    """If the call broke down, its key is free again."""
    state.execute("DELETE FROM answers WHERE idempotency_key = ? AND status IS NULL", key)


def forget_running(state: State) -> None:
    """After a restart no call runs any more."""
    state.execute("DELETE FROM answers WHERE status IS NULL")
