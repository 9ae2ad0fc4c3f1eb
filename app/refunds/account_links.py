"""A link by which the buyer enters the account to refund to: for one payment, once, and for a few days.

The token is shown once to whoever makes the link and is kept as a hash; the account is kept sealed.
"""

import hashlib
import json
import secrets
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import select

from app import clock
from app.accounts.models import User
from app.audit import service as audit
from app.database import lock
from app.encryption import InvalidToken, vault
from app.errors import DomainError, NotFound
from app.extensions import db
from app.payments.models import Payment
from app.payments.queries import get_payment
from app.portone.requests import RefundAccount
from app.refunds import balance, rules
from app.refunds.models import AccountLink

LIFETIME = timedelta(days=3)

#: A form sent more often than this is not an honest mistake.
MOST_TRIES = 10


class LinkRefused(DomainError):
    """No link can be made for this payment."""


class TooManyTries(DomainError):
    """The form of this link was sent too often."""

    status = 429


def make_link(payment_id: str, *, by: User) -> str:
    """The token of a fresh link; whatever link this payment had before is worth nothing any more."""
    payment = lock(Payment, get_payment(payment_id).id)
    if not (rules.needs_account(payment) or rules.may_name_account(payment)) or not balance.refundable(
        payment
    ):
        raise LinkRefused(_("This payment needs no refund account from the buyer."))
    token = secrets.token_urlsafe(32)
    _revoke(payment)
    expires_at = clock.now() + LIFETIME
    db.session.add(
        AccountLink(
            payment_id=payment.id,
            token_hash=_hash_of(token),
            made_by=by.id,
            created_at=clock.now(),
            expires_at=expires_at,
        )
    )
    facts = {"expires_at": expires_at}
    audit.record("refund.account_link_made", "payment", payment_id, by=by, facts=facts)
    db.session.commit()
    return token


def revoke_links(payment_id: str, *, by: User) -> None:
    """Make the link of a payment worth nothing, and forget the account that came by it."""
    payment = lock(Payment, get_payment(payment_id).id)
    if _revoke(payment):
        audit.record("refund.account_link_revoked", "payment", payment_id, by=by)
    db.session.commit()


def find_link_of(payment: Payment) -> AccountLink | None:
    """The link of a payment that still counts: waiting for the buyer, or with the account they entered."""
    link = db.session.scalar(
        select(AccountLink)
        .where(AccountLink.payment_id == payment.id, AccountLink.revoked_at.is_(None))
        .order_by(AccountLink.created_at.desc(), AccountLink.id.desc())
        .limit(1)
    )
    is_over = link is not None and link.entered_at is None and link.expires_at < clock.now()
    return None if is_over else link


def get_open_link(token: str) -> AccountLink:
    """The link with this token; raises NotFound when it is wrong, expired, revoked, used, or needless."""
    link = db.session.scalar(select(AccountLink).where(AccountLink.token_hash == _hash_of(token)))
    if link is None or not _is_open(link) or not balance.refundable(link.payment):
        raise NotFound(_("This link is not valid any more."))
    return link


def count_try(token: str) -> None:
    """Count that the form of a link was sent. Commits; raises NotFound, and TooManyTries beyond ten."""
    link = lock(AccountLink, get_open_link(token).id)
    link.tries += 1
    is_too_often = link.tries > MOST_TRIES
    db.session.commit()
    if is_too_often:
        raise TooManyTries(_("This form was sent too often. Ask the shop for another link."))


def enter_account(token: str, account: RefundAccount) -> None:
    """Keep the account that the buyer entered, sealed; the link is used up. Raises NotFound."""
    link = lock(AccountLink, get_open_link(token).id)
    if not _is_open(link):
        raise NotFound(_("This link is not valid any more."))
    link.entered_at = clock.now()
    link.account_sealed = vault().seal(json.dumps(account.to_raw(), ensure_ascii=False))
    link.account_bank, link.account_last_digits = account.bank, account.number[-4:]
    link.account_holder = account.holder_name
    facts = {"account": f"{account.bank} ****{account.number[-4:]}"}
    audit.record("refund.account_entered", "payment", link.payment.payment_id, facts=facts)
    db.session.commit()


def find_entered_account(payment: Payment, link_id: UUID | None) -> RefundAccount | None:
    """The account that came by this very link of the payment, while the link still counts."""
    link = find_link_of(payment)
    if link is None or link.id != link_id or link.account_sealed is None:
        return None
    try:
        raw = json.loads(vault().open(link.account_sealed))
    except InvalidToken:
        return None
    account = RefundAccount(raw["bank"], raw["number"], raw["holderName"])
    return replace(account, holder_phone_number=raw.get("holderPhoneNumber"))


def _is_open(link: AccountLink) -> bool:
    return link.revoked_at is None and link.entered_at is None and link.expires_at > clock.now()


def _revoke(payment: Payment) -> bool:
    """Whether a link was ended; with it goes the account that came by it."""
    is_live = AccountLink.payment_id == payment.id, AccountLink.revoked_at.is_(None)
    links = db.session.scalars(select(AccountLink).where(*is_live)).all()
    for link in links:
        link.revoked_at, link.account_sealed = clock.now(), None
    return bool(links)


def _hash_of(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
