"""Alerts: one message when it begins, one when it ends, a reminder now and then, and never in the way."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import responses
from sqlalchemy import select, update

from app import clock
from app.alerts import service
from app.alerts.models import Alert, AlertMessage
from app.audit.models import AuditEntry
from app.errors import DomainError
from app.extensions import db
from app.settings.service import change
from app.webhooks.models import WebhookLog

NOON = datetime(2026, 3, 29, 3, 0, tzinfo=UTC)
HOOK = "https://hooks.example.com/services/T000/secret-part"


@pytest.fixture
def slack(super_admin: Any) -> Any:
    """A Slack-compatible webhook that is set up and answers ok."""
    change({"alert_webhook_url": HOOK}, by=super_admin)
    with responses.RequestsMock(assert_all_requests_are_fired=False) as double:
        double.post(HOOK, body="ok")
        yield double


def add_failed(count: int = 1, **values: Any) -> None:
    now = clock.now()
    for number in range(count):
        name = f"webhook-{number}-{now.timestamp()}"
        db.session.add(WebhookLog(webhook_id=name, status="failed", created_at=now, **values))
    db.session.commit()


def at(minutes: float) -> Any:
    return clock.fixed_at(NOON + timedelta(minutes=minutes))


def look(minutes: float) -> None:
    with at(minutes):
        service.watch("worker-a")


def occasions() -> list[str]:
    return list(db.session.scalars(select(AlertMessage.occasion).order_by(AlertMessage.created_at)))


def heal() -> None:
    db.session.execute(update(WebhookLog).values(status="processed"))
    db.session.commit()


def test_it_is_told_once_when_it_begins_and_once_when_it_ends(slack: Any) -> None:
    with at(0):
        add_failed(named_payment_id="order-of-kim")
    for minute in (0, 1, 2):
        look(minute)
    heal()
    for minute in (3, 4):
        look(minute)
    assert occasions() == ["began", "ended"]
    assert len(slack.calls) == 2
    said = slack.calls[0].request.body.decode("unicode_escape")
    assert "웹훅" in said
    assert "order-of-kim" not in said


def test_it_neither_comes_nor_goes_between_half_the_threshold_and_the_threshold(
    slack: Any, super_admin: Any
) -> None:
    change({"alert_failures": 4}, by=super_admin)
    with at(0):
        add_failed(3)
    look(0)
    assert occasions() == []
    with at(1):
        add_failed(1)
    look(1)
    db.session.execute(
        update(WebhookLog).where(WebhookLog.webhook_id.like("webhook-0%")).values(status="processed")
    )
    db.session.commit()
    assert service.watches()[1].name == "failures"
    look(2)
    assert occasions() == ["began", "ended"]


def test_people_are_reminded_while_it_lasts(slack: Any) -> None:
    with at(0):
        add_failed()
    for minute in (0, 200, 241, 300, 482):
        look(minute)
    assert occasions() == ["began", "reminder", "reminder"]


def test_a_webhook_that_waits_too_long_is_told(slack: Any) -> None:
    with at(0):
        db.session.add(WebhookLog(webhook_id="w-1", created_at=clock.now()))
        db.session.commit()
    look(9)
    assert occasions() == []
    look(10)
    assert occasions() == ["began"]
    heal()
    look(11)
    assert occasions() == ["began", "ended"]


def test_silence_is_told_only_where_somebody_asked_for_it(slack: Any, super_admin: Any) -> None:
    with at(0):
        db.session.add(WebhookLog(webhook_id="w-1", status="processed", created_at=clock.now()))
        db.session.commit()
    look(600)
    assert occasions() == []
    change({"alert_silence_minutes": 60}, by=super_admin)
    look(601)
    assert occasions() == ["began"]


def test_a_threshold_set_to_none_ends_its_alert(slack: Any, super_admin: Any) -> None:
    with at(0):
        add_failed()
    look(0)
    change({"alert_failures": 0}, by=super_admin)
    look(1)
    assert (occasions(), db.session.scalars(select(Alert)).all()) == (["began", "ended"], [])


def test_a_channel_that_is_away_is_tried_again_and_its_trouble_is_kept(slack: Any) -> None:
    slack.replace(responses.POST, HOOK, status=500, body="100% broken <b>")
    with at(0):
        add_failed()
    look(0)
    message = db.session.scalars(select(AlertMessage)).one()
    assert (message.attempts, message.sent_at, message.problem) == (1, None, "HTTP 500 100% broken <b>")
    slack.replace(responses.POST, HOOK, body="ok")
    look(1)
    db.session.expire_all()
    assert (message.attempts, message.problem, message.sent_at is not None) == (2, None, True)


def test_a_channel_that_stays_away_is_given_up(slack: Any) -> None:
    slack.replace(responses.POST, HOOK, status=410)
    with at(0):
        add_failed()
    for minute in (0, 2, 5, 15, 60, 120):
        look(minute)
    message = db.session.scalars(select(AlertMessage).where(AlertMessage.occasion == "began")).one()
    assert (message.attempts, message.given_up_at is not None) == (5, True)


def test_without_a_channel_the_alert_lasts_all_the_same(app: Any) -> None:
    with at(0):
        add_failed()
    look(0)
    assert db.session.scalars(select(Alert.name)).all() == ["failures"]
    assert occasions() == []


def test_one_worker_at_a_time_watches(slack: Any) -> None:
    with at(0):
        add_failed()
        service.watch("worker-a")
        assert service.watch("worker-b") == 0
    assert occasions() == ["began"]


def test_alerts_speak_the_language_that_was_chosen(slack: Any, super_admin: Any) -> None:
    change({"alert_language": "en"}, by=super_admin)
    with at(0):
        add_failed()
    look(0)
    assert "Webhooks that stand as failed: 1" in slack.calls[0].request.body.decode()


def test_a_test_message_goes_out_at_once_and_is_in_the_trail(slack: Any, super_admin: Any) -> None:
    (message,) = service.send_test(by=super_admin)
    assert (message.sent_at is not None, message.occasion) == (True, "test")
    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "alert.tested")).one()
    assert entry.facts == {"channels": ["slack"]}


def test_a_test_message_without_a_channel_says_where_to_set_one_up(admin: Any) -> None:
    with pytest.raises(DomainError):
        service.send_test(by=admin)
