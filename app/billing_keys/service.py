"""PortOne's billing keys become our rows.

The key itself is a credential: it is stored sealed, found by its keyed hash, and shown masked.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, or_, select, update

from app import clock
from app.accounts.customers import know_customers
from app.accounts.models import User
from app.audit import service as audit
from app.billing_keys.erasing import without_erased_person
from app.billing_keys.models import DELETED, BillingKey
from app.billing_keys.sealing import open_key
from app.columns import new_id
from app.database import begin_writing, insert_into, lock
from app.encryption import masked, vault
from app.extensions import db, portone
from app.payments.models import Payment
from app.portone.payloads import BillingKeyInfo, Method

#: What PortOne's billing keys begin with.
PREFIX = "billing-key-"

_ANY_KEY = re.compile(rf"{PREFIX}[\w-]{{4,}}", re.IGNORECASE)

#: How many billing keys `sync_billing_keys` asks for at once.
PAGE_SIZE = 100

#: What a person is told when a row changed; the rest is bookkeeping, or told by these.
_TOLD = ("status", "method", "method_summary", "card_name", "card_number", "pg_provider", "customer_name")

#: Told how many keys were read and how many changed.
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Change:
    """What storing PortOne's answer changed: `fields` is {column: [before, after]}, fit for JSON."""

    row_id: UUID
    is_new: bool = False
    is_outdated: bool = False
    fields: dict[str, list[Any]] = field(default_factory=dict)


def sync_billing_key(billing_key: str) -> Change:
    """Read a billing key from PortOne and bring our row in line. Commits.

    Raises PortOneRefused (BILLING_KEY_NOT_FOUND among others) and PortOneUncertain.
    """
    db.session.rollback()
    read_at = clock.now()
    known = portone.get_billing_key(billing_key)
    change = store_billing_key(known, read_at=read_at)
    db.session.commit()
    return change


def sync_billing_keys(on_progress: Progress | None = None) -> tuple[int, int]:
    """Read every billing key of the store, deleted ones too; answers how many were read and how many changed.

    Each page is one commit, and reading again changes nothing twice. `on_progress` is told both counts
    after each page. Raises PortOneRefused and PortOneUncertain.
    """
    read = changed = page = 0
    is_last = False
    db.session.rollback()
    while not is_last:
        read_at = clock.now()
        found = portone.list_billing_keys(page=page, size=PAGE_SIZE)
        # In one order, as whoever else locks several keys does: so no two wait for each other.
        in_order = sorted(found.items, key=lambda known: vault().fingerprint(known.billing_key))
        changes = [store_billing_key(known, read_at=read_at) for known in in_order]
        db.session.commit()
        read += len(changes)
        changed += sum(bool(change.fields) for change in changes)
        page, is_last = page + 1, found.is_last
        if on_progress:
            on_progress(read, changed)
    return read, changed


def refresh_billing_key(row_id: UUID, *, by: User) -> Change:
    """Read a key of ours again, because a person wants to know. Commits.

    Raises NoResultFound, KeyUnreadable, PortOneRefused and PortOneUncertain.
    """
    change = sync_billing_key(open_key(db.session.get_one(BillingKey, row_id)))
    facts = {"changes": change.fields} if change.fields else None
    audit.record("billing_key.refreshed", "billing_key", row_id, by=by, facts=facts)
    db.session.commit()
    return change


def store_billing_key(known: BillingKeyInfo, *, read_at: datetime) -> Change:
    """Write what PortOne reported of a billing key, in the caller's transaction.

    PortOne gives a key no time of change, so readings are ordered by when we asked; a deleted key stays so.
    """
    begin_writing()
    row_id, is_new = _find_or_insert(known.billing_key)
    row = lock(BillingKey, row_id)
    if not is_new and _is_outdated(row, known, read_at):
        return Change(row_id, is_outdated=True)
    known, instead = without_erased_person(row, known)
    before = dict.fromkeys(_TOLD) if is_new else {name: getattr(row, name) for name in _TOLD}
    values = _values_of(known, read_at) | instead
    if row.is_default and values["user_id"] != row.user_id:  # the other customer may have a default already
        row.is_default = False
    for name, value in values.items():
        setattr(row, name, value)
    if row.status == DELETED:
        retire(row)
    row.last_used_at = _latest(row.last_used_at, _last_payment_at(row.billing_key))
    told = {name: [before[name], getattr(row, name)] for name in _TOLD}
    return Change(row_id, is_new, fields={name: pair for name, pair in told.items() if pair[0] != pair[1]})


def retire(row: BillingKey, deleted_at: datetime | None = None) -> None:
    """Make a key, locked by the caller, one that PortOne has deleted: nobody's default, and off for good."""
    row.status = DELETED
    row.is_active = row.is_default = False
    row.deleted_at = row.deleted_at or deleted_at or clock.now()


