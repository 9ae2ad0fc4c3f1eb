"""Find and heal what went missing: walk PortOne's recent payments, and read again those with a gap."""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from flask import current_app
from flask_babel import gettext as _
from sqlalchemy import ColumnElement, and_, false, or_, select, update

from app import clock, leases
from app.audit import service as audit
from app.audit.service import Actor
from app.config import Settings
from app.database import insert_into
from app.errors import NotFound
from app.extensions import db, portone
from app.payments.models import Payment
from app.payments.service import SyncResult, sync_payment
from app.payments.snapshots import store_snapshots
from app.portone.errors import PortOneError
from app.portone.meanings import N_
from app.portone.payloads import PaymentPage
from app.refunds import service as refunds
from app.webhooks.gaps import GRACE, watched_since
from app.webhooks.models import WebhookGap, WebhookWatch

#: Payments that changed this recently are left for the next round: their messages are on the way.
SETTLING = timedelta(minutes=1)
#: How far back the first walk goes.
FIRST_REACH = timedelta(days=1)
#: Payments of one page, and pages of one round: gentle towards PortOne.
PAGE_SIZE, MOST_PAGES = 100, 10
#: Payments read again in one round, and how long one that could not be read is left alone.
MOST_HEALED, AGAIN_AFTER = 50, timedelta(minutes=10)

FOUND_NEWS = N_("Read again at PortOne: something had changed.")
FOUND_NOTHING = N_("Read again at PortOne: nothing was missing here.")
UNKNOWN_THERE = N_("PortOne does not know this payment.")

_WALK = "recent payments"

logger = logging.getLogger(__name__)


def watch(holder: str) -> int:
    """The duty: walk what changed at PortOne, then heal; one worker at a time. Answers how many were read."""
    if not leases.hold("missing webhooks", holder=holder, seconds=300):
        return 0
    try:
        return walk_recent_payments() + heal_open_gaps()
    except PortOneError as problem:
        db.session.rollback()
        logger.info("Missing webhooks are looked for later: %s", problem)
        return 0


def walk_recent_payments() -> int:
    """Store what has changed at PortOne since the last walk: each stored snapshot is compared. Commits.

    Raises PortOneRefused and PortOneUncertain; what was read before stays.
    """
    until = clock.now() - SETTLING
    since = _reached()
    number = read = 0
    for _round in range(MOST_PAGES):
        if since >= until:
            break
        db.session.rollback()  # no transaction is open while PortOne is asked
        read_at = clock.now()
        page = portone.list_payments(_changed_between(since, until), page=number, size=PAGE_SIZE)
        since, number = _next_place(page, since, until, number)
        _store(page, read_at=read_at, reached=since)
        read += len(page.items)
    return read


def heal_open_gaps() -> int:
    """Read payments again of which we hold no message that PortOne sent; answers how many. Commits."""
    due = _due_payments()
    db.session.rollback()
    for payment_id in due:
        reread(payment_id)
    return len(due)


def reread(payment_id: str) -> SyncResult:
    """Read a payment again, and note it at its gaps. Commits. Raises PortOneRefused, PortOneUncertain."""
    _note(payment_id, checked_at=clock.now())
    result = sync_payment(payment_id, seen_how="walk")
    if result.change is None:
        note = UNKNOWN_THERE
    else:
        refunds.settle_requested_refunds_of(result.change.row_id)
        note = FOUND_NEWS if result.change.fields else FOUND_NOTHING
    _note(payment_id, healed_at=clock.now(), note=note)
    return result


def reread_gap(gap_id: UUID, *, by: Actor) -> SyncResult:
    """Read the payment of a gap again because a person asks. Commits. Raises NotFound, and as `reread`."""
    gap = get_gap(gap_id)
    payment_id, webhook_id = gap.payment.payment_id, gap.webhook_id
    result = reread(payment_id)
    facts = {"webhook_id": webhook_id, "found": result.is_found}
    audit.record("webhook.gap_reread", "payment", payment_id, by=by, facts=facts)
    db.session.commit()
    return result


def get_gap(gap_id: UUID) -> WebhookGap:
    """The gap with this id; raises NotFound."""
    gap = db.session.get(WebhookGap, gap_id)
    if gap is None:
        raise NotFound(_("This is not missing any more."))
    return gap


def walked_until() -> datetime | None:
    """Up to which moment PortOne's payments have been compared; None before the first walk."""
    watched = db.session.get(WebhookWatch, _WALK)
    return watched.reached_at if watched else None


def is_open() -> ColumnElement[bool]:
    """That we hold nothing of what PortOne sent to us, and nobody has read the payment since.

    Spelled out, so that the partial index serves.
    """
    return and_(WebhookGap.is_held == false(), WebhookGap.healed_at.is_(None))


def _reached() -> datetime:
    watched = db.session.get(WebhookWatch, _WALK)
    return watched.reached_at if watched else max(watched_since(), clock.now() - FIRST_REACH)


def _changed_between(since: datetime, until: datetime) -> dict[str, object]:
    settings: Settings = current_app.config["SETTINGS"]
    return {
        "timestampType": "STATUS_CHANGED_AT",
        "from": since,
        "until": until,
        "isTest": settings.portone_mode == "test",
        "sortBy": "STATUS_CHANGED_AT",
        "sortOrder": "ASC",
    }


def _next_place(page: PaymentPage, since: datetime, until: datetime, number: int) -> tuple[datetime, int]:
    """Where the walk goes on: from the last change on, or on the next page where one moment fills a page."""
    if page.is_last:
        return until, 0
    last = max((item.status_changed_at for item in page.items if item.status_changed_at), default=since)
    return (last, 0) if last > since else (since, number + 1)


def _store(page: PaymentPage, *, read_at: datetime, reached: datetime) -> None:
    changes = store_snapshots(page.items, read_at=read_at, seen_how="walk") if page.items else []
    watched = {"name": _WALK, "reached_at": reached}
    statement = insert_into(WebhookWatch).values(watched)
    db.session.execute(
        statement.on_conflict_do_update(index_elements=[WebhookWatch.name], set_={"reached_at": reached})
    )
    db.session.commit()
    for change in changes:
        if change.fields:
            refunds.settle_requested_refunds_of(change.row_id)


def _due_payments() -> Sequence[str]:
    moment = clock.now()
    is_due = or_(WebhookGap.checked_at.is_(None), WebhookGap.checked_at < moment - AGAIN_AFTER)
    return db.session.scalars(
        select(Payment.payment_id)
        .join(WebhookGap, WebhookGap.payment_id == Payment.id)
        .where(is_open(), is_due, WebhookGap.kind != "elsewhere", WebhookGap.triggered_at <= moment - GRACE)
        .distinct()
        .limit(MOST_HEALED)
    ).all()


def _note(payment_id: str, **values: object) -> None:
    row_id = select(Payment.id).where(Payment.payment_id == payment_id).scalar_subquery()
    db.session.execute(
        update(WebhookGap).where(WebhookGap.payment_id == row_id, is_open()).values(values),
        execution_options={"synchronize_session": False},
    )
    db.session.commit()
