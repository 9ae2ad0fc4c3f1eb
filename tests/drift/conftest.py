"""PortOne's double, a staff that has been here for a month, and differences made on purpose."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from app import clock
from app.drift.models import Drift
from app.extensions import db
from app.payments.models import Payment
from tests.factories import make_user


@pytest.fixture(autouse=True)
def staff(app: Any) -> None:
    """Somebody was here before what the tests tell, so that it is ours to know."""
    make_user(email="first@example.com", created_at=clock.now() - timedelta(days=30))


@pytest.fixture
def portone(simulator: Any) -> Any:
    """PortOne's double; none of its webhooks arrive."""
    simulator.outbox.send = _lose
    return simulator


def _lose(_request: Any) -> Any:
    raise OSError("nobody listens")


@pytest.fixture
def later() -> Callable[[float], Any]:
    """So many minutes later than now."""
    return lambda minutes: clock.fixed_at(clock.now() + timedelta(minutes=minutes))


@pytest.fixture
def drifts() -> Callable[[], list[tuple[str, str, str]]]:
    """Every difference that was kept: kind, how it was seen, and whether it is open, healed or closed."""

    def told() -> list[tuple[str, str, str]]:
        db.session.rollback()
        rows = db.session.scalars(select(Drift).order_by(Drift.first_seen_at, Drift.id)).all()
        return [(row.kind, row.seen_how, _state(row)) for row in rows]

    return told


def _state(row: Drift) -> str:
    return "healed" if row.healed_at else "closed" if row.closed_at else "open"


def status_of(payment_id: str) -> str:
    return str(db.session.scalar(select(Payment.status).where(Payment.payment_id == payment_id)))
