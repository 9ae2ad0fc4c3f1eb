"""Whole stories against PortOne's double: its webhooks come in by HTTP, a worker does what they mean."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from app import clock
from app.accounts.models import User
from app.extensions import db
from app.payments.queries import find_payment, get_payment
from app.refunds.models import RefundStatus
from app.refunds.queries import get_refund
from app.refunds.service import request_refund
from app.webhooks.models import WebhookLog
from app.worker import Worker
from tests.conftest import Browser
from tests.factories import make_payment, make_wish


@pytest.fixture
def delivered(app: Flask, client: Browser, simulator: Any) -> Callable[[], None]:
    """Let PortOne send what it has, and a worker process it."""
    simulator.outbox.url = "http://portico.example/webhooks/portone"
    simulator.outbox.send = lambda message: client.post(
        "/webhooks/portone", data=message.body, headers=message.headers
    )

    def deliver() -> None:
        db.session.commit()  # SQLite has one writer at a time
        simulator.outbox.flush()
        Worker(app).run_once()
        db.session.expire_all()

    return deliver


def logs() -> list[tuple[str | None, str]]:
    found = db.session.scalars(select(WebhookLog).order_by(WebhookLog.created_at, WebhookLog.id))
    return [(log.webhook_type, log.status) for log in found]


def test_a_payment_arrives_by_webhook_alone(simulator: Any, delivered: Callable[[], None]) -> None:
    simulator.make_payment(payment_id="order-1", total=12_000, notify=True)
    assert find_payment("order-1") is None
    delivered()
    assert (get_payment("order-1").status, get_payment("order-1").amount) == ("PAID", 12_000)
    assert logs() == [("Transaction.Paid", "processed")]


def test_a_deposit_turns_an_issued_account_into_a_paid_one(
    simulator: Any, delivered: Callable[[], None]
) -> None:
    payment = make_payment(simulator, status="VIRTUAL_ACCOUNT_ISSUED", method="VIRTUAL_ACCOUNT")
    simulator.deposit(payment.payment_id)
    delivered()
    assert payment.status == "PAID"


def test_a_refund_is_told_by_webhook_too_and_changes_nothing_twice(
    simulator: Any, admin: User, delivered: Callable[[], None]
) -> None:
    payment = make_payment(simulator, total=10_000)
    wish = make_wish(payment, 3_000)
    request_refund(payment.payment_id, wish, by=admin)
    delivered()
    assert get_refund(wish.intent).status == RefundStatus.SUCCEEDED
    assert (payment.cancelled_amount, len(payment.cancellations)) == (3_000, 1)
    assert logs() == [("Transaction.PartialCancelled", "processed")]


def test_an_accepted_refund_is_settled_by_the_webhook_of_its_end(
    simulator: Any, admin: User, delivered: Callable[[], None]
) -> None:
    payment = make_payment(simulator, total=10_000)
    simulator.faults.next("cancel", "requested")
    wish = make_wish(payment)
    request_refund(payment.payment_id, wish, by=admin)
    delivered()
    assert get_refund(wish.intent).status == RefundStatus.REQUESTED
    cancellation_id = get_refund(wish.intent).cancellation_id
    simulator.finish_cancellation(payment.payment_id, cancellation_id, "SUCCEEDED")
    delivered()
    assert get_refund(wish.intent).status == RefundStatus.SUCCEEDED
    assert payment.status == "CANCELLED"


def test_a_refund_made_in_the_console_appears_as_what_it_is(
    simulator: Any, signed_in: Browser, delivered: Callable[[], None]
) -> None:
    payment = make_payment(simulator, total=10_000)
    simulator.console_cancel(payment.payment_id, 4_000)
    delivered()
    page = signed_in.get(f"/payments/{payment.payment_id}").text
    assert "6,000원" in page
    assert "관리자페이지취소" in page


def test_a_dead_senders_refund_is_settled_by_the_worker(app: Flask, simulator: Any, admin: User) -> None:
    payment = make_payment(simulator, total=10_000)
    wish = make_wish(payment, 3_000)
    simulator.faults.next("cancel", "silent", seconds=1)
    app.extensions["portone"]._transport._timeout = (0.3, 0.3)
    request_refund(payment.payment_id, wish, by=admin)
    db.session.commit()
    with clock.fixed_at(clock.now() + timedelta(seconds=30)):
        Worker(app).run_once()
    db.session.expire_all()
    assert get_refund(wish.intent).status == RefundStatus.SUCCEEDED
    assert simulator.payment(payment.payment_id)["amount"]["cancelled"] == 3_000


def test_what_portone_sent_while_we_were_away_is_not_lost(
    simulator: Any, client: Browser, delivered: Callable[[], None]
) -> None:
    payment = make_payment(simulator, total=10_000)
    simulator.console_cancel(payment.payment_id, 1_000)
    simulator.console_cancel(payment.payment_id, 2_000)
    db.session.commit()
    simulator.outbox.flush(newest_first=True)
    delivered()
    assert payment.cancelled_amount == 3_000
    assert {status for _, status in logs()} == {"processed"}
