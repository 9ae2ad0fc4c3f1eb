"""What a setting may not become, besides its bounds: domains above add what only they can know.

@refuses("refund_approval_threshold")
def too_few(value, values): return "a sentence" or None
"""

from collections.abc import Callable, Mapping
from typing import Any

#: Gets the new value, and all values as they would be; answers a translated sentence, or None when it may be.
Rule = Callable[[Any, Mapping[str, Any]], str | None]

_rules: dict[str, list[Rule]] = {}


def refuses(name: str) -> Callable[[Rule], Rule]:
    """Have a rule asked before the setting called `name` changes; a decorator."""

    def add(rule: Rule) -> Rule:
        known = _rules.setdefault(name, [])
        if rule not in known:
            known.append(rule)
        return rule

    return add


def find_problems(changed: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, str]:
    """What speaks against the changes, a sentence for each name that may not change like this."""
    found = ((name, rule(value, values)) for name, value in changed.items() for rule in _rules.get(name, ()))
    return {name: sentence for name, sentence in found if sentence}
