"""The account numbers that refunds keep: shown to who may see them, and erased when they are done with."""

import json
from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import func, or_, select

from app import clock, leases
from app.accounts.models import User
from app.audit import service as audit
from app.database import lock
from app.encryption import InvalidToken, vault
from app.errors import DomainError
from app.extensions import db
from app.payments.models import Payment
from app.portone.requests import RefundAccount
from app.refunds.bank_accounts import masked_name
from app.refunds.models import HOLDING, AccountLink, Refund, RefundStatus
from app.refunds.queries import get_refund
from app.settings import service as settings

#: Accounts erased in one round.
ERASED_AT_ONCE = 100

#: The money has reached somebody, or never will.
_OVER = (RefundStatus.SUCCEEDED, RefundStatus.FAILED, RefundStatus.REJECTED)


class NothingToReveal(DomainError):
    """There is no account number to show."""


def reveal_account(refund_id: UUID, reason: str, *, by: User) -> dict[str, str]:
    """The whole account of a refund (`bank`, `number`, `holderName`, …); who saw it, and why, is audited.

    Raises `NothingToReveal` where no number is kept.
    """
    refund = get_refund(refund_id)
    account = _account_of(refund)
    if account is None:
        raise NothingToReveal(_("No account number is kept for this refund: it had none, or it was erased."))
    facts = {"reason": reason, "account": f"{refund.account_bank} ****{refund.account_last_digits}"}
    audit.record("refund.account_revealed", "refund", str(refund.id), by=by, facts=facts)
    db.session.commit()
    return account


def erase_old_accounts(holder: str) -> int:
    """Erase the numbers of refunds that have been final for the days set; answers how many.

    A refund under way keeps its request whatever its age: it is what is sent again. So does one whose
    transfer the PG has not finished.
    """
    if not leases.hold("refund accounts", holder=holder, seconds=60):
        return 0
    before = clock.now() - timedelta(days=settings.value_of("refund_account_days"))
    is_over = Refund.status.in_(_OVER), func.coalesce(Refund.settled_at, Refund.created_at) < before
    is_paid_out = or_(Payment.account_refund_status.is_(None), Payment.account_refund_status != "PENDING")
    due = db.session.scalars(
        select(Refund.id)
        .join(Refund.payment)
        .where(Refund.account_bank.is_not(None), Refund.account_erased_at.is_(None), *is_over, is_paid_out)
        .order_by(Refund.id)
        .limit(ERASED_AT_ONCE)
    ).all()
    db.session.commit()
    for refund_id in due:
        _erase(refund_id)
    return len(due) + _erase_entered(before)


def has_open_refunds(payment_ids: Collection[UUID]) -> bool:
    """Whether money of these payments (by row id) is on its way, or waits for a second person."""
    held = select(Refund.id).where(Refund.payment_id.in_(payment_ids), Refund.status.in_(HOLDING))
    return db.session.scalar(held.limit(1)) is not None


def erase_persons(payment_ids: Collection[UUID], at: datetime) -> int:
    """Erase the accounts of payments (by row id), refunds and links alike, whatever their age.

    In the caller's transaction; `has_open_refunds` was asked before. Answers how many held something.
    """
    refunds = select(Refund).where(Refund.payment_id.in_(payment_ids), Refund.account_bank.is_not(None))
    links = select(AccountLink).where(AccountLink.payment_id.in_(payment_ids))
    held = 0
    for refund in db.session.scalars(refunds.with_for_update()):
        refund.request_sealed = refund.wish_sealed = refund.account_holder = None
        refund.account_erased_at = refund.account_erased_at or at
        held += 1
    for link in db.session.scalars(links.with_for_update()):
        held += link.account_bank is not None
        link.account_sealed = link.account_holder = None
        link.account_erased_at = link.account_erased_at or (at if link.account_bank else None)
        link.revoked_at = link.revoked_at or at
    return held


def _account_of(refund: Refund) -> dict[str, str] | None:
    sealed = refund.request_sealed or refund.wish_sealed
    if sealed is None or refund.account_bank is None:
        return None
    try:
        kept = json.loads(vault().open(sealed))
    except InvalidToken:
        raise NothingToReveal(
            _("The account number is sealed with a key this server does not have.")
        ) from None
    waiting = kept.get("account")  # a wish that waits for approval names it in words of ours
    found: dict[str, str] | None = RefundAccount(**waiting).to_raw() if waiting else kept.get("refundAccount")
    return found


def _erase(refund_id: UUID) -> None:
    refund = lock(Refund, refund_id)
    if refund.status not in _OVER or refund.account_erased_at is not None:
        db.session.rollback()
        return
    refund.request_sealed = None
    refund.account_holder = masked_name(refund.account_holder)
    refund.account_erased_at = clock.now()
    account = f"{refund.account_bank} ****{refund.account_last_digits}"
    audit.record("refund.account_erased", "refund", str(refund.id), facts={"account": account})
    db.session.commit()


def _erase_entered(before: object) -> int:
    """Accounts that buyers entered by a link go when as much time has passed, used for a refund or not."""
    links = db.session.scalars(
        select(AccountLink)
        .where(AccountLink.account_sealed.is_not(None), AccountLink.entered_at < before)
        .limit(ERASED_AT_ONCE)
    ).all()
    for link in links:
        link.account_sealed = None
        link.account_holder = masked_name(link.account_holder)
        link.account_erased_at = clock.now()
    if links:
        audit.record("refund.entered_accounts_erased", "refund", "-", facts={"count": len(links)})
    db.session.commit()
    return len(links)
