"""Announce a payment, compare what became of it, approve it: what a store's servers do around a checkout."""

import hashlib
import json
import secrets
import string
from collections.abc import Iterable
from dataclasses import asdict
from uuid import UUID, uuid5

from flask import current_app
from flask_babel import gettext as _

from app import clock
from app.api import messages, problems
from app.api.problems import Problem
from app.api.tokens import Caller
from app.audit import service as audit
from app.audit.queries import list_entries_of
from app.config import Settings
from app.extensions import db, portone
from app.payments.expectations import Difference, differences_of, is_expected
from app.payments.models import Payment
from app.payments.queries import find_payment, get_payment, snapshot_of
from app.payments.service import Expectation, ExpectationConflict, expect_payment, sync_payment
from app.portone.errors import PortOneRefused, PortOneUncertain

#: PortOne's status in the words of this API. READY, and whatever PortOne adds one day, is `pending`.
_STATUSES = {
    "PAID": "paid",
    "PARTIAL_CANCELLED": "paid",
    "VIRTUAL_ACCOUNT_ISSUED": "waiting_for_deposit",
    "FAILED": "failed",
    "CANCELLED": "cancelled",
}

#: Approving twice with one paymentToken is one approval.
_CONFIRMATIONS = UUID("8f0c8f6e-3f0e-4a57-9a52-0d1f3a7b9c11")

_VERIFY_REFUSED = "payment.verify_refused"

_ID_LETTERS = string.ascii_letters + string.digits


def initialize(wish: messages.InitializeRequest) -> messages.InitializeAnswer:
    """Announce a payment here and at PortOne; the same content again answers the same. Commits."""
    _refuse_more_tax_free_than_amount(wish)
    payment_id = wish.payment_id or new_payment_id()
    try:
        is_open = expect_payment(payment_id, _expectation(wish))
    except ExpectationConflict as conflict:
        raise _conflict(payment_id, conflict) from conflict
    if is_open:
        _pre_register(payment_id, wish)
    return messages.InitializeAnswer(
        store_id=portone.store_id,
        payment_id=payment_id,
        order_name=wish.order_name,
        total_amount=wish.amount,
        currency=wish.currency,
        tax_free_amount=wish.tax_free_amount,
        customer=wish.customer.model_dump(by_alias=True, exclude_none=True) if wish.customer else None,
        custom_data=wish.custom_data,
    )


def verify(payment_id: str, *, caller: Caller) -> messages.PaymentAnswer:
    """Read a payment from PortOne and hold it against what was initialized. Commits.

    Raises `Problem` where they differ, which is in the audit trail then: the order must not be fulfilled.
    """
    _get_expected(payment_id)
    sync(payment_id)
    payment = get_payment(payment_id)
    differences = differences_of(payment)
    if differences:
        raise _mismatch(payment, differences, caller)
    return _answer(payment)


def confirm(wish: messages.ConfirmRequest, *, caller: Caller) -> messages.PaymentAnswer:
    """Approve a payment of a channel with manual approval, at what was initialized. Commits."""
    payment = _get_expected(wish.payment_id)
    settings: Settings = current_app.config["SETTINGS"]
    expected = {
        "total_amount": payment.expected_amount,
        "currency": payment.expected_currency,
        "tax_free_amount": payment.expected_tax_free_amount,
        "is_test": settings.real_channel_type == "TEST",
    }
    db.session.rollback()  # no transaction is open while PortOne is asked
    try:
        portone.confirm_payment(
            wish.payment_id,
            payment_token=wish.payment_token,
            transaction_id=wish.tx_id,
            idempotency_key=str(uuid5(_CONFIRMATIONS, f"{wish.payment_id}\n{wish.payment_token}")),
            **expected,  # type: ignore[arg-type]
        )
    except PortOneRefused as refusal:
        if refusal.type not in {"INFORMATION_MISMATCH", "ALREADY_PAID"}:
            raise _refused(refusal) from refusal
        if refusal.type == "INFORMATION_MISMATCH":
            _record_mismatch(wish.payment_id, {"refused_by": "PortOne"}, caller)
            sentence = _("PortOne refused to approve it: it is not what was initialized.")
            raise Problem(problems.MISMATCH, sentence, {"portoneType": refusal.type}) from refusal
    except PortOneUncertain as silence:
        raise _unavailable(silence, wish.payment_id) from silence
    return verify(wish.payment_id, caller=caller)


def new_payment_id() -> str:
    """A paymentId that every PG takes: 25 letters and digits, the day first."""
    return f"p{clock.today():%Y%m%d}" + "".join(secrets.choice(_ID_LETTERS) for _ in range(16))


def _expectation(wish: messages.InitializeRequest) -> Expectation:
    said = wish.model_dump(exclude={"payment_id"}, exclude_none=True)
    text = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return Expectation(
        order_name=wish.order_name,
        amount=wish.amount,
        currency=wish.currency,
        tax_free_amount=wish.tax_free_amount,
        digest=hashlib.sha256(text.encode()).hexdigest(),
    )


