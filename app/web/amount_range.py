"""A range of amounts that means each row's own currency: 30 is 30 won here and 30 dollars there."""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from babel.numbers import list_currencies
from sqlalchemy import ColumnElement, and_, false, or_

from app.money import MAX_AMOUNT, decimals

#: Currencies by their decimals; those that are not here have two.
_CURRENCIES_OF = {
    places: sorted(code for code in list_currencies() if decimals(code) == places) for places in (0, 3, 4)
}


def is_amount_within(
    least: Decimal | None, most: Decimal | None, currency: Any, amount: ColumnElement[int]
) -> ColumnElement[bool]:
    """The condition that `amount` (minor units of `currency`) lies between bounds in major units."""
    odd = [code for codes in _CURRENCIES_OF.values() for code in codes]
    groups = [(places, currency.in_(codes)) for places, codes in _CURRENCIES_OF.items()]
    return or_(
        *(
            and_(is_in_group, _is_minor_within(least, most, places, amount))
            for places, is_in_group in [*groups, (2, currency.not_in(odd))]
        )
    )


def _is_minor_within(
    least: Decimal | None, most: Decimal | None, places: int, amount: ColumnElement[int]
) -> ColumnElement[bool]:
    low = int((least or Decimal(0)).scaleb(places).to_integral_value(ROUND_CEILING))
    high = MAX_AMOUNT if most is None else int(most.scaleb(places).to_integral_value(ROUND_FLOOR))
    return false() if low > MAX_AMOUNT else amount.between(low, min(high, MAX_AMOUNT))
