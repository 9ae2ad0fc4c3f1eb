"""What each permission is called, for people."""

from typing import Any

from flask_babel import lazy_gettext as _l

from app.access.permissions import Permission

_WORDS: dict[Permission, Any] = {
    Permission.OVERVIEW_READ: _l("See the home page"),
    Permission.ACCOUNT_MANAGE: _l("Manage one's own account"),
    Permission.PAYMENT_READ: _l("Search and see payments"),
    Permission.PAYMENT_SYNC: _l("Read a payment again from PortOne"),
    Permission.PAYMENT_ANNOTATE: _l("Write notes"),
    Permission.REFUND_READ: _l("See refunds"),
    Permission.REFUND_CREATE: _l("Refund, within one's limits"),
    Permission.REFUND_RECHECK: _l("Check a refund again"),
    Permission.REFUND_OVERRIDE: _l("Set a refund rule aside, with a note"),
    Permission.REFUND_REVEAL_ACCOUNT: _l("See a whole account number, with a reason"),
    Permission.VIRTUAL_ACCOUNT_CLOSE: _l("Close a virtual account"),
    Permission.REFUND_APPROVE: _l("Approve the refunds of others"),
    Permission.REFUND_BULK: _l("Refund many at once"),
    Permission.WEBHOOK_READ: _l("See webhooks"),
    Permission.WEBHOOK_REPLAY: _l("Process a webhook again"),
    Permission.WEBHOOK_RESEND: _l("Ask PortOne to resend a webhook"),
    Permission.ALERT_READ: _l("See alerts"),
    Permission.ALERT_TEST: _l("Send a test alert"),
    Permission.CHECK_READ: _l("See the checks of the books"),
    Permission.BILLING_KEY_READ: _l("See billing keys"),
    Permission.DOCS_READ: _l("Read the documents"),
    Permission.API_TOKEN_MANAGE: _l("Make and end API tokens"),
    Permission.ADMIN_MANAGE: _l("Manage admins"),
    Permission.AUDIT_READ: _l("Read the audit trail"),
    Permission.EXPORT_CREATE: _l("Export lists, masked"),
    Permission.EXPORT_UNMASKED: _l("Export personal data unmasked"),
    Permission.EXPORT_READ_ALL: _l("See the exports of others"),
    Permission.VIEW_SAVE: _l("Save views"),
    Permission.VIEW_SHARE: _l("Share views"),
    Permission.VIEW_MANAGE: _l("Change the shared views of others"),
    Permission.JOB_READ: _l("See long work"),
    Permission.SETTINGS_MANAGE: _l("Change settings"),
}


def permission_in_words(permission: Permission) -> str:
    """What a permission is called; its code where it has no words yet."""
    return str(_WORDS.get(permission, permission))
