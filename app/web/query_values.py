"""The kinds of values that search words take: codes, yes or no, amounts, days, and pieces of text."""

import calendar
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from flask_babel import gettext as _

from app import clock
from app.money import InvalidAmount, decimals, parse_amount
from app.web.forms import EARLIEST, LATEST
from app.web.query_language import Complaint, key_of, nearest, quoted

#: Won with their sign, cents with theirs, and as many decimals as any currency has.
_READ_AS = ("KRW", "USD", "CLF")

_THOUSANDS = {"천": 1_000, "만": 10_000, "억": 100_000_000}

_COMPARED = re.compile(r"(?P<sign>>=|<=|>|<)\s*(?P<rest>.+)")
_KOREAN_COMPARED = re.compile(r"(?P<rest>.+?)\s*(?P<sign>이상|이하|초과|미만)")
_SIGNS = {"이상": ">=", "이하": "<=", "초과": ">", "미만": "<"}
_RANGE = re.compile(r"(?P<low>.*?)\s*(?:\.\.\.?|~)\s*(?P<high>.*)")

_CODE = re.compile(r"[A-Z][A-Z0-9_]{1,59}")


@dataclass(frozen=True, slots=True)
class Span:
    """From `low` to `high`, both included unless they are `open`; None is no bound."""

    low: Any = None
    high: Any = None
    is_low_open: bool = False
    is_high_open: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """Codes, each known by its names in every language.

    Where the choice `is_wide`, a part of a name means all codes that have it (`pg:kcp`); where it `is_open`,
    a code that nobody knows yet can be asked for in capitals.
    """

    names: Callable[[], Mapping[str, tuple[str, ...]]]
    is_wide: bool = False
    is_open: bool = False
    is_list = True

    def read(self, typed: str, *, is_exact: bool) -> tuple[str, ...]:
        """The codes with this name."""
        names = self.names()
        if is_exact and typed in names:
            return (typed,)
        key = key_of(typed)
        found = tuple(code for code, known in names.items() if key in map(key_of, (code, *known)))
        if self.is_wide and key and not is_exact:
            wide = (code for code, known in names.items() if any(key in key_of(n) for n in (code, *known)))
            found = tuple(dict.fromkeys((*found, *wide)))
        if found:
            return found
        if self.is_open and _CODE.fullmatch(typed):
            return (typed,)
        raise Complaint(self._complaint(typed, names))

    def write(self, value: str) -> str:
        """The code; behind `=` where it would mean others too."""
        try:
            is_plain = self.read(value, is_exact=False) == (value,)
        except Complaint:
            is_plain = False
        return quoted(value) if is_plain else "=" + quoted(value)

    def _complaint(self, typed: str, names: Mapping[str, tuple[str, ...]]) -> str:
        by_name = {key_of(name): name for code, known in names.items() for name in (code, *known)}
        near = nearest(typed, by_name)
        if near:
            near = by_name[near]
            return str(_("There is no “%(value)s”. Did you mean “%(near)s”?", value=typed[:40], near=near))
        examples = ", ".join(known[0] for known in list(names.values())[:8] if known)
        return str(_("There is no “%(value)s”. It can be: %(names)s.", value=typed[:40], names=examples))


@dataclass(frozen=True, slots=True)
class Switch:
    """Yes or no."""

    is_list = False

    def read(self, typed: str, *, is_exact: bool) -> tuple[bool, ...]:  # noqa: ARG002
        """Yes or no."""
        key = key_of(typed)
        if key in {"true", "yes", "y", "1", "on", "예", "네", "참"}:
            return (True,)
        if key in {"false", "no", "n", "0", "off", "아니오", "아니요", "거짓"}:
            return (False,)
        raise Complaint(_("“%(value)s” is neither yes nor no.", value=typed[:40]))

    def write(self, value: bool) -> str:
        """`true` or `false`."""
        return "true" if value else "false"


@dataclass(frozen=True, slots=True)
class Texts:
    """Pieces of text; `clean` brings what was typed into the shape that is looked for, or complains."""

    clean: Callable[[str], str]
    is_list = True

    def read(self, typed: str, *, is_exact: bool) -> tuple[str, ...]:  # noqa: ARG002
        """The text to look for."""
        return (self.clean(typed),)

    def write(self, value: str) -> str:
        """The text."""
        return quoted(value)


@dataclass(frozen=True, slots=True)
class Amounts:
    """An amount or a range of amounts, in major units: `12,000원`, `10000..50000`, `>=10만`, `5만 이하`."""

    is_list = False

    def read(self, typed: str, *, is_exact: bool) -> tuple[Span, ...]:  # noqa: ARG002
        """The range of amounts."""
        return (_checked(_span(typed, lambda text: Span(_amount(text), _amount(text)))),)

    def write(self, value: Span) -> str:
        """The range."""
        return _written(value, lambda amount: f"{amount.normalize():f}")


@dataclass(frozen=True, slots=True)
class Days:
    """A day, a month, a year, or a range of them: `어제`, `last-week`, `2026-03`, `2026-03-01..2026-03-07`.

    A day that is meant relatively is settled when it is read.
    """

    is_list = False

    def read(self, typed: str, *, is_exact: bool) -> tuple[Span, ...]:  # noqa: ARG002
        """The first and the last day, both included."""
        span = _span(typed, _days)
        low = span.low + timedelta(days=1) if span.is_low_open else span.low
        high = span.high - timedelta(days=1) if span.is_high_open else span.high
        return (_checked(Span(low, high)),)

    def write(self, value: Span) -> str:
        """The days, as ISO 8601 writes them."""
        return _written(value, lambda day: day.isoformat())


