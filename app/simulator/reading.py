"""Reads request bodies strictly: whatever does not fit PortOne's schema is INVALID_REQUEST."""

import json
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from app.simulator.problems import Problem

INT64_MAX = 2**63 - 1


def parse_object(text: str | bytes) -> dict[str, Any]:
    """A JSON object; blank text is an empty one. Raises INVALID_REQUEST for anything else."""
    if not text.strip():
        return {}
    try:
        parsed = json.loads(text)
    except ValueError:
        raise Problem("INVALID_REQUEST", "JSON") from None
    if not isinstance(parsed, dict):
        raise Problem("INVALID_REQUEST", "JSON object")
    return parsed


class Fields:
    """The members of one JSON object. An absent member and a null one are the same."""

    def __init__(self, members: dict[str, Any]) -> None:
        self._members = members

    def text(self, name: str, *, required: bool = False, choices: Collection[str] = ()) -> str | None:
        """A string, one of `choices` if there are any; a required one may not be blank."""
        value = self._members.get(name)
        if value is None and not required:
            return None
        if not isinstance(value, str) or (required and not value.strip()):
            raise Problem("INVALID_REQUEST", name)
        if choices and value not in choices:
            raise Problem("INVALID_REQUEST", name)
        return value

    def required_text(self, name: str, *, choices: Collection[str] = ()) -> str:
        """A string that must be there."""
        return self.text(name, required=True, choices=choices) or ""

    def integer(self, name: str, *, minimum: int = 0, maximum: int = INT64_MAX) -> int | None:
        """A whole number within bounds; `true` and `1.0` are not numbers here."""
        value = self._members.get(name)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or not minimum <= value <= maximum:
            raise Problem("INVALID_REQUEST", name)
        return value

    def number(self, name: str) -> float | None:
        """A number that is not negative, whole or not."""
        value = self._members.get(name)
        if value is None:
            return None
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1e6:
            raise Problem("INVALID_REQUEST", name)
        return float(value)

    def flag(self, name: str) -> bool | None:
        """A boolean."""
        value = self._members.get(name)
        if value is not None and not isinstance(value, bool):
            raise Problem("INVALID_REQUEST", name)
        return value

    def instant(self, name: str) -> datetime | None:
        """A moment in RFC 3339, with its offset."""
        value = self.text(name)
        if value is None:
            return None
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise Problem("INVALID_REQUEST", name) from None
        if moment.tzinfo is None:
            raise Problem("INVALID_REQUEST", name)
        return moment.astimezone(UTC)

    def texts(self, name: str, *, choices: Collection[str] = ()) -> list[str]:
        """A list of strings; absent is empty."""
        value = self._list(name)
        if not all(isinstance(item, str) and (not choices or item in choices) for item in value):
            raise Problem("INVALID_REQUEST", name)
        return value

    def part(self, name: str) -> "Fields | None":
        """A nested object."""
        value = self._members.get(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise Problem("INVALID_REQUEST", name)
        return Fields(value)

    def parts(self, name: str) -> "list[Fields]":
        """A list of nested objects; absent is empty."""
        value = self._list(name)
        if not all(isinstance(item, dict) for item in value):
            raise Problem("INVALID_REQUEST", name)
        return [Fields(item) for item in value]

    def _list(self, name: str) -> list[Any]:
        value = self._members.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise Problem("INVALID_REQUEST", name)
        return value
