"""What the store expects of a payment, held against what PortOne reports: a difference means tampering.

The store says amount and currency before the browser pays; a sync never touches that. A payment that came
through a channel of the wrong kind is no real money, whatever its amount.
"""

from dataclasses import dataclass

from flask import current_app

from app.config import Settings
from app.payments.models import Payment


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing, by its name in the API, that is not as the store expects."""

    field: str
    expected: int | str | None
    actual: int | str | None


def is_expected(payment: Payment) -> bool:
    """Whether the store's servers announced this payment."""
    return payment.expected_amount is not None


def differences_of(payment: Payment) -> list[Difference]:
    """Where a payment that PortOne knows is not what its store expects; nothing for one nobody announced."""
    if not is_expected(payment) or payment.snapshot is None:
        return []
    settings: Settings = current_app.config["SETTINGS"]
    compared = (
        Difference("amount", payment.expected_amount, payment.amount),
        Difference("currency", payment.expected_currency, payment.currency),
        Difference("taxFreeAmount", payment.expected_tax_free_amount, payment.tax_free_amount),
        Difference("storeId", settings.portone_store_id, payment.store_id),
        Difference("channelType", settings.real_channel_type, payment.channel_type),
    )
    return [each for each in compared if each.expected != each.actual and not _is_open(each)]


def _is_open(difference: Difference) -> bool:
    """What the store did not say, and the channel of a payment that has not come to one yet."""
    return difference.expected is None or (difference.field == "channelType" and difference.actual is None)
