"""Keep the refunds of a file, and check each of them; large files are checked by a worker."""

import hashlib
import json
from uuid import UUID

from flask_babel import force_locale
from flask_babel import lazy_gettext as _l
from sqlalchemy import insert, select

from app import clock
from app.access.permissions import Permission
from app.accounts.models import User
from app.audit import service as audit
from app.bulk_refunds.checks import Checker
from app.bulk_refunds.kinds import CHECK, url_of
from app.bulk_refunds.models import BatchStatus, RefundBatch, RefundBatchRow
from app.bulk_refunds.parsing import Table, TypedRow, read_table
from app.columns import new_id
from app.database import begin_writing, lock
from app.encryption import vault
from app.extensions import db
from app.jobs import service as jobs
from app.jobs.kinds import Kind
from app.web.language import LANGUAGES

#: Files with more rows are checked by a worker, so that nobody waits at a page that does not answer.
CHECKED_AT_ONCE = 200
_CHUNK = 100


def upload(content: bytes, *, file_name: str, default_reason: str, by: User) -> UUID:
    """Keep the refunds of a file, and check them, at once or by a worker. Commits; raises `FileRefused`."""
    db.session.rollback()  # no writer waits while a file is read
    table = read_table(content)
    begin_writing()
    batch = RefundBatch(
        id=new_id(),
        status=BatchStatus.CHECKING,
        file_name=file_name[-200:],
        file_digest=hashlib.sha256(content).hexdigest(),
        default_reason=default_reason,
        unused_columns=table.unused,
        row_count=len(table.rows),
        uploaded_by=by.id,
        created_at=clock.now(),
    )
    db.session.add(batch)
    db.session.flush()
    _store_rows(batch, table)
    batch_id = batch.id
    if len(table.rows) <= CHECKED_AT_ONCE:
        while _check_chunk(batch, by):
            pass
        batch.status = BatchStatus.CHECKED
    else:
        jobs.start(CHECK, by=by, subject_id=batch_id, total=len(table.rows), params={"name": batch.file_name})
    facts = {"file": batch.file_name, "rows": batch.row_count}
    audit.record("refund_batch.uploaded", "refund_batch", batch_id, by=by, facts=facts)
    db.session.commit()
    return batch_id


@jobs.handles(CHECK, Kind(_l("Checking a file of refunds"), url_of, Permission.REFUND_BULK))
def check(job_id: UUID, holder: str) -> None:
    """Check the rows of a large file, some at a time."""
    batch_id = jobs.get_job(job_id).subject_id
    assert batch_id is not None  # noqa: S101 - `upload` names it
    while True:
        batch = lock(RefundBatch, batch_id)
        if batch.status != BatchStatus.CHECKING or batch.uploader is None:
            db.session.rollback()
            break
        with force_locale(batch.uploader.language or LANGUAGES[0]):
            checked = _check_chunk(batch, batch.uploader)
        if not checked:
            batch.status = BatchStatus.CHECKED
        db.session.commit()
        if not jobs.advance(job_id, holder, done=_count_checked(batch_id)):
            return
    jobs.finish(job_id, holder)


def _store_rows(batch: RefundBatch, table: Table) -> None:
    db.session.execute(insert(RefundBatchRow), [_stored(batch.id, row) for row in table.rows])


def _stored(batch_id: UUID, row: TypedRow) -> dict[str, object]:
    shown, secret = row.documents()
    return {
        "id": new_id(),
        "batch_id": batch_id,
        "number": row.number,
        "cells": shown,
        "cells_sealed": vault().seal(json.dumps(secret)) if secret else None,
        "intent": new_id(),
    }


def _check_chunk(batch: RefundBatch, uploader: User) -> int:
    """Check the next rows that were not, in the caller's transaction; answers how many."""
    rows = db.session.scalars(
        select(RefundBatchRow)
        .where(RefundBatchRow.batch_id == batch.id, RefundBatchRow.level.is_(None))
        .order_by(RefundBatchRow.number)
        .limit(_CHUNK)
    ).all()
    if rows:
        Checker(batch, uploader).check(rows)
        db.session.flush()
    return len(rows)


def _count_checked(batch_id: UUID) -> int:
    is_checked = RefundBatchRow.batch_id == batch_id, RefundBatchRow.level.is_not(None)
    return db.session.scalar(select(db.func.count()).select_from(RefundBatchRow).where(*is_checked)) or 0
