"""Refunds that were made at the PG itself: PortOne cannot see them, so people note them here."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import func, select

from app import clock
from app.accounts.models import User
from app.audit import service as audit
from app.database import begin_writing, lock
from app.drift.differences import Difference
from app.drift.models import OPEN_ROWS, Drift, DriftKind, PgRefund
from app.drift.queries import get_pg_refund
from app.drift.recording import keep_open
from app.drift.service import AlreadyOver, end
from app.errors import DomainError
from app.extensions import db
from app.payments.models import Payment
from app.payments.queries import get_payment


@dataclass(frozen=True, slots=True)
class Noted:
    """A refund at the PG as a person tells it; `intent` came with the form, `amount` is in minor units."""

    intent: UUID
    amount: int
    refunded_on: date
    note: str


def flag(payment_id: str, noted: Noted, *, by: User) -> None:
    """Note a refund that somebody made at the PG; the same intent again changes nothing. Commits.

    Raises NotFound, and DomainError (422) where more was noted than the payment has left.
    """
    begin_writing()
    payment = lock(Payment, get_payment(payment_id).id)
    if db.session.get(PgRefund, noted.intent) is not None:
        db.session.rollback()
        return
    _refuse_too_much(payment, noted.amount)
    moment = clock.now()
    db.session.add(
        PgRefund(
            id=noted.intent,
            payment_id=payment.id,
            amount=noted.amount,
            refunded_on=noted.refunded_on,
            note=noted.note,
            flagged_by=by.id,
            created_at=moment,
        )
    )
    db.session.flush()
    told = {"cancelled_amount": [payment.cancelled_amount + noted.amount, payment.cancelled_amount]}
    keep_open(
        Difference(payment.id, DriftKind.REFUNDED_AT_PG, told, noted.amount, str(noted.intent), moment),
        "person",
    )
    _record("pg_refund.flagged", payment, noted.amount, noted.note, by, refunded_on=noted.refunded_on)
    db.session.commit()


def withdraw(pg_refund_id: UUID, note: str, *, by: User) -> None:
    """It was a mistake: no money went back at the PG. Commits. Raises NotFound, `AlreadyOver`."""
    noted = _lock_open(pg_refund_id)
    noted.withdrawn_at = clock.now()
    _end(noted, note, by)
    _record("pg_refund.withdrawn", noted.payment, noted.amount, note, by)
    db.session.commit()


def resolve(pg_refund_id: UUID, note: str, *, is_shown: bool, by: User) -> None:
    """It is settled with the PG. Unless PortOne shows it by now (`is_shown`) refunds go on being warned of.

    Commits. Raises NotFound, `AlreadyOver`.
    """
    noted = _lock_open(pg_refund_id)
    noted.resolved_at, noted.is_shown = clock.now(), is_shown
    _end(noted, note, by)
    _record("pg_refund.resolved", noted.payment, noted.amount, note, by, is_shown=is_shown)
    db.session.commit()


def noted_amount(payment: Payment) -> int:
    """How much of a payment was noted as refunded at the PG and not withdrawn or shown by PortOne."""
    counted = PgRefund.withdrawn_at.is_(None), PgRefund.is_shown.is_(False)
    total = select(func.coalesce(func.sum(PgRefund.amount), 0)).where(PgRefund.payment_id == payment.id)
    return int(db.session.scalar(total.where(*counted)) or 0)


def _refuse_too_much(payment: Payment, amount: int) -> None:
    if amount + noted_amount(payment) > payment.cancellable_amount:
        db.session.rollback()
        raise DomainError(
            _("More than this payment has left, together with what was noted before. Check the amount."),
            status=422,
        )


def _lock_open(pg_refund_id: UUID) -> PgRefund:
    get_pg_refund(pg_refund_id)
    begin_writing()
    noted = lock(PgRefund, pg_refund_id)
    if not noted.is_open:
        db.session.rollback()
        raise AlreadyOver
    return noted


def _end(noted: PgRefund, note: str, by: User) -> None:
    db.session.flush()
    drift = db.session.scalar(
        select(Drift)
        .where(Drift.payment_id == noted.payment_id, Drift.subject == str(noted.id), OPEN_ROWS)
        .with_for_update()
    )
    if drift is not None:
        end(drift, note, by=by)


def _record(action: str, payment: Payment, amount: int, note: str, by: User, **facts: object) -> None:
    told = {"amount": amount, "currency": payment.currency, "note": note, **facts}
    audit.record(action, "payment", payment.payment_id, by=by, facts=told)
