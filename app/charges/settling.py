"""Ask PortOne for a charge that is stored, and record what became of it.

Every step here may be repeated: by a second press, by another worker, after a crash. What is asked was
stored first and never changes; the charge's id is its idempotency key, and its paymentId can be paid once.
Reading that payment is what settles the charge (`outcomes`).
"""

import logging
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto
from uuid import UUID

from sqlalchemy import select

from app import clock
from app.billing_keys import service as billing_keys
from app.charges.models import IN_FLIGHT, OUTCOMES, Charge, ChargeStatus
from app.charges.outcomes import keep_waiting, key_in, settle
from app.charges.queries import get_charge
from app.encryption import InvalidToken, vault
from app.extensions import db, portone
from app.payments.service import sync_payment, sync_quietly
from app.portone.errors import PortOneError, PortOneRefused, PortOneUncertain

log = logging.getLogger(__name__)

#: After this the worker looks as well, in case whoever began has died.
SENDER_SECONDS = 8
#: The longest wait between two looks at a payment that the PG is still working on.
PENDING_SECONDS = 600
#: So long PortOne is asked again. It remembers idempotency keys for three hours, but much later than this
#: nobody expects the customer to be charged any more.
ASK_AGAIN_FOR = timedelta(minutes=30)
#: By then a call has been answered or given up, retries and all.
ANSWER_WITHIN = timedelta(minutes=2)
#: So long, and so many at once, payments that charges have made are looked for.
MISSING_FOR, MOST_READ = timedelta(days=1), 20

#: Refusals after which our copy of the billing key is out of date.
_ABOUT_THE_KEY = frozenset({"BILLING_KEY_NOT_FOUND", "BILLING_KEY_ALREADY_DELETED"})


@dataclass(frozen=True, slots=True)
class Dispatch:
    """A request to PortOne as plain values: reading a row during the call would open a transaction."""

    charge_id: UUID
    payment_id: str
    body: str


class Seen(Enum):
    """What a look at the payment showed: it settled the charge, is under way, or PortOne has none."""

    SETTLED = auto()
    OPEN = auto()
    NOTHING = auto()


def send(dispatch: Dispatch, *, is_first: bool = False) -> None:
    """Ask PortOne, and record what it says. Safe to repeat: key, paymentId and request never change.

    `is_first` when nobody can have asked before: only then does PortOne's no alone end the charge.
    """
    try:
        answer = portone.pay_with_billing_key(
            dispatch.payment_id, dispatch.body, idempotency_key=str(dispatch.charge_id)
        )
    except PortOneUncertain as silence:
        keep_waiting(dispatch.charge_id, silence.reason)
    except PortOneRefused as refusal:
        if is_first and not _may_have_been_done(dispatch.charge_id, refusal):
            _settle_refused(dispatch, refusal)
        else:
            _take_no_to_a_repeat(dispatch, refusal)
    else:
        if answer.paid_at is not None:
            settle(dispatch.charge_id, ChargeStatus.SUCCEEDED)
        _look_after_the_answer(dispatch)


def follow(charge_id: UUID) -> None:
    """Take a charge one step further: look at its payment, and ask again where PortOne has none."""
    charge = get_charge(charge_id)
    status, age = charge.status, clock.now() - (charge.sent_at or charge.created_at)
    payment_id, dispatch = charge.named_payment_id, _find_dispatch(charge)
    db.session.commit()
    if status in OUTCOMES:
        sync_quietly(payment_id)  # PortOne may have come to another end since
    if status not in IN_FLIGHT:
        return
    try:
        seen = _look(charge_id, payment_id)
    except PortOneError as problem:
        keep_waiting(charge_id, _reason_of(problem))
        return
    if seen == Seen.OPEN:  # never ask twice while PortOne has something under this id
        keep_waiting(charge_id, "PAYMENT_PENDING", most_seconds=PENDING_SECONDS)
    elif seen == Seen.NOTHING and dispatch is not None and age < ASK_AGAIN_FOR:
        send(dispatch)
    elif seen == Seen.NOTHING and age < ANSWER_WITHIN:  # not to be asked again, and the first may still run
        keep_waiting(charge_id, "NOT_ASKED_AGAIN")
    elif seen == Seen.NOTHING:
        settle(charge_id, ChargeStatus.FAILED, problem="NOT_FOUND_AT_PORTONE")


def read_missing_payments() -> int:
    """Read payments that charges of the last day have made and that are not known here; answers how many.

    Whoever made one may have died before reading it, and its webhook may be lost.
    """
    missing = db.session.scalars(
        select(Charge.named_payment_id)
        .where(Charge.status == ChargeStatus.SUCCEEDED, Charge.payment_id.is_(None))
        .where(Charge.created_at > clock.now() - MISSING_FOR)
        .limit(MOST_READ)
    ).all()
    db.session.rollback()
    try:
        return sum(sync_payment(payment_id).is_found for payment_id in missing)
    except PortOneError as problem:
        log.info("charged payments wait: %s", problem)
        return 0


