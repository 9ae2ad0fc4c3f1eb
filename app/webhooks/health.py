"""How the webhooks fare: the backlog, how many were dealt with, and how fast. Each figure costs the same with
a thousand rows and with a million: it is read from an index, or from a sample whose size is told beside it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, literal_column, select

from app import clock
from app.extensions import db
from app.web.pagination import capped_count
from app.webhooks.models import WebhookLog, WebhookStatus

#: The span that success and speed are told of.
SPAN = timedelta(hours=24)

#: The newest messages of that span which success and speed are computed from.
SAMPLE = 2_000

#: Spelled out, so that the partial index of waiting messages serves.
_WAITS = WebhookLog.status == literal_column("'received'")

#: The message waits, or is forged: its end says nothing about us. Told as what it is not, so that SQLite
#: walks the newest by time instead of sorting a whole day by status.
_NOT_ENDED = (WebhookStatus.RECEIVED, WebhookStatus.REJECTED)


@dataclass(frozen=True, slots=True)
class Health:
    """The webhooks at one moment.

    `backlog` is exact up to the cap of `capped_count`. Success and speed are those of the `sampled` newest
    messages of 24 hours, and None without any. Speed counts from the event, or from its arrival where PortOne
    does not say when it happened, to the end of processing. A replay changes none of them.
    """

    moment: datetime
    backlog: int
    oldest_waiting_at: datetime | None
    last_received_at: datetime | None
    sampled: int
    failed: int
    p50_seconds: float | None
    p95_seconds: float | None

    @property
    def success_percent(self) -> float | None:
        """How many of a hundred were dealt with; 100 only if all were."""
        return (self.sampled - self.failed) * 100 / self.sampled if self.sampled else None

    @property
    def is_whole(self) -> bool:
        """Whether the sample holds every message of the span."""
        return self.sampled < SAMPLE

    @property
    def oldest_waiting_seconds(self) -> float:
        """How long the message that has waited longest has waited; 0 when none waits."""
        return (self.moment - self.oldest_waiting_at).total_seconds() if self.oldest_waiting_at else 0.0


def health() -> Health:
    """The webhooks now."""
    moment = clock.now()
    ended = _newest_ended(moment - SPAN)
    outcomes = Counter(row.outcome for row in ended)
    seconds = sorted(
        max((row.processed_at - row.since).total_seconds(), 0.0)
        for row in ended
        if row.outcome == WebhookStatus.PROCESSED and row.processed_at
    )
    return Health(
        moment=moment,
        backlog=count_backlog(),
        oldest_waiting_at=find_oldest_waiting(),
        last_received_at=find_last_received(),
        sampled=len(ended),
        failed=outcomes[WebhookStatus.FAILED],
        p50_seconds=percentile(seconds, 50),
        p95_seconds=percentile(seconds, 95),
    )


def count_backlog() -> int:
    """How many messages wait; exact up to the cap of `capped_count`."""
    return capped_count(select(WebhookLog.id).where(_WAITS))


def count_failed(since: datetime) -> int:
    """How many messages that came since a moment stand as failed now; exact up to the cap."""
    failed = WebhookLog.status == WebhookStatus.FAILED, WebhookLog.created_at >= since
    return capped_count(select(WebhookLog.id).where(*failed))


def find_oldest_waiting() -> datetime | None:
    """When the message arrived that has waited longest; None when none waits."""
    return db.session.scalar(select(func.min(WebhookLog.created_at)).where(WebhookLog.status == "received"))


def find_last_received() -> datetime | None:
    """When the last new message arrived that PortOne signed."""
    return db.session.scalar(
        select(WebhookLog.created_at)
        .where(WebhookLog.status != WebhookStatus.REJECTED)
        .order_by(WebhookLog.created_at.desc())
        .limit(1)
    )


def percentile(ascending: Sequence[float], percent: int) -> float | None:
    """The value that `percent` of a hundred do not exceed; None of nothing."""
    if not ascending:
        return None
    return ascending[max(-(-len(ascending) * percent // 100) - 1, 0)]


def _newest_ended(since: datetime) -> Sequence[Any]:
    outcome = func.coalesce(WebhookLog.first_status, WebhookLog.status).label("outcome")
    happened = func.coalesce(WebhookLog.occurred_at, WebhookLog.created_at, type_=WebhookLog.created_at.type)
    return db.session.execute(
        select(outcome, WebhookLog.processed_at, happened.label("since"))
        .where(WebhookLog.created_at >= since, WebhookLog.status.not_in(_NOT_ENDED))
        .order_by(WebhookLog.created_at.desc())
        .limit(SAMPLE)
    ).all()
