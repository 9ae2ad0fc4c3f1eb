"""What became of a deletion, in words, and what the person who looks at it can do next."""

from dataclasses import dataclass
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from app.billing_keys.models import UNDER_WAY, BillingKeyDeletion, DeletionStatus
from app.portone.meanings import msgid_of

#: What only we can know, and what PortOne's words mean for a deletion; `portone.meanings` tells the rest.
_PROBLEMS: dict[str, Any] = {
    "timeout": _l("PortOne took too long to answer, so the key may or may not be deleted."),
    "unreachable": _l("PortOne could not be reached, so the key has probably not been deleted yet."),
    "outstanding": _l("PortOne is still working on this request."),
    "throttled": _l("PortOne is receiving too many requests and asks us to wait."),
    "server_error": _l("PortOne answered with a fault of its own, so the key may or may not be deleted."),
    "unreadable": _l("PortOne's answer could not be read, so the key may or may not be deleted."),
    "KEY_UNREADABLE": _l(
        "This server cannot open the key any more (DATA_ENCRYPTION_KEYS), so it cannot ask PortOne about it."
    ),
    "NOT_DELETED_AT_PORTONE": _l("PortOne still has this key: it was not deleted. You can try again."),
    "BILLING_KEY_ALREADY_DELETED": _l("It had been deleted at PortOne before, by others."),
    "PAYMENT_SCHEDULE_ALREADY_EXISTS": _l(
        "Meanwhile a payment was scheduled with this key, so PortOne did not delete it. Look at what would "
        "stop, and try again."
    ),
    "PAYMENT_SCHEDULE_ALREADY_PROCESSED": _l(
        "The time of a scheduled payment has come, so none was revoked and the key was not deleted. Try "
        "again when it has been charged."
    ),
    "CHANNEL_SPECIFIC": _l(
        "The key belongs to several channels, and not all of them deleted it. Below is what each answered."
    ),
    "INVALID_REQUEST": _l(
        "PortOne could not accept the reason or the requester as they were entered. Change them and try "
        "again."
    ),
}

_NEXT: dict[DeletionStatus, Any] = {
    DeletionStatus.SENDING: _l("The request is on its way. This page shows the outcome by itself."),
    DeletionStatus.UNCERTAIN: _l(
        "Until that is known nothing is charged or scheduled with this key. We keep asking PortOne, which "
        "deletes a key only once."
    ),
    DeletionStatus.SUCCEEDED: _l("It can never be charged again. Its payments and events stay here."),
    DeletionStatus.FAILED: _l("The key was not deleted and can be charged as before."),
}

_PARTLY = _l(
    "PortOne still has the key, but may no longer charge it over the channels that have deleted it. Try "
    "again to delete the rest."
)

_TITLES: dict[DeletionStatus, Any] = {
    DeletionStatus.SENDING: _l("Being deleted"),
    DeletionStatus.UNCERTAIN: _l("Deletion to be confirmed"),
    DeletionStatus.SUCCEEDED: _l("Deleted"),
    DeletionStatus.FAILED: _l("Not deleted"),
}

_TONES = {
    DeletionStatus.SENDING: "wait",
    DeletionStatus.UNCERTAIN: "bad",
    DeletionStatus.SUCCEEDED: "calm",
    DeletionStatus.FAILED: "bad",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """Tone (as for alerts), what is so, why, and what comes next; `is_open` while PortOne has not decided."""

    tone: str
    title: str
    why: str | None
    what_next: str
    revoked: str | None
    is_open: bool


def outcome_of(deletion: BillingKeyDeletion) -> Outcome:
    """Tell how a deletion stands to a person."""
    status = DeletionStatus(deletion.status)
    return Outcome(
        tone=_TONES[status],
        title=str(_TITLES[status]),
        why=explain(deletion.problem) if deletion.problem else None,
        what_next=str(_PARTLY if _is_partly_deleted(deletion) else _NEXT[status]),
        revoked=_tell_revoked(deletion),
        is_open=status in UNDER_WAY,
    )


def _is_partly_deleted(deletion: BillingKeyDeletion) -> bool:
    is_some = any(channel["isDeleted"] for channel in deletion.channels or ())
    return is_some and deletion.status == DeletionStatus.FAILED


def explain(problem: str) -> str:
    """A sentence for a stored problem: a word of ours, or PortOne's error type."""
    ours = _PROBLEMS.get(problem)
    return str(ours) if ours is not None else _(msgid_of(problem), type=problem)


def _tell_revoked(deletion: BillingKeyDeletion) -> str | None:
    count = len(deletion.revoked_schedules)
    if not count:
        return None
    sentence = str(_("Scheduled payments revoked: %(count)s", count=count))
    if deletion.status == DeletionStatus.FAILED:
        sentence += ". " + _("They will not be charged; schedule them again if they should be.")
    return sentence
