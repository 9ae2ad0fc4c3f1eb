"""What a refund's outcome means, in words, and what the person who looks at it can do next."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from app.access.guards import can
from app.access.permissions import Permission
from app.accounts.models import User
from app.approvals import queries as approvals
from app.approvals.deciding import EXPIRED, WITHDRAWN
from app.payments.models import Payment
from app.payments.queries import RefundOutlook, tell_refund_outlook
from app.payments.timeline import Entry, contribute
from app.portone.meanings import msgid_of
from app.refunds import balance, rules
from app.refunds.approving import DESK
from app.refunds.models import IN_FLIGHT, Refund, RefundStatus
from app.refunds.queries import list_refunds_of
from app.web.filters import money
from app.web.labels import label_of

#: What only we can know; PortOne's own errors are told by `portone.meanings`.
OUR_PROBLEMS: dict[str, Any] = {
    "timeout": _l("PortOne took too long to answer, so the refund may or may not have happened."),
    "unreachable": _l("PortOne could not be reached, so the refund has probably not happened yet."),
    "outstanding": _l("PortOne is still working on this request."),
    "throttled": _l("PortOne is receiving too many requests and asks us to wait."),
    "server_error": _l(
        "PortOne answered with a fault of its own, so the refund may or may not have happened."
    ),
    "unreadable": _l("PortOne's answer could not be read, so the refund may or may not have happened."),
    "REQUEST_UNREADABLE": _l("What was asked cannot be read any more, so PortOne's record has to decide."),
    "NOT_FOUND_AT_PORTONE": _l("PortOne has no cancellation like this one: the refund did not happen."),
    "CANCELLATION_FAILED": _l("PortOne's record says that the PG did not carry this cancellation out."),
    EXPIRED: _l("Nobody approved it in time, so it was rejected by itself."),
    WITHDRAWN: _l("Whoever had asked for it has taken it back."),
}

_NEXT: dict[RefundStatus, Any] = {
    RefundStatus.SENDING: _l("The request is on its way. This page shows the outcome by itself."),
    RefundStatus.UNCERTAIN: _l(
        "The amount is on hold and no second refund can be made. We keep asking PortOne with the same key, "
        "which cannot refund twice; you can also check now."
    ),
    RefundStatus.REQUESTED: _l(
        "The PG finishes this later, within days for overseas methods. We follow it and show the outcome."
    ),
    RefundStatus.SUCCEEDED: _l("PortOne confirms that the money is on its way back."),
    RefundStatus.FAILED: _l("Nothing was given back. The balance is as it was before."),
    RefundStatus.AWAITING_APPROVAL: _l(
        "A second person has to approve this refund. Until then its amount is on hold; PortOne is not asked."
    ),
    RefundStatus.REJECTED: _l("Nothing was given back, and the amount is no longer on hold."),
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """Tone (as for alerts), what is so, why, and what comes next; `is_open` while PortOne has not decided."""

    tone: str
    title: str
    why: str | None
    what_next: str
    is_open: bool


def outcome_of(refund: Refund) -> Outcome:
    """Tell a refund's outcome to a person."""
    status = RefundStatus(refund.status)
    label = label_of("refund_status", status)
    return Outcome(
        tone={"plain": "calm"}.get(label.tone, label.tone),
        title=str(label.text),
        why=explain(refund.problem) if refund.problem else None,
        what_next=str(_NEXT[status]),
        is_open=status in IN_FLIGHT,
    )


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person can do about a refund that waits, and who else can."""

    may_decide: bool
    may_withdraw: bool
    needs_proof: bool
    expires_at: datetime
    approvers: list[str]


def decision_for(refund: Refund, person: User) -> Decision | None:
    """What `person`, who is signed in, can do about a waiting refund; None when it does not wait."""
    if refund.status != RefundStatus.AWAITING_APPROVAL:
        return None
    is_own = refund.requested_by == person.id
    others = (each for each in approvals.list_approvers() if each.id != refund.requested_by)
    return Decision(
        may_decide=can(Permission.REFUND_APPROVE) and not is_own,
        may_withdraw=is_own and can(Permission.REFUND_CREATE),
        needs_proof=approvals.needs_proof(refund.amount, refund.payment.currency),
        expires_at=DESK.expires_at(refund),
        approvers=[each.name or each.email or "" for each in others],
    )


def explain(problem: str) -> str:
    """A sentence for a stored problem: a word of ours, or PortOne's error type."""
    ours = OUR_PROBLEMS.get(problem)
    return str(ours) if ours is not None else _(msgid_of(problem), type=problem)


@contribute
def tell_refunds(payment: Payment) -> list[Entry]:
    """The refunds of a payment, for its timeline."""
    return [_entry(payment, refund) for refund in list_refunds_of(payment)]


@tell_refund_outlook
def tell_outlook(payment: Payment) -> RefundOutlook:
    """What a payment's page says beside its refund button."""
    obstacle = rules.find_obstacle(payment)
    if balance.find_in_flight(payment) is not None:
        obstacle = _("Another refund of this payment has no outcome yet.")
    obstacle = obstacle or balance.find_hold(payment)
    return RefundOutlook(balance.held(payment), balance.refundable(payment), obstacle)


def _entry(payment: Payment, refund: Refund) -> Entry:
    label = label_of("refund_status", refund.status)
    return Entry(
        at=refund.created_at,
        title=_(
            "Refund of %(amount)s: %(status)s",
            amount=money(refund.amount, payment.currency),
            status=label.text,
        ),
        actor=refund.requester.name or refund.requester.email or "" if refund.requester else "",
        source=str(label_of("source", "ours").text),
        detail="" if refund.cancellation_id else refund.reason,  # PortOne's record tells it
        url=url_for("refunds.show", refund_id=refund.id),
        tone=label.tone,
        icon=label.icon,
        key=f"cancellation {refund.cancellation_id}" if refund.cancellation_id else None,
    )