def _refuse_more_tax_free_than_amount(wish: messages.InitializeRequest) -> None:
    if (wish.tax_free_amount or 0) > wish.amount:
        sentence = _("The tax-free part is more than the amount.")
        raise problems.invalid([{"field": "taxFreeAmount", "message": sentence}])


def _conflict(payment_id: str, conflict: ExpectationConflict) -> Problem:
    members = {"paymentId": payment_id}
    if conflict.is_paid:
        sentence = _("Somebody has paid it already. A new order needs a new paymentId.")
        return Problem(problems.ALREADY_PAID, sentence, members)
    sentence = _("The first content stands. Another order needs another paymentId.")
    return Problem(problems.CONFLICTING_CONTENT, sentence, members)


def _pre_register(payment_id: str, wish: messages.InitializeRequest) -> None:
    try:
        portone.pre_register(
            payment_id,
            total_amount=wish.amount,
            currency=wish.currency,
            tax_free_amount=wish.tax_free_amount,
        )
    except PortOneRefused as refusal:
        if refusal.type == "ALREADY_PAID":
            raise _conflict(payment_id, ExpectationConflict(is_paid=True)) from refusal
        raise _refused(refusal) from refusal
    except PortOneUncertain as silence:
        raise _unavailable(silence, payment_id) from silence


def _get_expected(payment_id: str) -> Payment:
    payment = find_payment(payment_id)
    if payment is None or not is_expected(payment):
        sentence = _("Portico does not know what this payment should be. Initialize it first.")
        raise Problem(problems.NOT_INITIALIZED, sentence, {"paymentId": payment_id})
    return payment


def sync(payment_id: str) -> None:
    """Read a payment from PortOne. Commits. Raises `Problem` where PortOne refuses or does not answer."""
    try:
        sync_payment(payment_id)
    except PortOneRefused as refusal:
        raise _refused(refusal) from refusal
    except PortOneUncertain as silence:
        raise _unavailable(silence, payment_id) from silence


def _mismatch(payment: Payment, differences: Iterable[Difference], caller: Caller) -> Problem:
    told = [asdict(difference) for difference in differences]
    payment_id = payment.payment_id
    _record_mismatch(payment_id, {"differences": told}, caller)
    sentence = _("Do not fulfil this order. If it was paid, give the money back.")
    return Problem(problems.MISMATCH, sentence, {"paymentId": payment_id, "differences": told})


def _record_mismatch(payment_id: str, facts: dict[str, object], caller: Caller) -> None:
    """Keep in the trail what was told; a server that asks again and again is told the same only once."""
    facts = {"token": caller.name, **facts}
    told = (each for each in list_entries_of("payment", payment_id) if each.action == _VERIFY_REFUSED)
    last = next(told, None)
    if last is None or last.facts != facts:
        audit.record(_VERIFY_REFUSED, "payment", payment_id, facts=facts)
    db.session.commit()


def _answer(payment: Payment) -> messages.PaymentAnswer:
    snapshot = snapshot_of(payment)
    method = snapshot.method if snapshot else None
    is_waiting = payment.status == "VIRTUAL_ACCOUNT_ISSUED" and method is not None
    account = (
        messages.VirtualAccount(
            bank=method.bank,
            account_number=method.account_number,
            remittee_name=method.remittee_name,
            expires_at=method.expired_at,
        )
        if is_waiting and method
        else None
    )
    return messages.PaymentAnswer(
        payment_id=payment.payment_id,
        status=_STATUSES.get(payment.status, "pending"),  # type: ignore[arg-type]
        portone_status=payment.status if snapshot else None,
        transaction_id=payment.transaction_id,
        total_amount=payment.amount,
        cancelled_amount=payment.cancelled_amount,
        currency=payment.currency,
        paid_at=payment.paid_at,
        virtual_account=account,
    )


def _refused(refusal: PortOneRefused) -> Problem:
    sentence = _("PortOne said no: %(type)s.", type=refusal.type)
    members = {"portoneType": refusal.type, "pgCode": refusal.pg_code, "pgMessage": refusal.pg_message}
    present = {name: value for name, value in members.items() if value}
    is_ours = refusal.is_about_us or refusal.is_wordless  # the store can do nothing about it
    return Problem(problems.PORTONE_MISCONFIGURED if is_ours else problems.PORTONE_REFUSED, sentence, present)


def _unavailable(silence: PortOneUncertain, payment_id: str) -> Problem:
    sentence = _("Send the same request again in a moment; repeating it is safe.")
    wait = str(max(1, round(silence.retry_after or 2)))
    return Problem(problems.PORTONE_UNAVAILABLE, sentence, {"paymentId": payment_id}, {"Retry-After": wait})
