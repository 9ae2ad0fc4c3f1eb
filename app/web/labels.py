"""What a code looks like to people: its words, its tone and its icon, in one table for chips and text."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from flask_babel import lazy_gettext as _l
from wtforms import SelectChoice

from app.portone.banks import bank_name
from app.portone.labels import card_company_name, easy_pay_name, pg_name
from app.web.language import page_language


@dataclass(frozen=True, slots=True)
class Label:
    """Words, a tone (`good`, `calm`, `wait`, `back`, `bad` or `plain`) and the name of a Bootstrap icon."""

    text: Any
    tone: str = "plain"
    icon: str = "circle"


_LABELS: dict[str, dict[str, Label]] = {
    "payment_status": {
        "PAID": Label(_l("Paid"), "good", "check-circle-fill"),
        "READY": Label(_l("Ready to pay"), "calm", "circle"),
        "VIRTUAL_ACCOUNT_ISSUED": Label(_l("Awaiting deposit"), "calm", "bank"),
        "PAY_PENDING": Label(_l("Awaiting authorisation"), "wait", "hourglass-split"),
        "FAILED": Label(_l("Payment failed"), "plain", "x-circle"),
        "PARTIAL_CANCELLED": Label(_l("Partly cancelled"), "back", "arrow-counterclockwise"),
        "CANCELLED": Label(_l("Fully cancelled"), "back", "arrow-counterclockwise"),
    },
    "refund_status": {
        "awaiting_approval": Label(_l("Awaiting approval"), "wait", "person-check"),
        "sending": Label(_l("Sending"), "calm", "send"),
        "uncertain": Label(_l("Outcome to be confirmed"), "bad", "question-circle-fill"),
        "requested": Label(_l("Accepted, in progress"), "wait", "hourglass-split"),
        "succeeded": Label(_l("Refunded"), "good", "check-circle-fill"),
        "failed": Label(_l("Refund failed"), "bad", "x-circle-fill"),
        "rejected": Label(_l("Rejected"), "plain", "slash-circle"),
    },
    "charge_status": {
        "awaiting_approval": Label(_l("Awaiting approval"), "wait", "person-check"),
        "sending": Label(_l("Sending"), "calm", "send"),
        "uncertain": Label(_l("Outcome to be confirmed"), "bad", "question-circle-fill"),
        "succeeded": Label(_l("Charged"), "good", "check-circle-fill"),
        "failed": Label(_l("Charge failed"), "bad", "x-circle-fill"),
        "rejected": Label(_l("Rejected"), "plain", "slash-circle"),
    },
    "cancellation_status": {
        "REQUESTED": Label(_l("Cancellation in progress"), "wait", "hourglass-split"),
        "SUCCEEDED": Label(_l("Cancelled"), "back", "arrow-counterclockwise"),
        "FAILED": Label(_l("Cancellation failed"), "bad", "x-circle-fill"),
    },
    "account_refund_status": {
        "PENDING": Label(_l("Transfer in progress"), "wait", "hourglass-split"),
        "COMPLETED": Label(_l("Transferred"), "good", "check-circle-fill"),
        "PARTIAL_REFUND_FAILED": Label(_l("Part of the transfer failed"), "bad", "exclamation-triangle-fill"),
        "FAILED": Label(_l("Transfer failed"), "bad", "x-circle-fill"),
    },
    "closure_status": {
        "closing": Label(_l("Closing the virtual account"), "wait", "hourglass-split"),
        "closed": Label(_l("Virtual account closed"), "plain", "lock-fill"),
        "failed": Label(_l("Virtual account not closed"), "bad", "x-circle-fill"),
    },
    "webhook_status": {
        "received": Label(_l("Waiting"), "wait", "hourglass-split"),
        "processed": Label(_l("Processed"), "good", "check-circle-fill"),
        "failed": Label(_l("Failed"), "bad", "x-circle-fill"),
        "skipped": Label(_l("Ignored"), "plain", "skip-forward"),
        "rejected": Label(_l("Bad signature"), "bad", "shield-x"),
    },
    "attempt_outcome": {
        "processed": Label(_l("Processed"), "good", "check-circle-fill"),
        "skipped": Label(_l("Ignored"), "plain", "skip-forward"),
        "postponed": Label(_l("Put off"), "wait", "hourglass-split"),
        "refused": Label(_l("Refused by PortOne"), "bad", "x-circle-fill"),
        "broken": Label(_l("Error of ours"), "bad", "bug-fill"),
    },
    "gap_kind": {
        "missed": Label(_l("Not received"), "bad", "envelope-x"),
        "refused": Label(_l("Refused by this server"), "bad", "x-circle-fill"),
        "late": Label(_l("Late"), "wait", "clock-history"),
        "repeated": Label(_l("Sent repeatedly"), "plain", "arrow-repeat"),
        "elsewhere": Label(_l("Another system"), "plain", "signpost"),
    },
    "drift_kind": {
        "payment_unknown": Label(_l("Payment was unknown here"), "bad", "question-circle-fill"),
        "cancellation_unknown": Label(_l("Cancellation was unknown here"), "bad", "arrow-counterclockwise"),
        "cancellation_behind": Label(_l("Cancellation was behind"), "wait", "arrow-counterclockwise"),
        "status_behind": Label(_l("Status was behind"), "wait", "clock-history"),
        "figures_differ": Label(_l("Amounts were behind"), "wait", "calculator"),
        "not_expected": Label(_l("Not what the store expected"), "bad", "shield-exclamation"),
        "payment_gone": Label(_l("PortOne no longer knows it"), "bad", "x-octagon-fill"),
        "refund_unconfirmed": Label(_l("Our refund is not at PortOne"), "bad", "question-circle-fill"),
        "cancelled_unexplained": Label(_l("Cancelled amount does not add up"), "bad", "calculator"),
        "cancelled_less": Label(_l("Less cancelled than before"), "bad", "arrow-down-circle-fill"),
        "amount_differs": Label(_l("Amount changed after it was paid"), "bad", "exclamation-triangle-fill"),
        "currency_differs": Label(_l("Currency changed"), "bad", "currency-exchange"),
        "store_differs": Label(_l("Another store"), "bad", "shop"),
        "refunded_at_pg": Label(_l("Refunded at the PG directly"), "bad", "building"),
    },
    "drift_seen": {
        "cursor": Label(_l("Comparing recent payments"), icon="list-check"),
        "events": Label(_l("Comparing moves of money"), icon="cash-stack"),
        "open": Label(_l("Looking after open payments"), icon="hourglass-split"),
        "walk": Label(_l("Looking for missing webhooks"), icon="envelope-x"),
        "hand": Label(_l("Checked again by hand"), icon="person"),
        "page": Label(_l("Opening the refund page"), icon="window"),
        "person": Label(_l("Noted by a person"), icon="person"),
    },
    "bulk_item_status": {
        "waiting": Label(_l("Waiting"), "wait", "hourglass-split"),
        "asked": Label(_l("Asked"), "calm", "send"),
        "done": Label(_l("Done"), "good", "check-circle-fill"),
        "failed": Label(_l("Failed"), "bad", "x-circle-fill"),
        "left_out": Label(_l("Left alone"), "plain", "slash-circle"),
    },
    "delivery_status": {
        "SUCCEEDED": Label(_l("Delivered"), "good", "check-circle-fill"),
        "FAILED_NOT_OK_RESPONSE": Label(_l("Answered with an error"), "bad", "x-circle-fill"),
        "FAILED_UNEXPECTED_ERROR": Label(_l("Could not be delivered"), "bad", "x-circle-fill"),
    },
    "billing_key_status": {
        "ISSUED": Label(_l("In use"), "good", "check-circle-fill"),
        "DELETED": Label(_l("Deleted"), "plain", "trash"),
    },
    "schedule_status": {
        "sending": Label(_l("Sending"), "wait", "send"),
        "uncertain": Label(_l("Outcome to be confirmed"), "bad", "question-circle-fill"),
        "scheduled": Label(_l("Scheduled"), "calm", "calendar-event"),
        "started": Label(_l("Being charged"), "wait", "hourglass-split"),
        "pending": Label(_l("Charge in progress"), "wait", "hourglass-split"),
        "succeeded": Label(_l("Succeeded"), "good", "check-circle-fill"),
        "failed": Label(_l("Failed"), "bad", "x-circle-fill"),
        "revoked": Label(_l("Schedule revoked"), "plain", "slash-circle"),
        "refused": Label(_l("Not scheduled"), "bad", "x-octagon-fill"),
    },
    "plan_status": {
        "active": Label(_l("Running"), "good", "arrow-repeat"),
        "paused": Label(_l("Paused"), "wait", "pause-circle"),
        "ended": Label(_l("Ended"), "plain", "stop-circle"),
    },
    "plan_stop": {
        "person": Label(_l("Stopped by a person"), "plain", "person"),
        "failures": Label(_l("Charges failed too often"), "bad", "x-circle-fill"),
        "refused": Label(_l("PortOne refused the schedule"), "bad", "x-octagon-fill"),
        "revoked": Label(_l("Its schedule was revoked"), "wait", "slash-circle"),
        "key_inactive": Label(_l("The billing key was switched off"), "wait", "key"),
        "key_deleted": Label(_l("The billing key was deleted"), "wait", "trash"),
        "completed": Label(_l("All charges made"), "good", "check-circle-fill"),
    },
    "plan_cadence": {
        "monthly": Label(_l("Every month"), icon="calendar-month"),
        "weekly": Label(_l("Every week"), icon="calendar-week"),
    },
    "dispute_status": {
        "UNRESOLVED": Label(_l("Open dispute"), "bad", "exclamation-triangle-fill"),
        "RESOLVED": Label(_l("Dispute resolved"), "plain", "check-circle"),
    },
    "escrow_status": {
        "BEFORE_REGISTERED": Label(_l("Before shipping details"), "wait", "box"),
        "REGISTERED": Label(_l("Shipping details registered"), "calm", "box-seam"),
        "DELIVERED": Label(_l("Item delivered"), "calm", "truck"),
        "CONFIRMED": Label(_l("Purchase confirmed"), "good", "check-circle-fill"),
        "REJECTED": Label(_l("Purchase declined"), "bad", "x-circle"),
        "REJECT_CONFIRMED": Label(_l("Decline confirmed"), "back", "arrow-counterclockwise"),
        "CANCELLED": Label(_l("Transaction cancelled"), "back", "arrow-counterclockwise"),
    },
    "cash_receipt_status": {
        "ISSUED": Label(_l("Receipt issued"), "good", "receipt"),
        "CANCELLED": Label(_l("Receipt cancelled"), "back", "arrow-counterclockwise"),
        "NOT_ISSUED": Label(_l("No cash receipt"), "plain", "dash-circle"),
    },
    "cash_receipt_type": {
        "PERSONAL": Label(_l("Income deduction")),
        "CORPORATE": Label(_l("Proof of expense")),
        "NO_RECEIPT": Label(_l("No cash receipt")),
    },
    "channel_type": {
        "LIVE": Label(_l("Live channel"), "plain", "broadcast"),
        "TEST": Label(_l("TEST"), "wait", "cone-striped"),
    },
    "method": {
        "CARD": Label(_l("Card"), icon="credit-card"),
        "TRANSFER": Label(_l("Real-time bank transfer"), icon="bank"),
        "VIRTUAL_ACCOUNT": Label(_l("Virtual account"), icon="bank"),
        "EASY_PAY": Label(_l("Easy pay"), icon="wallet2"),
        "MOBILE": Label(_l("Mobile billing"), icon="phone"),
        "GIFT_CERTIFICATE": Label(_l("Gift certificate"), icon="gift"),
        "CONVENIENCE_STORE": Label(_l("Convenience store"), icon="shop"),
        "CRYPTO": Label(_l("Crypto"), icon="currency-bitcoin"),
        "CHARGE": Label(_l("Prepaid balance"), icon="wallet2"),
        "PAYPAL": Label(_l("PayPal"), icon="paypal"),
    },
    "trigger": {
        "CONSOLE": Label(_l("PortOne console"), icon="display"),
        "API": Label(_l("API"), icon="code-slash"),
        "PORTONE_ADMIN": Label(_l("PortOne staff"), icon="person-gear"),
        "CHARGEBACK": Label(_l("Chargeback"), "bad", "exclamation-triangle-fill"),
    },
    "source": {
        "console": Label(_l("Console"), icon="display"),
        "api": Label(_l("API"), icon="code-slash"),
        "pg": Label(_l("PG"), icon="building"),
        "portone": Label(_l("PortOne"), icon="broadcast"),
        "ours": Label(_l("Portico"), icon="person"),
        "customer": Label(_l("Customer"), icon="person"),
    },
    "card_brand": {
        "LOCAL": Label(_l("Domestic")),
        "MASTER": Label(_l("Mastercard")),
        "UNIONPAY": Label(_l("UnionPay")),
        "VISA": Label(_l("Visa")),
        "JCB": Label(_l("JCB")),
        "AMEX": Label(_l("American Express")),
        "DINERS": Label(_l("Diners Club")),
    },
    "card_type": {
        "CREDIT": Label(_l("Credit card")),
        "DEBIT": Label(_l("Debit card")),
        "GIFT": Label(_l("Gift card")),
    },
    "card_owner": {
        "PERSONAL": Label(_l("Personal")),
        "CORPORATE": Label(_l("Corporate")),
    },
    "account_type": {
        "FIXED": Label(_l("Fixed")),
        "NORMAL": Label(_l("One-time")),
    },
    "gift_certificate": {
        "BOOKNLIFE": Label(_l("BooknLife")),
        "SMART_MUNSANG": Label(_l("Smart Munsang")),
        "CULTURELAND": Label(_l("Cultureland")),
        "HAPPYMONEY": Label(_l("Happy Money")),
        "CULTUREGIFT": Label(_l("Culture Gift")),
    },
    "convenience_store": {
        "LAWSON": Label(_l("Lawson")),
        "FAMILY_MART": Label(_l("FamilyMart")),
        "MINI_STOP": Label(_l("Ministop")),
        "SEVEN_ELEVEN": Label(_l("7-Eleven")),
        "SEICOMART": Label(_l("Seicomart")),
    },
    "refund_batch_status": {
        "checking": Label(_l("Being checked"), "calm", "hourglass-split"),
        "checked": Label(_l("To be confirmed"), "wait", "eye"),
        "awaiting_approval": Label(_l("Awaiting approval"), "wait", "person-check"),
        "running": Label(_l("Under way"), "calm", "arrow-repeat"),
        "finished": Label(_l("Finished"), "good", "check-circle-fill"),
        "rejected": Label(_l("Rejected"), "plain", "slash-circle"),
        "discarded": Label(_l("Discarded"), "plain", "trash"),
        "expired": Label(_l("Expired"), "plain", "clock-history"),
    },
    "refund_row_level": {
        "good": Label(_l("Good"), "good", "check-circle-fill"),
        "warned": Label(_l("Worth a look"), "wait", "exclamation-triangle-fill"),
        "bad": Label(_l("Not possible"), "bad", "x-circle-fill"),
    },
    "refund_row_status": {
        "waiting": Label(_l("Waiting"), "plain", "hourglass"),
        "sent": Label(_l("Sent"), "calm", "send"),
        "refused": Label(_l("Not carried out"), "bad", "x-circle-fill"),
        "left_out": Label(_l("Left out"), "plain", "dash-circle"),
    },
    "job_status": {
        "waiting": Label(_l("Waiting for a worker"), "calm", "hourglass-split"),
        "running": Label(_l("Under way"), "calm", "arrow-repeat"),
        "paused": Label(_l("Paused"), "wait", "pause-circle"),
        "done": Label(_l("Done"), "good", "check-circle-fill"),
        "failed": Label(_l("Could not go on"), "bad", "x-circle-fill"),
        "stopped": Label(_l("Stopped"), "plain", "stop-circle"),
    },
    "asvs": {
        "met": Label(_l("Met"), "good", "check-circle-fill"),
        "partly": Label(_l("Partly"), "wait", "circle-half"),
        "not_applicable": Label(_l("Does not apply"), "plain", "dash-circle"),
    },
    "role": {
        "super_admin": Label(_l("Super admin"), icon="person-gear"),
        "admin": Label(_l("Admin"), icon="person"),
        "customer": Label(_l("Customer"), icon="person"),
    },
}

_NAMES: dict[str, Callable[[str | None, str], str]] = {
    "pg": pg_name,
    "bank": bank_name,
    "card_company": card_company_name,
    "easy_pay": easy_pay_name,
}


def label_of(kind: str, code: str | None) -> Label:
    """The label of a code; one that PortOne has added since is shown as it came."""
    return _label_in(page_language(), kind, str(code or ""))


@lru_cache(maxsize=2048)
def _label_in(language: str, kind: str, code: str) -> Label:
    """The label, its words settled: a list asks for the same few many times."""
    if kind in _NAMES:
        return Label(_NAMES[kind](code, language))
    label = _LABELS[kind].get(code, Label(code, icon="question-circle"))
    return Label(str(label.text), label.tone, label.icon)


def choices_of(kind: str) -> list[SelectChoice]:
    """The codes of a kind with their words, in the order of the table: what a select offers."""
    return [SelectChoice(code, label.text) for code, label in _LABELS[kind].items()]
