"""How guessing is slowed: by account, by known browser, and by the network that tries come from."""

import ipaddress
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, select

from app import clock
from app.accounts.models import SignInAttempt
from app.extensions import db
from app.settings.service import value_of

#: So many wrong passwords within this time, and no more are tried for as long after the last of them.
MAX_WRONG_PASSWORDS = 10
THROTTLED_FOR = timedelta(minutes=15)

#: What one customer of a provider is given of IPv6: whoever has one address has all of these.
_IPV6_NETWORK = 64


def network_of(address: str) -> str:
    """What tries are counted by: the address of IPv4, the network of IPv6."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 4:
        return str(found)
    mapped = found.ipv4_mapped
    return str(mapped or ipaddress.ip_network((int(found), _IPV6_NETWORK), strict=False))


def find_end_of_throttle(email: str, device: str | None, network: str) -> datetime | None:
    """Until when no password is tried; None when it may be.

    All browsers that are not known share one count for an account, and one for their network. A known one
    has a count of its own, so that no stranger shuts out whom it belongs to.
    """
    ends = _end_for_account(email, device)
    return ends or (None if device or not network else _end_for_network(network))


def _end_for_account(email: str, device: str | None) -> datetime | None:
    """Throttled is whose last ten tries were all wrong and all within fifteen minutes."""
    is_theirs = SignInAttempt.email == email, SignInAttempt.device.is_not_distinct_from(device)
    tries = _newest(MAX_WRONG_PASSWORDS, 2 * THROTTLED_FOR, *is_theirs)
    if len(tries) < MAX_WRONG_PASSWORDS or any(succeeded for _at, succeeded in tries):
        return None
    newest, oldest = tries[0][0], tries[-1][0]
    ends_at: datetime = newest + THROTTLED_FOR
    return ends_at if newest - oldest < THROTTLED_FOR and clock.now() < ends_at else None


def _end_for_network(network: str) -> datetime | None:
    """Throttled is a network from which too many wrong ones came, until some of them are old."""
    most = value_of("sign_in_tries_of_network")
    is_wrong = ~SignInAttempt.succeeded, SignInAttempt.device.is_(None)
    tries = _newest(most, THROTTLED_FOR, SignInAttempt.address == network, *is_wrong)
    oldest: datetime | None = tries[-1][0] if len(tries) >= most else None
    return oldest + THROTTLED_FOR if oldest else None


def _newest(count: int, within: timedelta, *which: ColumnElement[bool]) -> Sequence[Any]:
    return db.session.execute(
        select(SignInAttempt.attempted_at, SignInAttempt.succeeded)
        .where(SignInAttempt.attempted_at > clock.now() - within, *which)
        .order_by(SignInAttempt.attempted_at.desc(), SignInAttempt.id.desc())
        .limit(count)
    ).all()
