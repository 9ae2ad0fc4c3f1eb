"""What a worker is given to do: rows that wait for it, and duties that come round."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Task:
    """Claimed rows of a table, and what is to be done about them."""

    model: Any
    row_ids: tuple[UUID, ...]
    work: Callable[[], object]


@dataclass(frozen=True, slots=True)
class Inbox:
    """Rows that wait for a worker: `claim` answers tasks, none when nothing is due."""

    name: str
    claim: Callable[[], list[Task]]


@dataclass(frozen=True, slots=True)
class Duty:
    """Something done again and again, one run at a time; `work` takes the holder, answers how much it did."""

    name: str
    every_seconds: float
    work: Callable[[str], int]
