"""Carry out a confirmed batch row by row, as a job: paused, killed and taken up again, no row is done twice.

A row's intent was stored with it and is its refund's id and idempotency key. Whoever finds a row waiting
asks for that same refund; if somebody died in between, it exists already, and is settled like any other.
"""

import json
import logging
from enum import StrEnum
from uuid import UUID

from flask_babel import force_locale
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import ColumnElement, func, select

from app import clock
from app.access.permissions import Permission
from app.audit import service as audit
from app.bulk_refunds import queries, safeguards
from app.bulk_refunds.kinds import RUN, url_of
from app.bulk_refunds.models import BatchStatus, RefundBatch, RefundBatchRow, RowStatus
from app.bulk_refunds.service import forget_accounts
from app.database import lock
from app.encryption import InvalidToken, vault
from app.errors import DomainError
from app.extensions import db
from app.jobs import service as jobs
from app.jobs.kinds import Kind
from app.jobs.models import Job, JobStatus
from app.payments.service import sync_payment
from app.portone.errors import PortOneRefused, PortOneUncertain
from app.portone.meanings import N_, msgid_of
from app.portone.requests import RefundAccount
from app.refunds.models import HOLDING, Refund, RefundStatus
from app.refunds.queries import find_refund
from app.refunds.service import Wish
from app.web.language import LANGUAGES

#: How long a run rests while PortOne is away: soon enough to go on within seconds of its return.
AWAY_SECONDS = 10
#: After so many refunds in a row without an answer the run rests too: PortOne reads, but does not cancel.
SILENCES = 3
#: How long a row waits for the outcome of an earlier one of the same payment.
SETTLING_SECONDS = 5

AWAY = N_("PortOne cannot be reached. No row is lost.")
SILENT = N_("PortOne gives no answer to refunds. Those under way are settled first.")
SETTLING = N_("A row waits until an earlier refund of the same payment is settled.")
NOT_ALLOWED = N_(
    "Whoever confirmed this may not refund any more. The rows that are left were not carried out."
)
REFUSES_US = N_("PortOne refuses Portico itself. Check PORTONE_API_SECRET, then resume.")

log = logging.getLogger(__name__)


class Outcome(StrEnum):
    """What came of trying one row."""

    DONE = "done"
    SILENT = "silent"
    LATER = "later"
    AWAY = "away"
    REFUSES_US = "refuses us"


@jobs.handles(RUN, Kind(_l("Bulk refund"), url_of, Permission.REFUND_BULK))
def run(job_id: UUID, holder: str) -> None:
    """Carry out the rows that wait, in the order of the file."""
    batch_id = jobs.get_job(job_id).subject_id
    assert batch_id is not None  # noqa: S101 - `service` names it
    batch = queries.get_batch(batch_id)
    requester = batch.confirmer
    if batch.status != BatchStatus.RUNNING:
        jobs.finish(job_id, holder)
        return
    if requester is None or not safeguards.may_carry_out(requester):
        jobs.fail(job_id, holder, NOT_ALLOWED)
        return
    with force_locale(requester.language or LANGUAGES[0]):
        _run_rows(job_id, holder, batch_id)


def _run_rows(job_id: UUID, holder: str, batch_id: UUID) -> None:
    after, silences, later = 0, 0, 0
    while (row := _next_row(batch_id, after)) is not None:
        row_id, after = row.id, row.number
        outcome = _carry_out(row_id)
        silences = silences + 1 if outcome == Outcome.SILENT else 0
        later += outcome == Outcome.LATER
        if outcome == Outcome.REFUSES_US:
            jobs.fail(job_id, holder, REFUSES_US)
            return
        if not _advance(job_id, holder, batch_id):
            return
        if outcome == Outcome.AWAY or silences >= SILENCES:
            problem = AWAY if outcome == Outcome.AWAY else SILENT
            jobs.rest(job_id, holder, seconds=AWAY_SECONDS, problem=problem)
            return
    if later:
        jobs.rest(job_id, holder, seconds=SETTLING_SECONDS, problem=SETTLING)
    else:
        jobs.finish(job_id, holder, result=_close(batch_id))


def _carry_out(row_id: UUID) -> Outcome:
    """Ask for a row's refund, and note what came of it. Commits. Safe to repeat."""
    row = db.session.get_one(RefundBatchRow, row_id, populate_existing=True)
    if find_refund(row.intent) is not None:  # whoever tried before us died before they could note it
        return _note(row_id, RowStatus.SENT)
    if _is_earlier_one_unsettled(row):
        db.session.rollback()
        return Outcome.LATER
    try:
        _refund(row_id, row.payment.payment_id if row.payment else "")
    except (DomainError, PortOneRefused, PortOneUncertain) as problem:
        db.session.rollback()
        return _not_refunded(row_id, problem)
    return _note(row_id, RowStatus.SENT)


