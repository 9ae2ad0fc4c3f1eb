"""PortOne from memory, with a few billing keys."""

from collections.abc import Callable

import pytest
from flask import Flask

from app.extensions import db
from app.worker import Worker
from tests.webhooks.messages import FakePortOne


@pytest.fixture
def portone(app: Flask) -> FakePortOne:
    """PortOne, answering from memory."""
    double = FakePortOne()
    app.extensions["portone"] = double
    return double


@pytest.fixture
def settle(app: Flask) -> Callable[[], None]:
    """Let a worker do all that is due."""

    def work() -> None:
        db.session.commit()
        Worker(app).run_once()

    return work
