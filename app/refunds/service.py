"""Give money back, once: hold the amount, then ask PortOne and settle what became of it (`settling`).

Above the threshold the amount is held and a second person decides first (`approving`).
No transaction is open while PortOne is asked.
"""

import json
from dataclasses import asdict, dataclass, fields
from datetime import timedelta
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app import clock
from app.access.permissions import Permission, holds
from app.accounts.models import User
from app.approvals import queries as approvals
from app.approvals.service import (
    ApprovalRefused,
    Proof,
    refuse_above_daily_limit,
    refuse_above_limit,
    refuse_unproven,
    refuse_without,
)
from app.audit import service as audit
from app.database import lock, lock_name
from app.encryption import vault
from app.errors import DomainError
from app.extensions import db, portone
from app.leases import claim
from app.payments import queries as payments
from app.payments.models import Payment
from app.payments.service import sync_quietly
from app.portone.requests import CancelRequest, RefundAccount, RetainOption
from app.refunds import balance, rules, settling
from app.refunds.models import IS_IN_FLIGHT, Refund, RefundStatus
from app.refunds.queries import (
    find_refund,
    find_retain_option,
    get_refund,
    sum_of_day,
    sum_without_approval,
)
from app.refunds.rulebook import Rule
from app.refunds.settling import SENDER_SECONDS, Dispatch
from app.settings.service import value_of
from app.web.filters import money


class RefundRefused(DomainError):
    """The refund cannot be made, and PortOne was not asked."""


class BalanceMoved(RefundRefused):
    """What is left to refund is no longer what the person saw."""


class BalanceOutdated(RefundRefused):
    """Another refund was settled so lately that PortOne's new balance has not been read yet."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What an admin wants given back. Amounts are in minor units of the payment's currency."""

    intent: UUID
    amount: int
    tax_free_amount: int
    expected_refundable: int
    reason: str
    reason_code: str | None = None
    account: RefundAccount | None = None
    #: As typed; None lets PortOne compute it.
    vat_amount: int | None = None
    #: Of a promotion payment that goes back in part: whether the discount stays.
    retain_option: RetainOption | None = None
    refund_email: str | None = None
    #: Why rules that stop this refund are set aside.
    override_note: str = ""

    def to_text(self) -> str:
        """The wish as one text, to be sealed while it waits."""
        return json.dumps(asdict(self), ensure_ascii=False, default=str)

    @classmethod
    def from_text(cls, text: str) -> "Wish":
        """The wish that `to_text` wrote."""
        known = {field.name for field in fields(cls)}
        values = {name: value for name, value in json.loads(text).items() if name in known}
        account = values.pop("account", None)
        return cls(
            **{**values, "intent": UUID(values["intent"])},
            account=RefundAccount(**account) if account else None,
        )


def request_refund(
    payment_id: str, wish: Wish, *, by: User, proof: Proof | None = None, approved_by: User | None = None
) -> None:
    """Give back part of a payment, or all of it; the same intent again changes nothing.

    Above the approval threshold it is kept until a second person decides. `proof` is that `by` has just
    proven who they are, where the amount asks for it. `approved_by` is who approved the batch this refund
    is a row of: it needs neither approval nor proof of its own, and is limited and checked like any other.

    Raises `RefundRefused`, `BalanceMoved` or `ApprovalRefused` where PortOne need not be asked. What PortOne
    answers, or that it does not, is recorded on the refund.
    """
    try:
        dispatch = _hold(payment_id, wish, by, proof=proof, approved_by=approved_by)
    except BalanceOutdated:
        sync_quietly(payment_id)
        dispatch = _hold(payment_id, wish, by, proof=proof, approved_by=approved_by)
    if dispatch is not None:
        settling.send(dispatch, is_first=True)


def recheck_refund(refund_id: UUID, *, by: User) -> None:
    """Find out now what became of a refund, because a person wants to know."""
    refund = get_refund(refund_id)
    audit.record("refund.rechecked", "refund", str(refund.id), by=by, facts={"status": refund.status})
    settling.follow(refund_id)


def claim_waiting_refunds(*, holder: str, limit: int) -> list[UUID]:
    """Claim refunds without a final outcome that are due to be looked at. Commits."""
    return list(claim(Refund, IS_IN_FLIGHT, holder=holder, limit=limit))


def settle_requested_refunds_of(payment_row_id: UUID) -> None:
    """Settle refunds that waited for PortOne, now that a new snapshot of their payment is stored. Commits."""
    waiting = db.session.scalars(
        select(Refund.id).where(Refund.payment_id == payment_row_id, Refund.status == RefundStatus.REQUESTED)
    ).all()
    for refund_id in waiting:
        settling.settle_by_cancellation(refund_id)


