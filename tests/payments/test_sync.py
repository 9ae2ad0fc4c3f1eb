"""`flask sync`: a walk through PortOne's payments that can be broken off and taken up again."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from app import clock
from app.extensions import db, portone
from app.payments.models import Payment, SyncRun
from app.payments.queries import get_payment
from app.payments.service import SyncProgress, sync_range
from app.portone.errors import PortOneUncertain

DAY = timedelta(days=1)


@pytest.fixture
def shop(simulator):
    """Seven payments, one an hour, and a time after the last."""
    until = clock.now()
    for number in range(7):
        simulator.make_payment(payment_id=f"order-{number}", requested_at=until - timedelta(hours=8 - number))
    return until


def count() -> int:
    return db.session.scalar(select(func.count(Payment.id)))


def test_a_sync_copies_every_payment(app, shop):
    told = []
    result = sync_range(None, shop, page_size=3, on_progress=told.append)
    assert count() == result.payments_read == result.payments_changed == 7
    assert [progress.payments_read for progress in told] == [3, 6, 7]
    assert told[-1].reached_at == get_payment("order-6").requested_at


def test_a_sync_without_a_beginning_reaches_back_more_than_ninety_days(app, simulator):
    simulator.make_payment(payment_id="old", requested_at=clock.now() - 400 * DAY)
    sync_range(None, clock.now())
    assert get_payment("old").status == "PAID"


def test_a_sync_keeps_to_its_days(app, shop):
    sync_range(shop - timedelta(hours=4, minutes=30), shop)
    assert count() == 3


def test_a_second_sync_changes_nothing(app, shop):
    sync_range(None, shop)
    assert sync_range(None, shop) == SyncProgress(7, 0, get_payment("order-6").requested_at)


def test_a_sync_that_was_broken_off_goes_on_where_it_stood(app, shop, monkeypatch):
    break_off_after_first_page(app, monkeypatch)
    with pytest.raises(PortOneUncertain):
        sync_range(None, shop, page_size=3)
    assert count() == 3
    monkeypatch.undo()
    assert sync_range(None, shop, page_size=3).payments_read == 4
    assert count() == 7
    assert db.session.scalar(select(func.count(SyncRun.id)).where(SyncRun.finished_at.is_(None))) == 0


def test_a_sync_taken_up_later_reads_what_was_paid_since(app, shop, simulator, monkeypatch):
    break_off_after_first_page(app, monkeypatch)
    with pytest.raises(PortOneUncertain):
        sync_range(None, shop - timedelta(minutes=30), page_size=3)
    monkeypatch.undo()
    simulator.make_payment(payment_id="since", requested_at=shop - timedelta(minutes=5))
    sync_range(None, shop, page_size=3)
    assert count() == 8


def test_a_cursor_portone_has_forgotten_begins_the_walk_again(app, shop):
    db.session.add(SyncRun(until=shop, cursor="forgotten"))
    db.session.commit()
    sync_range(None, shop)
    assert count() == 7


def test_a_sync_counts_the_payments_it_could_not_read(app, shop, monkeypatch):
    ask = portone.list_payments_by_cursor
    monkeypatch.setattr(
        app.extensions["portone"],
        "list_payments_by_cursor",
        lambda **asked: replace(ask(**asked), left_out=1),
    )
    told = []
    result = sync_range(None, shop, page_size=3, on_progress=told.append)
    assert (result.payments_read, result.payments_left_out) == (7, 3)
    assert [progress.payments_left_out for progress in told] == [1, 2, 3]


def break_off_after_first_page(app, monkeypatch) -> None:
    ask = portone.list_payments_by_cursor

    def answer_once(**asked):
        if asked["cursor"]:
            raise PortOneUncertain("timeout")
        return ask(**asked)

    monkeypatch.setattr(app.extensions["portone"], "list_payments_by_cursor", answer_once)
