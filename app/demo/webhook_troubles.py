"""What goes wrong with webhooks in a believable store: repeats, failures, a lost one, and a forged one."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, insert, select

from app import clock
from app.columns import new_id
from app.extensions import db
from app.portone.meanings import meaning_of
from app.webhooks import gaps, inbox
from app.webhooks.models import AttemptOutcome, WebhookAttempt, WebhookLog, WebhookStatus
from app.webhooks.service import UNANSWERED

#: Of so many messages one was delivered twice, and of so many one waited for PortOne.
_REPEATED_EVERY, _POSTPONED_EVERY = 23, 41

_FORGED = b'{"type":"Transaction.Paid","data":{"paymentId":"order-9001","storeId":"store-of-nobody"}}'


def tell_troubles() -> None:
    """Give the log its history of attempts and its troubles, then hold it against PortOne's. Commits."""
    logs = db.session.scalars(select(WebhookLog).order_by(WebhookLog.created_at.desc())).all()
    old = [log for log in logs if log.created_at < clock.now() - timedelta(hours=1)]
    _repeat(logs)
    paid = [log for log in old if log.webhook_type == "Transaction.Paid"]
    troubled = paid[1:2]
    for log in troubled:
        _fail(log)
    db.session.flush()
    _write_attempts([log for log in logs if log not in troubled])
    for lost in paid[3:8:4]:
        db.session.execute(delete(WebhookLog).where(WebhookLog.id == lost.id))
    db.session.commit()
    with clock.fixed_at(clock.now() - timedelta(hours=5)):
        inbox.store_rejected(
            _FORGED,
            {"webhook-id": "msg_unknown", "webhook-signature": "v1,Zm9yZ2Vk"},
            "NO_MATCHING_SIGNATURE",
            answer={"error": "NO_MATCHING_SIGNATURE"},
        )
    gaps.compare_all_stored()


def _repeat(logs: Sequence[WebhookLog]) -> None:
    for log in logs[5::_REPEATED_EVERY]:
        log.deliveries = 2
        log.last_delivered_at = log.created_at + timedelta(seconds=48)


def _fail(log: WebhookLog) -> None:
    """As a message stands after its last try."""
    problem = meaning_of("INVALID_REQUEST")
    waits = (0, 5, 21, 84, 270, 700, 1_600, 3_400)
    rows = [
        _attempt(log, number, timedelta(seconds=wait), AttemptOutcome.REFUSED, problem=problem)
        for number, wait in enumerate(waits, start=1)
    ]
    db.session.execute(insert(WebhookAttempt), rows)
    log.status, log.attempts, log.error_message = WebhookStatus.FAILED.value, len(rows), problem
    log.processed_at = rows[-1]["finished_at"]


def _write_attempts(logs: Sequence[WebhookLog]) -> None:
    rows = []
    for place, log in enumerate(logs):
        if place % _POSTPONED_EVERY == 7:
            rows.append(_attempt(log, 1, timedelta(0), AttemptOutcome.POSTPONED, problem=UNANSWERED, times=3))
            rows.append(_attempt(log, 2, timedelta(seconds=19), AttemptOutcome.PROCESSED))
            log.processed_at = rows[-1]["finished_at"]
        else:
            rows.append(_attempt(log, 1, timedelta(0), AttemptOutcome.PROCESSED))
    if rows:
        whole = [{"problem": None, "times": 1, **row} for row in rows]
        db.session.execute(insert(WebhookAttempt), whole)


def _attempt(
    log: WebhookLog, number: int, after: timedelta, outcome: AttemptOutcome, **values: Any
) -> dict[str, Any]:
    started_at = log.created_at + after
    return {
        "id": new_id(),
        "webhook_log_id": log.id,
        "number": number,
        "outcome": outcome.value,
        "started_at": started_at,
        "finished_at": started_at + timedelta(milliseconds=320),
        **values,
    }
