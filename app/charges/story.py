"""What a charge's outcome means, in words, what was done about it, and what a person can do next."""

from collections.abc import Iterator, Mapping
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
from app.approvals.queries import Kind
from app.audit.models import AuditEntry
from app.audit.queries import list_entries_of
from app.billing_keys.models import BillingKey
from app.billing_keys.queries import contribute as contribute_to_keys
from app.charges.approving import DESK
from app.charges.models import IN_FLIGHT, Charge, ChargeStatus
from app.charges.queries import find_charge_behind, list_charges_of
from app.money import Money
from app.payments.models import Payment
from app.payments.timeline import Entry, contribute
from app.portone.labels import pg_name
from app.portone.meanings import msgid_of
from app.web.filters import local_time, money
from app.web.labels import label_of

#: What only we can know; PortOne's own errors are told by `portone.meanings`.
OUR_PROBLEMS: dict[str, Any] = {
    "timeout": _l("PortOne took too long to answer, so the customer may or may not have been charged."),
    "unreachable": _l("PortOne could not be reached, so the customer has probably not been charged yet."),
    "outstanding": _l("PortOne is still working on this request."),
    "throttled": _l("PortOne is receiving too many requests and asks us to wait."),
    "server_error": _l(
        "PortOne answered with a fault of its own, so the customer may or may not have been charged."
    ),
    "unreadable": _l("PortOne's answer could not be read, so the customer may or may not have been charged."),
    "PAYMENT_PENDING": _l("PortOne has begun this payment, and the PG has not decided yet."),
    "NOT_ASKED_AGAIN": _l(
        "The key was deleted or switched off meanwhile, so PortOne is not asked again; its record decides."
    ),
    "NOT_FOUND_AT_PORTONE": _l("PortOne has no such payment: the customer was not charged."),
    EXPIRED: _l("Nobody approved it in time, so it was rejected by itself."),
    WITHDRAWN: _l("Whoever had asked for it has taken it back."),
}

_NEXT: dict[ChargeStatus, Any] = {
    ChargeStatus.SENDING: _l("The request is on its way. This page shows the outcome by itself."),
    ChargeStatus.UNCERTAIN: _l(
        "Do not charge again: we keep asking PortOne under the same payment ID, which can be paid only once. "
        "You can also check now."
    ),
    ChargeStatus.SUCCEEDED: _l("PortOne confirms that the customer was charged."),
    ChargeStatus.FAILED: _l("Nothing was charged."),
    ChargeStatus.AWAITING_APPROVAL: _l(
        "A second person has to approve this charge. PortOne is asked only then."
    ),
    ChargeStatus.REJECTED: _l("Nothing was charged."),
}

_STEPS: dict[str, Any] = {
    "charge.requested": _l("Charge requested"),
    "charge.approved": _l("Approved"),
    "charge.rejected": _l("Rejected"),
    "charge.withdrawn": _l("Taken back by whoever asked for it"),
    "charge.expired": _l("Rejected by itself: nobody approved it in time"),
    "charge.decision_refused": _l("Tried to decide about a charge of their own; not allowed"),
    "charge.rechecked": _l("Checked again by hand"),
    "charge.uncertain": _l("No answer from PortOne; asking again"),
    "charge.succeeded": _l("Charge confirmed by PortOne"),
    "charge.failed": _l("Charge refused"),
}

