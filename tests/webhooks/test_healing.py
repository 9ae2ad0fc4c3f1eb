"""What went missing is found by walking PortOne's payments, and healed by reading them again."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from app import clock
from app.config import Settings
from app.extensions import db
from app.payments.models import Payment
from app.webhooks import healing
from app.webhooks.gaps import count_gaps
from app.webhooks.models import WebhookGap
from tests.factories import make_user


@pytest.fixture
def portone(app: Any, simulator: Any) -> Any:
    """PortOne's double, which sends to our address; nothing of it arrives here."""
    settings: Settings = app.config["SETTINGS"]
    simulator.outbox.url = f"{settings.public_url}/webhooks/portone"
    simulator.outbox.send = _lose
    return simulator


def _lose(_request: Any) -> Any:
    raise OSError("nobody listens")


@pytest.fixture(autouse=True)
def staff(app: Any) -> None:
    make_user(email="first@example.com", created_at=clock.now() - timedelta(days=30))


def later(minutes: float) -> Any:
    return clock.fixed_at(clock.now() + timedelta(minutes=minutes))


def test_a_payment_whose_only_message_was_lost_is_found_and_told_as_missing(portone: Any) -> None:
    payment_id = portone.make_payment(total=5_000, notify=True)["id"]
    portone.outbox.flush()
    with later(5):
        assert healing.walk_recent_payments() == 1
        assert count_gaps("") >= 1
    assert db.session.scalars(select(Payment.payment_id)).all() == [payment_id]


def test_a_second_walk_reads_only_what_changed_since(portone: Any) -> None:
    portone.make_payment(notify=True)
    with later(5):
        healing.walk_recent_payments()
        assert healing.walk_recent_payments() == 0


def test_more_than_a_page_is_walked_to_its_end(portone: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(healing, "PAGE_SIZE", 2)
    for _ in range(5):
        portone.make_payment(notify=True)
    with later(5):
        healing.walk_recent_payments()
    assert len(db.session.scalars(select(Payment.id)).all()) == 5


def test_what_is_missing_is_healed_by_reading_the_payment_again(portone: Any) -> None:
    payment_id = portone.make_payment(total=5_000, notify=True)["id"]
    portone.outbox.flush()
    with later(5):
        healing.walk_recent_payments()
        portone.console_cancel(payment_id, None)
        assert healing.heal_open_gaps() == 1
        assert healing.heal_open_gaps() == 0
    gap = db.session.scalars(select(WebhookGap)).first()
    assert (gap.note, gap.healed_at is not None) == (healing.FOUND_NEWS, True)
    assert db.session.scalars(select(Payment.status)).one() == "CANCELLED"


def test_a_portone_that_is_away_leaves_the_gap_open_for_later(portone: Any, monkeypatch: Any) -> None:
    portone.make_payment(notify=True)
    portone.outbox.flush()
    with later(5):
        healing.walk_recent_payments()
        monkeypatch.setattr("app.portone.transport.Transport.send", _raise)
        assert healing.watch("worker-a") == 0
        assert db.session.scalars(select(WebhookGap.healed_at)).first() is None


def _raise(*_args: Any) -> Any:
    from app.portone.errors import PortOneUncertain

    raise PortOneUncertain("unreachable")


def test_one_worker_at_a_time_walks(portone: Any) -> None:
    portone.make_payment(notify=True)
    with later(5):
        assert healing.watch("worker-a") >= 1
        db.session.execute(update(WebhookGap).values(healed_at=None, checked_at=None))
        db.session.commit()
        assert healing.watch("worker-b") == 0


def test_a_person_reads_it_again_and_the_trail_knows(portone: Any, signed_in: Any) -> None:
    portone.make_payment(notify=True)
    portone.outbox.flush()
    with later(5):
        healing.walk_recent_payments()
        gap = db.session.scalars(select(WebhookGap)).first()
        answer = signed_in.submit(f"/webhooks/missing/{gap.id}/reread")
        assert (answer.status_code, answer.location) == (303, "/webhooks/missing")
        assert gap.healed_at is not None


def test_a_person_has_it_sent_again_and_it_arrives(portone: Any, signed_in: Any, app: Any) -> None:
    portone.make_payment(notify=True)
    portone.outbox.flush()
    with later(5):
        healing.walk_recent_payments()
        gap = db.session.scalars(select(WebhookGap)).first()
        portone.outbox.send = lambda request: app.test_client().post(
            "/webhooks/portone", data=request.body, headers=request.headers
        )
        signed_in.submit(f"/webhooks/missing/{gap.id}/resend")
        healing.reread(gap.payment.payment_id)
        assert gap.is_held


def test_a_gap_that_is_gone_is_not_found(signed_in: Any) -> None:
    nowhere = "/webhooks/missing/0190f000-0000-7000-8000-000000000000"
    assert signed_in.submit(f"{nowhere}/reread").status_code == 404
    assert signed_in.submit(f"{nowhere}/resend").status_code == 404