def _hold(
    payment_id: str, wish: Wish, by: User, *, proof: Proof | None = None, approved_by: User | None = None
) -> Dispatch | None:
    """Store the refund and what will be asked; None when that was done before, or waits for approval."""
    payment = lock(Payment, payments.get_payment(payment_id).id)
    first = find_refund(wish.intent)
    if first is not None:
        _refuse_if_of_another(payment, first)
        db.session.rollback()
        return None
    refuse_if_impossible(payment, wish)
    _refuse_if_not_theirs(payment, wish, by, proof, approved_by)
    set_aside = rules_set_aside(payment, wish, by)
    refund = _new_refund(payment, wish, by)
    refund.approved_by = approved_by.id if approved_by else None
    dispatch = None
    in_all = wish.amount + sum_without_approval(payment)
    if approved_by is None and approvals.needs_second_person(in_all, payment.currency):
        _keep_waiting(refund, wish)
    else:
        dispatch = make_ready(refund, payment, wish)
    db.session.add(refund)
    if set_aside:
        _record_override(wish, set_aside, by)
    audit.record(
        "refund.requested",
        "refund",
        str(wish.intent),
        by=by,
        after={"status": refund.status},
        facts=_facts(payment, refund, proof, approved_by),
    )
    commit_alone()
    return dispatch


def _refuse_if_not_theirs(
    payment: Payment, wish: Wish, by: User, proof: Proof | None, approved_by: User | None
) -> None:
    """Raise `ApprovalRefused` for what this person may not ask for, or not without more."""
    refuse_without(by, Permission.REFUND_CREATE)
    refuse_above_limit(by, wish.amount, payment.currency)
    _refuse_above_day(by, wish.amount, payment.currency)
    if approved_by is None:
        refuse_unproven(by, proof, wish.amount, payment.currency)
        return
    refuse_without(approved_by, Permission.REFUND_APPROVE)
    if approved_by.id == by.id:
        raise ApprovalRefused(_("Nobody approves a refund they asked for themselves."), status=403)


def _refuse_above_day(by: User, amount: int, currency: str) -> None:
    """Hold the person's day, so that refunds of two payments at once do not both take what is left of it."""
    if approvals.find_daily_limit(by, currency) is None:
        return
    lock_name(f"refunds of {by.id}")
    refuse_above_daily_limit(by, amount, currency, spent=sum_of_day(by.id, currency))


def _keep_waiting(refund: Refund, wish: Wish) -> None:
    """Let a refund wait for a second person. What is asked of PortOne is made when they approve."""
    refund.status = RefundStatus.AWAITING_APPROVAL
    refund.wish_sealed = vault().seal(wish.to_text())
    refund.expires_at = refund.created_at + timedelta(hours=value_of("refund_approval_hours"))


def make_ready(refund: Refund, payment: Payment, wish: Wish) -> Dispatch:
    """Have a refund be sent: from here on what is asked never changes. Raises `BalanceOutdated`."""
    if balance.is_outdated(payment):
        raise BalanceOutdated(_("Another refund was made this very moment. Please try again."))
    moment, request = clock.now(), _cancel_request(payment, wish)
    refund.status = RefundStatus.SENDING
    refund.balance_before = payment.cancellable_amount
    refund.request_sealed = vault().seal(request)
    refund.wish_sealed = refund.expires_at = None
    refund.sent_at = moment
    refund.next_attempt_at = moment + timedelta(seconds=SENDER_SECONDS)
    return Dispatch(wish.intent, payment.payment_id, request)


def commit_alone() -> None:
    """Commit, with the database as the last fence against a second refund under way."""
    try:
        db.session.commit()
    except IntegrityError as clash:
        db.session.rollback()
        raise RefundRefused(_("Another refund was made at the same moment. Open the form again.")) from clash


def _refuse_if_of_another(payment: Payment, refund: Refund) -> None:
    if refund.payment_id != payment.id:
        raise RefundRefused(_("This form belongs to a refund of another payment. Open the form again."))


def refuse_if_impossible(payment: Payment, wish: Wish) -> None:
    """Raise what PortOne need not be asked to know: `BalanceMoved`, or another `RefundRefused`."""
    if balance.find_in_flight(payment) is not None:
        raise RefundRefused(_("Another refund of this payment has no outcome yet. Wait until it is settled."))
    obstacle = rules.find_obstacle(payment, wish.amount)
    if obstacle:
        raise RefundRefused(obstacle)
    left = balance.refundable(payment, besides=wish.intent)
    if left != wish.expected_refundable:
        raise BalanceMoved(
            _("The balance has changed: %(left)s can be refunded now.", left=_in(payment, left))
        )
    if not left:
        raise RefundRefused(balance.find_hold(payment) or _("Nothing of this payment is left to give back."))
    if wish.amount > left:
        raise RefundRefused(_("Only %(left)s is left to refund.", left=_in(payment, left)))
    _refuse_impossible_parts(payment, wish, left)
    if rules.needs_account(payment) and wish.account is None:
        raise RefundRefused(_("This payment can only be refunded to a bank account."))
    if rules.needs_email(payment) and not wish.refund_email:
        raise RefundRefused(_("Triple-A needs the buyer's e-mail address."))


