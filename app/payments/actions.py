"""The forms of a payment's page, told apart by `action`: no fixed address may stand below an id.

Domains above add theirs with `@action`, since imports point down only.
"""

from collections.abc import Callable
from typing import Any

Action = Callable[[str], Any]

_ACTIONS: dict[str, Action] = {}


def action(name: str) -> Callable[[Action], Action]:
    """Have a view that takes a paymentId answer the posts with this `action`; it is guarded by itself."""

    def add(view: Action) -> Action:
        _ACTIONS[name] = view
        return view

    return add


def find_action(name: str) -> Action | None:
    """The view that answers an `action`, or None when nobody does."""
    return _ACTIONS.get(name)
