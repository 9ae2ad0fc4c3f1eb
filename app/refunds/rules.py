"""What is certain before PortOne is asked: which payments cannot be refunded, and what a refund needs.

The facts are PortOne's (`POST /payments/{id}/cancel` and its guide to cancelling).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask_babel import lazy_gettext as _l

from app import clock
from app.payments.models import Payment

#: Only money that arrived can go back.
REFUNDABLE_STATUSES = frozenset({"PAID", "PARTIAL_CANCELLED"})

#: Smartro pays out by phone number too; PortOne's facts do not tell its two codes apart.
PHONE_DEMANDING_PGS = frozenset({"SMARTRO", "SMARTRO_V2"})


@dataclass(frozen=True, slots=True)
class Rule:
    """A payment to which `applies` cannot be refunded, and `sentence` says why and what to do."""

    applies: Callable[[Payment], bool]
    sentence: Any


RULES = (
    Rule(
        lambda payment: payment.status == "VIRTUAL_ACCOUNT_ISSUED",
        _l("Nobody has paid into this virtual account yet, so there is nothing to give back."),
    ),
    Rule(
        lambda payment: payment.status == "CANCELLED",
        _l("The whole amount of this payment has already gone back."),
    ),
    Rule(
        lambda payment: payment.status == "PAY_PENDING",
        _l("This payment still waits for its approval. It can be refunded once it is paid."),
    ),
    Rule(
        lambda payment: payment.status not in REFUNDABLE_STATUSES,
        _l("Only a paid payment can be refunded, and this one is not paid."),
    ),
    Rule(
        lambda payment: payment.cancellable_amount <= 0,
        _l("Nothing of this payment is left to give back."),
    ),
    Rule(
        lambda payment: payment.has_pending_cancellation,
        _l("PortOne is still working on a cancellation of this payment. Wait for its outcome."),
    ),
    Rule(
        lambda payment: is_virtual_account(payment) and payment.channel_type == "TEST",
        _l("Test channels cannot refund virtual accounts."),
    ),
)


def find_obstacle(payment: Payment) -> str | None:
    """Why this payment certainly cannot be refunded now, in a translated sentence; None when it can."""
    return next((str(rule.sentence) for rule in RULES if rule.applies(payment)), None)


def is_virtual_account(payment: Payment) -> bool:
    """Whether the buyer paid into an account number made for this payment."""
    return payment.method in {"VIRTUAL_ACCOUNT", "PaymentMethodVirtualAccount"}


def needs_account(payment: Payment) -> bool:
    """Whether the money can only go back to a bank account that the buyer names.

    So it is for a paid virtual account, into which money only flows, and for a phone bill
    of an earlier month.
    """
    return is_virtual_account(payment) or _is_mobile_of_earlier_month(payment)


def needs_holder_phone(payment: Payment) -> bool:
    """Whether the account holder's phone number is demanded as well."""
    return is_virtual_account(payment) and payment.pg_provider in PHONE_DEMANDING_PGS


def _is_mobile_of_earlier_month(payment: Payment) -> bool:
    if payment.method not in {"MOBILE", "PaymentMethodMobile"} or payment.paid_at is None:
        return False
    paid, today = payment.paid_at.astimezone(clock.SEOUL), clock.now().astimezone(clock.SEOUL)
    return (paid.year, paid.month) != (today.year, today.month)
