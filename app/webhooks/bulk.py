"""Replay or resend many messages at once: what would happen, then a job that does it, one row after another.

Every message of a bulk is a row of its own. A replay ends its row in the commit that holds its outcome, so
each message is replayed exactly once, however often the work is broken off. A resend marks its row before
PortOne is asked, and one whose answer was lost is told as such, never asked again.
"""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from flask import url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import ColumnElement, Select, and_, func, insert, literal, or_, select, update
from sqlalchemy.orm import joinedload

from app import clock
from app.access.permissions import Permission
from app.audit import service as audit
from app.audit.service import Actor
from app.columns import Id
from app.database import lock_name
from app.errors import DomainError
from app.extensions import db
from app.jobs import kinds
from app.jobs import service as jobs
from app.jobs.models import Job
from app.jobs.queries import find_last_job_of
from app.portone.meanings import N_
from app.web.pagination import COUNT_CAP, capped_count
from app.webhooks import replaying, resending
from app.webhooks.models import BulkItemStatus, WebhookBulkItem, WebhookLog, WebhookStatus
from app.webhooks.queries import WebhookFilters, filtered

#: The most messages of one bulk.
MOST = COUNT_CAP
#: The rest between two questions to PortOne.
PAUSE_SECONDS = 0.2
#: The rest after PortOne gave no answer, and how often in a row before the job gives up.
OUTAGE_SECONDS, MOST_OUTAGES = 5.0, 24

#: Rows that a dry run shows.
SHOWN = 10

ANSWER_LOST = N_("The work was broken off while PortOne was asked: it may have sent it again, or not.")
STILL_AWAY = N_("PortOne did not answer for two minutes. Let it go on when PortOne is back.")
GONE = N_("The message is no longer there.")


