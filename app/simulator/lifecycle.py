"""What can happen to a payment before money goes back: paid, failed, deposited, closed, disputed.

Each function changes the payment document in place, at the moment given.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.simulator.documents import (
    RANDOM_IDS,
    USUAL_PG,
    Document,
    Ids,
    amount_document,
    channel_document,
    method_document,
    timestamp,
)

#: Members that only some statuses carry. PortOne's documents differ by status, and so must ours.
_ONLY_IN = {
    "pgTxId": {"PAY_PENDING", "VIRTUAL_ACCOUNT_ISSUED", "PAID", "PARTIAL_CANCELLED", "CANCELLED"},
    "paidAt": {"PAID", "PARTIAL_CANCELLED", "CANCELLED"},
    "receiptUrl": {"PAID", "PARTIAL_CANCELLED", "CANCELLED"},
    "cashReceipt": {"PAID", "PARTIAL_CANCELLED", "CANCELLED"},
    "cashReceiptIssuanceStatus": {"PAID", "PARTIAL_CANCELLED", "CANCELLED"},
    "pgResponse": {"PAID"},
    "disputes": {"PAID"},
    "failedAt": {"FAILED"},
    "failure": {"FAILED"},
}

PAID_STATUSES = frozenset({"PAID", "PARTIAL_CANCELLED", "CANCELLED"})


def open_payment(
    *,
    payment_id: str,
    store_id: str,
    requested_at: datetime,
    order_name: str,
    total: int,
    currency: str = "KRW",
    tax_free: int = 0,
    discount: int = 0,
    method: str | Mapping[str, Any] | None = "CARD",
    pg_provider: str | None = None,
    channel_type: str = "LIVE",
    customer: Document | None = None,
    version: str = "V2",
    platform_type: str = "PC",
    ids: Ids = RANDOM_IDS,
) -> Document:
    """A payment whose window was just opened: status READY. Amounts are in minor units."""
    opened = timestamp(requested_at)
    code = method.upper() if isinstance(method, str) else "CARD"
    payment: Document = {
        "status": "READY",
        "id": payment_id,
        "transactionId": ids.uuid() if version == "V2" else f"imp_{ids.digits(12)}",
        "merchantId": f"merchant-{store_id.removeprefix('store-')}",
        "storeId": store_id,
        "method": method_document(method, requested_at, ids),
        "channel": channel_document(store_id, pg_provider or USUAL_PG[code], channel_type=channel_type),
        "version": version,
        "requestedAt": opened,
        "updatedAt": opened,
        "statusChangedAt": opened,
        "orderName": order_name,
        "amount": amount_document(currency, total, tax_free=tax_free, discount=discount),
        "currency": currency,
        "customer": customer or {},
        "origin": {"platformType": platform_type, "ipAddress": "203.0.113.24"},
    }
    if payment["method"] is None:
        del payment["method"]
    return payment


def change_status(payment: Document, status: str, at: datetime) -> None:
    """Put the payment into a status and drop what that status does not carry."""
    payment["status"] = status
    payment["statusChangedAt"] = payment["updatedAt"] = timestamp(at)
    for member, statuses in _ONLY_IN.items():
        if status not in statuses:
            payment.pop(member, None)


def touch(payment: Document, at: datetime) -> None:
    """Something other than the status changed."""
    payment["updatedAt"] = timestamp(at)


def pay(payment: Document, at: datetime, *, ids: Ids = RANDOM_IDS) -> None:
    """The money came in."""
    change_status(payment, "PAID", at)
    payment["paidAt"] = timestamp(at)
    payment.setdefault("pgTxId", ids.pg_transaction(payment["channel"]["pgProvider"], at))
    payment["receiptUrl"] = f"https://receipt.example.com/{payment['pgTxId']}"
    payment["disputes"] = []


def fail(payment: Document, at: datetime, *, reason: str, pg_code: str = "", pg_message: str = "") -> None:
    """The attempt did not succeed. The buyer may still try again."""
    change_status(payment, "FAILED", at)
    failure = {"reason": reason, "pgCode": pg_code, "pgMessage": pg_message}
    payment["failedAt"] = timestamp(at)
    payment["failure"] = {member: value for member, value in failure.items() if value}


def issue_account(payment: Document, at: datetime, *, ids: Ids = RANDOM_IDS) -> None:
    """The buyer was given a virtual account; the deposit is awaited."""
    change_status(payment, "VIRTUAL_ACCOUNT_ISSUED", at)
    payment["pgTxId"] = ids.pg_transaction(payment["channel"]["pgProvider"], at)


def wait_for_approval(payment: Document, at: datetime, *, ids: Ids = RANDOM_IDS) -> None:
    """PayPal and others overseas decide later."""
    change_status(payment, "PAY_PENDING", at)
    payment["pgTxId"] = ids.pg_transaction(payment["channel"]["pgProvider"], at)


def close_account(payment: Document, at: datetime) -> None:
    """The virtual account is given up before a deposit; PortOne files that under failed."""
    fail(payment, at, reason="계좌말소")


def begin_attempt(payment: Document, at: datetime, *, ids: Ids = RANDOM_IDS) -> None:
    """The buyer tries again: the same payment under a new transaction id."""
    change_status(payment, "READY", at)
    payment["transactionId"] = ids.uuid()


def open_dispute(payment: Document, at: datetime, *, reason: str, ids: Ids = RANDOM_IDS) -> None:
    """The buyer disputes the charge."""
    touch(payment, at)
    payment["disputes"].append(
        {"status": "UNRESOLVED", "pgDisputeId": ids.digits(10), "reason": reason, "createdAt": timestamp(at)}
    )


def resolve_disputes(payment: Document, at: datetime) -> None:
    """All open disputes are settled."""
    touch(payment, at)
    for dispute in payment["disputes"]:
        if dispute["status"] == "UNRESOLVED":
            dispute.update(status="RESOLVED", resolvedAt=timestamp(at))


def attempt_of(payment: Document) -> Document:
    """The present attempt, as the list of transactions shows it; a paid one shows no cancellations there."""
    left_out = {"transactionId", "origin", "disputes"}
    if payment["status"] == "PAID":
        left_out.add("cancellations")
    attempt = {name: value for name, value in payment.items() if name not in left_out}
    return {**attempt, "id": payment["transactionId"], "paymentId": payment["id"]}