#: Where the icon of the status reached would mislead.
_ICONS = {"charge.requested": "lightning-charge", "charge.approved": "person-check"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """Tone (as for alerts), what is so, why, and what comes next; `is_open` while PortOne has not decided."""

    tone: str
    title: str
    why: str | None
    what_next: str
    is_open: bool


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person can do about a charge that waits, and who else can."""

    may_decide: bool
    may_withdraw: bool
    needs_proof: bool
    expires_at: datetime
    approvers: list[str]


def outcome_of(charge: Charge) -> Outcome:
    """Tell a charge's outcome to a person."""
    status = ChargeStatus(charge.status)
    label = label_of("charge_status", status)
    return Outcome(
        tone={"plain": "calm"}.get(label.tone, label.tone),
        title=str(label.text),
        why=explain(charge.problem) if charge.problem else None,
        what_next=str(_NEXT[status]),
        is_open=status in IN_FLIGHT,
    )


def decision_for(charge: Charge, person: User) -> Decision | None:
    """What `person`, who is signed in, can do about a waiting charge; None when it does not wait."""
    if charge.status != ChargeStatus.AWAITING_APPROVAL:
        return None
    is_own = charge.requested_by == person.id
    others = (each for each in approvals.list_approvers(Kind.CHARGE) if each.id != charge.requested_by)
    return Decision(
        may_decide=can(Permission.CHARGE_APPROVE) and not is_own,
        may_withdraw=is_own and can(Permission.CHARGE_CREATE),
        needs_proof=approvals.needs_proof(charge.amount, charge.currency, Kind.CHARGE),
        expires_at=DESK.expires_at(charge),
        approvers=[each.name or each.email or "" for each in others],
    )


def explain(problem: str) -> str:
    """A sentence for a stored problem: a word of ours, or PortOne's error type."""
    ours = OUR_PROBLEMS.get(problem)
    return str(ours) if ours is not None else _(msgid_of(problem), type=problem)


def steps_of(charge: Charge) -> list[Entry]:
    """What was done about a charge, by whom and when, newest first."""
    return [_step(entry, charge) for entry in list_entries_of("charge", charge.id)]


def inquiry_of(charge: Charge) -> str | None:
    """The question to PortOne or the PG about a charge that did not end well; Korean, since they read it."""
    questions = {
        ChargeStatus.UNCERTAIN: "아래 빌링키 결제 요청의 결과를 확인하지 못해 문의드립니다.",
        ChargeStatus.FAILED: "아래 빌링키 결제가 거절되어 문의드립니다.",
    }
    if charge.status not in questions:
        return None
    pg = charge.billing_key.pg_provider
    facts = {
        "결제대행사": pg_name(pg, "ko") if pg else None,
        "고객사 거래번호(paymentId)": charge.named_payment_id,
        "멱등 키(Idempotency-Key)": str(charge.id),
        "결제 요청 금액": Money(charge.amount, charge.currency).format("ko"),
        "결제 요청 시각(KST)": local_time(charge.sent_at or charge.created_at),
        "오류": charge.problem,
        "PG 오류 코드": charge.pg_code,
        "PG 오류 메시지": charge.pg_message,
    }
    told = "\n".join(f"- {name}: {value}" for name, value in facts.items() if value)
    asks = "실제로 결제되었는지, 필요한 조치가 무엇인지 알려 주시기 바랍니다."
    return f"안녕하세요.\n{questions[ChargeStatus(charge.status)]}\n\n{told}\n\n{asks}\n감사합니다."


@contribute
def tell_charge(payment: Payment) -> Iterator[Entry]:
    """Who had a payment charged, for its timeline."""
    charge = find_charge_behind(payment)
    if charge is not None:
        yield _entry(charge)


@contribute_to_keys
def tell_charges(row: BillingKey) -> Iterator[Entry]:
    """The latest charges of a billing key, for its events."""
    yield from map(_entry, list_charges_of(row))


def _entry(charge: Charge) -> Entry:
    label = label_of("charge_status", charge.status)
    amount = money(charge.amount, charge.currency)
    return Entry(
        at=charge.created_at,
        title=_("Charge of %(amount)s: %(status)s", amount=amount, status=label.text),
        actor=charge.requester.name or charge.requester.email or "" if charge.requester else "",
        source=str(label_of("source", "ours").text),
        detail=charge.reason,
        url=url_for("charges.show", charge_id=charge.id),
        tone=label.tone,
        icon=label.icon,
    )


def _step(entry: AuditEntry, charge: Charge) -> Entry:
    label = label_of("charge_status", (entry.after or {}).get("status", ChargeStatus.SENDING))
    return Entry(
        at=entry.at,
        title=str(_STEPS.get(entry.action, entry.action)),
        actor=_("Worker or PortOne's answer") if entry.actor_id is None else entry.actor_name,
        source=_("checked by password") if (entry.facts or {}).get("proof") == "password" else "",
        detail="\n".join(_details(entry.facts or {}, charge)),
        tone=label.tone,
        icon=_ICONS.get(entry.action, label.icon),
    )


def _details(facts: Mapping[str, Any], charge: Charge) -> Iterator[str]:
    """What an entry adds to its title: the reason, the note, what PortOne and the PG said."""
    if facts.get("amount"):
        yield money(facts["amount"], charge.currency)
    if facts.get("not_twin"):
        yield _("Charged although the same amount had been charged shortly before")
    yield from (f"“{facts[name]}”" for name in ("reason", "note") if facts.get(name))
    if facts.get("problem"):
        yield explain(facts["problem"])
    said = " ".join(filter(None, (facts.get("pg_message"), facts.get("pg_code"))))
    if said:
        yield _("The PG said:") + " " + said
    if facts.get("tries"):
        yield _("tries: %(tries)s", tries=facts["tries"])
