"""Claim waiting rows for a worker, take over what a dead one left, and hold a periodic duty alone.

A claim is a lease: it ends by itself, so a row whose worker was killed is taken up by another.
"""

import os
import socket
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Integer, Select, String, TextClause, or_, select, update
from sqlalchemy.orm import Mapped, mapped_column

from app import clock
from app.columns import UtcDateTime, new_id, utc_now
from app.database import begin_writing, insert_into, reading
from app.extensions import Model, db

#: What is claimed is free again after this, unless its worker lives and renews.
CLAIM_SECONDS = 12.0
#: How often a worker renews its claims and its sign of life: well before either runs out.
BEAT_SECONDS = 4.0


class Leased:
    """Mixin: a row that waits until `next_attempt_at`, and is one worker's until `claimed_until`."""

    attempts: Mapped[int] = mapped_column(Integer, server_default="0")
    next_attempt_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=utc_now())
    claimed_by: Mapped[str | None] = mapped_column(String(120))
    claimed_until: Mapped[datetime | None] = mapped_column(UtcDateTime)

    def release(self, *, next_attempt_at: datetime | None = None) -> None:
        """Give the row back, to be tried again at `next_attempt_at` where one is given."""
        self.claimed_by = None
        self.claimed_until = None
        if next_attempt_at is not None:
            self.next_attempt_at = next_attempt_at


class Lease(Model):
    """A named duty, or a worker's sign of life: who holds it, and until when."""

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(String(120), primary_key=True)
    holder: Mapped[str] = mapped_column(String(120))
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)


#: Holders of this process that are to end.
_ending: set[str] = set()


def new_holder() -> str:
    """A name for this worker that no other worker has, on any machine."""
    return f"{socket.gethostname()[:60]}:{os.getpid()}:{new_id()}"


def begin_to_end(holder: str) -> None:
    """Have long work under this holder's claims stop after the step it is at: its worker is to end."""
    _ending.add(holder)


def is_ending(holder: str) -> bool:
    """Whether the worker of this process that holds claims under this name is to end."""
    return holder in _ending


def claim(model: Any, *waiting: ColumnElement[bool] | TextClause, holder: str, limit: int) -> Sequence[UUID]:
    """Claim up to `limit` rows that wait and are due; answer their ids. Commits."""
    if is_idle(model, *waiting):
        return []
    begin_writing()
    ids = db.session.scalars(due(model, *waiting).limit(limit).with_for_update(skip_locked=True)).all()
    mark(model, ids, holder=holder)
    db.session.commit()
    return ids


def is_idle(model: Any, *waiting: ColumnElement[bool] | TextClause) -> bool:
    """Whether a look shows that nothing is due: on SQLite a claim would take a writer's turn for nothing."""
    if db.engine.dialect.name != "sqlite" or db.session().in_transaction():
        return False
    with reading():
        return db.session.scalar(due(model, *waiting).order_by(None).limit(1)) is None


def due(model: Any, *waiting: ColumnElement[bool] | TextClause) -> Select[UUID]:
    """The ids of rows that wait, are due, and are nobody's; the longest due come first."""
    moment = clock.now()
    return (
        select(model.id)
        .where(*waiting, model.next_attempt_at <= moment)
        .where(or_(model.claimed_until.is_(None), model.claimed_until < moment))
        .order_by(model.next_attempt_at, model.id)
    )


def mark(model: Any, ids: Collection[UUID], *, holder: str) -> None:
    """Make rows that the caller has found due, and holds locked, its own for `CLAIM_SECONDS`."""
    if ids:
        db.session.execute(
            update(model)
            .where(model.id.in_(ids))
            .values(claimed_by=holder, claimed_until=clock.now() + timedelta(seconds=CLAIM_SECONDS))
            .execution_options(synchronize_session=False)
        )


def hold(name: str, *, holder: str, seconds: float) -> bool:
    """Take or renew a named lease; False while another holds it. Commits."""
    begin_writing()
    moment = clock.now()
    values = {"name": name, "holder": holder, "expires_at": moment + timedelta(seconds=seconds)}
    taken = db.session.execute(
        insert_into(Lease)
        .values(values)
        .on_conflict_do_update(
            index_elements=[Lease.name],
            set_=values,
            where=or_(Lease.holder == holder, Lease.expires_at < moment),
        )
        .returning(Lease.name)
    ).first()
    db.session.commit()
    return taken is not None
