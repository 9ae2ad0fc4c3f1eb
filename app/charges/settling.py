"""Ask PortOne for a charge that is stored, and record what became of it.

Every step here may be repeated: by a second press, by another worker, after a crash. What is asked was
stored first and never changes; the charge's id is its idempotency key, and its paymentId can be paid once.
Whatever PortOne tells of that payment, by whichever way it comes, settles the charge (`bring_in_line`).
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto
from uuid import UUID

from sqlalchemy import select

from app import clock
from app.audit import service as audit
from app.billing_keys import service as billing_keys
from app.billing_keys.models import BillingKey
from app.billing_keys.sealing import KeyUnreadable, open_key
from app.charges.models import IN_FLIGHT, MOVES, OUTCOMES, Charge, ChargeStatus
from app.charges.queries import get_charge
from app.database import lock
from app.encryption import InvalidToken, vault
from app.extensions import db, portone
from app.payments.service import sync_payment
from app.payments.snapshots import when_stored
from app.portone.errors import PortOneError, PortOneRefused, PortOneUncertain
from app.portone.payloads import PaymentSnapshot

log = logging.getLogger(__name__)

#: After this the worker looks as well, in case whoever began has died.
SENDER_SECONDS = 8
#: The longest wait between two questions about a charge whose outcome is unknown.
UNKNOWN_SECONDS = 10
#: The longest wait between two looks at a payment that the PG is still working on.
PENDING_SECONDS = 600
#: So long PortOne is asked again. It remembers idempotency keys for three hours, but much later than this
#: nobody expects the customer to be charged any more.
ASK_AGAIN_FOR = timedelta(minutes=30)
#: By then a call has been answered or given up, retries and all.
ANSWER_WITHIN = timedelta(minutes=2)
#: So long, and so many at once, payments that charges have made are looked for.
MISSING_FOR, MOST_READ = timedelta(days=1), 20

#: What PortOne's status of the payment means for the charge; what went back later was taken first.
OUTCOME_OF = {
    "PAID": ChargeStatus.SUCCEEDED,
    "PARTIAL_CANCELLED": ChargeStatus.SUCCEEDED,
    "CANCELLED": ChargeStatus.SUCCEEDED,
    "FAILED": ChargeStatus.FAILED,
}

#: Facts of an outcome that are codes, and for which a column has 80 characters.
_CODES = frozenset({"problem", "pg_code"})

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
        _keep_waiting(dispatch.charge_id, silence.reason)
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
        _look_quietly(charge_id, payment_id)  # PortOne may have come to another end since
    if status not in IN_FLIGHT:
        return
    try:
        seen = _look(charge_id, payment_id)
    except PortOneError as problem:
        _keep_waiting(charge_id, _reason_of(problem))
        return
    if seen == Seen.OPEN:  # never ask twice while PortOne has something under this id
        _keep_waiting(charge_id, "PAYMENT_PENDING", most_seconds=PENDING_SECONDS)
    elif seen == Seen.NOTHING and dispatch is not None and age < ASK_AGAIN_FOR:
        send(dispatch)
    elif seen == Seen.NOTHING and age < ANSWER_WITHIN:  # not to be asked again, and the first may still run
        _keep_waiting(charge_id, "NOT_ASKED_AGAIN")
    elif seen == Seen.NOTHING:
        settle(charge_id, ChargeStatus.FAILED, problem="NOT_FOUND_AT_PORTONE")


@when_stored
def bring_in_line(current: Mapping[UUID, PaymentSnapshot]) -> None:
    """Settle charges by what PortOne tells of their payments, in the transaction that stores it."""
    told = {snapshot.payment_id: (row_id, snapshot) for row_id, snapshot in current.items()}
    ours = [payment_id for payment_id in told if payment_id.startswith("charge")]
    if not ours:
        return
    found = db.session.scalars(
        select(Charge.id).where(Charge.named_payment_id.in_(ours)).order_by(Charge.id)
    ).all()
    for charge_id in found:
        charge = lock(Charge, charge_id)
        row_id, snapshot = told[charge.named_payment_id]
        if _is_of(charge, snapshot):
            charge.payment_id = row_id
            _move_as_told(charge, snapshot)
        else:
            log.warning("payment %s is not what charge %s asked for", charge.named_payment_id, charge_id)


def settle(charge_id: UUID, status: ChargeStatus, **facts: str | None) -> bool:
    """Record what became of a charge. Commits; False when it had got there, or further, before.

    `facts` are columns of the charge: the problem, and the PG's words for it.
    """
    has_moved = _move(lock(Charge, charge_id), status, **facts)
    db.session.commit()
    return has_moved


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


def _is_of(charge: Charge, snapshot: PaymentSnapshot) -> bool:
    """Whether a payment is what was asked for: nobody else's that happens to have our paymentId."""
    key = snapshot.billing_key
    is_same_key = key is None or charge.billing_key.billing_key in vault().fingerprints(key)
    return is_same_key and (snapshot.amount.total, snapshot.currency) == (charge.amount, charge.currency)


