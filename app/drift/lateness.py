"""Ordinary lateness is no drift: a change has time to reach us by its webhook, and we to process that."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import or_, select

from app import clock
from app.drift.differences import changed_at
from app.extensions import db
from app.payments.snapshots import Change
from app.portone.payloads import PaymentSnapshot
from app.settings.service import value_of
from app.webhooks.gaps import watched_since
from app.webhooks.models import WebhookLog, WebhookStatus


@dataclass(frozen=True, slots=True)
class Patience:
    """For which of some payments news may still be on its way, or lies in our inbox.

    Payments from before Portico watched this store were never told of: they are copied, not missed.
    """

    until: datetime
    watched_since: datetime
    waiting_rows: frozenset[UUID]
    waiting_names: frozenset[str]

    @staticmethod
    def grace() -> timedelta:
        """How long a change may take to arrive."""
        return timedelta(minutes=int(value_of("drift_grace_minutes")))

    @classmethod
    def over(cls, changes: Iterable[Change]) -> "Patience":
        """What to be patient about, for payments that have just been stored."""
        wanted = [change for change in changes if change.fields]
        row_ids, names = [each.row_id for each in wanted], [each.payment_id for each in wanted]
        rows = db.session.execute(
            select(WebhookLog.payment_id, WebhookLog.named_payment_id).where(
                WebhookLog.status == WebhookStatus.RECEIVED,
                or_(WebhookLog.payment_id.in_(row_ids), WebhookLog.named_payment_id.in_(names)),
            )
        ).all()
        return cls(
            clock.now() - cls.grace(),
            watched_since(),
            frozenset(row.payment_id for row in rows if row.payment_id),
            frozenset(row.named_payment_id for row in rows if row.named_payment_id),
        )

    def is_over(self, change: Change, snapshot: PaymentSnapshot) -> bool:
        """Whether we should have known by now."""
        at = changed_at(snapshot)
        if at is None or at > self.until or at < self.watched_since:
            return False
        return change.row_id not in self.waiting_rows and change.payment_id not in self.waiting_names
