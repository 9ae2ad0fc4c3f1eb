"""What differences and refunds at the PG add to the page of a payment."""

from collections.abc import Iterator, Sequence

from flask import url_for
from flask_babel import gettext as _

from app.accounts.models import User
from app.drift.models import Drift, DriftKind, PgRefund
from app.drift.queries import list_drifts_of, list_pg_refunds_of
from app.payments.changes import words_of_changes
from app.payments.models import Payment
from app.payments.timeline import Entry, contribute
from app.web.filters import money
from app.web.labels import label_of


@contribute
def tell_drifts(payment: Payment) -> Iterator[Entry]:
    """When a difference was seen, and how it ended; a refund at the PG tells itself."""
    for drift in list_drifts_of(payment):
        if drift.kind == DriftKind.REFUNDED_AT_PG:
            continue
        label = label_of("drift_kind", drift.kind)
        yield Entry(
            drift.first_seen_at,
            _("Differed from PortOne: %(what)s", what=label.text),
            source=str(label_of("drift_seen", drift.seen_how).text),
            detail=words_of(drift),
            url=url_for("drift.show", drift_id=drift.id),
            tone="plain" if drift.healed_at else label.tone,
            icon="intersect",
        )
        if drift.closed_at:
            yield Entry(
                drift.closed_at,
                _("Difference from PortOne closed"),
                actor=_name_of(drift.closer),
                source=str(label_of("source", "ours").text),
                detail=drift.note or "",
                icon="check-circle",
            )


@contribute
def tell_pg_refunds(payment: Payment) -> Iterator[Entry]:
    """What people noted of refunds at the PG."""
    for noted in list_pg_refunds_of(payment):
        amount = money(noted.amount, payment.currency)
        yield Entry(
            noted.created_at,
            _("Refunded at the PG directly: %(amount)s on %(day)s", amount=amount, day=noted.refunded_on),
            actor=_name_of(noted.flagger),
            source=str(label_of("source", "ours").text),
            detail=noted.note,
            url=url_for("drift.pg_refund", pg_refund_id=noted.id),
            tone="bad" if noted.is_open else "plain",
            icon="flag-fill",
        )
        ended_at = noted.withdrawn_at or noted.resolved_at
        if ended_at:
            yield Entry(
                ended_at,
                _("Taken back: no refund was made at the PG")
                if noted.withdrawn_at
                else _("Refund at the PG resolved"),
                source=str(label_of("source", "ours").text),
                detail=money(noted.amount, payment.currency),
                icon="flag",
            )


def words_of(drift: Drift) -> str:
    """What differs, in words: ours and PortOne's."""
    changes = words_of_changes(drift.fields or {}, drift.payment.currency)
    return "\n".join(f"{change.name}: {change.before} → {change.after}" for change in changes)


def open_of(payment: Payment) -> Sequence[Drift]:
    """The differences of a payment that wait for a person; for most payments nothing is asked."""
    return [drift for drift in list_drifts_of(payment) if drift.is_open] if payment.has_drift else []


def pg_refunds_of(payment: Payment) -> Sequence[PgRefund]:
    """The refunds at the PG that still count."""
    if not payment.refunded_at_pg_amount:
        return []
    return [
        noted for noted in list_pg_refunds_of(payment) if noted.withdrawn_at is None and not noted.is_shown
    ]


def _name_of(person: User | None) -> str:
    return (person.name or person.email or "") if person else ""
