"""What people did with a billing key, out of the audit trail, for its events."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from flask_babel import gettext as _

from app.audit.models import AuditEntry
from app.audit.queries import list_entries_of
from app.audit.words import words_of_action
from app.billing_keys.deletion_story import explain
from app.billing_keys.models import BillingKey
from app.billing_keys.queries import contribute
from app.payments.timeline import Entry
from app.web.labels import label_of

#: Tone and icon of an action; the others are plain.
_LOOKS = {
    "billing_key.deletion_requested": ("calm", "send"),
    "billing_key.deletion_uncertain": ("bad", "question-circle-fill"),
    "billing_key.deletion_failed": ("bad", "x-circle-fill"),
    "billing_key.deleted": ("plain", "trash"),
    "billing_key.default_set": ("calm", "star-fill"),
    "billing_key.default_removed": ("plain", "star"),
    "billing_key.activated": ("good", "toggle-on"),
    "billing_key.deactivated": ("plain", "toggle-off"),
    "billing_key.revealed": ("wait", "eye"),
    "billing_key.refreshed": ("plain", "arrow-clockwise"),
}


@contribute
def tell_actions(row: BillingKey) -> Iterable[Entry]:
    """What was done about a key, by whom and why."""
    return [_entry(entry) for entry in list_entries_of("billing_key", row.id)]


def _entry(entry: AuditEntry) -> Entry:
    tone, icon = _LOOKS.get(entry.action, ("plain", "circle"))
    return Entry(
        at=entry.at,
        title=words_of_action(entry.action),
        actor=_("Worker or PortOne's answer") if entry.actor_id is None else entry.actor_name,
        source=str(label_of("source", "ours").text),
        detail="\n".join(_details(entry.facts or {})),
        tone=tone,
        icon=icon,
    )


def _details(facts: Mapping[str, Any]) -> Iterator[str]:
    if facts.get("reason"):
        yield f"“{facts['reason']}”"
    if facts.get("problem"):
        yield explain(facts["problem"])
    if facts.get("pg_message") or facts.get("pg_code"):
        said = " ".join(filter(None, (facts.get("pg_message"), facts.get("pg_code"))))
        yield _("The PG said:") + " " + said
    if facts.get("schedules_revoked"):
        yield _("Scheduled payments revoked: %(count)s", count=facts["schedules_revoked"])
