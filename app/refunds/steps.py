"""All that was done about a refund, by whom and when, out of the audit trail; and what PortOne adds to it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import select

from app.audit.models import AuditEntry
from app.audit.queries import list_entries_of
from app.extensions import db
from app.payments.models import Cancellation
from app.payments.timeline import Entry
from app.refunds.models import OUTCOMES, Refund, RefundStatus
from app.refunds.story import explain
from app.web.filters import money
from app.web.labels import label_of

_STEPS: dict[str, Any] = {
    "refund.requested": _l("Refund requested"),
    "refund.approved": _l("Approved"),
    "refund.rejected": _l("Rejected"),
    "refund.withdrawn": _l("Taken back by whoever asked for it"),
    "refund.expired": _l("Rejected by itself: nobody approved it in time"),
    "refund.decision_refused": _l("Tried to decide about a refund of their own; not allowed"),
    "refund.rules_overridden": _l("Rules set aside"),
    "refund.account_revealed": _l("Account number looked at"),
    "refund.account_erased": _l("Account number erased"),
    "refund.rechecked": _l("Checked again by hand"),
    "refund.accepted": _l("Accepted by PortOne, in progress at the PG"),
    "refund.uncertain": _l("No answer from PortOne; asking again"),
    "refund.succeeded": _l("Refund confirmed by PortOne"),
    "refund.failed": _l("Refund refused"),
}


#: Where the icon of the status reached would mislead.
_ICONS = {"refund.requested": "arrow-return-left", "refund.approved": "person-check"}

#: After these PortOne is asked.
_LET_GO = frozenset({"refund.requested", "refund.approved"})

#: How we settled a refund, and what PortOne's record of it says since.
_DRIFTS: dict[tuple[str, str], Any] = {
    (RefundStatus.SUCCEEDED, "FAILED"): _l(
        "PortOne had confirmed this refund, but now reports it as failed: the money did not go back."
    ),
    (RefundStatus.FAILED, "SUCCEEDED"): _l(
        "PortOne now reports this refund as done: the money did go back. Do not refund it again."
    ),
}


def steps_of(refund: Refund) -> list[Entry]:
    """What was done about a refund, by whom and when, newest first."""
    entries = list_entries_of("refund", refund.id)
    steps = [_step(entry, refund) for entry in entries]
    told = [*_sent(refund, entries), *_recorded(refund), *steps]
    return sorted(told, key=lambda step: step.at, reverse=True)


def _step(entry: AuditEntry, refund: Refund) -> Entry:
    label = label_of("refund_status", (entry.after or {}).get("status", RefundStatus.SENDING))
    return Entry(
        at=entry.at,
        title=str(_STEPS.get(entry.action, entry.action)),
        actor=_("Worker or PortOne's answer") if entry.actor_id is None else entry.actor_name,
        source=_("checked by password") if (entry.facts or {}).get("proof") == "password" else "",
        detail="\n".join(_details(entry.facts or {}, refund)),
        tone=label.tone,
        icon=_ICONS.get(entry.action, label.icon),
    )


def _details(facts: Mapping[str, Any], refund: Refund) -> Iterator[str]:
    """What an entry adds to its title: the note, the reason, what PortOne and the PG said."""
    if facts.get("amount"):
        account = f" → {facts['account']}" if facts.get("account") else ""
        yield money(facts["amount"], refund.payment.currency) + account
    if facts.get("approved_by"):
        yield _("Approved with its batch by %(name)s", name=facts["approved_by"])
    if facts.get("reason") and not facts.get("amount"):
        yield f"“{facts['reason']}”"
    if facts.get("note"):
        yield f"“{facts['note']}”"
    if facts.get("problem"):
        yield explain(facts["problem"])
    if facts.get("pg_message") or facts.get("pg_code"):
        yield (
            _("The PG said:") + " " + " ".join(filter(None, (facts.get("pg_message"), facts.get("pg_code"))))
        )
    if facts.get("tries"):
        yield _("tries: %(tries)s", tries=facts["tries"])


def _sent(refund: Refund, entries: Sequence[AuditEntry]) -> Iterator[Entry]:
    """The sending, which follows at once on the word that let it go."""
    if refund.sent_at:
        let_go = [entry.at for entry in entries if entry.action in _LET_GO and entry.at >= refund.sent_at]
        at = min(let_go, default=refund.sent_at)
        yield Entry(at=at, title=str(_("Sent to PortOne")), tone="calm", icon="send")


def _recorded(refund: Refund) -> Iterator[Entry]:
    """Where the transfer to the customer's account stands; PortOne tells no more than that, and no time."""
    status = refund.payment.account_refund_status
    if not refund.account_bank or not status or refund.status != RefundStatus.SUCCEEDED:
        return
    label = label_of("account_refund_status", status)
    yield Entry(
        at=refund.payment.reported_at or refund.payment.changed_clock,
        title=_("Transfer to the account: %(status)s", status=label.text),
        source=str(label_of("source", "portone").text),
        tone=label.tone,
        icon=label.icon,
    )


def find_drift(refund: Refund) -> str | None:
    """Where PortOne's record now says another thing than we settled, in words; None where they agree."""
    if refund.cancellation_id is None or refund.status not in OUTCOMES:
        return None
    record = db.session.scalar(
        select(Cancellation).where(
            Cancellation.payment_id == refund.payment_id,
            Cancellation.cancellation_id == refund.cancellation_id,
        )
    )
    if record is None:
        return None
    if (refund.status, record.status) in _DRIFTS:
        return str(_DRIFTS[refund.status, record.status])
    if record.total_amount != refund.amount:
        amount = money(record.total_amount, refund.payment.currency)
        return str(_("PortOne's record of this refund is over another amount: %(amount)s.", amount=amount))
    return None
