"""Which address is open to whom, read from the running app: its routes, their guards, and `HELD_BY`."""

from dataclasses import dataclass

from flask import current_app

from app.access.permissions import GRANTABLE, HELD_BY, Permission, Role


@dataclass(frozen=True, slots=True)
class Address:
    """A route: whoever holds `permission` reaches it, a program with a token of `scope`, or anybody."""

    rule: str
    methods: tuple[str, ...]
    endpoint: str
    about: str
    permission: Permission | None = None
    scope: str | None = None

    @property
    def is_public(self) -> bool:
        """Whether nobody has to say who they are."""
        return self.permission is None and self.scope is None

    def is_open_to(self, role: Role | None) -> bool:
        """Whether a person of this role, or somebody not signed in (None), reaches it."""
        if self.permission is None:
            return self.is_public
        return role is not None and self.permission in HELD_BY[role]


@dataclass(frozen=True, slots=True)
class Right:
    """A permission, which roles hold it, whether one admin may be given it, and what it opens."""

    permission: Permission
    roles: frozenset[Role]
    is_grantable: bool
    addresses: tuple[Address, ...]


def list_addresses() -> list[Address]:
    """Every route of the app in the order of its rules, but for files."""
    found = []
    for rule in sorted(current_app.url_map.iter_rules(), key=lambda rule: rule.rule):
        view = current_app.view_functions[rule.endpoint]
        permission, scope = getattr(view, "permission", None), getattr(view, "scope", None)
        if permission is None and scope is None and not getattr(view, "is_public", False):
            continue
        found.append(
            Address(
                rule=rule.rule,
                methods=tuple(sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})),
                endpoint=rule.endpoint,
                about=(view.__doc__ or "").partition("\n")[0],
                permission=permission,
                scope=str(scope) if scope else None,
            )
        )
    return found


def list_rights() -> list[Right]:
    """Every permission, in the order of the table."""
    addresses = list_addresses()
    return [
        Right(
            permission=permission,
            roles=frozenset(role for role in Role if permission in HELD_BY[role]),
            is_grantable=permission in GRANTABLE,
            addresses=tuple(each for each in addresses if each.permission == permission),
        )
        for permission in Permission
    ]