def rules_set_aside(payment: Payment, wish: Wish, by: User) -> list[Rule]:
    """The rules that stop this refund and that `by` sets aside; `RefundRefused` without right or note."""
    stopping = rules.blocks_to_override(payment, wish.amount)
    if stopping and not holds(by, Permission.REFUND_OVERRIDE):
        raise RefundRefused(str(stopping[0].sentence))
    if stopping and not wish.override_note:
        raise RefundRefused(_("Write why this refund goes on although a rule stops it."))
    return stopping


def _record_override(wish: Wish, set_aside: list[Rule], by: User) -> None:
    facts = {"rules": [rule.code for rule in set_aside], "note": wish.override_note}
    audit.record("refund.rules_overridden", "refund", str(wish.intent), by=by, facts=facts)


def _refuse_impossible_parts(payment: Payment, wish: Wish, left: int) -> None:
    """PortOne counts what is taxable and what is tax-free apart, and refuses more of either than is left."""
    tax_free_left = balance.refundable_tax_free(payment, besides=wish.intent)
    if wish.tax_free_amount > tax_free_left:
        raise RefundRefused(
            _("Only %(left)s of the tax-free part is left.", left=_in(payment, tax_free_left))
        )
    taxable_left = left - tax_free_left
    if wish.amount - wish.tax_free_amount > taxable_left:
        raise RefundRefused(
            _(
                "Only %(left)s of the taxable part is left; raise the tax-free part of this refund.",
                left=_in(payment, taxable_left),
            )
        )
    taxable = wish.amount - wish.tax_free_amount
    if wish.vat_amount is not None and wish.vat_amount > taxable:
        raise RefundRefused(_("VAT can be %(most)s at most.", most=_in(payment, taxable)))


def _in(payment: Payment, amount: int) -> str:
    return money(amount, payment.currency)


def _cancel_request(payment: Payment, wish: Wish) -> str:
    """The body PortOne will get: `currentCancellableAmount` is its own balance, not less what is held."""
    return CancelRequest(
        payment_id=payment.payment_id,
        store_id=payment.store_id or portone.store_id,
        reason=wish.reason,
        amount=wish.amount,
        tax_free_amount=wish.tax_free_amount if payment.tax_free_amount else None,
        current_cancellable_amount=payment.cancellable_amount,
        requester="ADMIN",
        vat_amount=wish.vat_amount,
        refund_account=wish.account,
        refund_email=wish.refund_email if rules.needs_email(payment) else None,
        promotion_discount_retain_option=_retain_option(payment, wish),
    ).to_json()


def _retain_option(payment: Payment, wish: Wish) -> RetainOption | None:
    """Whether a promotion's discount stays: PortOne refuses another answer than it got the first time."""
    if not rules.asks_retain_option(payment, wish.amount):
        return None
    return find_retain_option(payment) or wish.retain_option or "RELEASE"


def _new_refund(payment: Payment, wish: Wish, by: User) -> Refund:
    account = wish.account
    return Refund(
        id=wish.intent,
        payment_id=payment.id,
        amount=wish.amount,
        tax_free_amount=wish.tax_free_amount,
        vat_amount=wish.vat_amount,
        retain_option=_retain_option(payment, wish),
        reason=wish.reason,
        reason_code=wish.reason_code,
        account_bank=account.bank if account else None,
        account_last_digits=account.number[-4:] if account else None,
        account_holder=account.holder_name if account else None,
        requested_by=by.id,
        created_at=clock.now(),
    )


def _facts(
    payment: Payment, refund: Refund, proof: Proof | None, approved_by: User | None
) -> dict[str, object]:
    account = f"{refund.account_bank} ****{refund.account_last_digits}" if refund.account_bank else None
    return {
        "payment_id": payment.payment_id,
        "amount": refund.amount,
        "tax_free_amount": refund.tax_free_amount,
        "vat_amount": refund.vat_amount,
        "retain_option": refund.retain_option,
        "currency": payment.currency,
        "balance_before": refund.balance_before,
        "reason": refund.reason,
        "account": account,
        "proof": proof.method if proof else None,
        "approved_by": (approved_by.name or approved_by.email) if approved_by else None,
    }
