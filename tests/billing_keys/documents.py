"""Billing keys of every kind as PortOne reports them, made up."""

from typing import Any

from tests.conftest import STORE_ID

KEY = "billing-key-0193c6f0-2a9e-7c52-b0a4-6b1f0b0d9e77"

CARD = {
    "type": "BillingKeyPaymentMethodCard",
    "card": {"issuer": "SHINHAN_CARD", "type": "CREDIT", "name": "신한카드", "number": "51004200****318*"},
}
KAKAOPAY = {
    "type": "BillingKeyPaymentMethodEasyPay",
    "provider": "KAKAOPAY",
    "method": {"type": "BillingKeyPaymentMethodEasyPayCharge"},
}
MOBILE = {"type": "BillingKeyPaymentMethodMobile", "phoneNumber": "0103321****"}
TRANSFER = {"type": "BillingKeyPaymentMethodTransfer", "bank": "KOOKMIN", "accountNumber": "9432****7712"}
PAYPAL = {"type": "BillingKeyPaymentMethodPaypal"}
LATER = {"type": "BillingKeyPaymentMethodMoonbeam", "glow": "pale"}


def billing_key_document(
    billing_key: str = KEY, method: dict[str, Any] | None = CARD, **changes: Any
) -> dict[str, Any]:
    """A billing key; `method` None for a key whose method PortOne does not tell."""
    return {
        "status": "ISSUED",
        "billingKey": billing_key,
        "merchantId": "merchant-1",
        "storeId": STORE_ID,
        "methods": [method] if method else [],
        "channels": [
            {"type": "LIVE", "pgProvider": "TOSSPAYMENTS", "pgMerchantId": "m", "id": "c", "key": "k"}
        ],
        "customer": {"id": "customer-7", "name": "김하늘"},
        "issuedAt": "2026-03-28T01:00:00Z",
    } | changes
