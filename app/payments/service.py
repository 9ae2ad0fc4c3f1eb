"""Bring our payments in line with PortOne's: one that is asked for, or all of a period."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from app import clock
from app.accounts.models import User
from app.audit import service as audit
from app.columns import new_id
from app.database import begin_writing, insert_into, lock
from app.extensions import db, portone
from app.payments.models import Note, Payment, SyncRun
from app.payments.queries import get_payment
from app.payments.snapshots import Change, store_snapshot, store_snapshots, tell_not_found
from app.portone.client import LONG_AGO, MAX_CURSOR_SIZE
from app.portone.errors import PortOneError, PortOneRefused
from app.portone.payloads import CursorPage

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SyncResult:
    """What PortOne said about a payment: `change` is None when it does not know it."""

    payment_id: str
    change: Change | None

    @property
    def is_found(self) -> bool:
        """Whether PortOne knows the payment."""
        return self.change is not None


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the store announces of a payment; amounts in minor units. `digest` covers all it said."""

    order_name: str
    amount: int
    currency: str
    tax_free_amount: int | None
    digest: str


class ExpectationConflict(Exception):
    """A payment was announced with other content, or had gone too far to be announced (`is_paid`)."""

    def __init__(self, *, is_paid: bool) -> None:
        super().__init__("paid" if is_paid else "other content")
        self.is_paid = is_paid


@dataclass(frozen=True, slots=True)
class SyncProgress:
    """How far a walk through PortOne's payments came; `reached_at` is when the last one read was made.

    `payments_left_out` counts those that could not be read, which are not in `payments_read`.
    """

    payments_read: int = 0
    payments_changed: int = 0
    reached_at: datetime | None = None
    payments_left_out: int = 0


def sync_payment(payment_id: str, *, seen_how: str | None = None) -> SyncResult:
    """Read a payment from PortOne and bring our rows in line. Commits.

    `seen_how` says by which kind of look a difference is seen; see `store_snapshots`. What the session
    holds uncommitted is given up first, since no transaction stays open while PortOne is asked. A payment
    PortOne does not know leaves our rows as they are. Raises PortOneRefused and PortOneUncertain.
    """
    db.session.rollback()
    read_at = clock.now()
    try:
        snapshot = portone.get_payment(payment_id)
    except PortOneRefused as refusal:
        if refusal.type != "PAYMENT_NOT_FOUND":
            raise
        if seen_how:
            tell_not_found(payment_id, seen_how)
        return SyncResult(payment_id, None)
    change = store_snapshot(snapshot, read_at=read_at, seen_how=seen_how)
    db.session.commit()
    return SyncResult(payment_id, change)


def sync_quietly(payment_id: str) -> None:
    """Sync a payment if PortOne answers; if not, its webhook or the next look will. Commits."""
    try:
        sync_payment(payment_id)
    except PortOneError as problem:
        log.info("payment %s not read again: %s", payment_id, problem)


def refresh_payment(payment_id: str, *, by: User) -> SyncResult:
    """Sync a payment because a person wants to know; the audit trail keeps what that changed. Commits.

    The trail can never be erased, so it does not get what is told about the customer.
    """
    result = sync_payment(payment_id, seen_how="hand")
    if result.change is not None and result.change.fields:
        facts = {
            name: told for name, told in result.change.fields.items() if not name.startswith("customer_")
        }
        audit.record("payment.refreshed", "payment", payment_id, by=by, facts=facts)
        db.session.commit()
    return result


def add_note(payment_id: str, body: str, *, by: User) -> None:
    """Keep what a colleague wants the next one to know about a payment. Commits. Raises NotFound."""
    payment = get_payment(payment_id)
    db.session.add(Note(payment_id=payment.id, author_id=by.id, body=body, created_at=clock.now()))
    audit.record("payment.annotated", "payment", payment_id, by=by)
    db.session.commit()


