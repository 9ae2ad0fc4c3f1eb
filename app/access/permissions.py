"""Every permission there is, and which role holds which: the whole table, in one place."""

from collections.abc import Collection
from enum import StrEnum
from typing import Protocol


class Role(StrEnum):
    """What a user is. A customer is known to the store and can never sign in."""

    CUSTOMER = "customer"
    ADMIN = "admin"
    SUPER_ADMIN = "super_admin"


class Permission(StrEnum):
    """Something one may do, written `resource:action`."""

    OVERVIEW_READ = "overview:read"
    ACCOUNT_MANAGE = "account:manage"
    PAYMENT_READ = "payment:read"
    PAYMENT_SYNC = "payment:sync"
    PAYMENT_ANNOTATE = "payment:annotate"
    REFUND_READ = "refund:read"
    REFUND_CREATE = "refund:create"
    REFUND_RECHECK = "refund:recheck"
    REFUND_OVERRIDE = "refund:override"
    REFUND_REVEAL_ACCOUNT = "refund:reveal_account"
    VIRTUAL_ACCOUNT_CLOSE = "virtual_account:close"
    REFUND_APPROVE = "refund:approve"
    REFUND_BULK = "refund:bulk"
    WEBHOOK_READ = "webhook:read"
    WEBHOOK_REPLAY = "webhook:replay"
    WEBHOOK_RESEND = "webhook:resend"
    DRIFT_READ = "drift:read"
    DRIFT_CLOSE = "drift:close"
    PG_REFUND_FLAG = "pg_refund:flag"
    ALERT_READ = "alert:read"
    ALERT_TEST = "alert:test"
    CHECK_READ = "check:read"
    BILLING_KEY_READ = "billing_key:read"
    BILLING_KEY_SYNC = "billing_key:sync"
    BILLING_KEY_SWITCH = "billing_key:switch"
    BILLING_KEY_DELETE = "billing_key:delete"
    BILLING_KEY_REVEAL = "billing_key:reveal"
    CHARGE_READ = "charge:read"
    CHARGE_CREATE = "charge:create"
    CHARGE_RECHECK = "charge:recheck"
    CHARGE_APPROVE = "charge:approve"
    CUSTOMER_ERASE = "customer:erase"
    SCHEDULE_READ = "schedule:read"
    SCHEDULE_CREATE = "schedule:create"
    SCHEDULE_REVOKE = "schedule:revoke"
    PLAN_MANAGE = "plan:manage"
    DOCS_READ = "docs:read"
    API_TOKEN_MANAGE = "api_token:manage"  # noqa: S105 - no secret
    ADMIN_MANAGE = "admin:manage"
    AUDIT_READ = "audit:read"
    EXPORT_CREATE = "export:create"
    EXPORT_UNMASKED = "export:unmasked"
    EXPORT_READ_ALL = "export:read_all"
    VIEW_SAVE = "view:save"
    VIEW_SHARE = "view:share"
    VIEW_MANAGE = "view:manage"
    JOB_READ = "job:read"
    SETTINGS_MANAGE = "settings:manage"


#: What a super admin alone holds by role: people, what tells of them, what holds for everybody, what goes
#: past a rule or a mask, and what can never be undone.
_OWNERS = frozenset(
    {
        Permission.ADMIN_MANAGE,
        Permission.API_TOKEN_MANAGE,
        Permission.AUDIT_READ,
        Permission.BILLING_KEY_DELETE,
        Permission.BILLING_KEY_REVEAL,
        Permission.CUSTOMER_ERASE,
        Permission.EXPORT_READ_ALL,
        Permission.EXPORT_UNMASKED,
        Permission.REFUND_OVERRIDE,
        Permission.REFUND_REVEAL_ACCOUNT,
        Permission.VIEW_MANAGE,
        Permission.REFUND_APPROVE,
        Permission.CHARGE_APPROVE,
        Permission.SETTINGS_MANAGE,
    }
)

#: What support and finance staff do all day.
_STAFF = frozenset(Permission) - _OWNERS

HELD_BY: dict[str, frozenset[Permission]] = {
    Role.CUSTOMER: frozenset(),
    Role.ADMIN: _STAFF,
    Role.SUPER_ADMIN: frozenset(Permission),
}

#: What one admin may be given beyond the role; no other word in `users.grants` counts.
GRANTABLE = frozenset({Permission.REFUND_APPROVE, Permission.CHARGE_APPROVE})


class Holder(Protocol):
    """Whoever may do things: a `User`, or the proxy of the person signed in."""

    @property
    def role(self) -> str: ...
    @property
    def grants(self) -> Collection[str] | None: ...


def is_permitted(role: str, permission: Permission) -> bool:
    """Whether a role holds a permission; an unknown role holds none."""
    return permission in HELD_BY.get(role, frozenset())


def holds(person: Holder, permission: Permission) -> bool:
    """Whether a person holds a permission, by role or because it was given to them."""
    is_given = person.role == Role.ADMIN and permission in GRANTABLE and permission in (person.grants or ())
    return is_given or is_permitted(person.role, permission)
