"""Two logs joined: what PortOne says it sent, in each payment's `webhooks[]`, and what we hold.

Every snapshot that is stored is compared, whatever it was read for.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any
from uuid import UUID

from flask import current_app
from sqlalchemy import ColumnElement, Select, delete, false, func, select
from sqlalchemy.orm import joinedload

from app import clock
from app.access.permissions import Role
from app.accounts.models import User
from app.columns import new_id
from app.config import Settings
from app.database import insert_into
from app.extensions import db
from app.payments.models import Payment
from app.payments.queries import snapshot_of
from app.payments.snapshots import when_stored
from app.portone.payloads import PaymentSnapshot, WebhookDelivery
from app.settings.service import value_of
from app.web.pagination import Page, capped_count, list_page
from app.webhooks.models import GapKind, WebhookGap, WebhookLog, WebhookStatus

#: A message this young may still be on its way, and its reading under way.
GRACE = timedelta(minutes=2)

#: Longer ids are none of Standard Webhooks, and no database could index them.
_LONGEST_ID = 255

#: Ids looked up in one statement.
_CHUNK = 1_000

#: Stored snapshots compared in one commit.
_BATCH = 200

_NOT_OK = "FAILED_NOT_OK_RESPONSE"


def list_gaps(
    kind: str, *, since: datetime | None, until: datetime | None, after: str | None
) -> Page[WebhookGap]:
    """A page of differences, the last triggered first: of a kind, or ("") what we do not hold at all."""
    statement = gaps_of(kind, since=since, until=until).options(joinedload(WebhookGap.payment))
    return list_page(statement, clock=WebhookGap.triggered_at, key=WebhookGap.id, after=after)


def count_gaps(kind: str, *, since: datetime | None = None, until: datetime | None = None) -> int:
    """How many differences there are; exact up to the cap of `capped_count`."""
    return capped_count(gaps_of(kind, since=since, until=until))


def gaps_of(kind: str, *, since: datetime | None, until: datetime | None) -> Select[WebhookGap]:
    """The statement that finds differences. What is missing shows once it cannot be on its way any more."""
    statement = select(WebhookGap).where(*((WebhookGap.kind == kind,) if kind else is_missing()))
    if since:
        statement = statement.where(WebhookGap.triggered_at >= since)
    return statement.where(WebhookGap.triggered_at < until) if until else statement


def is_missing() -> tuple[ColumnElement[bool], ...]:
    """That PortOne sent it to us, and we hold nothing."""
    return (
        WebhookGap.kind.in_([GapKind.MISSED, GapKind.REFUSED]),
        WebhookGap.is_held == false(),
        WebhookGap.triggered_at <= clock.now() - GRACE,
    )


@dataclass(frozen=True, slots=True)
class _Sent:
    """A delivery in PortOne's log of a payment."""

    row_id: UUID
    delivery: WebhookDelivery
    is_ours: bool
    triggered_at: datetime


@when_stored
def compare(stored: Mapping[UUID, PaymentSnapshot]) -> None:
    """Keep where PortOne's log of payments and ours differ, in the caller's transaction."""
    sent = {each.delivery.id: each for each in _deliveries(stored)}
    if not sent:
        return
    held = _held_messages(sent)
    known = {gap.webhook_id: gap for gap in _known_gaps(sent)}
    judge = _Judge()
    new, vanished = [], []
    for webhook_id, each in sent.items():
        verdict = judge.verdict(each, held.get(webhook_id))
        gap = known.get(webhook_id)
        if verdict is None:
            vanished += [gap.id] if gap else []
        elif gap is None:
            new.append({"id": new_id(), "webhook_id": webhook_id, "seen_at": clock.now(), **verdict})
        else:
            for name, value in verdict.items():
                setattr(gap, name, value)
    if new:
        statement = insert_into(WebhookGap).on_conflict_do_nothing(index_elements=[WebhookGap.webhook_id])
        db.session.execute(statement, new)
    if vanished:
        db.session.execute(delete(WebhookGap).where(WebhookGap.id.in_(vanished)))


def compare_all_stored() -> None:
    """Compare every snapshot we hold, for when our log was filled after them. Commits."""
    last = None
    while True:
        rows = select(Payment).where(Payment.snapshot.is_not(None)).order_by(Payment.id).limit(_BATCH)
        payments = db.session.scalars(rows.where(Payment.id > last) if last else rows).all()
        if not payments:
            return
        read = ((payment.id, snapshot_of(payment)) for payment in payments)
        compare({row_id: snapshot for row_id, snapshot in read if snapshot is not None})
        last = payments[-1].id
        db.session.commit()


