"""What domains above show on a billing key's page, since imports point down only."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.billing_keys.models import BillingKey


@dataclass(frozen=True, slots=True)
class Panel:
    """A part of the page: a template to include, which finds its `values` under the name `panel`."""

    template: str
    values: Mapping[str, Any] = field(default_factory=dict)


Contributor = Callable[[BillingKey], Panel | None]

_contributors: list[Contributor] = []


def contribute_panel(function: Contributor) -> Contributor:
    """Have `function` add a panel to the page of every billing key; None adds nothing."""
    if function not in _contributors:
        _contributors.append(function)
    return function


def panels_of(row: BillingKey) -> Iterator[Panel]:
    """The panels of a billing key's page, in the order they were contributed."""
    return (panel for told in _contributors if (panel := told(row)))
