"""Read the audit trail."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select

from app.audit.models import AuditEntry
from app.extensions import db
from app.web.pagination import Page, capped_count, list_page


@dataclass(frozen=True, slots=True)
class AuditFilters:
    """Which entries: `actor` is a part of a name, the others are whole; `since` is included, `until` not."""

    actor: str | None = None
    action: str | None = None
    subject_type: str | None = None
    subject_id: str | None = None
    address: str | None = None
    sign_in_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None


def list_entries(filters: AuditFilters, *, after: str | None) -> Page[AuditEntry]:
    """A page of the trail, newest first."""
    return list_page(_filtered(filters), clock=AuditEntry.at, key=AuditEntry.id, after=after)


def count_entries(filters: AuditFilters) -> int:
    """How many entries the filters find; exact up to the cap of `capped_count`."""
    return capped_count(_filtered(filters))


def select_entries(filters: AuditFilters, *columns: Any) -> Select[Any]:
    """Columns of every entry the filters find, in no order."""
    return _filtered(filters).with_only_columns(*columns)


def list_entries_of(subject_type: str, subject_id: UUID | str, *, limit: int = 200) -> Sequence[AuditEntry]:
    """The newest entries about one thing, newest first."""
    return db.session.scalars(
        select(AuditEntry)
        .where(AuditEntry.subject_type == subject_type, AuditEntry.subject_id == str(subject_id))
        .order_by(AuditEntry.sequence.desc())
        .limit(limit)
    ).all()


def _filtered(filters: AuditFilters) -> Select[AuditEntry]:
    statement = select(AuditEntry)
    for column, wanted in (
        (AuditEntry.action, filters.action),
        (AuditEntry.subject_type, filters.subject_type),
        (AuditEntry.subject_id, filters.subject_id),
        (AuditEntry.address, filters.address),
        (AuditEntry.sign_in_id, filters.sign_in_id),
    ):
        if wanted:
            statement = statement.where(column == wanted)
    if filters.actor:
        statement = statement.where(AuditEntry.actor_name.icontains(filters.actor, autoescape=True))
    if filters.since:
        statement = statement.where(AuditEntry.at >= filters.since)
    if filters.until:
        statement = statement.where(AuditEntry.at < filters.until)
    return statement
