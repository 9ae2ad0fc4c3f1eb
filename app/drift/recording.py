"""Keep what comparing finds: every difference once, healed where PortOne is right, else left to a person.

All is written in the transaction that stores the snapshots, so that a difference is never kept without its
healing, nor healed without being kept.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import exists, func, insert, select, update

from app import clock
from app.columns import new_id
from app.database import insert_into
from app.drift.differences import Difference, healed_by, left_to_judge
from app.drift.lateness import Patience
from app.drift.models import OPEN_ROWS, SEEN_AGAIN, Drift, DriftKind, PgRefund
from app.extensions import db
from app.payments.models import Payment
from app.payments.snapshots import Change, when_compared
from app.portone.payloads import PaymentSnapshot
from app.refunds.queries import list_succeeded_of

_NO_SYNC = {"synchronize_session": False}


@when_compared
def compare(changes: Collection[Change], snapshots: Mapping[str, PaymentSnapshot], seen_how: str) -> None:
    """Record what the storing of snapshots has changed here, and what it could not settle."""
    told = {change.row_id: (change, snapshots[change.payment_id]) for change in changes}
    patience = Patience.over(change for change, _ in told.values())
    found = [
        difference
        for change, snapshot in told.values()
        if change.fields and patience.is_over(change, snapshot)
        for difference in healed_by(change, snapshot)
    ]
    _keep(found, seen_how)
    judge({row_id: snapshot for row_id, (_, snapshot) in told.items()}, seen_how)


def judge(snapshots: Mapping[UUID, PaymentSnapshot], seen_how: str) -> int:
    """Hold stored payments, by their rows, against PortOne's snapshots; how many differences a person has.

    What differed before and agrees now is healed.
    """
    if not snapshots:
        return 0
    payments = db.session.scalars(select(Payment).where(Payment.id.in_(snapshots))).all()
    refunds = list_succeeded_of(snapshots, until=clock.now() - Patience.grace())
    standing = [
        difference
        for payment in payments
        for difference in left_to_judge(payment, snapshots[payment.id], refunds.get(payment.id, ()))
    ]
    _heal_what_agrees(snapshots, {(each.row_id, each.kind, each.subject) for each in standing})
    _keep(standing, seen_how)
    return len(standing)


def keep_open(difference: Difference, seen_how: str, **values: Any) -> UUID | None:
    """Keep one difference that waits for a person, in the caller's transaction.

    The same, seen again, is noted at the row that is open. None for one that a person has closed as it is.
    """
    row_id = _upsert(difference, seen_how, values) if not _was_closed(difference) else None
    mark([difference.row_id])
    return row_id


def mark(row_ids: Collection[UUID]) -> None:
    """Bring what payments tell of their differences up to date, in the caller's transaction."""
    is_open = Drift.payment_id == Payment.id, OPEN_ROWS
    has_drift = exists().where(*is_open)
    hidden = PgRefund.withdrawn_at.is_(None), PgRefund.is_shown.is_(False)
    at_pg = (
        select(func.coalesce(func.sum(PgRefund.amount), 0))
        .where(PgRefund.payment_id == Payment.id, *hidden)
        .scalar_subquery()
    )
    differs = (Payment.has_drift != has_drift) | (Payment.refunded_at_pg_amount != at_pg)
    db.session.execute(
        update(Payment)
        .where(Payment.id.in_(sorted(set(row_ids))), differs)
        .values(has_drift=has_drift, refunded_at_pg_amount=at_pg),
        execution_options=_NO_SYNC,
    )


def _keep(found: Iterable[Difference], seen_how: str) -> None:
    healed: list[Difference] = []
    open_ones: list[Difference] = []
    for each in found:
        (healed if each.is_healed else open_ones).append(each)
    if healed:
        db.session.execute(insert(Drift), [_healed_row(each, seen_how) for each in healed])
    for each in open_ones:
        keep_open(each, seen_how)


def _healed_row(difference: Difference, seen_how: str) -> dict[str, Any]:
    return _row(difference, seen_how) | {"healed_at": clock.now(), "healed_how": "synced"}


def _row(difference: Difference, seen_how: str) -> dict[str, Any]:
    moment = clock.now()
    return {
        "id": new_id(),
        "payment_id": difference.row_id,
        "kind": difference.kind.value,
        "subject": difference.subject,
        "fields": difference.fields,
        "amount": difference.amount,
        "changed_at": difference.changed_at,
        "seen_how": seen_how,
        "first_seen_at": moment,
        "last_seen_at": moment,
    }


def _upsert(difference: Difference, seen_how: str, values: Mapping[str, Any]) -> UUID | None:
    row = _row(difference, seen_how) | dict(values)
    again = {name: row[name] for name in ("fields", "amount", "seen_how", "last_seen_at")}
    statement = insert_into(Drift).values(row)
    kept: UUID | None = db.session.scalar(
        statement.on_conflict_do_update(
            index_elements=[Drift.payment_id, Drift.kind, Drift.subject],
            index_where=OPEN_ROWS,
            set_=again | {"times_seen": Drift.times_seen + 1},
        ).returning(Drift.id)
    )
    return kept


def _was_closed(difference: Difference) -> bool:
    """Whether a person has closed this very difference; that it still stands is noted."""
    closed = db.session.execute(
        select(Drift.id, Drift.fields)
        .where(Drift.payment_id == difference.row_id, Drift.kind == difference.kind.value)
        .where(Drift.subject == difference.subject, Drift.closed_at.is_not(None))
        .order_by(Drift.closed_at.desc())
        .limit(1)
    ).first()
    if closed is None or closed.fields != difference.fields:
        return False
    seen = {"last_seen_at": clock.now(), "times_seen": Drift.times_seen + 1}
    db.session.execute(update(Drift).where(Drift.id == closed.id).values(seen), execution_options=_NO_SYNC)
    return True


def _heal_what_agrees(
    snapshots: Mapping[UUID, PaymentSnapshot], standing: Collection[tuple[UUID, DriftKind, str]]
) -> None:
    kinds = [kind.value for kind in SEEN_AGAIN]
    rows = db.session.execute(
        select(Drift.id, Drift.payment_id, Drift.kind, Drift.subject, Drift.fields).where(
            Drift.payment_id.in_(snapshots), Drift.kind.in_(kinds), OPEN_ROWS
        )
    ).all()
    over = [row for row in rows if (row.payment_id, row.kind, row.subject) not in standing]
    over = [row for row in over if not _still_lacks(row, snapshots[row.payment_id])]
    if not over:
        return
    healed = {"healed_at": clock.now(), "healed_how": "agrees", "last_seen_at": clock.now()}
    db.session.execute(
        update(Drift).where(Drift.id.in_([row.id for row in over])).values(healed),
        execution_options=_NO_SYNC,
    )
    mark([row.payment_id for row in over])


def _still_lacks(row: Any, snapshot: PaymentSnapshot) -> bool:
    """Whether PortOne still tells of less money gone than it once did, though ours took its word."""
    if row.kind != DriftKind.CANCELLED_LESS:
        return False
    return snapshot.amount.cancelled < int(row.fields["cancelled_amount"][0])
