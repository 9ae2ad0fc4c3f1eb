"""PortOne is asked to send a message again, and what it says is told in words."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from app.audit.models import AuditEntry
from app.errors import DomainError
from app.extensions import db
from app.portone.errors import PortOneRefused, PortOneUncertain
from app.portone.payloads import WebhookDelivery
from app.webhooks import resending
from app.webhooks.models import WebhookLog
from tests.webhooks.messages import about_billing_key, about_payment

Receive = Callable[..., WebhookLog]

OURS = "http://127.0.0.1:8000/webhooks/portone"


class ResendingPortOne:
    """Answers a resend as it was told to."""

    def __init__(self, said: Any) -> None:
        self.said = said
        self.asked: list[tuple[str, str | None]] = []

    def resend_webhook(self, payment_id: str, webhook_id: str | None = None) -> WebhookDelivery:
        self.asked.append((payment_id, webhook_id))
        assert not db.session().in_transaction()  # what PortOne sends must find the database free
        if isinstance(self.said, Exception):
            raise self.said
        return WebhookDelivery.from_raw({"id": webhook_id, "url": OURS, **self.said})


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"status": "SUCCEEDED"}, resending.TAKEN),
        ({"status": "FAILED_NOT_OK_RESPONSE"}, resending.ANSWERED_BADLY),
        ({"status": "FAILED_UNEXPECTED_ERROR"}, resending.NOT_REACHED),
        ({"status": "SOMETHING_NEW"}, resending.STATUS_UNKNOWN),
        ({}, resending.STATUS_UNKNOWN),
        ({"status": "SUCCEEDED", "url": "https://shop.example/hook"}, resending.ELSEWHERE),
        (PortOneUncertain("timeout"), resending.NO_ANSWER),
        (PortOneUncertain("throttled"), resending.OUT_OF_REACH),
    ],
)
def test_what_portone_says_is_told(app: Any, receive: Receive, admin: Any, said: Any, told: str) -> None:
    app.extensions["portone"] = double = ResendingPortOne(said)
    log = receive(about_payment("주문/1"))
    result = resending.resend(log.id, by=admin, reason="유실 확인")
    assert (result.told, result.is_taken) == (told, told == resending.TAKEN)
    assert double.asked == [("주문/1", "webhook-1")]
    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "webhook.resent")).one()
    assert (entry.facts["told"], entry.facts["reason"]) == (told, "유실 확인")


@pytest.mark.parametrize("refusal", ["MAX_WEBHOOK_RETRY_COUNT_REACHED", "WEBHOOK_NOT_FOUND"])
def test_a_refusal_is_told_in_words(app: Any, receive: Receive, signed_in: Any, refusal: str) -> None:
    app.extensions["portone"] = ResendingPortOne(PortOneRefused(refusal, status=400))
    log = receive(about_payment("order-1"))
    signed_in.submit("/account/language", {"language": "en"})
    answer = signed_in.submit(f"/webhooks/{log.id}/resend")
    page = signed_in.get(answer.location).text
    assert "its limit is reached" in page or "there is none to send again" in page


def test_messages_of_billing_keys_cannot_be_sent_again(app: Any, receive: Receive, admin: Any) -> None:
    app.extensions["portone"] = double = ResendingPortOne({})
    log = receive(about_billing_key("billing-key-0193c6f0-2a9e-7c52-b0a4-6b1f0b0d9e77"))
    assert resending.why_not(log) == resending.BILLING_KEYS
    with pytest.raises(DomainError):
        resending.resend(log.id, by=admin)
    assert double.asked == []


def test_a_page_of_a_billing_key_message_says_why_there_is_no_button(
    receive: Receive, signed_in: Any
) -> None:
    log = receive(about_billing_key("billing-key-0193c6f0-2a9e-7c52-b0a4-6b1f0b0d9e77"))
    page = signed_in.get(f"/webhooks/{log.id}").text
    assert f"/webhooks/{log.id}/replay" in page
    assert f"/webhooks/{log.id}/resend" not in page
