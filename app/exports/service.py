"""Ask for an export, fetch it, and erase what has expired or was stopped; each with its trace."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import delete, exists, or_, select, update

from app import clock
from app.accounts.models import User
from app.audit import service as audit
from app.columns import new_id
from app.database import begin_writing, lock, reading
from app.errors import DomainError
from app.exports.building import KIND
from app.exports.models import Export, ExportChunk, Format
from app.extensions import db
from app.jobs import service as jobs
from app.jobs.models import Job, JobStatus
from app.settings.service import value_of
from app.web.lists import Listing
from app.web.pagination import COUNT_CAP, capped_count

#: How many exports are erased in one go.
_ERASED_AT_ONCE = 20


def request_export(
    listing: Listing,
    query: str,
    *,
    format: Format,  # noqa: A002 - the word of the contract
    reason: str,
    is_unmasked: bool,
    language: str,
    by: User,
) -> Export:
    """Have a worker write the rows that `query` narrows a list to. Commits.

    Raises DomainError (422) for filters that cannot be used.
    """
    count = capped_count(listing.rows(listing.filters(query)))
    begin_writing()
    moment = clock.now()
    export = Export(
        id=new_id(),
        list_name=listing.name,
        format=format,
        query=query,
        reason=reason,
        columns=[str(column.heading) for column in listing.columns],
        is_unmasked=is_unmasked,
        language=language,
        requested_by=by.id,
        until=moment,
        created_at=moment,
        expires_at=moment + timedelta(days=value_of("export_days")),
    )
    export.job_id = jobs.start(KIND, by=by, subject_id=export.id).id
    db.session.add(export)
    rows = f"{COUNT_CAP}+" if count > COUNT_CAP else count
    audit.record("export.requested", "export", export.id, by=by, facts=_facts(export) | {"rows": rows})
    db.session.commit()
    return export


def note_download(export_id: UUID, *, by: User) -> Export:
    """Record that somebody fetches a file. Commits. Raises DomainError (410) for one that is not there."""
    export = lock(Export, export_id)
    if not export.is_ready:
        db.session.rollback()
        raise DomainError(_("This file is not there: it is not finished yet, or it was erased."), status=410)
    audit.record(
        "export.downloaded", "export", export_id, by=by, facts=_facts(export) | {"rows": export.rows}
    )
    db.session.commit()
    return export


def expire_unmasked() -> int:
    """Let every file with personal data in full expire now, in the caller's transaction; answers how many."""
    moment = clock.now()
    is_there = Export.is_unmasked, Export.erased_at.is_(None), Export.expires_at > moment
    expired = update(Export).where(*is_there).values(expires_at=moment)
    return int(db.session.execute(expired).rowcount)  # type: ignore[attr-defined]


def erase_expired(_holder: str) -> int:
    """Erase the files that have expired and those that were cancelled; answers how many. Commits."""
    with reading():
        due = db.session.scalars(select(Export.id).where(*_is_due()).limit(_ERASED_AT_ONCE)).all()
    for export_id in due:
        export = lock(Export, export_id)
        db.session.execute(delete(ExportChunk).where(ExportChunk.export_id == export_id))
        export.erased_at = clock.now()
        db.session.commit()
    return len(due)


def _is_due() -> list[Any]:
    is_cancelled = exists().where(Job.id == Export.job_id, Job.status == JobStatus.STOPPED)
    is_open = exists().where(Job.id == Export.job_id, Job.status.in_((JobStatus.WAITING, JobStatus.RUNNING)))
    has_expired = (Export.expires_at <= clock.now()) & ~is_open
    return [Export.erased_at.is_(None), or_(has_expired, is_cancelled)]


def _facts(export: Export) -> dict[str, Any]:
    return {
        "list": export.list_name,
        "format": export.format,
        "filters": export.query,
        "columns": export.columns,
        "reason": export.reason,
        "unmasked": export.is_unmasked,
    }
