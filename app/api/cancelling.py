"""Give money back for a store's server: the refund desk's own service, limits, approval and rules."""

import re
from uuid import UUID, uuid5

from flask_babel import gettext as _

from app.accounts.people import machine_of
from app.api import messages, problems
from app.api.checkout import sync
from app.api.problems import Problem
from app.api.tokens import Caller
from app.approvals.service import ApprovalRefused
from app.columns import new_id
from app.extensions import db
from app.payments.models import Payment
from app.payments.queries import find_payment
from app.portone.requests import RefundAccount
from app.refunds import balance
from app.refunds.models import Refund, RefundStatus
from app.refunds.queries import find_refund, get_refund
from app.refunds.service import BalanceMoved, RefundRefused, Wish, request_refund
from app.refunds.story import explain

#: The refund that an Idempotency-Key stands for, whichever token sends it.
_REFUNDS = UUID("4c1de6a0-6c0c-4d5c-8d0e-9a6d7d3a51f2")

_KEY = re.compile(r"[!-~]{1,256}")

#: Nothing more will happen to such a refund, and the money stays where it is.
_REFUSED = frozenset({RefundStatus.FAILED, RefundStatus.REJECTED})


def cancel(
    wish: messages.CancelRequest, key: str | None, *, caller: Caller
) -> tuple[messages.CancelAnswer, int]:
    """Give back part of a payment, or all of it; the same key answers the first outcome. Commits.

    Raises `Problem` where nothing was given back, and where PortOne does not answer before it is asked to.
    """
    intent = _intent_of(key)
    if find_refund(intent) is None:
        _request(intent, wish, caller)
    refund = get_refund(intent)
    if refund.payment.payment_id != wish.payment_id:
        sentence = _("This Idempotency-Key stands for a refund of another payment. Nothing was changed.")
        raise Problem(problems.KEY_REUSED, sentence, {"paymentId": refund.payment.payment_id})
    if refund.status in _REFUSED:
        raise _failed(refund)
    return _answer(refund), 200 if refund.status == RefundStatus.SUCCEEDED else 202


def _intent_of(key: str | None) -> UUID:
    """The refund's id: made of the key, with or without its quotes, or fresh where none is given."""
    if key is None:
        return new_id()
    bare = key[1:-1] if len(key) > 2 and key[0] == key[-1] == '"' else key
    if not _KEY.fullmatch(bare):
        sentence = _("An Idempotency-Key has 1 to 256 printable ASCII characters without spaces.")
        raise problems.invalid([{"field": "Idempotency-Key", "message": sentence}])
    return uuid5(_REFUNDS, bare)


def _request(intent: UUID, wish: messages.CancelRequest, caller: Caller) -> None:
    sync(wish.payment_id)
    payment = find_payment(wish.payment_id)
    if payment is None:
        sentence = _("PortOne does not know this payment either.")
        raise Problem(problems.PAYMENT_UNKNOWN, sentence, {"paymentId": wish.payment_id})
    wanted = _wish(intent, wish, payment)
    machine = machine_of(caller.name)
    try:
        request_refund(wish.payment_id, wanted, by=machine)
    except (RefundRefused, ApprovalRefused) as refusal:
        db.session.rollback()
        members = {"paymentId": wish.payment_id, "reason": _reason_of(refusal)}
        raise Problem(problems.REFUND_REFUSED, refusal.message, members) from refusal


def _reason_of(refusal: RefundRefused | ApprovalRefused) -> str:
    """Why the refund desk refuses, as a word that never changes."""
    if isinstance(refusal, BalanceMoved):
        return "balance_moved"
    return "rule" if isinstance(refusal, RefundRefused) else "not_permitted"


def _wish(intent: UUID, wish: messages.CancelRequest, payment: Payment) -> Wish:
    left, tax_free_left = balance.refundable(payment), balance.refundable_tax_free(payment)
    amount = left if wish.amount is None else wish.amount
    tax_free = wish.tax_free_amount
    if tax_free is None:
        tax_free = balance.usual_tax_free(amount, refundable=left, tax_free=tax_free_left)
    return Wish(
        intent=intent,
        amount=amount,
        tax_free_amount=tax_free,
        expected_refundable=left if wish.expected_refundable is None else wish.expected_refundable,
        reason=wish.reason,
        account=_account_of(wish.refund_account),
        refund_email=wish.refund_email or payment.customer_email,
    )


def _account_of(account: messages.RefundAccount | None) -> RefundAccount | None:
    """The account with its digits alone."""
    if account is None:
        return None
    return RefundAccount(
        bank=account.bank,
        number=re.sub(r"[ -]", "", account.number),
        holder_name=account.holder_name,
        holder_phone_number=account.holder_phone_number,
    )


def _failed(refund: Refund) -> Problem:
    members = {
        "refundId": str(refund.id),
        "paymentId": refund.payment.payment_id,
        "refundStatus": refund.status,
        "portoneType": refund.problem,
        "pgCode": refund.pg_code,
        "pgMessage": refund.pg_message,
    }
    present = {name: value for name, value in members.items() if value}
    return Problem(problems.REFUND_FAILED, explain(refund.problem or ""), present)


def _answer(refund: Refund) -> messages.CancelAnswer:
    payment = refund.payment
    return messages.CancelAnswer(
        refund_id=str(refund.id),
        payment_id=payment.payment_id,
        status=refund.status,  # type: ignore[arg-type]  # failed and rejected are problems
        amount=refund.amount,
        currency=payment.currency,
        refundable_amount=balance.refundable(payment),
        cancellation_id=refund.cancellation_id,
    )
