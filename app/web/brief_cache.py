"""What is dear to count and may be a little old: kept for seconds in this process, with its moment."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from app import clock

Value = TypeVar("Value")

#: How many values are kept at most; the one asked for longest ago goes first.
ROOM = 200


@dataclass(frozen=True, slots=True)
class Dated(Generic[Value]):
    """A value, and the moment it was right."""

    value: Value
    at: datetime


class BriefCache(Generic[Value]):
    """Values by key, each made anew when it is older than `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._kept_for = timedelta(seconds=seconds)
        self._lock = threading.Lock()
        self._values: OrderedDict[Hashable, Dated[Value]] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Value]) -> Dated[Value]:
        """The value of a key; two who ask at once may both make it, and nobody waits for the other."""
        return self.find(key) or self.keep(key, make())

    def find(self, key: Hashable) -> Dated[Value] | None:
        """The value that is kept for a key."""
        with self._lock:
            known = self._values.get(key)
            if known is None or clock.now() - known.at >= self._kept_for:
                return None
            self._values.move_to_end(key)
            return known

    def keep(self, key: Hashable, value: Value) -> Dated[Value]:
        """Keep a value, which is right now."""
        made = Dated(value, clock.now())
        with self._lock:
            self._values[key] = made
            self._values.move_to_end(key)
            while len(self._values) > ROOM:
                self._values.popitem(last=False)
        return made

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._values.clear()
