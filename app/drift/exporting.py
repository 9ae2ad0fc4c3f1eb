"""The list of differences as a file."""

from operator import attrgetter
from typing import Any

from flask_babel import lazy_gettext as _l
from sqlalchemy import Select, func
from sqlalchemy.orm import aliased

from app.access.permissions import Permission
from app.accounts.models import User
from app.drift.forms import DriftFilterForm
from app.drift.models import Drift
from app.drift.queries import DriftFilters, select_drifts
from app.payments.changes import words_of_changes
from app.payments.models import Payment
from app.web.lists import Column, Listing, register
from app.web.masks import masked_name
from app.web.spreadsheets import major

_closer = aliased(User)

_READ = (
    Drift.id,
    Drift.kind,
    Drift.fields,
    Drift.amount,
    Drift.seen_how,
    Drift.changed_at,
    Drift.first_seen_at,
    Drift.last_seen_at,
    Drift.healed_at,
    Drift.closed_at,
    Drift.note,
    func.coalesce(func.nullif(_closer.name, ""), _closer.email).label("closer"),
    Payment.payment_id,
    Payment.order_name,
    Payment.customer_name,
    Payment.status,
    Payment.currency,
    Payment.pg_provider,
)


def _rows(filters: DriftFilters) -> Select[Any]:
    return select_drifts(filters, *_READ).outerjoin(_closer, _closer.id == Drift.closed_by)


def _differences(row: Any) -> str:
    changes = words_of_changes(row.fields or {}, row.currency)
    return ", ".join(f"{each.name}: {each.before} → {each.after}" for each in changes)


DRIFTS = register(
    Listing(
        name="drifts",
        title=_l("Differences from PortOne"),
        endpoint="drift.index",
        permission=Permission.DRIFT_READ,
        form=DriftFilterForm,
        rows=_rows,
        clock=Drift.first_seen_at,
        key=Drift.id,
        columns=(
            Column(_l("Kind"), attrgetter("kind"), kind="drift_kind"),
            Column(_l("Here → at PortOne"), _differences),
            Column(_l("Currency"), attrgetter("currency")),
            Column(_l("Money it is about"), lambda row: major(row.amount, row.currency)),
            Column(_l("Payment ID"), attrgetter("payment_id")),
            Column(_l("Order"), attrgetter("order_name")),
            Column(_l("Customer name"), attrgetter("customer_name"), masked_name),
            Column(_l("PG"), attrgetter("pg_provider"), kind="pg"),
            Column(_l("Seen by"), attrgetter("seen_how"), kind="drift_seen"),
            Column(_l("Changed at PortOne"), attrgetter("changed_at")),
            Column(_l("First seen"), attrgetter("first_seen_at")),
            Column(_l("Last seen"), attrgetter("last_seen_at")),
            Column(_l("Healed at"), attrgetter("healed_at")),
            Column(_l("Closed at"), attrgetter("closed_at")),
            Column(_l("Closed by"), attrgetter("closer")),
            Column(_l("What came of it"), attrgetter("note")),
        ),
    )
)