def record_use(billing_key: str, paid_at: datetime) -> None:
    """Note, in the caller's transaction, that a payment was made with a billing key, if we have it."""
    db.session.execute(
        update(BillingKey)
        .where(BillingKey.billing_key.in_(vault().fingerprints(billing_key)))
        .where(or_(BillingKey.last_used_at.is_(None), BillingKey.last_used_at < paid_at))
        .values(last_used_at=paid_at)
    )


def looks_like_billing_key(text: str | None) -> bool:
    """Whether a text is a credential, which must not stand in an address."""
    return (text or "").strip().lower().startswith(PREFIX)


def mask_key(billing_key: str) -> str:
    """A billing key for eyes: enough of its end to tell two apart, too little to charge it."""
    return f"{PREFIX}****{ending_of(billing_key)}"


def mask_keys(text: str | None) -> str | None:
    """What a person typed, with whatever looks like a billing key masked: it is kept and shown again."""
    return _ANY_KEY.sub(lambda found: mask_key(found[0]), text) if text else text


def ending_of(billing_key: str) -> str:
    """The last four characters, if they are a small part of the key."""
    return billing_key[-4:] if len(billing_key) >= 16 else ""


def without_key(document: Any, billing_key: str) -> Any:
    """A JSON document with the key masked wherever it stands."""
    return masked(document, billing_key, mask_key(billing_key))


def _find_or_insert(billing_key: str) -> tuple[UUID, bool]:
    """The row of a key, made if there is none; two workers at once make one."""
    hashes = vault().fingerprints(billing_key)
    find = select(BillingKey.id).where(BillingKey.billing_key.in_(hashes))
    known = db.session.scalar(find)
    if known is not None:
        return known, False
    values = {
        "id": new_id(),
        "billing_key": hashes[0],
        "billing_key_encrypted": vault().seal(billing_key),
        "key_ending": ending_of(billing_key),
    }
    once = (
        insert_into(BillingKey).values(values).on_conflict_do_nothing(index_elements=[BillingKey.billing_key])
    )
    made = db.session.scalar(once.returning(BillingKey.id))
    if made is not None:
        return made, True
    return db.session.scalars(find).one(), False


def _is_outdated(row: BillingKey, known: BillingKeyInfo, read_at: datetime) -> bool:
    if row.status == DELETED and known.status != DELETED:
        return True
    return row.synced_at is not None and row.synced_at > read_at and known.status != DELETED


def _values_of(known: BillingKeyInfo, read_at: datetime) -> dict[str, Any]:
    card = known.first_card
    channel = known.channels[0] if known.channels else None
    method = known.methods[0] if known.methods else None
    return {
        "status": _fit("status", known.status),
        "user_id": know_customers({known.customer.id: known.customer.name}).get(known.customer.id or ""),
        "customer_name": known.customer.name,
        "method": _fit("method", method.code if method else None),
        "method_summary": _summary_of(method),
        "card_type": _fit("card_type", card.type if card else None),
        "card_company": _fit("card_company", (card.issuer or card.publisher) if card else None),
        "card_number": _fit("card_number", card.number if card else None),
        "card_name": card.name if card else None,
        "pg_provider": _fit("pg_provider", channel.pg_provider if channel else None),
        "channel_type": _fit("channel_type", channel.type if channel else None),
        "store_id": known.store_id,
        "metadata_": without_key(_metadata_of(known), known.billing_key),
        "registered_at": known.issued_at,
        "deleted_at": known.deleted_at,
        "synced_at": read_at,
        "snapshot": without_key(known.raw, known.billing_key),
    }


def _fit(column: str, value: str | None) -> str | None:
    """A text no longer than its column: what PortOne adds one day stands whole in the snapshot."""
    length = getattr(BillingKey.__table__.c[column].type, "length", None)
    return value[:length] if value and length else value


def _summary_of(method: Method | None) -> str | None:
    """What tells one means of payment from another: a masked number of card, account or phone."""
    if method is None:
        return None
    card, inner = method.any_card, method.inner
    account = method.account_number or (inner.account_number if inner else None)
    return (card.number if card else None) or account or method.phone_number


def _metadata_of(known: BillingKeyInfo) -> dict[str, Any] | None:
    """What the store itself attached to the key."""
    attached = {"issueId": known.issue_id, "issueName": known.issue_name, "customData": known.custom_data}
    return {name: value for name, value in attached.items() if value is not None} or None


def _last_payment_at(fingerprint: str) -> datetime | None:
    return db.session.scalar(select(func.max(Payment.paid_at)).where(Payment.billing_key_hash == fingerprint))


def _latest(*moments: datetime | None) -> datetime | None:
    return max((moment for moment in moments if moment), default=None)
