"""The only source of the current time."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

#: The time zone that Korean merchants keep their books in.
SEOUL = ZoneInfo("Asia/Seoul")

_fixed: ContextVar[datetime | None] = ContextVar("fixed_now", default=None)


def now() -> datetime:
    """The current moment, in UTC."""
    return _fixed.get() or datetime.now(UTC)


def start_of_day(day: date) -> datetime:
    """The first moment of a day in Asia/Seoul."""
    return datetime.combine(day, time.min, SEOUL)


def today() -> date:
    """The day it is in Asia/Seoul."""
    return now().astimezone(SEOUL).date()


@contextmanager
def fixed_at(moment: datetime) -> Iterator[None]:
    """Let `now()` answer `moment` in this context: for tests and for telling the demo's past."""
    token = _fixed.set(moment)
    try:
        yield
    finally:
        _fixed.reset(token)
