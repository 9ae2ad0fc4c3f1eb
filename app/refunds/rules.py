"""The rulebook applied to a payment: what stops its refund, what to know before, and what it needs."""

from app.payments.models import Payment
from app.refunds import cases
from app.refunds.cases import Case
from app.refunds.rulebook import BLOCK, RULES, Rule


def rules_for(payment: Payment) -> list[Rule]:
    """The rules that concern a payment, whatever part of it goes back; what blocks comes first."""
    case = Case.of(payment)
    return sorted((rule for rule in RULES if rule.when(case)), key=lambda rule: rule.severity)


def rules_broken(payment: Payment, amount: int | None = None) -> list[Rule]:
    """The rules that speak about giving back `amount`, in minor units, now; what blocks comes first."""
    case = Case.of(payment, amount)
    broken = (rule for rule in RULES if rule.holds(case))
    return sorted(broken, key=lambda rule: rule.severity)


def blocks_to_override(payment: Payment, amount: int | None = None) -> list[Rule]:
    """The rules that stop this refund, unless somebody who may set them aside does."""
    case = Case.of(payment, amount)
    return [rule for rule in RULES if rule.severity == BLOCK and rule.may_override and rule.holds(case)]


def find_obstacle(payment: Payment, amount: int | None = None) -> str | None:
    """Why this payment certainly cannot be refunded now, whoever asks, in a translated sentence."""
    case = Case.of(payment, amount)
    certain = (rule for rule in RULES if rule.severity == BLOCK and not rule.may_override)
    return next((str(rule.sentence) for rule in certain if rule.holds(case)), None)


def is_virtual_account(payment: Payment) -> bool:
    """Whether the buyer paid into an account number made for this payment."""
    return Case.of(payment).is_virtual_account


def needs_account(payment: Payment) -> bool:
    """Whether the money can only go back to a bank account that the buyer names.

    So it is for a paid virtual account, into which money only flows, and for a phone bill
    of an earlier month.
    """
    case = Case.of(payment)
    return case.is_virtual_account or (case.is_mobile and case.is_of_earlier_month)


def may_name_account(payment: Payment) -> bool:
    """Whether an account helps where it is not needed: KPN pays out transfers it can refund no more."""
    case = Case.of(payment)
    return case.is_at(cases.KPN) and case.is_transfer


def needs_holder_phone(payment: Payment) -> bool:
    """Whether the account holder's phone number is demanded as well."""
    case = Case.of(payment)
    return case.is_virtual_account and case.is_at(cases.SMARTRO)


def needs_email(payment: Payment) -> bool:
    """Whether the buyer is written to first, to name a wallet."""
    return Case.of(payment).is_at(cases.TRIPLE_A)


def has_promotion(payment: Payment) -> bool:
    """Whether one of PortOne's promotions took something off the price."""
    return Case.of(payment).has_promotion


def asks_retain_option(payment: Payment, amount: int) -> bool:
    """Whether PortOne wants to know what becomes of a promotion's discount: where a part goes back."""
    case = Case.of(payment, amount)
    return case.has_promotion and case.is_partial
