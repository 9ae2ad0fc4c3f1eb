"""Lenient readers of PortOne's JSON: what is missing or of another shape is None, never an exception.

PortOne may add fields, enum values and union members at any time, so nothing here knows a list of them.
"""

import json
import logging
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NoReturn, TypeVar

Raw = Mapping[str, Any]
T = TypeVar("T")

_log = logging.getLogger(__name__)

_INT64 = 2**63

#: The years that anything here can have happened in, or is to happen in.
_YEARS = range(1990, 2200)

#: NUL and halves of surrogate pairs: valid in JSON, and refused by PostgreSQL and by UTF-8.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class UnreadableDocument(ValueError):
    """A document without what makes it usable: its id, its status, or the money it is about."""


def parse_document(body: bytes) -> dict[str, Any]:
    """Read a JSON object that any database can store again; UnreadableDocument if it is none."""
    try:
        document = _DECODER.decode(body.decode())
    except (ValueError, RecursionError):
        raise UnreadableDocument("not JSON") from None
    if not isinstance(document, dict):
        raise UnreadableDocument("not a JSON object")
    may_be_unstorable = b"\\u0000" in body or b"\\ud" in body.lower()
    try:
        return _storable(document) if may_be_unstorable else document
    except RecursionError:
        raise UnreadableDocument("nested too deep") from None


def text(raw: Raw, key: str) -> str | None:
    """The text under the key; None if absent, empty or not a text."""
    value = raw.get(key)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if abs(value) < _INT64 else None
    return value if isinstance(value, str) and value else None


def required_text(raw: Raw, key: str) -> str:
    """The text under the key; UnreadableDocument without one."""
    value = text(raw, key)
    if value is None:
        raise UnreadableDocument(f"no {key}")
    return value


def integer(raw: Raw, key: str) -> int | None:
    """The 64-bit integer under the key."""
    value = raw.get(key)
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if -_INT64 <= value < _INT64 else None


def required_amount(raw: Raw, key: str) -> int:
    """The amount under the key, in minor units; UnreadableDocument without one or with a negative one."""
    value = integer(raw, key)
    if value is None or value < 0:
        raise UnreadableDocument(f"no {key}")
    return value


def flag(raw: Raw, key: str) -> bool | None:
    """The truth value under the key."""
    value = raw.get(key)
    return value if isinstance(value, bool) else None


def moment(raw: Raw, key: str) -> datetime | None:
    """The RFC 3339 time under the key, in UTC; PortOne writes 0 to 9 digits of a second.

    None for one of another age: `9999-12-31` says that there is no end, and no clock in Seoul shows it.
    """
    value = raw.get(key)
    if not isinstance(value, str):
        return None
    try:
        read = datetime.fromisoformat(value)
        known = read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return known if known.year in _YEARS else None


def mapping(raw: Raw, key: str) -> Raw | None:
    """The object under the key."""
    value = raw.get(key)
    return value if isinstance(value, Mapping) else None


def part(raw: Raw, key: str, read: Callable[[Raw], T]) -> T | None:
    """The object under the key as `read` understands it; None if it does not."""
    value = mapping(raw, key)
    return None if value is None else readable(value, read)


def parts(raw: Raw, key: str, read: Callable[[Raw], T]) -> tuple[T, ...]:
    """The readable elements of the list under the key."""
    return each(raw.get(key), read)


def each(values: Any, read: Callable[[Raw], T]) -> tuple[T, ...]:
    """The readable elements of a list: one that is not is left out and logged, and spoils no other."""
    if not isinstance(values, list):
        return ()
    found = (readable(value, read) for value in values)
    return tuple(value for value in found if value is not None)


def readable(value: Any, read: Callable[[Raw], T]) -> T | None:
    """The value as `read` understands it; None, and a line in the log, if it does not."""
    try:
        if not isinstance(value, Mapping):
            raise UnreadableDocument("not an object")
        return read(value)
    except UnreadableDocument as problem:
        kind = getattr(read, "__qualname__", "a list")
        _log.warning("Left out what PortOne sent for %s: %s", kind, problem)
        return None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    return number if math.isfinite(number) else _refuse_constant(digits)


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_storable(element) for element in value]
    if isinstance(value, dict):
        return {_storable(key): _storable(element) for key, element in value.items()}
    return value


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)
