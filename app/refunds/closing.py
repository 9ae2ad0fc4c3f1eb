"""Close a virtual account that nobody has paid into: stored first, asked under a key of its own, and settled.

Asking again is safe, with the same key and without: an account is closed once, and a paid one never.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import joinedload

from app import clock
from app.accounts.models import User
from app.audit import service as audit
from app.database import lock
from app.errors import DomainError
from app.extensions import db, portone
from app.leases import claim
from app.payments import queries as payments
from app.payments.models import Payment
from app.payments.service import sync_payment, sync_quietly
from app.payments.timeline import Entry, contribute
from app.portone.errors import PortOneError, PortOneRefused, PortOneUncertain
from app.portone.meanings import msgid_of
from app.refunds.models import IS_BEING_CLOSED, AccountClosure, ClosureStatus
from app.web.labels import label_of

log = logging.getLogger(__name__)

#: The worker asks as well after this, in case whoever began has died.
SENDER_SECONDS = 8
#: The longest wait between two questions.
UNKNOWN_SECONDS = 10
#: PortOne remembers idempotency keys for three hours; after this the payment itself has to tell.
KEY_LIFETIME = timedelta(hours=2, minutes=30)


class ClosingRefused(DomainError):
    """The account cannot be closed, and PortOne was not asked."""


@dataclass(frozen=True, slots=True)
class _Question:
    """What PortOne is asked, as plain values: reading a row during the call would open a transaction."""

    closure_id: UUID
    payment_id: str
    is_repeat: bool


def close_account(payment_id: str, intent: UUID, *, by: User) -> AccountClosure:
    """Close the virtual account of a payment; the same intent again answers how the first time went.

    Raises `ClosingRefused` where there is nothing to close.
    """
    question = _begin(payment_id, intent, by)
    if question is not None:
        _ask(question)
    return get_closure(intent)


def get_closure(closure_id: UUID) -> AccountClosure:
    """The closure with this id."""
    return db.session.get_one(AccountClosure, closure_id, populate_existing=True)


def refuse_if_not_waiting(payment: Payment) -> None:
    """Raise `ClosingRefused` where no deposit is awaited."""
    if payment.status != "VIRTUAL_ACCOUNT_ISSUED":
        raise ClosingRefused(_("This payment does not wait for a deposit, so there is no account to close."))


def claim_waiting_closures(*, holder: str, limit: int) -> list[UUID]:
    """Claim closures without an answer that are due to be asked about. Commits."""
    return list(claim(AccountClosure, IS_BEING_CLOSED, holder=holder, limit=limit))


def follow(closure_id: UUID) -> None:
    """Take an unfinished closure one step further: ask again under its key, or look at the payment."""
    closure = get_closure(closure_id)
    is_open, age = closure.status == ClosureStatus.CLOSING, clock.now() - closure.created_at
    question = _Question(closure.id, closure.payment.payment_id, is_repeat=True)
    db.session.commit()
    if is_open and age < KEY_LIFETIME:
        _ask(question)
    elif is_open:
        _settle_as_found(question, "NOT_CLOSED_AT_PORTONE")


def explain(closure: AccountClosure) -> str:
    """Why an account was not closed, or has no answer yet, in a translated sentence."""
    if closure.problem == "NOT_CLOSED_AT_PORTONE":
        return str(_("PortOne still waits for the deposit: the account was not closed. You can try again."))
    if closure.status == ClosureStatus.CLOSING:
        return str(_("PortOne gave no answer yet. We keep asking with the same key, and the page shows it."))
    return str(_(msgid_of(closure.problem or ""), type=closure.problem))


def _begin(payment_id: str, intent: UUID, by: User) -> _Question | None:
    """Store what is wanted; None when this intent was stored before."""
    payment = lock(Payment, payments.get_payment(payment_id).id)
    first = db.session.get(AccountClosure, intent)
    if first is not None and first.payment_id == payment.id:
        db.session.rollback()
        return None
    refuse_if_not_waiting(payment)
    moment = clock.now()
    due = moment + timedelta(seconds=SENDER_SECONDS)
    db.session.add(
        AccountClosure(
            id=intent,
            payment_id=payment.id,
            status=ClosureStatus.CLOSING,
            requested_by=by.id,
            created_at=moment,
            next_attempt_at=due,
        )
    )
    facts = {"payment_id": payment_id}
    try:
        db.session.flush()
        audit.record("virtual_account.closing", "payment", payment_id, by=by, facts=facts)
        db.session.commit()
    except IntegrityError as clash:
        db.session.rollback()
        raise ClosingRefused(_("Somebody else is closing this account at this moment.")) from clash
    return _Question(intent, payment_id, is_repeat=False)


def _ask(question: _Question) -> None:
    try:
        portone.close_virtual_account(question.payment_id, idempotency_key=str(question.closure_id))
    except PortOneUncertain as silence:
        _keep_waiting(question.closure_id, silence.reason)
    except PortOneRefused as refusal:
        _take_no(question, refusal)
    else:
        _settle(question, ClosureStatus.CLOSED)
        sync_quietly(question.payment_id)


def _take_no(question: _Question, refusal: PortOneRefused) -> None:
    """A no to a repeat may only mean that the first time worked, so the payment itself tells.

    A no to us rather than to the closing (an expired secret, something between) decides nothing then.
    """
    said = {"pg_code": refusal.pg_code, "pg_message": refusal.pg_message}
    is_first = not question.is_repeat and not refusal.is_after_silence
    if not is_first and (refusal.is_about_us or refusal.type.startswith("HTTP_")):
        _keep_waiting(question.closure_id, refusal.type)
    elif is_first:
        _settle(question, ClosureStatus.FAILED, problem=refusal.type, **said)
        sync_quietly(question.payment_id)
    else:
        _settle_as_found(question, refusal.type, **said)


def _settle_as_found(question: _Question, problem: str, **facts: str | None) -> None:
    """Closed where PortOne files the payment under failed; anything else means that it was not."""
    try:
        sync_payment(question.payment_id)
    except PortOneError as silence:
        log.info("the closing of %s cannot be compared: %s", question.payment_id, silence)
        _keep_waiting(question.closure_id, problem)
        return
    status = payments.get_payment(question.payment_id).status
    db.session.commit()
    if status == "FAILED":
        _settle(question, ClosureStatus.CLOSED)
    else:
        why = problem if status == "VIRTUAL_ACCOUNT_ISSUED" else "PAYMENT_NOT_WAITING_FOR_DEPOSIT"
        _settle(question, ClosureStatus.FAILED, problem=why, **facts)


def _settle(question: _Question, status: ClosureStatus, **facts: str | None) -> None:
    closure = lock(AccountClosure, question.closure_id)
    if closure.status != ClosureStatus.CLOSING:
        db.session.rollback()
        return
    closure.status, closure.settled_at = status, clock.now()
    closure.problem = closure.pg_code = closure.pg_message = None
    for name, value in facts.items():
        setattr(closure, name, value)
    closure.release()
    told = {name: value for name, value in facts.items() if value}
    audit.record(f"virtual_account.{_ACTION[status]}", "payment", question.payment_id, facts=told)
    db.session.commit()


_ACTION = {ClosureStatus.CLOSED: "closed", ClosureStatus.FAILED: "closing_failed"}


def _keep_waiting(closure_id: UUID, problem: str) -> None:
    closure = lock(AccountClosure, closure_id)
    if closure.status != ClosureStatus.CLOSING:
        db.session.rollback()
        return
    closure.problem = problem
    closure.attempts += 1
    wait = min(2 ** min(closure.attempts, 20), UNKNOWN_SECONDS)
    closure.release(next_attempt_at=clock.now() + timedelta(seconds=wait))
    db.session.commit()


@contribute
def tell_closures(payment: Payment) -> Iterator[Entry]:
    """The closings of a payment's account, for its timeline."""
    closures = select(AccountClosure).where(AccountClosure.payment_id == payment.id)
    for closure in db.session.scalars(closures.options(joinedload(AccountClosure.requester))):
        label = label_of("closure_status", closure.status)
        person = closure.requester
        is_closed = closure.status == ClosureStatus.CLOSED
        yield Entry(
            closure.created_at,
            str(label.text),
            actor=person.name or person.email or "" if person else "",
            source=str(label_of("source", "ours").text),
            detail="" if is_closed else " ".join(filter(None, (explain(closure), closure.pg_message))),
            tone=label.tone,
            icon=label.icon,
        )
