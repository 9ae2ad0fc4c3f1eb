"""Amounts of money: integers in the currency's smallest unit, shown and read in its major unit."""

import re
from dataclasses import dataclass

#: ISO 4217 exponents that are not 2. PortOne counts amounts in these units (KRW 1 = 1 won, USD 1 = 1 cent).
#: Our own table, because Babel's follows daily use and differs for LAK, MMK and IQD.
_CODES_BY_EXPONENT = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
    " XAG XAU XBA XBB XBC XBD XDR XPD XPT XSU XTS XUA XXX",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
_EXPONENTS = {code: places for places, codes in _CODES_BY_EXPONENT.items() for code in codes.split()}

_SIGNS = {"KRW": "₩", "USD": "$", "JPY": "¥", "CNY": "CN¥", "EUR": "€", "GBP": "£"}

#: Signs that may be typed before an amount.
_TYPED_SIGNS = {**_SIGNS, "CNY": "¥"}

#: The largest amount PortOne and the database can hold (a signed 64-bit integer).
MAX_AMOUNT = 2**63 - 1

_NUMBER = re.compile(r"(?P<whole>[0-9][0-9,]*|,[0-9,]*)(?:\.(?P<fraction>[0-9,]+))?")
_GROUPED = re.compile(r"[0-9]+|[0-9]{1,3}(?:,[0-9]{3})+")


class InvalidAmount(ValueError):
    """A typed amount that cannot be read.

    `reason` is "empty", "not_a_number", "too_many_decimals", "negative", "too_large" or "misplaced_comma".
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in the smallest unit of its currency, such as 2999 and USD for $29.99."""

    amount: int
    currency: str

    def format(self, language: str) -> str:
        """The amount as people write it: `12,000원` in Korean, `₩12,000` in English, `AED 12.00` in both."""
        minus = "-" if self.amount < 0 else ""
        digits = _major(abs(self.amount), self.currency, thousands=",")
        if self.currency == "KRW" and language.startswith("ko"):
            return f"{minus}{digits}원"
        return f"{minus}{_SIGNS.get(self.currency, self.currency + ' ')}{digits}"

    def plain(self) -> str:
        """The amount as a form field holds it: `12000`, `29.99`; `parse_amount` reads it back."""
        minus = "-" if self.amount < 0 else ""
        return minus + _major(abs(self.amount), self.currency, thousands="")

    def __str__(self) -> str:
        """The notation that reads well in either language."""
        return self.format("en")


def decimals(currency: str) -> int:
    """How many digits the currency has after the point (ISO 4217); 2 for a currency nobody knows."""
    return _EXPONENTS.get(currency, 2)


def parse_amount(text: str, currency: str) -> int:
    """Read an amount typed in major units into the smallest unit.

    Takes ASCII digits, commas at thousands only, at most the currency's decimals, spaces around, and the
    currency's own sign (for KRW ₩ or 원). Raises InvalidAmount for everything else.
    """
    typed = text.strip()
    if not typed:
        raise InvalidAmount("empty")
    is_negative, number = _without_signs(typed, currency)
    match = _NUMBER.fullmatch(number)
    if match is None:
        raise InvalidAmount("not_a_number")
    whole, fraction = match["whole"], match["fraction"] or ""
    if not _GROUPED.fullmatch(whole) or "," in fraction:
        raise InvalidAmount("misplaced_comma")
    if is_negative:
        raise InvalidAmount("negative")
    return _in_smallest_unit(whole.replace(",", ""), fraction, currency)


def _without_signs(typed: str, currency: str) -> tuple[bool, str]:
    """Whether a minus stands before the number, and the number without minus and currency sign."""
    is_negative = typed.startswith("-")
    number = typed.removeprefix("-").strip()
    bare = number.removeprefix(_TYPED_SIGNS.get(currency, "")).strip()
    if bare == number and currency == "KRW":
        bare = number.removesuffix("원").strip()
    if bare.startswith("-") and bare != number and not is_negative:
        return True, bare.removeprefix("-").strip()
    return is_negative, bare


def _in_smallest_unit(whole: str, fraction: str, currency: str) -> int:
    places = decimals(currency)
    if len(fraction) > places:
        raise InvalidAmount("too_many_decimals")
    digits = (whole + fraction.ljust(places, "0")).lstrip("0") or "0"
    if len(digits) > len(str(MAX_AMOUNT)) or int(digits) > MAX_AMOUNT:
        raise InvalidAmount("too_large")
    return int(digits)


def _major(amount: int, currency: str, *, thousands: str) -> str:
    places = decimals(currency)
    whole, rest = divmod(amount, 10**places)
    grouped = f"{whole:,}".replace(",", thousands)
    return f"{grouped}.{rest:0{places}d}" if places else grouped
