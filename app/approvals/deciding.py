"""What waits for a second person: decided about once, by somebody else than who asked, or left to run out.

Refunds and charges have a desk each. Whoever comes second, a person or the clock, reads what the first
decided: the row is locked. A row that waits has `status`, `requested_by`, `expires_at` and `problem`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import and_, or_, select

from app import clock
from app.accounts.models import User
from app.approvals.queries import APPROVES, Kind
from app.approvals.service import ApprovalRefused, refuse_without
from app.audit import service as audit
from app.audit.queries import list_entries_of
from app.database import lock
from app.extensions import db
from app.settings.service import value_of
from app.web.filters import local_time

#: What a rejected row keeps in `problem` when it was no second person's no.
EXPIRED, WITHDRAWN = "EXPIRED", "WITHDRAWN"

_AWAITING, _REJECTED = "awaiting_approval", "rejected"


class NotTheSecond(ApprovalRefused):
    """Whoever asked wants to decide about it, or somebody else wants to take it back."""

    status = 403


class AlreadyDecided(ApprovalRefused):
    """Somebody was faster; the message says who, and what they decided."""

    status = 409


@dataclass(frozen=True, slots=True)
class Desk:
    """Where rows of one kind are decided about.

    `erased` is the column that is not needed once a row ends here. `decisions` are sentences by action, with
    `%(who)s` and `%(at)s`; `own`, `not_theirs` and `not_waiting` say why somebody may not decide.
    """

    kind: Kind
    model: Any
    erased: str
    decisions: Mapping[str, Any]
    own: Any
    not_theirs: Any
    not_waiting: Any

    def reject(self, row_id: UUID, *, by: User, note: str = "") -> None:
        """Say no to a row that waits. Commits."""
        self.refuse_own(row_id, by)
        row = self.lock_waiting(row_id)
        refuse_without(by, APPROVES[self.kind])
        self._close(row, "rejected", by=by, note=note)

    def withdraw(self, row_id: UUID, *, by: User) -> None:
        """Take back a row that waits and that one asked for oneself. Commits."""
        row = self.lock_waiting(row_id)
        if row.requested_by != by.id:
            raise NotTheSecond(str(self.not_theirs))
        self._close(row, "withdrawn", by=by, problem=WITHDRAWN)

    def expire_waiting(self) -> int:
        """Reject what waited too long; answers how many. Safe beside people who decide, and other workers."""
        moment, model = clock.now(), self.model
        long_ago = moment - self._patience
        is_over = or_(
            model.expires_at <= moment, and_(model.expires_at.is_(None), model.created_at <= long_ago)
        )
        due = db.session.scalars(select(model.id).where(model.status == _AWAITING, is_over)).all()
        db.session.rollback()
        return sum(self._expire(row_id) for row_id in due)

    def expires_at(self, row: Any) -> datetime:
        """Until when a row waits; one another tool wrote waits from its creation."""
        until: datetime = row.expires_at or row.created_at + self._patience
        return until

    def lock_waiting(self, row_id: UUID) -> Any:
        """The row, locked; raises `AlreadyDecided` where it does not wait any more."""
        row = lock(self.model, row_id)
        self.refuse_decided(row)
        return row

    def refuse_expired(self, row: Any) -> None:
        """Raise `AlreadyDecided`, with a commit, where the time of a locked row is over."""
        if self.expires_at(row) <= clock.now():
            row_id = row.id
            self._close(row, "expired", problem=EXPIRED)
            raise AlreadyDecided(self._tell_decision(row_id))

    def refuse_decided(self, row: Any) -> None:
        """Raise `AlreadyDecided` where a row does not wait."""
        if row.status != _AWAITING:
            raise AlreadyDecided(self._tell_decision(row.id))

    def refuse_own(self, row_id: UUID, by: User) -> None:
        """Nobody is their own second person; that somebody tried is kept. Commits if so."""
        row = db.session.get_one(self.model, row_id)
        if row.requested_by != by.id:
            return
        self.refuse_decided(row)
        facts = {"why": f"own_{self.kind}"}
        audit.record(f"{self.kind}.decision_refused", self.kind, str(row_id), by=by, facts=facts)
        db.session.commit()
        raise NotTheSecond(str(self.own))

    def record(self, step: str, row: Any, *, by: User | None, **facts: str | None) -> None:
        """Put what became of a row that waited into the trail, in the caller's transaction."""
        audit.record(
            f"{self.kind}.{step}",
            self.kind,
            str(row.id),
            by=by,
            before={"status": _AWAITING},
            after={"status": row.status},
            facts={name: value for name, value in facts.items() if value},
        )

    @property
    def _patience(self) -> timedelta:
        return timedelta(hours=value_of(f"{self.kind}_approval_hours"))

    def _tell_decision(self, row_id: UUID) -> str:
        """Who decided what, and when, for whoever comes second."""
        entries = list_entries_of(self.kind, row_id)
        told = [entry for entry in entries if entry.action.removeprefix(f"{self.kind}.") in self.decisions]
        if not told:
            return str(self.not_waiting)
        sentence = self.decisions[told[0].action.removeprefix(f"{self.kind}.")]
        return str(sentence) % {"who": told[0].actor_name, "at": local_time(told[0].at)}

    def _close(
        self, row: Any, step: str, *, by: User | None = None, problem: str | None = None, note: str = ""
    ) -> None:
        """Let a waiting row end without a question to PortOne. Commits."""
        row.status, row.problem, row.settled_at, row.expires_at = _REJECTED, problem, clock.now(), None
        setattr(row, self.erased, None)
        self.record(step, row, by=by, note=note)
        db.session.commit()

    def _expire(self, row_id: UUID) -> bool:
        try:
            row = self.lock_waiting(row_id)
        except AlreadyDecided:
            db.session.rollback()
            return False
        if self.expires_at(row) > clock.now():
            db.session.rollback()
            return False
        self._close(row, "expired", problem=EXPIRED)
        return True


def unreadable() -> str:
    """Words for a wish that cannot be opened any more."""
    sentence = _(
        "What was asked for cannot be read any more: its encryption key is gone. Reject it, and ask anew."
    )
    return str(sentence)
