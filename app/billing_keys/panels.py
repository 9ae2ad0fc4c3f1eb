"""What domains above show on the pages of billing keys, since imports point down only.

A panel on a key's page, a column of the list, and what else ends with a key that is deleted.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from app.billing_keys.models import BillingKey


@dataclass(frozen=True, slots=True)
class Panel:
    """A part of the page: a template to include, which finds its `values` under the name `panel`."""

    template: str
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ListColumn:
    """A column of the list: `values` answers {row id: value} for the keys of one page, in one go.

    A value is shown as text, or by `template`, which is included and finds it under the name `value`. A key
    without one has an empty cell.
    """

    heading: Any
    values: Callable[[Sequence[BillingKey]], Mapping[UUID, Any]]
    template: str | None = None


Contributor = Callable[[BillingKey], Panel | None]
Teller = Callable[[BillingKey], Iterable[str]]

_contributors: list[Contributor] = []
_tellers: list[Teller] = []
_columns: list[ListColumn] = []


def contribute_panel(function: Contributor) -> Contributor:
    """Have `function` add a panel to the page of every billing key; None adds nothing."""
    if function not in _contributors:
        _contributors.append(function)
    return function


def panels_of(row: BillingKey) -> Iterator[Panel]:
    """The panels of a billing key's page, in the order they were contributed."""
    return (panel for told in _contributors if (panel := told(row)))


def contribute_ending(function: Teller) -> Teller:
    """Have `function` tell, on the page that deletes a key, what ends with it: a sentence for each thing."""
    if function not in _tellers:
        _tellers.append(function)
    return function


def endings_of(row: BillingKey) -> list[str]:
    """What ends when a billing key is deleted, in translated sentences."""
    return [str(sentence) for told in _tellers for sentence in told(row)]


def contribute_column(column: ListColumn) -> ListColumn:
    """Have the list of billing keys show one more column, after its own."""
    if column not in _columns:
        _columns.append(column)
    return column


def columns_of(rows: Sequence[BillingKey]) -> list[tuple[ListColumn, Mapping[UUID, Any]]]:
    """The contributed columns, each with its values for these keys."""
    return [(column, column.values(rows)) for column in _columns]
