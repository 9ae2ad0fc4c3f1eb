"""PortOne's documents without the person they tell of: what stays is the record of the payment itself.

Kept is what a shop has to be able to show for five years: records of payment, withdrawal and supply
(전자상거래법 시행령 제6조). What PortOne may add one day goes, since nobody has looked at it yet.
"""

from typing import Any

from app.portone.values import Raw

#: The members of a payment, a billing key or a schedule that stay.
_KEPT = frozenset(
    {
        *("status", "id", "transactionId", "merchantId", "storeId", "version", "currency", "amount"),
        *("requestedAt", "updatedAt", "statusChangedAt", "paidAt", "failedAt", "cancelledAt"),
        *("orderName", "products", "productCount", "isCulturalExpense", "country", "promotionId"),
        *("method", "channel", "channelGroup", "pgTxId", "receiptUrl", "failure", "escrow"),
        *("cashReceipt", "cashReceiptIssuanceStatus", "cancellations", "disputes", "webhooks"),
        *("billingKey", "scheduleId", "methods", "channels", "issueId", "issuedAt", "deletedAt"),
        *("paymentId", "timeToPay", "totalAmount", "taxFreeAmount", "vatAmount", "installmentMonth"),
        *("createdAt", "startedAt", "completedAt", "revokedAt", "isEscrow"),
    }
)

#: Inside of those, what leads to a person: cards stay as masked as PortOne gives them.
_PERSONAL = frozenset(
    {
        *("accountNumber", "accountHolder", "holderName", "remitteeName", "remitterName"),
        *("phoneNumber", "email", "ipAddress", "identityNumber", "pgResponse"),
    }
)


def without_person(raw: Raw) -> dict[str, Any]:
    """The document of a payment, billing key or schedule, without what tells who paid; it reads as before."""
    kept = {name: _impersonal(value) for name, value in raw.items() if name in _KEPT}
    return kept | {"customer": {}}


def _impersonal(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _impersonal(part) for name, part in value.items() if name not in _PERSONAL}
    if isinstance(value, list):
        return [_impersonal(part) for part in value]
    return value
