"""Going straight to what an id names: whatever PortOne or we ever gave, pasted anywhere into the search box.

Domains above tell of their own things (`contribute`): refunds, webhook messages, billing keys.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit
from uuid import UUID

from flask import url_for
from flask_babel import gettext as _
from sqlalchemy import (
    BindParameter,
    ColumnElement,
    CompoundSelect,
    Integer,
    bindparam,
    literal,
    literal_column,
    or_,
    select,
    union_all,
)

from app.access.guards import can
from app.access.permissions import Permission
from app.columns import Id
from app.database import no_longer_than
from app.extensions import db
from app.payments.models import Cancellation, Payment, PaymentSearch
from app.payments.text_query import TextQuery, as_number

#: The longest id there is room for; a longer text names nothing.
_LONGEST = 200

#: Seconds until the text is searched for as a text after all.
LONGEST_LOOK = 1.0

#: More than this is no longer a choice between a few things, but a search.
MOST = 10

_AROUND = " \t\r\n\"'“”‘’`()[]{}<>,;"


@dataclass(frozen=True, slots=True)
class Destination:
    """A page that an id leads to. One that `is_general` gives way to those that are not.

    `kind` and `title` tell people which thing it is; `why` names what the id is of it.
    """

    url: str
    kind: str
    title: str
    why: str
    is_general: bool = False


#: The numbers that are of one payment.
_NUMBERED = {"approval_number", "account_number", "account_number_digits"}

Finder = Callable[[str], Iterable[Destination]]

#: The finders, with the columns that hold what they find things by.
_finders: dict[Finder, tuple[Any, ...]] = {}


def contribute(*named_by: Any) -> Callable[[Finder], Finder]:
    """Have a function answer the things that a text is the whole id of; a decorator.

    `named_by` are the columns of such ids, ours (UUIDs) and others. The function is asked only for what
    stands in one of them: most of what is typed is no id, and one look shows that for all domains.
    """

    def add(finder: Finder) -> Finder:
        _finders[finder] = named_by
        _where_it_stands.cache_clear()
        return finder

    return add


def find_destinations(typed: str) -> list[Destination]:
    """The pages that what was typed names whole: none, the one to go to, or some to choose, `MOST` at most.

    Raises `TookTooLong`.
    """
    with no_longer_than(LONGEST_LOOK):
        for name in _names_in(typed):
            found = {each.url: each for finder in _concerned(name) for each in finder(name)}
            special = [each for each in found.values() if not each.is_general]
            if found:
                return (special or list(found.values()))[:MOST]
    return []


def as_uuid(name: str) -> UUID | None:
    """The id of one of our rows, if it is one."""
    return UUID(name) if re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", name) else None


def is_named(name: str, row_id: Any, other: Any) -> ColumnElement[bool]:
    """The condition that a row has this id of ours, or this one in another column."""
    own = as_uuid(name)
    return or_(row_id == own, other == name) if own else other == name


def payment_destination(payment_id: str, order_name: str | None, why: Any, **more: Any) -> Destination:
    """The page of a payment."""
    url = url_for("payments.show", payment_id=payment_id)
    return Destination(url, _("Payment"), order_name or payment_id, str(why), **more)


def _concerned(name: str) -> Iterator[Finder]:
    """Whoever may know a thing of this id."""
    own = as_uuid(name)
    known = set(db.session.scalars(_where_it_stands(is_uuid=own is not None), {"name": name, "own": own}))
    yield from (finder for number, finder in enumerate(_finders) if number in known)
    yield _by_number


@cache
def _where_it_stands(*, is_uuid: bool) -> CompoundSelect[Any]:
    """The numbers of the finders in whose columns an id stands; a text that is no UUID is none of ours."""
    looks = [
        select(literal_column(str(number), Integer)).where(select(column).where(column == given).exists())
        for number, columns in enumerate(_finders.values())
        for column, given in ((column, _given(column)) for column in columns)
        if is_uuid or given.key == "name"
    ]
    return union_all(*looks)


def _given(column: Any) -> BindParameter[Any]:
    """The parameter that a column of ids is compared with."""
    is_ours = isinstance(column.type, Id)
    return bindparam("own" if is_ours else "name", type_=column.type)


def _names_in(typed: str) -> Iterator[str]:
    """What may be an id in a typed text: all of it, what an address names, the one word after a label."""
    whole = typed.strip()
    bare = whole.strip(_AROUND)
    names = [whole, bare]
    if re.match(r"https?://", bare):
        names += _names_in_address(bare)
    label, colon, rest = bare.rpartition(": ")
    if colon and len(label) < 30 and " " not in rest.strip():
        names.append(rest.strip(_AROUND))
    yield from dict.fromkeys(name for name in names if 0 < len(name) <= _LONGEST and "\x00" not in name)


def _names_in_address(address: str) -> Iterator[str]:
    """The parts of an address that may be ids, the last first: PortOne's console and ours end in them."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return
    yield from (value for _, value in parse_qsl(parts.query))
    for segment in reversed(parts.path.split("/")):
        yield unquote(segment).removeprefix("=") if segment in {"=.", "=.."} else unquote(segment)


@contribute(Payment.payment_id, Payment.transaction_id, Payment.pg_tx_id, Cancellation.cancellation_id)
def _by_id(name: str) -> Iterator[Destination]:
    """The payment with an id of PortOne's or the PG's.

    A cancellation stands on its payment's page; one that is a refund of ours has a page of its own.
    """
    if not can(Permission.PAYMENT_READ):
        return
    cancelled = Payment.id.in_(select(Cancellation.payment_id).where(Cancellation.cancellation_id == name))
    whys = (
        (_("Payment ID"), Payment.payment_id == name),
        (_("Transaction ID"), Payment.transaction_id == name),
        (_("PG transaction ID"), Payment.pg_tx_id == name),
        (_("Cancellation ID"), cancelled),
    )
    found = (select(literal(why), Payment.payment_id, Payment.order_name).where(is_it) for why, is_it in whys)
    for why, payment_id, order_name in db.session.execute(union_all(*found).limit(len(whys) * MOST)):
        yield payment_destination(payment_id, order_name, why, is_general=why == _("Cancellation ID"))


def _by_number(name: str) -> Iterator[Destination]:
    """Approval numbers and virtual accounts in any punctuation, and a phone with one payment alone.

    Several payments of one phone are better seen as a list.
    """
    text = TextQuery((as_number(name) or name.lower(),))
    if not text.is_number or text.candidates is None:
        return
    rows = (
        select(Payment.payment_id, Payment.order_name, PaymentSearch.text)
        .join(PaymentSearch, PaymentSearch.payment_id == Payment.id)
        .where(PaymentSearch.id.in_(text.candidates), text.fills_a_line())
        .limit(MOST + 1)
    )
    if not can(Permission.PAYMENT_READ):
        return
    found = [(row, text.fills(row.text)) for row in db.session.execute(rows)]
    for row, fields in found:
        if fields & _NUMBERED:
            yield payment_destination(row.payment_id, row.order_name, _("Approval or account number"))
        elif len(found) == 1 and "customer_phone_digits" in fields:
            yield payment_destination(row.payment_id, row.order_name, _("Phone"), is_general=True)
