"""Billing keys to show: the list, one key, its payments, and its events."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypedDict
from uuid import UUID

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import ColumnElement, Select, and_, or_, select
from sqlalchemy.orm import joinedload

from app.accounts.models import User
from app.billing_keys.models import DELETED, BillingKey
from app.encryption import vault
from app.errors import NotFound
from app.extensions import db
from app.payments.changes import FieldChange
from app.payments.models import Payment
from app.payments.timeline import Entry
from app.portone.values import mapping, text
from app.web.labels import label_of
from app.web.pagination import Page, capped_count, list_page

#: The most payments that are shown beside their billing key.
SHOWN_PAYMENTS = 50

#: What the columns of a billing key are called, and the kind of code in them, if it is one.
_FIELDS: dict[str, tuple[Any, str | None]] = {
    "status": (_l("Status"), "billing_key_status"),
    "method": (_l("Payment method"), "method"),
    "method_summary": (_l("Number"), None),
    "card_name": (_l("Card name"), None),
    "card_number": (_l("Card number"), None),
    "pg_provider": (_l("PG"), "pg"),
    "customer_name": (_l("Customer name"), None),
}

Contributor = Callable[[BillingKey], Iterable[Entry]]

_contributors: list[Contributor] = []


class BillingKeyFilters(TypedDict, total=False):
    """What the list is narrowed to; `customer` is a whole id, `text` part of a name, id or number.

    `use` is `chargeable`, `default`, `off` or `deleting`; the moments bound the time of issue, the last one
    excluded.
    """

    status: list[str]
    method: str | None
    pg: list[str]
    customer: str | None
    use: str | None
    since: datetime | None
    until: datetime | None
    text: str | None


def contribute(function: Contributor) -> Contributor:
    """Have `function` add its entries to the events of every billing key."""
    if function not in _contributors:
        _contributors.append(function)
    return function


def find_billing_key(billing_key: str) -> BillingKey | None:
    """The row of a key, given the key itself."""
    hashes = vault().fingerprints(billing_key)
    return db.session.scalar(select(BillingKey).where(BillingKey.billing_key.in_(hashes)))


def get_billing_key(billing_key_row_id: UUID) -> BillingKey:
    """The billing key with this id of ours; raises NotFound."""
    row = db.session.get(BillingKey, billing_key_row_id, options=[joinedload(BillingKey.user)])
    if row is None:
        raise NotFound(_("There is no billing key with this number."))
    return row


def list_billing_keys(filters: BillingKeyFilters, *, after: str | None) -> Page[BillingKey]:
    """A page of billing keys, the last issued first."""
    statement = _filtered(filters).options(joinedload(BillingKey.user))
    return list_page(statement, clock=BillingKey.registered_clock, key=BillingKey.id, after=after)


def count_billing_keys(filters: BillingKeyFilters) -> int:
    """How many billing keys the filters find; exact up to the cap of `capped_count`."""
    return capped_count(_filtered(filters))


def select_billing_keys(filters: BillingKeyFilters, *columns: Any) -> Select[Any]:
    """Columns of every billing key the filters find, and of whose it is, in no order."""
    return _filtered(filters).with_only_columns(*columns)


def list_payments_of(row: BillingKey) -> Sequence[Payment]:
    """The latest payments made with a billing key."""
    return db.session.scalars(
        select(Payment)
        .where(Payment.billing_key_hash == row.billing_key)
        .order_by(Payment.changed_clock.desc(), Payment.id.desc())
        .limit(SHOWN_PAYMENTS)
    ).all()


def timeline_of(row: BillingKey) -> list[Entry]:
    """What happened to a billing key, the latest first."""
    entries = [*_milestones(row), *(entry for told in _contributors for entry in told(row))]
    return sorted(entries, key=lambda entry: entry.at, reverse=True)


def describe(row: BillingKey) -> str:
    """What the key charges, in words: the wallet, card company or bank, and the masked number."""
    method = _first_method(row)
    inner = mapping(method, "method") or {}
    known = (
        _name("easy_pay", method.get("provider")),
        _name("card_company", row.card_company),
        _name("bank", method.get("bank") or inner.get("bank")),
        row.method_summary,
    )
    return " · ".join(part for part in known if part)


@dataclass(frozen=True, slots=True)
class IssueChannel:
    """A channel a key was issued over; of one that failed, what its PG said."""

    name: str
    pg_provider: str | None
    is_issued: bool
    said: str


def channels_of(row: BillingKey) -> list[IssueChannel]:
    """The channels of a key that PortOne issued over several; empty for a key over one."""
    answers = (row.snapshot or {}).get("pgBillingKeyIssueResponses")
    told = [answer for answer in answers if isinstance(answer, dict)] if isinstance(answers, list) else []
    return [_issue_channel(answer) for answer in told] if len(told) > 1 else []


def _issue_channel(answer: dict[str, Any]) -> IssueChannel:
    channel, failure = mapping(answer, "channel") or {}, mapping(answer, "failure") or {}
    said = (text(failure, "pgMessage") or text(failure, "message"), text(failure, "pgCode"))
    return IssueChannel(
        name=text(channel, "name") or "",
        pg_provider=text(channel, "pgProvider"),
        is_issued=answer.get("type") == "ISSUED",
        said=" ".join(part for part in said if part),
    )


def words_of_changes(fields: Mapping[str, Sequence[Any]]) -> list[FieldChange]:
    """What changed, as `service.Change.fields` tells it, for people."""
    told = []
    for column, (before, after) in fields.items():
        name, kind = _FIELDS.get(column, (column, None))
        told.append(FieldChange(str(name), _in_words(kind, before), _in_words(kind, after)))
    return told


def _in_words(kind: str | None, value: Any) -> str:
    if value is None:
        return "–"
    return str(label_of(kind, value).text) if kind else str(value)


def _milestones(row: BillingKey) -> Iterator[Entry]:
    source = str(label_of("source", "portone").text)
    if row.registered_at:
        yield Entry(row.registered_at, _("Billing key issued"), source=source, tone="good", icon="key")
    if row.deleted_at:
        yield Entry(row.deleted_at, _("Billing key deleted"), source=source, icon="trash")


def _first_method(row: BillingKey) -> Mapping[str, Any]:
    methods = (row.snapshot or {}).get("methods")
    first = methods[0] if isinstance(methods, list) and methods else None
    return first if isinstance(first, dict) else {}


def _name(kind: str, code: Any) -> str | None:
    return str(label_of(kind, code).text) if isinstance(code, str) and code else None


#: What `use` means.
_USES: dict[str, ColumnElement[bool]] = {
    "chargeable": and_(BillingKey.is_chargeable),
    "default": and_(BillingKey.is_default),
    "off": and_(BillingKey.is_active.is_(False), BillingKey.status != DELETED),
    "deleting": BillingKey.deleting_since.is_not(None),
}


def _filtered(filters: BillingKeyFilters) -> Select[BillingKey]:
    statement = select(BillingKey).select_from(BillingKey).outerjoin(BillingKey.user)
    return statement.where(*_conditions(filters))


def _conditions(filters: BillingKeyFilters) -> Iterator[ColumnElement[bool]]:
    if statuses := filters.get("status"):
        yield BillingKey.status.in_(statuses)
    if method := filters.get("method"):
        yield BillingKey.method == method
    if pg_providers := filters.get("pg"):
        yield BillingKey.pg_provider.in_(pg_providers)
    if customer := filters.get("customer"):
        yield User.customer_id == customer
    if use := filters.get("use"):
        yield _USES[use]
    if since := filters.get("since"):
        yield BillingKey.registered_clock >= since
    if until := filters.get("until"):
        yield BillingKey.registered_clock < until
    if text := filters.get("text"):
        yield or_(*_places_of(text))


def _places_of(text: str) -> Iterator[ColumnElement[bool]]:
    """Where a text may stand; of a number spaces and hyphens do not matter."""
    names = (BillingKey.customer_name, BillingKey.card_name, User.name, User.customer_id)
    yield from (column.icontains(text, autoescape=True) for column in names)
    bare = re.sub(r"[\s-]", "", text)
    number = bare if re.fullmatch(r"[0-9*]+", bare) else text
    numbers = (BillingKey.card_number, BillingKey.method_summary)
    yield from (column.icontains(number, autoescape=True) for column in numbers)
    yield BillingKey.key_ending == text