def _may_have_been_done(charge_id: UUID, refusal: PortOneRefused) -> bool:
    """Whether what is refused here may have been done all the same.

    So it is when an earlier attempt went unanswered, when the words are not PortOne's, when it says that
    this very payment is paid, and when the worker has asked too because this process was slow.
    """
    charge = get_charge(charge_id)
    is_ours_alone = charge.status == ChargeStatus.SENDING and not charge.attempts and not charge.claimed_by
    db.session.commit()
    is_paid = refusal.type == "ALREADY_PAID"
    return refusal.is_after_silence or refusal.is_wordless or is_paid or not is_ours_alone


def _settle_refused(dispatch: Dispatch, refusal: PortOneRefused) -> None:
    """PortOne's no to the first question: nothing was taken."""
    settle(
        dispatch.charge_id,
        ChargeStatus.FAILED,
        problem=refusal.type,
        problem_message=refusal.message or None,
        pg_code=refusal.pg_code,
        pg_message=refusal.pg_message,
    )
    sync_quietly(dispatch.payment_id)  # a PG's no leaves a payment that failed
    if refusal.type in _ABOUT_THE_KEY:
        _read_key_again(dispatch.charge_id)


def _take_no_to_a_repeat(dispatch: Dispatch, refusal: PortOneRefused) -> None:
    """A no to what was asked before: PortOne may have done it the first time, so the payment decides.

    A no to us rather than to the charge (an expired secret, a proxy) decides nothing, and neither does the
    word that it is paid while PortOne does not show the payment.
    """
    try:
        seen = _look(dispatch.charge_id, dispatch.payment_id)
    except PortOneError as problem:
        log.info("charge %s, refused (%s), cannot be compared: %s", dispatch.charge_id, refusal, problem)
        keep_waiting(dispatch.charge_id, refusal.type)
        return
    is_no_answer = refusal.is_about_us or refusal.is_wordless or refusal.type == "ALREADY_PAID"
    if seen == Seen.OPEN or (seen == Seen.NOTHING and is_no_answer):
        keep_waiting(dispatch.charge_id, refusal.type)
    elif seen == Seen.NOTHING:
        _settle_refused(dispatch, refusal)


def _look_after_the_answer(dispatch: Dispatch) -> None:
    """PortOne answers little: the payment tells the rest, and that of a PG which decides later is open."""
    sync_quietly(dispatch.payment_id)
    charge = get_charge(dispatch.charge_id)
    is_paid, is_open = charge.status == ChargeStatus.SUCCEEDED, charge.status in IN_FLIGHT
    db.session.commit()
    if is_paid:
        _note_use(dispatch.charge_id)
    elif is_open:
        keep_waiting(dispatch.charge_id, "PAYMENT_PENDING")


def _look(charge_id: UUID, payment_id: str) -> Seen:
    """Read the payment, which settles the charge if it has an outcome. Raises PortOne's errors."""
    is_known = sync_payment(payment_id).is_found
    status = get_charge(charge_id).status
    db.session.commit()
    if status not in IN_FLIGHT:
        return Seen.SETTLED
    return Seen.OPEN if is_known else Seen.NOTHING


def _reason_of(problem: PortOneError) -> str:
    return problem.type if isinstance(problem, PortOneRefused) else getattr(problem, "reason", "unreadable")


def _find_dispatch(charge: Charge) -> Dispatch | None:
    """What was asked, to be asked again; None where it cannot be read, or the key may not be charged now."""
    if charge.request_sealed is None or not charge.billing_key.is_chargeable:
        return None
    try:
        return Dispatch(charge.id, charge.named_payment_id, vault().open(charge.request_sealed))
    except InvalidToken:
        log.exception("the request of charge %s is sealed with a key we do not have", charge.id)
        return None


def _note_use(charge_id: UUID) -> None:
    """Note on the billing key when it was charged."""
    charge = get_charge(charge_id)
    billing_key = key_in(charge.billing_key)
    paid_at = charge.payment.paid_at if charge.payment else None
    if billing_key and (paid_at or charge.settled_at):
        billing_keys.record_use(billing_key, paid_at or charge.settled_at or clock.now())
    db.session.commit()


def _read_key_again(charge_id: UUID) -> None:
    """Bring our copy of a key in line that PortOne does not take any more."""
    billing_key = key_in(get_charge(charge_id).billing_key)
    db.session.commit()
    try:
        if billing_key:
            billing_keys.sync_billing_key(billing_key)
    except PortOneError as problem:
        log.info("billing key of charge %s not read: %s", charge_id, problem)
