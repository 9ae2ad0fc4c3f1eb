"""A section of the standard, and how far it is met."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """How far a section is met."""

    MET = "met"
    PARTLY = "partly"
    NOT_APPLICABLE = "not_applicable"


@dataclass(frozen=True, slots=True)
class Section:
    """Sections of the standard, how they are met, and the tests, by their path below `tests/`."""

    number: str
    state: State
    how: Any
    tests: tuple[str, ...] = ()

    @property
    def chapter(self) -> str:
        """The chapter it belongs to, such as `V6`."""
        return self.number.partition(".")[0]