def _span(typed: str, read: Callable[[str], Span]) -> Span:
    """A comparison, a range, or one thing, which may be a span itself (a month of days)."""
    compared = _COMPARED.fullmatch(typed) or _KOREAN_COMPARED.fullmatch(typed)
    if compared:
        one, sign = read(compared["rest"]), _SIGNS.get(compared["sign"], compared["sign"])
        return {
            ">=": Span(low=one.low),
            ">": Span(low=one.high, is_low_open=True),
            "<=": Span(high=one.high),
            "<": Span(high=one.low, is_high_open=True),
        }[sign]
    ends = _RANGE.fullmatch(typed)
    if ends and (ends["low"] or ends["high"]):
        return Span(
            read(ends["low"]).low if ends["low"] else None, read(ends["high"]).high if ends["high"] else None
        )
    return read(typed)


def _checked(span: Span) -> Span:
    if span.low is not None and span.high is not None and span.low > span.high:
        raise Complaint(_("A range begins with its smaller end."))
    return span


def _written(span: Span, write: Callable[[Any], str]) -> str:
    if span.low is not None and span.high is not None:
        low, high = write(span.low), write(span.high)
        return low if low == high else f"{low}..{high}"
    if span.low is not None:
        return f"{'>' if span.is_low_open else '>='}{write(span.low)}"
    return f"{'<' if span.is_high_open else '<='}{write(span.high)}"


def _amount(typed: str) -> Decimal:
    number = typed.strip()
    times = _THOUSANDS.get(number.removesuffix("원")[-1:], 1)
    if times > 1:
        number = number.removesuffix("원")[:-1]
    for currency in _READ_AS:
        try:
            return Decimal(parse_amount(number, currency)).scaleb(-decimals(currency)) * times
        except InvalidAmount:
            continue
    raise Complaint(
        _("“%(value)s” is no amount. Write it like 12000, 10000..50000 or >100000.", value=typed[:40])
    )


def _days(typed: str) -> Span:
    text = typed.strip()
    named = _NAMED_DAYS.get(key_of(text))
    if named:
        return Span(*named(clock.today()))
    last = re.fullmatch(r"(?:최근|last)?([0-9]{1,3})(?:일|d|days)", key_of(text))
    if last and int(last[1]) > 0:
        return Span(clock.today() - timedelta(days=int(last[1]) - 1), clock.today())
    numbers = re.fullmatch(
        r"([0-9]{4})(?:[-./년]\s*([0-9]{1,2})(?:[-./월]\s*([0-9]{1,2})일?)?월?)?년?", text
    ) or re.fullmatch(r"([0-9]{4})([0-9]{2})([0-9]{2})", text)
    if numbers:
        return _calendar(typed, *(int(part) for part in numbers.groups() if part))
    known = nearest(text, _NAMED_DAYS)
    raise Complaint(
        _("“%(value)s” is no day. Did you mean “%(near)s”?", value=typed[:40], near=known)
        if known
        else _("“%(value)s” is no day. Write it like 2026-03-29, 2026-03 or yesterday.", value=typed[:40])
    )


def _calendar(typed: str, year: int, month: int = 0, day: int = 0) -> Span:
    try:
        first = date(year, month or 1, day or 1)
        last = date(year, month or 12, day or calendar.monthrange(year, month or 12)[1])
    except ValueError:
        raise Complaint(_("There is no “%(value)s” in the calendar.", value=typed[:40])) from None
    if not EARLIEST <= first <= last <= LATEST:
        raise Complaint(_("Choose a day between 1990 and 2199."))
    return Span(first, last)


def _day(back: int) -> Callable[[date], tuple[date, date]]:
    return lambda today: (today - timedelta(days=back),) * 2


def _week(back: int) -> Callable[[date], tuple[date, date]]:
    def days(today: date) -> tuple[date, date]:
        monday = today - timedelta(days=today.weekday() + 7 * back)
        return monday, monday + timedelta(days=6)

    return days


def _month(back: int) -> Callable[[date], tuple[date, date]]:
    def days(today: date) -> tuple[date, date]:
        months = today.year * 12 + today.month - 1 - back
        year, month = divmod(months, 12)
        return date(year, month + 1, 1), date(year, month + 1, calendar.monthrange(year, month + 1)[1])

    return days


def _year(back: int) -> Callable[[date], tuple[date, date]]:
    return lambda today: (date(today.year - back, 1, 1), date(today.year - back, 12, 31))


#: Days by name. Weeks begin on Monday, as offices count them.
_NAMED_DAYS = {
    key_of(name): days
    for names, days in (
        ("오늘 today", _day(0)),
        ("어제 yesterday", _day(1)),
        ("그제 그저께", _day(2)),
        ("이번주 금주 this-week", _week(0)),
        ("지난주 전주 last-week", _week(1)),
        ("이번달 이달 당월 this-month", _month(0)),
        ("지난달 전월 last-month", _month(1)),
        ("올해 금년 this-year", _year(0)),
        ("작년 지난해 last-year", _year(1)),
    )
    for name in names.split()
}