class Action(StrEnum):
    """What a bulk does with each message."""

    REPLAY = "replay"
    RESEND = "resend"

    @property
    def kind(self) -> str:
        """The kind of its job."""
        return f"webhook_{self.value}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a bulk would do: how many messages, the first of them, and how many will be left alone and why.

    Counts are exact up to the cap of `capped_count`.
    """

    count: int
    first: Sequence[WebhookLog]
    left_out: Sequence[tuple[str, int]]

    @property
    def is_too_large(self) -> bool:
        """Whether the filters have to be narrowed first."""
        return self.count > MOST


class _Overtaken(Exception):
    """Another worker has taken the job over and dealt with this row."""


def plan(action: Action, filters: WebhookFilters) -> Plan:
    """What a bulk over these filters would do."""
    found = filtered(filters)
    doable = found.where(_can_be(action))
    first = doable.options(joinedload(WebhookLog.payment)).order_by(WebhookLog.created_at.desc()).limit(SHOWN)
    counted = [(why, capped_count(found.where(condition))) for why, condition in _left_out(action)]
    return Plan(
        capped_count(doable),
        db.session.scalars(first).all(),
        [(why, count) for why, count in counted if count],
    )


def start(bulk_id: UUID, action: Action, filters: WebhookFilters, *, by: Actor, reason: str = "") -> Job:
    """Begin a bulk; the same id again answers the job of the first time. Commits.

    Raises DomainError if nothing is to do, or too much.
    """
    lock_name(f"webhook bulk {bulk_id}")
    begun = find_last_job_of(bulk_id, action.kind)
    if begun is not None:
        return begun
    doable = filtered(filters).where(_can_be(action))
    count = capped_count(doable)
    if not 0 < count <= MOST:
        raise DomainError(_too_much() if count else _("No message is left for which this could be done."))
    _keep_items(bulk_id, doable)
    job = jobs.start(action.kind, by=by, subject_id=bulk_id, params={"reason": reason}, total=count)
    facts = {"action": action, "count": count, "reason": reason, "filters": _told(filters)}
    audit.record("webhook.bulk_started", "job", job.id, by=by, facts=facts)
    db.session.commit()
    return job


def counts_of(job: Job) -> Counter[BulkItemStatus]:
    """How many messages of a bulk stand where."""
    rows = db.session.execute(
        select(WebhookBulkItem.status, func.count())
        .where(WebhookBulkItem.bulk_id == job.subject_id)
        .group_by(WebhookBulkItem.status)
    )
    return Counter({BulkItemStatus(status): count for status, count in rows})


def list_troubled(job: Job, *, limit: int = 100) -> Sequence[WebhookBulkItem]:
    """The messages of a bulk that did not go well, the last first."""
    return db.session.scalars(
        select(WebhookBulkItem)
        .where(WebhookBulkItem.bulk_id == job.subject_id)
        .where(WebhookBulkItem.status.in_([BulkItemStatus.FAILED, BulkItemStatus.LEFT_OUT]))
        .options(joinedload(WebhookBulkItem.log))
        .order_by(WebhookBulkItem.ended_at.desc())
        .limit(limit)
    ).all()


@jobs.handles(Action.REPLAY.kind)
def replay_all(job_id: UUID, holder: str) -> None:
    """Replay what is left of a bulk."""
    _Work(job_id, holder).go_on(_replay)


@jobs.handles(Action.RESEND.kind)
def resend_all(job_id: UUID, holder: str) -> None:
    """Have PortOne send again what is left of a bulk."""
    _Work(job_id, holder).go_on(_resend)


class _Work:
    """A bulk in the hands of one worker."""

    def __init__(self, job_id: UUID, holder: str) -> None:
        self.job_id, self.holder = job_id, holder
        job = jobs.get_job(job_id)
        if job.subject_id is None:
            raise ValueError("a bulk without its rows")
        self.bulk_id: UUID = job.subject_id
        self.by, self.reason = job.requester, str((job.params or {}).get("reason", ""))
        _tell_lost_answers(self.bulk_id)
        self.counts = counts_of(job)
        db.session.commit()

    def go_on(self, do: Any) -> None:
        """Deal with one row after another until none is left, or somebody says stop."""
        outages = 0
        while self._may_go_on():
            log_id = self._next()
            if log_id is None:
                jobs.finish(
                    self.job_id,
                    self.holder,
                    result={status.value: count for status, count in self.counts.items()},
                )
                return
            status = do(self, log_id)
            outages = outages + 1 if status is None else 0
            if outages > MOST_OUTAGES:
                jobs.fail(self.job_id, self.holder, STILL_AWAY)
                return
            if status:
                self.counts[status] += 1
            time.sleep(PAUSE_SECONDS if status else OUTAGE_SECONDS)

    def end(self, log_id: UUID, status: BulkItemStatus, told: str | None) -> None:
        """End a row in the transaction at hand; raises `_Overtaken` if somebody else has."""
        if not _move(self.bulk_id, log_id, status, told=told, ended_at=clock.now()):
            raise _Overtaken

    def _may_go_on(self) -> bool:
        over = self.counts[BulkItemStatus.DONE] + self.counts[BulkItemStatus.LEFT_OUT]
        failed = self.counts[BulkItemStatus.FAILED]
        return jobs.advance(self.job_id, self.holder, done=over + failed, failed=failed)

    def _next(self) -> UUID | None:
        log_id = db.session.scalar(
            select(WebhookBulkItem.webhook_log_id)
            .where(WebhookBulkItem.bulk_id == self.bulk_id)
            .where(WebhookBulkItem.status == BulkItemStatus.WAITING)
            .order_by(WebhookBulkItem.webhook_log_id)
            .limit(1)
        )
        db.session.rollback()
        return log_id


def _replay(work: _Work, log_id: UUID) -> BulkItemStatus | None:
    """Replay one message; None while PortOne gives no answer, and the row goes on waiting."""
    ended: list[BulkItemStatus] = []

    def also(result: replaying.Replay) -> None:
        if result.outcome != "postponed":
            status = BulkItemStatus.DONE if result.is_over else BulkItemStatus.FAILED
            work.end(log_id, status, result.told)
            ended.append(status)

    try:
        replaying.replay(log_id, by=work.by, reason=work.reason, also=also)
    except DomainError as refusal:
        return _leave_out(work, log_id, refusal)
    except _Overtaken:
        db.session.rollback()
    return ended[0] if ended else None


def _resend(work: _Work, log_id: UUID) -> BulkItemStatus | None:
    """Have one message sent again; the row says so before PortOne is asked."""
    if not _move(work.bulk_id, log_id, BulkItemStatus.ASKED):
        return BulkItemStatus.LEFT_OUT
    db.session.commit()
    try:
        result = resending.resend(log_id, by=work.by, reason=work.reason)
    except DomainError as refusal:
        return _leave_out(work, log_id, refusal)
    if result.may_repeat:
        _move(work.bulk_id, log_id, BulkItemStatus.WAITING)
        db.session.commit()
        return None
    status = BulkItemStatus.DONE if result.is_taken else BulkItemStatus.FAILED
    work.end(log_id, status, result.told)
    db.session.commit()
    return status


def _leave_out(work: _Work, log_id: UUID, refusal: DomainError) -> BulkItemStatus:
    db.session.rollback()
    work.end(log_id, BulkItemStatus.LEFT_OUT, refusal.message)
    db.session.commit()
    return BulkItemStatus.LEFT_OUT


def _move(bulk_id: UUID, log_id: UUID, status: BulkItemStatus, **values: Any) -> bool:
    """Set where a row stands, unless it has ended; whether it had not."""
    moved = db.session.execute(
        update(WebhookBulkItem)
        .where(WebhookBulkItem.bulk_id == bulk_id, WebhookBulkItem.webhook_log_id == log_id)
        .where(WebhookBulkItem.status.in_([BulkItemStatus.WAITING, BulkItemStatus.ASKED]))
        .values(status=status.value, **values)
        .returning(WebhookBulkItem.bulk_id),
        execution_options={"synchronize_session": False},
    )
    return moved.first() is not None


def _tell_lost_answers(bulk_id: UUID) -> None:
    db.session.execute(
        update(WebhookBulkItem)
        .where(WebhookBulkItem.bulk_id == bulk_id, WebhookBulkItem.status == BulkItemStatus.ASKED)
        .values(status=BulkItemStatus.FAILED.value, told=ANSWER_LOST, ended_at=clock.now()),
        execution_options={"synchronize_session": False},
    )


def _keep_items(bulk_id: UUID, doable: Select[Any]) -> None:
    chosen = doable.with_only_columns(literal(bulk_id, Id), WebhookLog.id).order_by(None)
    db.session.execute(
        insert(WebhookBulkItem).from_select(["bulk_id", "webhook_log_id"], chosen, include_defaults=False)
    )


def _can_be(action: Action) -> ColumnElement[bool]:
    return and_(*(~condition for _why, condition in _left_out(action)))


def _left_out(action: Action) -> Iterator[tuple[str, ColumnElement[bool]]]:
    """Why a message is left alone (msgid), and which ones are; no message is in two of them."""
    is_unverified = or_(WebhookLog.status == WebhookStatus.REJECTED, WebhookLog.webhook_id.is_(None))
    if action == Action.REPLAY:
        yield replaying.UNVERIFIED, is_unverified
        return
    is_of_key = WebhookLog.billing_key_hash.is_not(None)
    yield resending.UNVERIFIED, is_unverified
    yield resending.BILLING_KEYS, and_(~is_unverified, is_of_key)
    yield resending.NO_PAYMENT, and_(~is_unverified, ~is_of_key, WebhookLog.named_payment_id.is_(None))


def _too_much() -> str:
    return str(_("A bulk takes %(most)s messages at most. Narrow the filters first.", most=f"{MOST:,}"))


def _told(filters: WebhookFilters) -> dict[str, Any]:
    return {name: value for name, value in filters.items() if value not in (None, False, [])}


def _address_of(job: Job) -> str:
    return str(url_for("webhooks.bulk", job_id=job.id))


kinds.describe(
    Action.REPLAY.kind,
    kinds.Kind(_l("Webhooks processed again"), _address_of, Permission.WEBHOOK_REPLAY),
)
kinds.describe(
    Action.RESEND.kind,
    kinds.Kind(_l("Webhooks sent again"), _address_of, Permission.WEBHOOK_RESEND),
)
