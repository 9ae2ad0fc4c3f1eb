"""Claims and named leases: one holder at a time, and what a dead one held is free again."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import literal_column

from app import clock, leases
from app.extensions import db
from app.leases import Lease
from app.webhooks.models import WebhookLog

NOON = datetime(2026, 3, 29, 3, 0, tzinfo=UTC)
WAITING = WebhookLog.status == literal_column("'received'")


def make_waiting(count: int = 1, *, due: datetime = NOON) -> None:
    db.session.add_all(
        WebhookLog(webhook_id=f"w-{due}-{number}", next_attempt_at=due) for number in range(count)
    )
    db.session.commit()


def claim(holder: str, *, limit: int = 10, at: datetime = NOON) -> list[UUID]:
    with clock.fixed_at(at):
        return list(leases.claim(WebhookLog, WAITING, holder=holder, limit=limit))


def test_a_row_is_one_worker_s_until_its_lease_ends(app: Flask) -> None:
    make_waiting()
    assert len(claim("a")) == 1
    assert claim("b") == claim("a") == []
    assert claim("b", at=NOON + timedelta(seconds=11)) == []
    assert len(claim("b", at=NOON + timedelta(seconds=13))) == 1


def test_rows_that_are_not_due_or_not_waiting_are_left_alone(app: Flask) -> None:
    make_waiting(due=NOON + timedelta(seconds=1))
    db.session.add(WebhookLog(status="processed", next_attempt_at=NOON))
    db.session.commit()
    assert claim("a") == []
    assert len(claim("a", at=NOON + timedelta(seconds=1))) == 1


def test_the_longest_due_come_first(app: Flask) -> None:
    make_waiting(2)
    make_waiting(1, due=NOON - timedelta(minutes=1))
    (first,) = claim("a", limit=1)
    assert db.session.get_one(WebhookLog, first).next_attempt_at == NOON - timedelta(minutes=1)


def test_a_released_row_waits_for_its_next_attempt(app: Flask) -> None:
    make_waiting()
    (row_id,) = claim("a")
    db.session.get_one(WebhookLog, row_id).release(next_attempt_at=NOON + timedelta(seconds=5))
    db.session.commit()
    assert claim("b") == []
    assert claim("b", at=NOON + timedelta(seconds=5)) == [row_id]


def test_workers_at_once_never_claim_the_same_row(app: Flask) -> None:
    make_waiting(100)

    def take(holder: str) -> list[UUID]:
        with app.app_context():
            return [row_id for _ in range(5) for row_id in claim(holder, limit=7)]

    with ThreadPoolExecutor(4) as pool:
        taken = [row_id for claimed in pool.map(take, "abcd") for row_id in claimed]
    assert len(taken) == len(set(taken))
    assert len(taken) >= 64


def test_a_named_duty_has_one_holder(app: Flask) -> None:
    with clock.fixed_at(NOON):
        assert leases.hold("duty", holder="a", seconds=12)
        assert not leases.hold("duty", holder="b", seconds=12)
        assert leases.hold("another", holder="b", seconds=12)
    with clock.fixed_at(NOON + timedelta(seconds=11)):
        assert leases.hold("duty", holder="a", seconds=12)
    with clock.fixed_at(NOON + timedelta(seconds=24)):
        assert leases.hold("duty", holder="b", seconds=12)
    assert db.session.get_one(Lease, "duty", populate_existing=True).holder == "b"


@pytest.mark.parametrize("_try", range(3))
def test_of_many_who_want_a_duty_one_gets_it(app: Flask, _try: int) -> None:
    db.session.commit()

    def want(holder: str) -> bool:
        with app.app_context():
            return leases.hold("duty", holder=holder, seconds=12)

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(want, map(str, range(8)))) == 1


def test_no_two_workers_have_the_same_name() -> None:
    assert leases.new_holder() != leases.new_holder()
    assert len(leases.new_holder()) <= 112  # with `worker:` before it, the name of a lease
