"""What the actions and subjects of the trail are called, and where a subject has its page."""

from typing import Any

from flask import url_for
from flask_babel import lazy_gettext as _l

#: Actions by the area before their colon or dot; an action that is not here is shown as it stands.
ACTIONS: dict[str, Any] = {
    "account.created": _l("Admin created"),
    "account.invited": _l("Admin invited"),
    "account.invitation_revoked": _l("Invitation revoked"),
    "account.invitation_accepted": _l("Invitation accepted"),
    "account.role_changed": _l("Role changed"),
    "account.deactivated": _l("Access taken away"),
    "account.reactivated": _l("Access given back"),
    "account.signed_in": _l("Signed in"),
    "account.sign_in_failed": _l("Wrong password at sign-in"),
    "account.signed_out": _l("Signed out"),
    "account.sign_in_ended": _l("Session ended"),
    "account.sign_ins_ended": _l("All sessions of a person ended"),
    "account.password_changed": _l("Password changed"),
    "account.password_check_failed": _l("Wrong password where it was asked again"),
    "account.reset_link_made": _l("Link for a new password made"),
    "account.password_reset": _l("New password chosen by a link"),
    "account.limits_changed": _l("Limits of a person changed"),
    "account.granted": _l("Permission given"),
    "account.grant_taken": _l("Permission taken back"),
    "account.password_change_failed": _l("Wrong password at a change of password"),
    "account.second_factor_set": _l("Second factor set"),
    "account.second_factor_removed": _l("Second factor taken away"),
    "account.recovery_code_used": _l("Recovery code used"),
    "account.code_failed": _l("Wrong code at sign-in"),
    "payment.refreshed": _l("Payment read again from PortOne"),
    "payment.annotated": _l("Note written"),
    "payment.mismatched": _l("Payment differs from what was initialized"),
    "payment.verify_refused": _l("Verification refused"),
    "drift.closed": _l("Difference from PortOne closed"),
    "pg_refund.flagged": _l("Refund at the PG noted"),
    "pg_refund.withdrawn": _l("Note of a refund at the PG taken back"),
    "pg_refund.resolved": _l("Refund at the PG resolved"),
    "refund.requested": _l("Refund requested"),
    "refund.rechecked": _l("Checked again by hand"),
    "refund.accepted": _l("Refund accepted by PortOne"),
    "refund.uncertain": _l("No answer from PortOne about a refund"),
    "refund.succeeded": _l("Refund confirmed by PortOne"),
    "refund.failed": _l("Refund refused"),
    "refund.approved": _l("Refund approved"),
    "refund.rejected": _l("Refund rejected"),
    "refund.withdrawn": _l("Taken back by whoever asked for it"),
    "refund.expired": _l("Rejected by itself: nobody approved it in time"),
    "refund.decision_refused": _l("Tried to decide about a refund of their own; not allowed"),
    "billing_key.deletion_requested": _l("Billing key: deletion requested"),
    "billing_key.deletion_uncertain": _l("No answer from PortOne about a deletion"),
    "billing_key.deleted": _l("Billing key deleted at PortOne"),
    "billing_key.deletion_failed": _l("Billing key not deleted"),
    "billing_key.default_set": _l("Billing key made the customer's default"),
    "billing_key.default_removed": _l("Billing key is no longer the default"),
    "billing_key.activated": _l("Billing key switched on"),
    "billing_key.deactivated": _l("Billing key switched off"),
    "billing_key.revealed": _l("Whole billing key looked at"),
    "billing_key.refreshed": _l("Billing key read again from PortOne"),
    "charge.requested": _l("Charge requested"),
    "charge.rechecked": _l("Checked again by hand"),
    "charge.uncertain": _l("No answer from PortOne about a charge"),
    "charge.succeeded": _l("Charge confirmed by PortOne"),
    "charge.failed": _l("Charge refused"),
    "charge.approved": _l("Charge approved"),
    "charge.rejected": _l("Charge rejected"),
    "charge.withdrawn": _l("Taken back by whoever asked for it"),
    "charge.expired": _l("Rejected by itself: nobody approved it in time"),
    "charge.decision_refused": _l("Tried to decide about a charge of their own; not allowed"),
    "schedule.requested": _l("Schedule requested"),
    "schedule.scheduled": _l("Schedule made at PortOne"),
    "schedule.uncertain": _l("No answer from PortOne about a schedule"),
    "schedule.refused": _l("Schedule refused"),
    "schedule.started": _l("Scheduled charge begun"),
    "schedule.pending": _l("Scheduled charge in progress"),
    "schedule.succeeded": _l("Scheduled charge made"),
    "schedule.failed": _l("Scheduled charge failed"),
    "schedule.revoke_requested": _l("Revocation of a schedule requested"),
    "schedule.revoke_refused": _l("Revocation of a schedule refused"),
    "schedule.revoked": _l("Schedule revoked"),
    "schedule.rechecked": _l("Checked again by hand"),
    "schedule.found_late": _l("A schedule given up for lost was found at PortOne"),
    "plan.created": _l("Recurring plan begun"),
    "plan.changed": _l("Recurring plan changed"),
    "plan.paused": _l("Recurring plan paused"),
    "plan.resumed": _l("Recurring plan resumed"),
    "plan.ended": _l("Recurring plan ended"),
    "plan.periods_skipped": _l("Missed periods of a recurring plan passed over"),
    "refund.rules_overridden": _l("Refund rule set aside"),
    "refund.account_revealed": _l("Whole account number seen"),
    "refund.account_link_made": _l("Link for the buyer's account made"),
    "refund.account_link_revoked": _l("Link for the buyer's account taken back"),
    "refund.account_entered": _l("Buyer entered an account"),
    "refund.account_erased": _l("Account number of a refund erased"),
    "refund.entered_accounts_erased": _l("Accounts that buyers entered erased"),
    "refund_batch.uploaded": _l("Bulk refund uploaded"),
    "refund_batch.confirmed": _l("Bulk refund confirmed"),
    "refund_batch.approved": _l("Bulk refund approved"),
    "refund_batch.rejected": _l("Bulk refund rejected"),
    "refund_batch.discarded": _l("Bulk refund discarded"),
    "refund_batch.downloaded": _l("Report of a bulk refund downloaded"),
    "refund_batch.finished": _l("Bulk refund finished"),
    "refund_batch.expired": _l("Bulk refund rejected by itself: nobody approved it in time"),
    "virtual_account.closing": _l("Virtual account is being closed"),
    "virtual_account.closed": _l("Virtual account closed"),
    "virtual_account.closing_failed": _l("Virtual account could not be closed"),
    "settings.changed": _l("Settings changed"),
    "api_token.created": _l("API token made"),
    "api_token.revoked": _l("API token revoked"),
    "export.requested": _l("List exported"),
    "export.downloaded": _l("Exported file downloaded"),
    "view.saved": _l("View saved"),
    "view.changed": _l("View changed"),
    "view.deleted": _l("View deleted"),
    "webhook.replayed": _l("Webhook processed again"),
    "webhook.resent": _l("PortOne asked to resend a webhook"),
    "webhook.gap_reread": _l("Payment of a missing webhook read again"),
    "webhook.bulk_started": _l("Bulk work on webhooks begun"),
    "alert.tested": _l("Test alert sent"),
    "person.erased": _l("Personal data erased"),
    "backup.made": _l("Backup made"),
    "backup.restored": _l("Backup restored"),
    "job.paused": _l("Long work paused"),
    "job.waiting": _l("Long work resumed"),
    "job.stopped": _l("Long work stopped"),
}

