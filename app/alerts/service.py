"""Watch the webhooks, and tell people once when something begins, once when it ends, and seldom in between.

What is to be told is written first, one row a channel, and sent then: nothing is forgotten, and a channel
that is away holds up nobody.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from flask import current_app
from flask_babel import force_locale
from flask_babel import gettext as _
from sqlalchemy import select

from app import clock, leases
from app.alerts.channels import Channel, NotDelivered, channels
from app.alerts.models import Alert, AlertMessage, Occasion
from app.audit import service as audit
from app.audit.service import Actor
from app.config import LOOPBACK, Settings
from app.database import lock_name
from app.drift.queries import count_open
from app.errors import DomainError
from app.extensions import db
from app.payments.queries import count_unsettled
from app.portone.meanings import N_
from app.schedules.listing import count_in_trouble
from app.settings.service import value_of
from app.webhooks import health

#: Waits before a message is tried again; then it is given up.
TRY_WAITS = tuple(timedelta(seconds=seconds) for seconds in (20, 60, 300, 1_800))
#: Messages sent in one round.
MOST_SENT = 20
#: Where to look, if not at the webhooks.
_PAGES = {
    "mismatches": "/payments?flag=mismatched",
    "drifts": "/drift",
    "plans": "/plans?stop=trouble",
}
BROKEN = N_("Portico could not send the message. The log of the worker says why.")
NO_LONGER_SET_UP = N_("This channel is no longer set up.")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Watch:
    """Something that is watched: how bad it is now, from where it is an alert, and where that ends."""

    name: str
    value: int
    threshold: int

    @property
    def is_on(self) -> bool:
        """Whether somebody wants to know."""
        return self.threshold > 0

    @property
    def begins(self) -> bool:
        """Whether it is bad enough."""
        return self.is_on and self.value >= self.threshold

    @property
    def ends(self) -> bool:
        """Whether it is over: well below where it began, so that it does not come and go all the time."""
        return not self.is_on or self.value <= self.threshold // 2


def watches() -> list[Watch]:
    """Everything that is watched, as it is now."""
    moment = clock.now()
    oldest, last = health.find_oldest_waiting(), health.find_last_received()
    waited = int((moment - oldest).total_seconds() // 60) if oldest else 0
    silent = int((moment - last).total_seconds() // 60) if last else 0
    return [
        Watch("mismatches", count_unsettled("mismatched"), int(value_of("alert_mismatches"))),
        Watch("failures", health.count_failed(moment - health.SPAN), int(value_of("alert_failures"))),
        Watch("backlog", waited, int(value_of("alert_backlog_minutes"))),
        Watch("silence", silent, int(value_of("alert_silence_minutes"))),
        Watch("drifts", count_open(), int(value_of("alert_drifts"))),
        Watch("plans", count_in_trouble(), int(value_of("alert_stopped_plans"))),
    ]


def watch(holder: str) -> int:
    """The duty: see what began and what ended, then send what is due. One worker at a time."""
    if not leases.hold("alerts", holder=holder, seconds=120):
        return 0
    decide()
    return send_due()


def decide() -> None:
    """Note what begins, lasts and ends, and what is to be told of it, in one commit."""
    lock_name("alerts")
    lasting = {alert.name: alert for alert in db.session.scalars(select(Alert))}
    for each in watches():
        _decide(each, lasting.get(each.name))
    db.session.commit()


def send_due() -> int:
    """Send the messages that wait; answers how many went out. Commits after each."""
    moment = clock.now()
    due = db.session.scalars(
        select(AlertMessage.id)
        .where(AlertMessage.sent_at.is_(None), AlertMessage.given_up_at.is_(None))
        .where(AlertMessage.next_attempt_at <= moment)
        .order_by(AlertMessage.next_attempt_at)
        .limit(MOST_SENT)
    ).all()
    ways = {channel.name: channel for channel in open_channels()} if due else {}
    db.session.rollback()
    return sum(_send(message_id, ways) for message_id in due)


def send_test(*, by: Actor) -> Sequence[AlertMessage]:
    """Send a message on every channel, here and now, and answer how that went. Commits.

    Raises DomainError if there is no channel.
    """
    ways = open_channels()
    if not ways:
        raise DomainError(_("No channel is set up yet. A super admin does that under settings, alerts."))
    with _language():
        text = _("This is a test. Alerts of Portico arrive here.")
    messages = _write("test", Occasion.TEST, text, ways)
    ids = [message.id for message in messages]
    audit.record("alert.tested", "alert", "test", by=by, facts={"channels": [way.name for way in ways]})
    db.session.commit()
    for message_id in ids:
        _send(message_id, {way.name: way for way in ways}, is_last=True)
    return db.session.scalars(select(AlertMessage).where(AlertMessage.id.in_(ids))).all()


def text_of(watched: Watch, occasion: Occasion) -> str:
    """What people are told, in the language of the page; no personal data is in it."""
    words = {
        "mismatches": _("Payments that are not what was initialized: %(value)s (alert from %(threshold)s)"),
        "failures": _("Webhooks that stand as failed: %(value)s (alert from %(threshold)s)"),
        "backlog": _("A webhook has waited for %(value)s minutes (alert from %(threshold)s)"),
        "silence": _("No webhook has come for %(value)s minutes (alert from %(threshold)s)"),
        "drifts": _("Differences from PortOne that wait for a person: %(value)s (alert from %(threshold)s)"),
        "plans": _(
            "Recurring plans that stand still because of trouble: %(value)s (alert from %(threshold)s)"
        ),
    }
    figures = {"value": f"{watched.value:,}", "threshold": f"{watched.threshold:,}"}
    return f"{title_of(watched.name, occasion)}: {words[watched.name] % figures}"


def title_of(name: str, occasion: Occasion | str) -> str:
    """What a message is about, in a few words."""
    names = {
        "mismatches": _("Payments tampered with"),
        "failures": _("Failed webhooks"),
        "backlog": _("Webhooks that wait"),
        "silence": _("No webhooks"),
        "drifts": _("Differences from PortOne"),
        "plans": _("Recurring plans that stand still"),
        "test": _("Test message"),
    }
    occasions = {Occasion.ENDED: _("over"), Occasion.REMINDER: _("still so"), Occasion.BEGAN: _("alert")}
    occasion_words = occasions.get(Occasion(occasion))
    return f"{names[name]} ({occasion_words})" if occasion_words else names[name]


def open_channels() -> list[Channel]:
    """The channels that are set up.

    Plain http is for a demo and for tests: there the dashboard itself is reached over loopback.
    """
    settings: Settings = current_app.config["SETTINGS"]
    return channels(allows_loopback=urlsplit(settings.public_url).hostname in LOOPBACK)


def channel_name(code: str) -> str:
    """What a channel is called."""
    return str({"slack": _("Slack webhook"), "email": _("E-mail")}.get(code, code))


def _decide(watched: Watch, lasting: Alert | None) -> None:
    moment = clock.now()
    if lasting is None:
        if watched.begins:
            values = {"began_at": moment, "told_at": moment, "value": watched.value}
            db.session.add(Alert(name=watched.name, **values))
            _tell(watched, Occasion.BEGAN)
        return
    lasting.value = watched.value
    if watched.ends:
        db.session.delete(lasting)
        _tell(watched, Occasion.ENDED)
        return
    hours = int(value_of("alert_reminder_hours"))
    if hours and lasting.told_at + timedelta(hours=hours) <= moment:
        lasting.told_at = moment
        _tell(watched, Occasion.REMINDER)


def _tell(watched: Watch, occasion: Occasion) -> None:
    settings: Settings = current_app.config["SETTINGS"]
    with _language():
        page = _PAGES.get(watched.name, "/webhooks")
        text = f"{text_of(watched, occasion)}\n{settings.public_url}{page}"
    _write(watched.name, occasion, text, open_channels())


def _write(name: str, occasion: Occasion, text: str, ways: Sequence[Channel]) -> list[AlertMessage]:
    moment = clock.now()
    messages = [
        AlertMessage(
            alert=name,
            occasion=occasion.value,
            channel=channel.name,
            text=text,
            created_at=moment,
            next_attempt_at=moment,
        )
        for channel in ways
    ]
    db.session.add_all(messages)
    db.session.flush()
    return messages


def _send(message_id: Any, ways: dict[str, Channel], *, is_last: bool = False) -> bool:
    """Send one message with no transaction open; whether it went out. Commits."""
    message = db.session.get_one(AlertMessage, message_id)
    channel, text = ways.get(message.channel), message.text
    with _language():
        title = title_of(message.alert, message.occasion)
    db.session.rollback()
    problem = _try(channel, title, text)
    message = db.session.get_one(AlertMessage, message_id)
    message.attempts += 1
    message.problem = problem
    if problem is None:
        message.sent_at = clock.now()
    elif is_last or channel is None or message.attempts > len(TRY_WAITS):
        message.given_up_at = clock.now()
    else:
        message.next_attempt_at = clock.now() + TRY_WAITS[message.attempts - 1]
    db.session.commit()
    return problem is None


def _try(channel: Channel | None, title: str, text: str) -> str | None:
    if channel is None:
        return NO_LONGER_SET_UP
    try:
        channel.send(title, text)
    except NotDelivered as trouble:
        log.warning("An alert could not be sent by %s: %s", channel.name, trouble.problem)
        return trouble.problem
    except Exception:
        log.exception("An alert could not be sent by %s", channel.name)
        return BROKEN
    return None


@contextmanager
def _language() -> Iterator[None]:
    language = value_of("alert_language")
    with force_locale(language if language in {"ko", "en"} else "ko"):
        yield
