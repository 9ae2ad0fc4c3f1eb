"""The audit trail as a file."""

import json
from operator import attrgetter
from typing import Any

from flask_babel import lazy_gettext as _l
from sqlalchemy import Select

from app.access.permissions import Permission
from app.audit.forms import AuditFilterForm
from app.audit.models import AuditEntry
from app.audit.queries import AuditFilters, select_entries
from app.audit.words import words_of_action, words_of_subject
from app.web.lists import Column, Listing, register

_READ = (
    AuditEntry.sequence,
    AuditEntry.at,
    AuditEntry.action,
    AuditEntry.subject_type,
    AuditEntry.subject_id,
    AuditEntry.actor_name,
    AuditEntry.address,
    AuditEntry.sign_in_id,
    AuditEntry.before,
    AuditEntry.after,
    AuditEntry.facts,
    AuditEntry.hash,
)


def _rows(filters: AuditFilters) -> Select[Any]:
    return select_entries(filters, *_READ)


def _json(document: Any) -> str | None:
    return json.dumps(document, ensure_ascii=False, sort_keys=True) if document is not None else None


AUDIT = register(
    Listing(
        name="audit",
        title=_l("Audit trail"),
        endpoint="audit.index",
        permission=Permission.AUDIT_READ,
        form=AuditFilterForm,
        rows=_rows,
        clock=AuditEntry.at,
        key=AuditEntry.id,
        columns=(
            Column(_l("Entry"), attrgetter("sequence")),
            Column(_l("When"), attrgetter("at")),
            Column(_l("Who"), attrgetter("actor_name")),
            Column(_l("IP address"), attrgetter("address")),
            Column(_l("Session"), lambda row: str(row.sign_in_id) if row.sign_in_id else None),
            Column(_l("What"), lambda row: words_of_action(row.action)),
            Column(_l("Action"), attrgetter("action")),
            Column(_l("About"), lambda row: words_of_subject(row.subject_type)),
            Column(_l("Its number"), attrgetter("subject_id")),
            Column(_l("Before"), lambda row: _json(row.before)),
            Column(_l("After"), lambda row: _json(row.after)),
            Column(_l("Details"), lambda row: _json(row.facts)),
            Column(_l("Hash"), attrgetter("hash")),
        ),
    )
)
