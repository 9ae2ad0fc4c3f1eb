"""Old messages lose their contents and keep their row: what happened stays known, what was said does not."""

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import null, or_, select, text, update

from app import clock, leases
from app.database import begin_writing, reading
from app.extensions import db
from app.settings.service import value_of
from app.webhooks.models import WebhookLog

#: Rows emptied in one commit: on SQLite messages that come in wait for that long.
BATCH = 200
#: Rows emptied in one round, about once a minute.
MOST_AT_ONCE = 5_000

#: Spelled out, so that the partial index serves.
HAS_CONTENTS = text("webhook_logs.contents_removed_at IS NULL")
IS_OVER = text("webhook_logs.status <> 'received'")


def forget_old_contents(holder: str) -> int:
    """Empty messages older than the setting says, but none that still waits; answers how many. Commits."""
    if not leases.hold("old webhooks", holder=holder, seconds=120):
        return 0
    with reading():
        days = int(value_of("webhook_body_days") or 0)
    if not days:
        return 0
    before, emptied = clock.now() - timedelta(days=days), 0
    while emptied < MOST_AT_ONCE and not leases.is_ending(holder):
        count = _empty_some(before)
        emptied += count
        if count < BATCH:
            break
    return emptied


def forget_persons(payment_ids: Collection[UUID], billing_key_hashes: Collection[str]) -> int:
    """Empty the messages about payments (by row id) and billing keys, but none that still waits.

    What processing changed is kept without what it told of the customer. In the caller's transaction.
    """
    about = or_(WebhookLog.payment_id.in_(payment_ids), WebhookLog.billing_key_hash.in_(billing_key_hashes))
    emptied = 0
    for message in db.session.scalars(select(WebhookLog).where(about, IS_OVER).with_for_update()):
        emptied += message.contents_removed_at is None
        message.request_headers = message.request_body = message.response_body = None
        message.billing_key_sealed = None
        message.contents_removed_at = message.contents_removed_at or clock.now()
        if message.changes:
            message.changes = {
                name: told for name, told in message.changes.items() if not name.startswith("customer_")
            }
    return emptied


def _empty_some(before: datetime) -> int:
    """Empty a few of the oldest messages, rejected ones too; a billing key goes with the body it stood in."""
    begin_writing()
    old = (
        select(WebhookLog.id)
        .where(HAS_CONTENTS, IS_OVER, WebhookLog.created_at < before)
        .order_by(WebhookLog.created_at)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    )
    ids = db.session.scalars(old).all()
    if ids:
        db.session.execute(
            update(WebhookLog)
            .where(WebhookLog.id.in_(ids))
            .values(
                request_headers=null(),
                request_body=null(),
                response_body=null(),
                billing_key_sealed=None,
                contents_removed_at=clock.now(),
            )
            .execution_options(synchronize_session=False)
        )
    db.session.commit()
    return len(ids)