def _move_as_told(charge: Charge, snapshot: PaymentSnapshot) -> None:
    outcome, failure = OUTCOME_OF.get(snapshot.status), snapshot.failure
    if outcome == ChargeStatus.FAILED:
        said = {
            "problem_message": failure.reason if failure else None,
            "pg_code": failure.pg_code if failure else None,
            "pg_message": failure.pg_message if failure else None,
        }
        _move(charge, outcome, problem="PG_PROVIDER", **said)
    elif outcome is not None:
        _move(charge, outcome)


def _move(charge: Charge, status: ChargeStatus, **facts: str | None) -> bool:
    """Bring a locked charge to an outcome, in the caller's transaction; False where that is no way to go."""
    before = ChargeStatus(charge.status)
    if status not in MOVES.get(before, frozenset()):
        return False
    tries = charge.attempts + 1
    charge.status, charge.attempts, charge.settled_at = status, 0, clock.now()
    charge.problem = charge.problem_message = charge.pg_code = charge.pg_message = None
    told = _fit_to_keep(charge, facts)
    for name, value in told.items():
        setattr(charge, name, value)
    charge.request_sealed = None  # nothing more is asked, and it holds the key
    charge.release()
    _record_step(charge, before, tries=tries if tries > 1 else None, **told)
    return True


def _fit_to_keep(charge: Charge, facts: Mapping[str, str | None]) -> dict[str, str | None]:
    """Words of PortOne and the PG without the key, should they hold it, and codes no longer than columns."""
    billing_key = key_in(charge.billing_key)
    told = billing_keys.without_key(facts, billing_key) if billing_key else dict(facts)
    return {name: value and (value[:80] if name in _CODES else value) for name, value in told.items()}


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
    _look_quietly(dispatch.charge_id, dispatch.payment_id)  # a PG's no leaves a payment that failed
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
        _keep_waiting(dispatch.charge_id, refusal.type)
        return
    is_no_answer = refusal.is_about_us or refusal.is_wordless or refusal.type == "ALREADY_PAID"
    if seen == Seen.OPEN or (seen == Seen.NOTHING and is_no_answer):
        _keep_waiting(dispatch.charge_id, refusal.type)
    elif seen == Seen.NOTHING:
        _settle_refused(dispatch, refusal)


def _look_after_the_answer(dispatch: Dispatch) -> None:
    """PortOne answers little: the payment tells the rest, and that of a PG which decides later is open."""
    _look_quietly(dispatch.charge_id, dispatch.payment_id)
    charge = get_charge(dispatch.charge_id)
    is_paid, is_open = charge.status == ChargeStatus.SUCCEEDED, charge.status in IN_FLIGHT
    db.session.commit()
    if is_paid:
        _note_use(dispatch.charge_id)
    elif is_open:
        _keep_waiting(dispatch.charge_id, "PAYMENT_PENDING")


def _look(charge_id: UUID, payment_id: str) -> Seen:
    """Read the payment, which settles the charge if it has an outcome. Raises PortOne's errors."""
    is_known = sync_payment(payment_id).is_found
    status = get_charge(charge_id).status
    db.session.commit()
    if status not in IN_FLIGHT:
        return Seen.SETTLED
    return Seen.OPEN if is_known else Seen.NOTHING


def _look_quietly(charge_id: UUID, payment_id: str) -> None:
    """Bring the payment in line if PortOne answers; if not, its webhook or the next look will."""
    try:
        _look(charge_id, payment_id)
    except PortOneError as problem:
        log.info("payment of charge %s not read: %s", charge_id, problem)


def _keep_waiting(charge_id: UUID, problem: str, *, most_seconds: int = UNKNOWN_SECONDS) -> None:
    """No answer that counts: the charge may have happened, and is looked at again soon."""
    charge = lock(Charge, charge_id)
    before = ChargeStatus(charge.status)
    if before not in IN_FLIGHT:
        db.session.rollback()  # somebody else has the answer
        return
    is_news = problem != charge.problem
    charge.problem = problem
    charge.attempts += 1
    wait = min(2 ** min(charge.attempts, 20), most_seconds)
    charge.release(next_attempt_at=clock.now() + timedelta(seconds=wait))
    if problem != "outstanding":  # that one is still being sent
        charge.status = ChargeStatus.UNCERTAIN
    if is_news and charge.status == ChargeStatus.UNCERTAIN:  # the same silence again is counted, not told
        _record_step(charge, before, problem=problem, tries=charge.attempts)
    db.session.commit()


def _record_step(charge: Charge, before: ChargeStatus, **facts: str | int | None) -> None:
    audit.record(
        f"charge.{charge.status}",
        "charge",
        str(charge.id),
        before={"status": before},
        after={"status": charge.status},
        facts={name: value for name, value in facts.items() if value},
    )


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


def key_in(row: BillingKey) -> str | None:
    """The billing key itself, a credential; None where it was not kept or cannot be opened any more."""
    try:
        return open_key(row)
    except KeyUnreadable:
        log.warning("billing key %s cannot be read here", row.id)
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
