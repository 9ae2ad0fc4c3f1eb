"""Old messages lose their contents; rows that wait, and the facts of all others, stay."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text

from app import clock
from app.extensions import db
from app.settings import service as settings
from app.webhooks import retention
from app.webhooks.models import WebhookLog
from app.webhooks.retention import forget_old_contents
from tests.webhooks.messages import NOON

pytestmark = pytest.mark.usefixtures("noon")


def make_log(webhook_id: str | None, *, days: int, status: str = "processed") -> None:
    db.session.add(
        WebhookLog(
            webhook_id=webhook_id,
            status=status,
            named_payment_id="order-1",
            request_headers={"webhook-id": webhook_id},
            request_body={"type": "Transaction.Paid"},
            response_status=200,
            response_body={},
            billing_key_sealed="sealed",
            created_at=NOON - timedelta(days=days),
            processed_at=NOON - timedelta(days=days),
        )
    )
    db.session.commit()


def kept() -> set[str | None]:
    """The ids of messages that still have their contents."""
    has_contents = WebhookLog.request_body.is_not(None), WebhookLog.request_headers.is_not(None)
    return set(db.session.scalars(select(WebhookLog.webhook_id).where(*has_contents)))


def test_what_is_older_than_the_setting_loses_its_contents_and_nothing_else(app: Any) -> None:
    make_log("old", days=91)
    make_log("young", days=89)
    assert forget_old_contents("worker-a") == 1
    assert kept() == {"young"}
    log = db.session.scalars(select(WebhookLog).where(WebhookLog.webhook_id == "old")).one()
    assert (log.status, log.named_payment_id, log.response_status) == ("processed", "order-1", 200)
    assert (log.billing_key_sealed, log.response_body, log.contents_removed_at) == (None, None, NOON)
    assert log.processed_at == NOON - timedelta(days=91)


@pytest.mark.parametrize(
    ("status", "is_kept"), [("received", True), ("failed", False), ("skipped", False), ("rejected", False)]
)
def test_only_what_still_waits_is_spared(app: Any, status: str, is_kept: bool) -> None:
    make_log(None if status == "rejected" else "one", days=400, status=status)
    forget_old_contents("worker-a")
    assert bool(kept()) is is_kept


@pytest.mark.parametrize(("days", "is_kept"), [(0, True), (500, True), (30, False)])
def test_the_setting_decides(app: Any, super_admin: Any, days: int, is_kept: bool) -> None:
    settings.change({"webhook_body_days": days}, by=super_admin)
    make_log("one", days=100)
    forget_old_contents("worker-a")
    assert bool(kept()) is is_kept


def test_many_are_emptied_in_small_commits(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    monkeypatch.setattr(retention, "MOST_AT_ONCE", 4)
    for number in range(7):
        make_log(f"w-{number}", days=100 + number)
    assert forget_old_contents("worker-a") == 4
    assert kept() == {"w-0", "w-1", "w-2"}  # the oldest went first
    assert forget_old_contents("worker-b") == 0  # another worker's duty
    assert forget_old_contents("worker-a") == 3


def test_what_is_emptied_is_not_looked_at_again(app: Any) -> None:
    statement = (
        "SELECT id FROM webhook_logs WHERE webhook_logs.contents_removed_at IS NULL "
        "AND webhook_logs.status <> 'received' AND created_at < :before ORDER BY created_at LIMIT 200"
    )
    if db.engine.dialect.name == "postgresql":
        pytest.skip("over an empty table PostgreSQL takes whichever index its statistics happen to favour")
    moment = {"before": "2026-01-01 00:00:00.000000+00:00"}
    plan = db.session.execute(text(f"EXPLAIN QUERY PLAN {statement}"), moment).all()
    assert "ix_webhook_logs_with_contents" in str(plan)


def test_the_clock_of_the_duty_is_the_arrival(app: Any) -> None:
    make_log("one", days=1)
    with clock.fixed_at(NOON + timedelta(days=90)):
        assert forget_old_contents("worker-a") == 1
