"""Billing keys without the person whose they were: erased once, and never brought back by a sync."""

from datetime import datetime
from typing import Any

from app.accounts.erased import Erased, find_erased
from app.billing_keys.models import BillingKey
from app.portone.erasing import without_person
from app.portone.payloads import BillingKeyInfo


def erase_person(row: BillingKey, at: datetime) -> None:
    """Erase whose key this is, in the caller's transaction; the key itself stays as PortOne has it."""
    row.customer_name = row.metadata_ = None
    row.person_erased_at = at
    row.method_summary = row.card_number
    if row.snapshot is not None:
        row.snapshot = without_person(row.snapshot)


def without_erased_person(row: BillingKey, known: BillingKeyInfo) -> tuple[BillingKeyInfo, dict[str, Any]]:
    """What may be kept of a key, and what its row says instead, where its person was erased."""
    erased = find_erased({known.customer.id}).get(known.customer.id or "")
    if row.person_erased_at is not None:
        erased = Erased(row.user_id, row.person_erased_at)
    elif erased is not None and not erased.covers(known.issued_at):
        erased = None
    if erased is None:
        return known, {}
    kept = BillingKeyInfo.from_raw(without_person(known.raw))
    return kept, {"user_id": erased.user_id, "person_erased_at": erased.at}
