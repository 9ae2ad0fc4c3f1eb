"""PortOne from memory, with a few billing keys."""

import threading
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

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


@pytest.fixture
def together(app: Flask) -> Callable[[Sequence[Callable[[], Any]]], list[Any]]:
    """Do several things in the same moment, each in a session of its own; what came of each, errors too."""

    def act(acts: Sequence[Callable[[], Any]]) -> list[Any]:
        db.session.commit()
        start, outcomes = threading.Barrier(len(acts)), []

        def one(step: Callable[[], Any]) -> None:
            with app.app_context():
                start.wait()
                try:
                    outcomes.append(step())
                except Exception as problem:  # noqa: BLE001 - the test looks at it
                    outcomes.append(problem)

        threads = [threading.Thread(target=one, args=(step,)) for step in acts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        return outcomes

    return act


@pytest.fixture
def person(super_admin: Any) -> Any:
    """Somebody who acts, readable from every thread."""
    return SimpleNamespace(id=super_admin.id, name=super_admin.name, email=super_admin.email)
