"""What a billing key is charged around a moment: domains above tell, since imports point down only."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from uuid import UUID

#: Charges of a key within this count together, in either direction, where a second person may be needed.
WITHIN = timedelta(hours=24)

#: Amounts in minor units, and when each was taken or is to be.
Amounts = Iterable[tuple[datetime, int]]
#: Told a key's row, a currency, the first and last moment asked about, and a plan whose dates to come are
#: left out.
Teller = Callable[[UUID, str, datetime, datetime, UUID | None], Amounts]

_tellers: list[Teller] = []


def contribute_amounts(teller: Teller) -> Teller:
    """Have a domain tell what people have charged a key by themselves, or planned to."""
    if teller not in _tellers:
        _tellers.append(teller)
    return teller


def most_beside(
    row_id: UUID, currency: str, moments: Iterable[datetime], *, besides: UUID | None = None
) -> int:
    """The most that a key is charged around one of these moments anyway, in minor units.

    Decide by it under `lock(BillingKey, …)`: whoever charges the key or plans to does so under that lock.
    """
    asked = sorted(moments)
    if not asked:
        return 0
    since, until = asked[0] - WITHIN, asked[-1] + WITHIN
    told = [each for teller in _tellers for each in teller(row_id, currency, since, until, besides)]
    return max(sum(amount for at, amount in told if abs(at - moment) < WITHIN) for moment in asked)
