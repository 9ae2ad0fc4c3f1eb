"""Decide about a batch that was checked: confirm, approve, reject, discard. `running` does the refunds."""

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import select, update

from app import clock
from app.accounts.models import User
from app.audit import service as audit
from app.bulk_refunds import queries, safeguards
from app.bulk_refunds.kinds import RUN
from app.bulk_refunds.models import (
    UNDECIDED,
    BatchStatus,
    Level,
    RefundBatch,
    RefundBatchRow,
    RowStatus,
)
from app.database import begin_writing, lock
from app.errors import DomainError
from app.extensions import db
from app.jobs import service as jobs
from app.settings.service import value_of

_NOT_NOW = _l("This bulk refund has moved on meanwhile. Look at where it stands now.")


class PasswordWrong(DomainError):
    """The password that was asked again is not the person's own."""

    status = 422


def confirm(
    batch_id: UUID, *, with_warned: bool, expected: Mapping[str, int], password: str, by: User
) -> BatchStatus:
    """Have the good rows carried out, and those with a warning where wanted; or wait for a second person.

    `expected` is what the person saw: the sum for each currency, in minor units. Commits.
    """
    needs_password = safeguards.needs_password(queries.sums(batch_id, with_warned=with_warned))
    if needs_password and not safeguards.is_own_password(by, password):
        raise PasswordWrong(_("This is not your password."))
    batch = _lock_in(batch_id, BatchStatus.CHECKED)
    sums = queries.sums(batch_id, with_warned=with_warned)
    if {each.currency: each.amount for each in sums} != dict(expected):
        raise DomainError(_("The sum has changed since you saw it. Read it again."))
    if not sums:
        raise DomainError(_("No row of this file can be refunded."))
    for each in sums:
        excess = safeguards.find_excess(by, each.largest, each.currency)
        if excess := excess or safeguards.find_daily_excess(by, each.amount, each.currency):
            raise DomainError(excess, status=403)
    _leave_out(batch_id, [Level.BAD] if with_warned else [Level.BAD, Level.WARNED])
    batch.includes_warned, batch.proof = with_warned, "password" if needs_password else None
    batch.confirmed_by, batch.confirmed_at = by.id, clock.now()
    if safeguards.needs_approval(sums):
        batch.status = BatchStatus.AWAITING_APPROVAL
    else:
        _begin(batch, by)
    status = BatchStatus(batch.status)
    facts = {each.currency: {"rows": each.count, "amount": each.amount} for each in sums}
    _record("confirmed", batch, by=by, facts={**facts, "with_warned": with_warned, "proof": batch.proof})
    db.session.commit()
    return status


def approve(batch_id: UUID, *, note: str, by: User) -> None:
    """Let a batch run that somebody else confirmed. Commits."""
    batch = _lock_in(batch_id, BatchStatus.AWAITING_APPROVAL)
    _refuse_own(batch, by)
    _decide(batch, note, by)
    confirmer = batch.confirmer
    if not safeguards.may_carry_out(confirmer):
        raise DomainError(
            _("Whoever confirmed this may not refund any more. Reject it, and upload it again.")
        )
    _begin(batch, confirmer)
    _record("approved", batch, by=by, facts={"note": note} if note else None)
    db.session.commit()


def reject(batch_id: UUID, *, note: str, by: User) -> None:
    """Say no to a batch that somebody else confirmed. Commits."""
    batch = _lock_in(batch_id, BatchStatus.AWAITING_APPROVAL)
    _refuse_own(batch, by)
    _decide(batch, note, by)
    _close(batch, BatchStatus.REJECTED, by=by, facts={"note": note} if note else None)
    db.session.commit()


def discard(batch_id: UUID, *, by: User) -> None:
    """Give up a batch that nobody has let run. Commits."""
    batch = lock(RefundBatch, queries.get_batch(batch_id).id)
    if batch.status == BatchStatus.DISCARDED:
        db.session.rollback()  # pressed twice
        return
    if batch.status not in {*UNDECIDED, BatchStatus.CHECKING}:
        raise DomainError(str(_NOT_NOW))
    _close(batch, BatchStatus.DISCARDED, by=by)
    db.session.commit()


def close_forgotten() -> int:
    """Close batches nobody decided about in time; answers how many. Commits."""
    oldest = clock.now() - timedelta(hours=value_of("refund_approval_hours"))
    forgotten = db.session.scalars(
        select(RefundBatch.id).where(
            RefundBatch.status.in_(UNDECIDED),
            db.func.coalesce(RefundBatch.confirmed_at, RefundBatch.created_at) < oldest,
        )
    ).all()
    db.session.rollback()
    for batch_id in forgotten:
        batch = lock(RefundBatch, batch_id)
        if batch.status in UNDECIDED:
            _close(batch, BatchStatus.EXPIRED)
        db.session.commit()
    return len(forgotten)


def note_download(batch_id: UUID, *, by: User) -> None:
    """Record that somebody took the rows of a batch away in a file. Commits."""
    begin_writing()
    _record("downloaded", queries.get_batch(batch_id), by=by)
    db.session.commit()


def _lock_in(batch_id: UUID, status: BatchStatus) -> RefundBatch:
    batch = lock(RefundBatch, queries.get_batch(batch_id).id)
    if batch.status != status:
        raise DomainError(str(_NOT_NOW))
    return batch


def _refuse_own(batch: RefundBatch, by: User) -> None:
    if not safeguards.may_approve(by, involved=(batch.uploaded_by, batch.confirmed_by)):
        raise DomainError(
            _("Somebody else has to decide about this: you uploaded or confirmed it."), status=403
        )


def _decide(batch: RefundBatch, note: str, by: User) -> None:
    batch.decided_by, batch.decided_at, batch.decision_note = by.id, clock.now(), note


def _begin(batch: RefundBatch, requester: User | None) -> None:
    batch.status = BatchStatus.RUNNING
    total = queries.count_rows(batch.id, ["waiting"])["waiting"]
    jobs.start(RUN, by=requester, subject_id=batch.id, total=total, params={"name": batch.file_name})


def _leave_out(batch_id: UUID, levels: list[Level]) -> None:
    db.session.execute(
        update(RefundBatchRow)
        .where(RefundBatchRow.batch_id == batch_id, RefundBatchRow.level.in_(levels))
        .values(status=RowStatus.LEFT_OUT, wish_sealed=None)
        .execution_options(synchronize_session=False)
    )


def _close(
    batch: RefundBatch, status: BatchStatus, *, by: User | None = None, facts: dict[str, str] | None = None
) -> None:
    """End a batch that never ran; the account numbers in it are nobody's business any more."""
    batch.status, batch.finished_at = status, clock.now()
    forget_accounts(batch.id)
    _record(str(status), batch, by=by, facts=facts)


def forget_accounts(batch_id: UUID) -> None:
    """Leave out the rows that still wait, and erase the account numbers, in the caller's transaction."""
    rows = update(RefundBatchRow).where(RefundBatchRow.batch_id == batch_id)
    rows = rows.execution_options(synchronize_session=False)
    db.session.execute(rows.values(cells_sealed=None, wish_sealed=None))
    db.session.execute(
        rows.where(RefundBatchRow.status == RowStatus.WAITING).values(status=RowStatus.LEFT_OUT)
    )


def _record(
    step: str, batch: RefundBatch, *, by: User | None, facts: Mapping[str, object] | None = None
) -> None:
    audit.record(f"refund_batch.{step}", "refund_batch", batch.id, by=by, facts=facts)