def expect_payment(payment_id: str, expectation: Expectation) -> bool:
    """Keep what the store's servers announce of a payment; the same again changes nothing. Commits.

    Answers whether PortOne should hear of it too: nobody has come to pay yet. Raises `ExpectationConflict`
    for other content than was announced before, and for a payment that is past being announced.
    """
    begin_writing()
    db.session.execute(
        insert_into(Payment)
        .values(
            id=new_id(),
            payment_id=payment_id,
            store_id=portone.store_id,
            status="READY",
            order_name=expectation.order_name,
            currency=expectation.currency,
            amount=expectation.amount,
            cancellable_amount=expectation.amount,
            tax_free_amount=expectation.tax_free_amount or 0,
        )
        .on_conflict_do_nothing(index_elements=[Payment.payment_id])
    )
    payment = lock(Payment, get_payment(payment_id).id)
    is_open = payment.status in {"READY", "FAILED"}
    if payment.expected_digest is None and is_open:
        payment.expected_amount = expectation.amount
        payment.expected_currency = expectation.currency
        payment.expected_tax_free_amount = expectation.tax_free_amount
        payment.expected_digest = expectation.digest
    elif payment.expected_digest != expectation.digest:
        db.session.rollback()
        raise ExpectationConflict(is_paid=not is_open)
    db.session.commit()
    return is_open


def sync_range(
    since: datetime | None,
    until: datetime,
    *,
    page_size: int = MAX_CURSOR_SIZE,
    on_progress: Callable[[SyncProgress], None] | None = None,
) -> SyncProgress:
    """Copy the payments made from `since` (None: the very first) until `until`, each page in one commit.

    A walk that was broken off is taken up at its cursor first. Doing it twice harms nothing, and what was
    read before an error stays. Raises PortOneRefused and PortOneUncertain.
    """
    walk = _Walk(page_size, on_progress)
    left_off = _find_broken_off(since, until)
    if left_off is not None:
        since = left_off.until
        walk.finish(left_off.id)
    if since is None or since < until:
        walk.finish(_begin_run(since, until))
    return walk.progress


def _find_broken_off(since: datetime | None, until: datetime) -> SyncRun | None:
    return db.session.scalar(
        select(SyncRun)
        .where(SyncRun.finished_at.is_(None), SyncRun.until <= until)
        .where(SyncRun.since.is_not_distinct_from(since))
        .order_by(SyncRun.started_at.desc())
        .limit(1)
    )


def _begin_run(since: datetime | None, until: datetime) -> UUID:
    run = SyncRun(id=new_id(), since=since, until=until, started_at=clock.now())
    row_id = run.id
    db.session.add(run)
    db.session.commit()
    return row_id


@dataclass(slots=True)
class _Walk:
    """Goes through PortOne's payments page by page, and counts."""

    page_size: int
    on_progress: Callable[[SyncProgress], None] | None
    progress: SyncProgress = SyncProgress()

    def finish(self, run_id: UUID) -> None:
        """Walk a run from its cursor to its end."""
        is_last = False
        while not is_last:
            run = db.session.get_one(SyncRun, run_id)
            since, until, cursor = run.since or LONG_AGO, run.until, run.cursor
            db.session.rollback()  # no transaction stays open while PortOne is asked
            read_at = clock.now()
            page = self._read(since, until, cursor)
            self._store(run_id, page, read_at)
            is_last = page.next_cursor is None

    def _read(self, since: datetime, until: datetime, cursor: str | None) -> CursorPage:
        try:
            return portone.list_payments_by_cursor(
                since=since, until=until, cursor=cursor, size=self.page_size
            )
        except PortOneRefused as refusal:
            if cursor is None:
                raise
            log.warning("PortOne refused the cursor of a walk (%s); it begins again", refusal)
            return self._read(since, until, None)

    def _store(self, run_id: UUID, page: CursorPage, read_at: datetime) -> None:
        changes = store_snapshots(page.items, read_at=read_at)
        changed = sum(bool(change.fields) for change in changes)
        run = db.session.get_one(SyncRun, run_id)
        run.cursor = page.next_cursor
        run.payments_read += len(page.items)
        run.payments_changed += changed
        if page.next_cursor is None:
            run.finished_at = read_at
        db.session.commit()
        self.progress = SyncProgress(
            self.progress.payments_read + len(page.items),
            self.progress.payments_changed + changed,
            page.items[-1].requested_at if page.items else self.progress.reached_at,
            self.progress.payments_left_out + page.left_out,
        )
        if self.on_progress is not None:
            self.on_progress(self.progress)
