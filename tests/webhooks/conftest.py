"""PortOne from memory, and a webhook log filled without HTTP."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from app import clock
from app.extensions import db
from app.portone.webhooks import event_from
from app.webhooks import claiming, inbox, service
from app.webhooks.models import WebhookLog
from tests.webhooks.messages import NOON, FakePortOne, signed


@pytest.fixture(autouse=True)
def _open_door(app: Flask) -> None:
    """No flood of an earlier test is still being held off."""
    app.extensions.pop("webhook_door", None)


@pytest.fixture
def portone(app: Flask) -> FakePortOne:
    """PortOne, answering from memory."""
    double = FakePortOne()
    app.extensions["portone"] = double
    return double


@pytest.fixture
def noon() -> Iterator[None]:
    """It is noon in Seoul on 29 March 2026, and stays so."""
    with clock.fixed_at(NOON):
        yield


@pytest.fixture
def receive(app: Flask) -> Callable[..., WebhookLog]:
    """Store a message as the endpoint does, and answer its row."""

    def store(body: Any, webhook_id: str = "webhook-1") -> WebhookLog:
        message = signed(body, webhook_id=webhook_id)
        db.session.commit()  # storing takes a connection of its own
        inbox.store(event_from(webhook_id, message["data"]), message["headers"], answer={})
        return db.session.scalars(select(WebhookLog).where(WebhookLog.webhook_id == webhook_id)).one()

    return store


@pytest.fixture
def work(app: Flask) -> Callable[..., int]:
    """Claim what is due and process it, as one worker does."""

    def process(holder: str = "worker-a") -> int:
        batches = claiming.claim_batches(holder)
        return sum(service.process(batch, holder) for batch in batches)

    return process
