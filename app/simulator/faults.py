"""What goes wrong on demand, and a log of the calls that came in.

Faults of calls to the API (`endpoint` is the name of the call, or `*`):

- `done_then_silent`: the work is done, then the connection is held for `seconds` and dropped unanswered
- `silent`: the same without the work
- `slow`: the answer comes `seconds` later
- `throttled`: 429 with Retry-After
- `proxy_error`: 502 with an HTML page, nothing done
- `proxy_refuses`: 403 with an HTML page, nothing done
- `portal`: 200 with an HTML page, nothing done, as a network does that wants a sign-in first
- `redirect`: 307 to elsewhere, nothing done
- `trickles`: the work is done, and the answer comes byte by byte over `seconds`
- `broken_json`: the work is done, and the answer is cut off in the middle
- `pg_refuses`: 502 PG_PROVIDER with `pg_code` and `pg_message`
- `channels_refuse`: 502 CHANNEL_SPECIFIC, where one channel of several did its part and two did not
- `requested`, `requested_then_failed`: `cancel` answers REQUESTED, and later succeeds or fails
- `failed`: `cancel` answers 200 with a FAILED cancellation

Faults of the endpoint `webhook`, for the next message that is made:

- `twice`: sent two times in a row
- `late`: first sent after `seconds`
- `out_of_order`: first sent after the message that follows it
- `lost`: the first try never arrives
- `never`: no try arrives, until somebody has it sent again
- `forged`: the first try carries a signature that does not fit, so whoever verifies refuses it
"""

import threading
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

#: What can be told to go wrong; `*` is any call, `webhook` the next message.
ENDPOINTS = (
    "cancel",
    "get_payment",
    "list_payments",
    "list_payments_by_cursor",
    "list_payment_events",
    "get_transactions",
    "pre_register",
    "confirm",
    "close_virtual_account",
    "resend_webhook",
    "list_billing_keys",
    "get_billing_key",
    "delete_billing_key",
    "pay_with_billing_key",
    "schedule_payment",
    "list_schedules",
    "get_schedule",
    "revoke_schedules",
    "list_banks",
    "*",
    "webhook",
)

CALL_FAULTS = frozenset(
    {
        "done_then_silent",
        "silent",
        "slow",
        "throttled",
        "proxy_error",
        "proxy_refuses",
        "portal",
        "redirect",
        "trickles",
        "broken_json",
        "pg_refuses",
        "channels_refuse",
    }
)
CANCEL_FAULTS = frozenset({"requested", "requested_then_failed", "failed"})
WEBHOOK_FAULTS = frozenset({"twice", "late", "out_of_order", "lost", "never", "forged"})


@dataclass
class Fault:
    """One thing that will go wrong, `times` times."""

    endpoint: str
    fault: str
    times: int = 1
    seconds: float = 0.0
    pg_code: str = "PG_REFUSED"
    pg_message: str = "PG사가 요청을 거절했습니다."


class Faults:
    """The faults that wait for their call."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []
        self._lock = threading.Lock()
        self._let_go = threading.Event()
        self._holding = 0

    def next(self, endpoint: str, fault: str, *, times: int = 1, seconds: float = 0.0, **said: str) -> Fault:
        """Let the next `times` calls of an endpoint go wrong; `said` may give pg_code and pg_message.

        Raises ValueError for an unknown endpoint, or a fault that it does not know.
        """
        if endpoint not in ENDPOINTS:
            raise ValueError(f"the endpoints are {', '.join(ENDPOINTS)}")
        known = WEBHOOK_FAULTS if endpoint == "webhook" else CALL_FAULTS
        if endpoint == "cancel":
            known |= CANCEL_FAULTS
        if fault not in known or times < 1 or seconds < 0:
            raise ValueError(f"{endpoint} knows the faults {', '.join(sorted(known))}, at least once")
        waiting = Fault(endpoint, fault, times, seconds, **said)
        with self._lock:
            self._waiting.append(waiting)
        return waiting

    def take(self, endpoint: str) -> Fault | None:
        """The fault that this call meets, if any; it is used up once."""
        names = {endpoint} if endpoint == "webhook" else {endpoint, "*"}
        with self._lock:
            for waiting in self._waiting:
                if waiting.endpoint in names:
                    waiting.times -= 1
                    if waiting.times == 0:
                        self._waiting.remove(waiting)
                    return waiting
        return None

    def waiting(self) -> list[dict[str, Any]]:
        """What has not happened yet."""
        with self._lock:
            return [asdict(fault) for fault in self._waiting]

    def clear(self) -> None:
        """Nothing goes wrong any more, and connections that are held are dropped."""
        with self._lock:
            self._waiting.clear()
        self.let_go()

    def hold(self, seconds: float) -> None:
        """Keep somebody waiting in real time, until `let_go()` at the latest."""
        with self._lock:
            self._holding += 1
        self._let_go.wait(seconds)
        with self._lock:
            self._holding -= 1

    @property
    def is_holding(self) -> bool:
        """Whether somebody is being kept waiting right now."""
        return self._holding > 0

    def let_go(self) -> None:
        """End every hold."""
        held, self._let_go = self._let_go, threading.Event()
        held.set()


@dataclass
class Call:
    """One call that came in, and what it was answered; a `status` of None means it is still running."""

    endpoint: str
    method: str
    path: str
    idempotency_key: str | None
    body: str
    at: datetime
    resource_id: str | None = None
    fault: str | None = None
    status: int | None = None
    is_replayed: bool = False
