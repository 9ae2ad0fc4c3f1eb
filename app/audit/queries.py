"""Read the audit trail."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select

from app.audit.models import AuditEntry
from app.extensions import db


def list_entries_of(subject_type: str, subject_id: UUID | str, *, limit: int = 200) -> Sequence[AuditEntry]:
    """The newest entries about one thing, newest first."""
    return db.session.scalars(
        select(AuditEntry)
        .where(AuditEntry.subject_type == subject_type, AuditEntry.subject_id == str(subject_id))
        .order_by(AuditEntry.sequence.desc())
        .limit(limit)
    ).all()