def _refund(row_id: UUID, payment_id: str) -> None:
    """Read the payment afresh, and refund what was confirmed if that still fits."""
    sync_payment(payment_id)
    row = db.session.get_one(RefundBatchRow, row_id, populate_existing=True)
    safeguards.refund(payment_id, _wish_of(row), batch=row.batch)


def _not_refunded(row_id: UUID, problem: Exception) -> Outcome:
    """A no to the row is noted on it; trouble with PortOne itself leaves it waiting."""
    if isinstance(problem, DomainError):
        return _note(row_id, RowStatus.REFUSED, problem.message)
    if isinstance(problem, PortOneRefused) and not problem.is_about_us:
        return _note(row_id, RowStatus.REFUSED, _(msgid_of(problem.type), type=problem.type))
    log.warning("a bulk refund cannot go on: %s", problem)
    return Outcome.REFUSES_US if isinstance(problem, PortOneRefused) else Outcome.AWAY


def _note(row_id: UUID, status: RowStatus, problem: str | None = None) -> Outcome:
    row = lock(RefundBatchRow, row_id)
    if row.status == RowStatus.WAITING:
        row.status, row.problem, row.carried_out_at = status, problem, clock.now()
        row.wish_sealed = None  # the refund keeps its own
    refund = find_refund(row.intent)
    is_silent = refund is not None and refund.status == RefundStatus.UNCERTAIN
    db.session.commit()
    return Outcome.SILENT if is_silent else Outcome.DONE


def _wish_of(row: RefundBatchRow) -> Wish:
    """What was confirmed, against the balance it was confirmed with."""
    try:
        kept = json.loads(vault().open(row.wish_sealed or ""))
    except InvalidToken as damage:
        raise DomainError(_("What was confirmed for this row cannot be read any more.")) from damage
    account = RefundAccount(**kept["account"]) if kept["account"] else None
    left = (row.checked_refundable or 0) - _taken_by_earlier_rows(row)
    return Wish(**{**kept, "intent": row.intent, "expected_refundable": left, "account": account})


def _earlier_refunds(row: RefundBatchRow) -> tuple[ColumnElement[bool], ...]:
    """Conditions for the refunds of the same payment that rows above this one have made."""
    return (
        RefundBatchRow.intent == Refund.id,
        RefundBatchRow.batch_id == row.batch_id,
        RefundBatchRow.payment_id == row.payment_id,
        RefundBatchRow.number < row.number,
    )


def _taken_by_earlier_rows(row: RefundBatchRow) -> int:
    counts = {*HOLDING, RefundStatus.SUCCEEDED}
    statement = select(func.coalesce(func.sum(Refund.amount), 0))
    return int(db.session.scalar(statement.where(*_earlier_refunds(row), Refund.status.in_(counts))) or 0)


def _is_earlier_one_unsettled(row: RefundBatchRow) -> bool:
    """Whether PortOne's word on an earlier row of the payment is still out; one it accepted may take days."""
    unsettled = (RefundStatus.SENDING, RefundStatus.UNCERTAIN)
    statement = select(Refund.id).where(*_earlier_refunds(row), Refund.status.in_(unsettled)).limit(1)
    return db.session.scalar(statement) is not None


def _next_row(batch_id: UUID, after: int) -> RefundBatchRow | None:
    return db.session.scalar(
        select(RefundBatchRow)
        .where(
            RefundBatchRow.batch_id == batch_id,
            RefundBatchRow.status == RowStatus.WAITING,
            RefundBatchRow.number > after,
        )
        .order_by(RefundBatchRow.number)
        .limit(1)
    )


def _advance(job_id: UUID, holder: str, batch_id: UUID) -> bool:
    counts = queries.count_rows(batch_id, ["failed", "open", "refunded"])
    db.session.rollback()
    return jobs.advance(job_id, holder, done=sum(counts.values()), failed=counts["failed"])


def finish_stopped() -> int:
    """Close batches whose job was stopped: what is left of them never runs. Answers how many. Commits."""
    stopped = db.session.scalars(
        select(RefundBatch.id)
        .join(Job, RefundBatch.id == Job.subject_id)
        .where(Job.kind == RUN, Job.status == JobStatus.STOPPED, RefundBatch.status == BatchStatus.RUNNING)
    ).all()
    db.session.rollback()
    for batch_id in stopped:
        _close(batch_id)
    return len(stopped)


def _close(batch_id: UUID) -> dict[str, int]:
    """Note that a batch is over, and how its rows went. Commits."""
    counts = queries.count_rows(batch_id, ["failed", "open", "refunded", "waiting"])
    batch = lock(RefundBatch, batch_id)
    if batch.status == BatchStatus.RUNNING:
        batch.status, batch.finished_at = BatchStatus.FINISHED, clock.now()
        forget_accounts(batch_id)
        audit.record("refund_batch.finished", "refund_batch", batch_id, facts=counts)
    db.session.commit()
    return counts
