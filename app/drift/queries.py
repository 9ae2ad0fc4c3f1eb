"""Differences to show: the list, what waits of a payment, and how far comparing has come."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import ColumnElement, Select, and_, or_, select
from sqlalchemy.orm import contains_eager, joinedload

from app.drift.models import OPEN_ROWS, Drift, DriftRun, PgRefund
from app.errors import NotFound
from app.extensions import db
from app.payments.models import Payment
from app.web.pagination import Page, capped_count, list_page

#: The tabs of the page, and what each shows.
STATES: dict[str, ColumnElement[bool]] = {
    "open": and_(OPEN_ROWS),
    "healed": Drift.healed_at.is_not(None),
    "closed": Drift.closed_at.is_not(None),
}


@dataclass(frozen=True, slots=True)
class DriftFilters:
    """Which differences a list shows. `since` is included and `until` is not, by when it was first seen."""

    state: str = "open"
    text: str | None = None
    kind: str | None = None
    seen_how: str | None = None
    currency: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Coverage:
    """What was compared last: the run of each walk that is under way or ended last, and when."""

    runs: dict[str, DriftRun]
    at: datetime | None
    payments: int
    differences: int
    resting_until: datetime | None


def list_drifts(filters: DriftFilters, *, after: str | None) -> Page[Drift]:
    """A page of differences, the last first seen first."""
    statement = select(Drift).join(Drift.payment).where(*_conditions(filters))
    related = contains_eager(Drift.payment), joinedload(Drift.closer)
    return list_page(statement.options(*related), clock=Drift.first_seen_at, key=Drift.id, after=after)


def select_drifts(filters: DriftFilters, *columns: Any) -> Select[Any]:
    """Columns of every difference the filters find, and of its payment, in no order."""
    return select(*columns).select_from(Drift).join(Drift.payment).where(*_conditions(filters))


def count_drifts(filters: DriftFilters) -> dict[str, int]:
    """How many there are in each tab, whichever the filters name; each exact up to the cap."""
    narrowed = _narrowed(filters)
    rows = select(Drift.id).join(Drift.payment)
    return {state: capped_count(rows.where(shown, *narrowed)) for state, shown in STATES.items()}


def count_open() -> int:
    """How many differences wait for a person, up to the cap."""
    return capped_count(select(Drift.id).where(OPEN_ROWS))


def get_drift(drift_id: UUID) -> Drift:
    """The difference with this id; raises NotFound."""
    drift = db.session.get(Drift, drift_id)
    if drift is None:
        raise NotFound(_("There is no such difference."))
    return drift


def list_drifts_of(payment: Payment) -> Sequence[Drift]:
    """Every difference of a payment, the first seen first."""
    found = select(Drift).where(Drift.payment_id == payment.id).options(joinedload(Drift.closer))
    return db.session.scalars(found.order_by(Drift.first_seen_at, Drift.id)).all()


def list_pg_refunds_of(payment: Payment) -> Sequence[PgRefund]:
    """The refunds at the PG that were noted of a payment, the first noted first."""
    found = select(PgRefund).where(PgRefund.payment_id == payment.id).options(joinedload(PgRefund.flagger))
    return db.session.scalars(found.order_by(PgRefund.created_at, PgRefund.id)).all()


def get_pg_refund(pg_refund_id: UUID) -> PgRefund:
    """The refund at the PG with this id; raises NotFound."""
    noted = db.session.get(PgRefund, pg_refund_id)
    if noted is None:
        raise NotFound(_("No such refund at the PG was noted."))
    return noted


def find_coverage() -> Coverage:
    """How far comparing has come."""
    runs: dict[str, DriftRun] = {}
    for run in db.session.scalars(select(DriftRun).order_by(DriftRun.started_at)):
        runs[run.walk] = run
    touched = [run.touched_at for run in runs.values() if run.payments_read or run.finished_at]
    resting = [run.next_at for run in runs.values() if run.failures and run.finished_at is None]
    return Coverage(
        runs,
        max(touched, default=None),
        sum(run.payments_read for run in runs.values()),
        sum(run.differences for run in runs.values()),
        max(resting, default=None),
    )


def _conditions(filters: DriftFilters) -> list[ColumnElement[bool]]:
    return [STATES[filters.state], *_narrowed(filters)]


def _narrowed(filters: DriftFilters) -> list[ColumnElement[bool]]:
    equal = (
        (Drift.kind, filters.kind),
        (Drift.seen_how, filters.seen_how),
        (Payment.currency, filters.currency),
    )
    found: list[ColumnElement[bool]] = [column == value for column, value in equal if value]
    if filters.text:
        searched = (Payment.payment_id, Payment.order_name, Payment.customer_name, Drift.note)
        found.append(_holds(filters.text, searched))
    if filters.since:
        found.append(Drift.first_seen_at >= filters.since)
    if filters.until:
        found.append(Drift.first_seen_at < filters.until)
    return found


def _holds(text: str, columns: Sequence[Any]) -> ColumnElement[bool]:
    return or_(*(column.icontains(text, autoescape=True) for column in columns))