@dataclass
class _Judge:
    """Says how a delivery and our log differ; asks the database only for what the case needs."""

    settings: Settings = field(default_factory=lambda: current_app.config["SETTINGS"])

    def verdict(self, sent: _Sent, held: Any | None) -> dict[str, Any] | None:
        """The columns of the gap; None when both logs agree, or it was before our time."""
        kind = self._kind(sent, held)
        if kind is None:
            return None
        delivery = sent.delivery
        return {
            "payment_id": sent.row_id,
            "kind": kind.value,
            "is_held": held is not None,
            "payment_status": delivery.payment_status,
            "url": delivery.url,
            "delivery_status": delivery.status,
            "response_code": delivery.response_code,
            "tries": delivery.current_execution_count,
            "most_tries": delivery.max_execution_count,
            "triggered_at": sent.triggered_at,
            "received_at": held.created_at if held else None,
        }

    def _kind(self, sent: _Sent, held: Any | None) -> GapKind | None:
        if not sent.is_ours:
            return GapKind.ELSEWHERE
        is_refused = sent.delivery.status == _NOT_OK
        if held is None:
            if sent.triggered_at < self.watched_since:
                return None
            return GapKind.REFUSED if is_refused else GapKind.MISSED
        if is_refused:
            return GapKind.REFUSED
        return self._kind_of_held(sent, held)

    def _kind_of_held(self, sent: _Sent, held: Any) -> GapKind | None:
        delay = held.created_at - sent.triggered_at
        if delay > timedelta(minutes=1) and delay > timedelta(minutes=self.late_minutes):
            return GapKind.LATE
        is_repeated = held.deliveries > 1 or (sent.delivery.current_execution_count or 0) > 1
        return GapKind.REPEATED if is_repeated else None

    @cached_property
    def watched_since(self) -> datetime:
        """Since when PortOne's messages are ours to receive."""
        return watched_since()

    @cached_property
    def late_minutes(self) -> int:
        """How long a message may take."""
        return int(value_of("webhook_late_minutes"))


def watched_since() -> datetime:
    """When Portico came to be here: its first admin, or its first message, whichever was earlier."""
    staff = select(func.min(User.created_at)).where(User.role.in_([Role.ADMIN, Role.SUPER_ADMIN]))
    first = (
        select(WebhookLog.created_at)
        .where(WebhookLog.status != WebhookStatus.REJECTED)
        .order_by(WebhookLog.created_at)
        .limit(1)
    )
    return min(filter(None, (db.session.scalar(staff), db.session.scalar(first))), default=clock.now())


def _deliveries(stored: Mapping[UUID, PaymentSnapshot]) -> Iterator[_Sent]:
    """What PortOne sent to us, and what another system did not take; payments of V1 name no address."""
    settings: Settings = current_app.config["SETTINGS"]
    for row_id, snapshot in stored.items():
        for delivery in snapshot.webhooks:
            triggered_at = delivery.triggered_at or delivery.requested_at
            if delivery.url is None or triggered_at is None or len(delivery.id) > _LONGEST_ID:
                continue
            is_ours = settings.is_webhook_address(delivery.url)
            if is_ours or (delivery.status or "").startswith("FAILED"):
                yield _Sent(row_id, delivery, is_ours, triggered_at)


def _held_messages(webhook_ids: Collection[str]) -> dict[str, Any]:
    columns = WebhookLog.webhook_id, WebhookLog.created_at, WebhookLog.deliveries
    held: dict[str, Any] = {}
    for chunk in _chunks(webhook_ids):
        for row in db.session.execute(select(*columns).where(WebhookLog.webhook_id.in_(chunk))):
            held[str(row.webhook_id)] = row
    return held


def _known_gaps(webhook_ids: Collection[str]) -> Iterator[WebhookGap]:
    for chunk in _chunks(webhook_ids):
        yield from db.session.scalars(select(WebhookGap).where(WebhookGap.webhook_id.in_(chunk)))


def _chunks(webhook_ids: Collection[str]) -> Iterator[list[str]]:
    every = list(webhook_ids)
    for start in range(0, len(every), _CHUNK):
        yield every[start : start + _CHUNK]
