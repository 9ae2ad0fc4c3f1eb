"""What a schedule or a plan says to people: when it charges, what its state means, and what comes next."""

from dataclasses import dataclass
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from app.portone.meanings import msgid_of
from app.schedules.models import PaymentSchedule, ScheduleStatus
from app.schedules.periods import Cadence
from app.web.labels import label_of

#: Sunday first, as Korean calendars have it.
WEEKDAYS = (
    _l("Sunday"),
    _l("Monday"),
    _l("Tuesday"),
    _l("Wednesday"),
    _l("Thursday"),
    _l("Friday"),
    _l("Saturday"),
)

#: What only we can know; PortOne's own errors are told by `portone.meanings`.
OUR_PROBLEMS: dict[str, Any] = {
    "timeout": _l("PortOne took too long to answer, so the schedule may or may not have been made."),
    "unreachable": _l("PortOne could not be reached, so the schedule has probably not been made yet."),
    "outstanding": _l("PortOne is still working on this request."),
    "throttled": _l("PortOne is receiving too many requests and asks us to wait."),
    "server_error": _l(
        "PortOne answered with a fault of its own, so the schedule may or may not have been made."
    ),
    "unreadable": _l("PortOne's answer could not be read, so the schedule may or may not have been made."),
    "NOT_FOUND_AT_PORTONE": _l("PortOne has no such schedule: the request never reached it."),
    "KEY_UNREADABLE": _l("This billing key cannot be read here any more. Look at DATA_ENCRYPTION_KEYS."),
}

_NEXT: dict[str, Any] = {
    ScheduleStatus.SENDING: _l("The request is on its way. This page shows the outcome by itself."),
    ScheduleStatus.UNCERTAIN: _l(
        "We keep asking PortOne with the same paymentId and key, which cannot make a second schedule; "
        "you can also check now."
    ),
    ScheduleStatus.SCHEDULED: _l("PortOne charges it by itself when the time has come."),
    ScheduleStatus.STARTED: _l("PortOne is charging it now."),
    ScheduleStatus.PENDING: _l("The PG has the charge and has not said yet how it ended."),
    ScheduleStatus.SUCCEEDED: _l("The charge was made. The payment tells the rest."),
    ScheduleStatus.FAILED: _l("Nothing was charged. The payment tells what the PG said."),
    ScheduleStatus.REVOKED: _l("It was given up before its time. Nothing is charged."),
    ScheduleStatus.REFUSED: _l("Nothing was scheduled, and nothing is charged."),
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the state of a schedule means; the page of one that is `is_moving` asks again by itself."""

    tone: str
    title: str
    why: str | None
    what_next: str
    is_moving: bool


def outcome_of(row: PaymentSchedule) -> Outcome:
    """What the state of a schedule means, in words."""
    label = label_of("schedule_status", row.status)
    still, moving = {ScheduleStatus.SCHEDULED}, row.is_open
    tone = {"good": "good", "bad": "bad", "wait": "wait"}.get(label.tone, "calm")
    what_next = _NEXT.get(row.status, _l("Portico does not know this state. It counts as still open."))
    title = str(label.text)
    if row.is_being_revoked:
        tone, title = "wait", _("Being revoked")
        what_next = _("PortOne has been asked to give it up. This page shows the outcome by itself.")
    return Outcome(
        tone,
        title,
        words_about(row.problem),
        str(what_next),
        moving and (row.status not in still or row.is_being_revoked),
    )


def words_about(problem: str | None) -> str | None:
    """What a problem means: PortOne's reason, or one of ours."""
    if problem is None:
        return None
    if problem in OUR_PROBLEMS:
        return str(OUR_PROBLEMS[problem])
    return str(_(msgid_of(problem), type=problem)) if problem.isupper() else None


def rhythm_of(plan: Any) -> str:
    """When a plan, or the wish for one, charges."""
    at = f"{plan.minute // 60:02}:{plan.minute % 60:02}"
    if plan.cadence == Cadence.WEEKLY:
        return str(_("Every %(weekday)s at %(time)s", weekday=WEEKDAYS[plan.day], time=at))
    if plan.day > 28:
        return str(_("Day %(day)s of every month, or its last, at %(time)s", day=plan.day, time=at))
    return str(_("Day %(day)s of every month at %(time)s", day=plan.day, time=at))
