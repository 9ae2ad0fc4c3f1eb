"""Customers whose personal data was erased: known again by a keyed hash of their id, and by nothing else.

PortOne keeps what it has, so the next sync brings it along. The hash has a key of its own, sealed in the
database: `flask rotate-keys` seals it anew, and the hashes stay what they are.
"""

import hashlib
import hmac
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from app.accounts.models import ErasureKey, User
from app.database import lock_name
from app.encryption import vault
from app.extensions import db


@dataclass(frozen=True, slots=True)
class Erased:
    """The nameless row of an erased customer, and when that was: what they do later is a new beginning."""

    user_id: UUID | None
    at: datetime

    def covers(self, moment: datetime | None) -> bool:
        """Whether something of that moment is from before the erasure."""
        return moment is None or moment <= self.at


def find_erased(customer_ids: Collection[str | None]) -> dict[str, Erased]:
    """Those of the store's customer ids that were erased, the last time each."""
    key = _find_key()
    if key is None:
        return {}
    hashes = {_hash(key, customer_id): customer_id for customer_id in customer_ids if customer_id}
    found = db.session.execute(
        select(User.erased_id_hash, User.id, User.erased_at)
        .where(User.erased_id_hash.in_(hashes))
        .order_by(User.erased_at)
    )
    return {hashes[hashed]: Erased(user_id, at) for hashed, user_id, at in found if hashed and at}


def erase_customer(customer: User, at: datetime) -> None:
    """Take name and id of a customer, in the caller's transaction; payments stay together under the row."""
    if customer.customer_id:
        customer.erased_id_hash = _hash(_find_key() or _make_key(), customer.customer_id)
    customer.customer_id = None
    customer.name = ""
    customer.erased_at = at


def _hash(key: bytes, customer_id: str) -> str:
    return hmac.new(key, customer_id.encode(), hashlib.sha256).hexdigest()


def _find_key() -> bytes | None:
    sealed = db.session.scalar(select(ErasureKey.key_sealed).limit(1))
    return bytes.fromhex(vault().open(sealed)) if sealed else None


def _make_key() -> bytes:
    lock_name("erasure key")
    if (key := _find_key()) is not None:  # somebody else was first
        return key
    key = secrets.token_bytes(32)
    db.session.add(ErasureKey(key_sealed=vault().seal(key.hex())))
    db.session.flush()
    return key