#: What a subject is called.
SUBJECTS: dict[str, Any] = {
    "user": _l("Person"),
    "payment": _l("Payment"),
    "refund": _l("Refund"),
    "charge": _l("Charge"),
    "refund_batch": _l("Bulk refund"),
    "webhook": _l("Webhook"),
    "alert": _l("Alert"),
    "billing_key": _l("Billing key"),
    "schedule": _l("Scheduled charge"),
    "plan": _l("Recurring plan"),
    "settings": _l("Settings"),
    "api_token": _l("API token"),
    "job": _l("Long work"),
    "export": _l("Export"),
    "saved_view": _l("Saved view"),
    "invitation": _l("Invitation"),
    "backup": _l("Backup"),
    "erasure": _l("Erasure"),
}

#: The page of a subject: endpoint, and the name its id goes by there.
_PAGES = {
    "user": ("admins.show", "user_id"),
    "payment": ("payments.show", "payment_id"),
    "refund": ("refunds.show", "refund_id"),
    "charge": ("charges.show", "charge_id"),
    "refund_batch": ("bulk_refunds.show", "batch_id"),
    "job": ("jobs.show", "job_id"),
    "webhook": ("webhooks.show", "webhook_log_id"),
    "billing_key": ("billing_keys.show", "billing_key_row_id"),
    "schedule": ("schedules.show", "row_id"),
    "plan": ("plans.show", "plan_id"),
    "export": ("exports.show", "export_id"),
}


def words_of_action(action: str) -> str:
    """What an action is called."""
    return str(ACTIONS.get(action, action))


def words_of_subject(subject_type: str) -> str:
    """What a kind of subject is called."""
    return str(SUBJECTS.get(subject_type, subject_type))


def url_of_subject(subject_type: str, subject_id: str) -> str | None:
    """The page of a subject; None where it has none of its own."""
    if subject_type not in _PAGES:
        return None
    endpoint, name = _PAGES[subject_type]
    values: dict[str, Any] = {name: subject_id}
    return url_for(endpoint, **values)
