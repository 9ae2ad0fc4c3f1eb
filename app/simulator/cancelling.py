"""Giving money back: what PortOne checks, what it records, and how a pending cancellation ends.

Where PortOne's documents say nothing, the choices made here are: an amount that waits in a REQUESTED
cancellation cannot be cancelled again, though `amount.cancelled` does not count it; PAY_PENDING cannot be
cancelled, save at a Japanese convenience store, where that is the only time it can.
"""

from dataclasses import dataclass
from datetime import datetime

from app.simulator.cancel_request import CancelRequest
from app.simulator.documents import RANDOM_IDS, Document, Ids, timestamp, vat_of
from app.simulator.lifecycle import change_status, touch
from app.simulator.pg_rules import (
    UNREACHABLE_ACCOUNT_ENDING,
    Attempt,
    check_cancel_count,
    check_with_pg,
    is_asynchronous,
)
from app.simulator.problems import Problem

CONSOLE_REASON = "관리자페이지취소"


@dataclass(frozen=True)
class Balance:
    """What is left to cancel, in minor units."""

    total: int
    tax_free: int

    @property
    def taxable(self) -> int:
        """The part that VAT was paid on."""
        return self.total - self.tax_free


def balance_of(payment: Document) -> Balance:
    """Total less cancelled, as every client computes it."""
    amount = payment["amount"]
    return Balance(amount["total"] - amount["cancelled"], amount["taxFree"] - amount["cancelledTaxFree"])


def free_balance(payment: Document) -> Balance:
    """The balance without what waits in REQUESTED cancellations."""
    balance = balance_of(payment)
    waiting = [item for item in payment.get("cancellations", []) if item["status"] == "REQUESTED"]
    return Balance(
        balance.total - sum(item["totalAmount"] for item in waiting),
        balance.tax_free - sum(item["taxFreeAmount"] for item in waiting),
    )


def decide(payment: Document, request: CancelRequest, at: datetime, *, ids: Ids = RANDOM_IDS) -> Document:
    """The cancellation that PortOne would make of this request, SUCCEEDED or REQUESTED; changes nothing.

    Raises the Problem that PortOne answers: status and balance first, then the parts, then the PG.
    """
    _check_status(payment)
    amount, tax_free, vat = _check_amounts(payment, request)
    is_partial = amount < payment["amount"]["total"]
    _check_promotion(payment, request, amount)
    check_cancel_count(payment)
    check_with_pg(
        Attempt(payment, amount, is_partial, request.refund_account, request.refund_email, at),
    )
    status = "REQUESTED" if is_asynchronous(payment) else "SUCCEEDED"
    return make_cancellation(status, amount, tax_free, vat, reason=request.reason, at=at, ids=ids)


def decide_without_pg(
    payment: Document, amount: int | None, reason: str, at: datetime, *, ids: Ids = RANDOM_IDS
) -> Document:
    """A cancellation that did not come through the API: someone at the console or the card company."""
    _check_status(payment)
    free = free_balance(payment)
    taken = free.total if amount is None else amount
    if not 0 < taken <= free.total:
        raise Problem("CANCEL_AMOUNT_EXCEEDS_CANCELLABLE_AMOUNT")
    tax_free = max(0, taken - free.taxable)
    vat = vat_of(taken - tax_free) if payment["amount"].get("vat") else 0
    return make_cancellation("SUCCEEDED", taken, tax_free, vat, reason=reason, at=at, ids=ids)


def make_cancellation(
    status: str,
    amount: int,
    tax_free: int,
    vat: int,
    *,
    reason: str,
    at: datetime,
    trigger: str = "API",
    ids: Ids = RANDOM_IDS,
) -> Document:
    """One element of `cancellations[]`."""
    cancellation = {
        "status": status,
        "id": ids.uuid(),
        "pgCancellationId": f"C{at:%Y%m%d%H%M%S}{ids.digits(6)}",
        "totalAmount": amount,
        "taxFreeAmount": tax_free,
        "vatAmount": vat,
        "reason": reason,
        "requestedAt": timestamp(at),
        "trigger": trigger,
    }
    if status == "SUCCEEDED":
        _mark_succeeded(cancellation, at)
    return cancellation


def record_cancellation(
    payment: Document, cancellation: Document, at: datetime, *, retain_option: str | None = None
) -> None:
    """Add a cancellation to the payment, and take its amount off the balance if it succeeded."""
    payment.setdefault("cancellations", []).append(cancellation)
    touch(payment, at)
    if "promotionId" in payment:
        payment.setdefault("_retainOption", retain_option or "RELEASE")
    if cancellation["status"] == "SUCCEEDED":
        _take_off_balance(payment, cancellation, at)


def finish_cancellation(
    payment: Document, cancellation_id: str, outcome: str, at: datetime
) -> Document | None:
    """End a REQUESTED cancellation with SUCCEEDED or FAILED; None when it is not pending."""
    pending = find_cancellation(payment, cancellation_id)
    if pending is None or pending["status"] != "REQUESTED":
        return None
    touch(payment, at)
    pending["status"] = outcome
    if outcome == "SUCCEEDED":
        _mark_succeeded(pending, at)
        _take_off_balance(payment, pending, at)
    return pending


def finish_account_refund(payment: Document, *, is_reached: bool, at: datetime) -> None:
    """The pay-out to a refund account arrived, or came back."""
    failed = "FAILED" if payment["status"] == "CANCELLED" else "PARTIAL_REFUND_FAILED"
    payment["method"]["refundStatus"] = "COMPLETED" if is_reached else failed
    touch(payment, at)


def find_cancellation(payment: Document, cancellation_id: str) -> Document | None:
    """The cancellation of that id."""
    found: list[Document] = [
        item for item in payment.get("cancellations", []) if item["id"] == cancellation_id
    ]
    return found[0] if found else None


def is_reachable(account: Document) -> bool:
    """Whether a pay-out to this account will arrive."""
    return not str(account["number"]).endswith(UNREACHABLE_ACCOUNT_ENDING)


def _check_status(payment: Document) -> None:
    status = payment["status"]
    method = payment.get("method", {}).get("type")
    if status == "CANCELLED":
        raise Problem("PAYMENT_ALREADY_CANCELLED")
    if status == "PAY_PENDING" and method == "PaymentMethodConvenienceStore":
        return
    if status not in {"PAID", "PARTIAL_CANCELLED"}:
        raise Problem("PAYMENT_NOT_PAID")


def _check_amounts(payment: Document, request: CancelRequest) -> tuple[int, int, int]:
    free = free_balance(payment)
    expected = request.current_cancellable_amount
    if expected is not None and expected != balance_of(payment).total:
        raise Problem("CANCELLABLE_AMOUNT_CONSISTENCY_BROKEN")
    amount = free.total if request.amount is None else request.amount
    if not 0 < amount <= free.total:
        raise Problem("CANCEL_AMOUNT_EXCEEDS_CANCELLABLE_AMOUNT")
    unsaid = free.tax_free if request.amount is None else 0
    tax_free = unsaid if request.tax_free_amount is None else request.tax_free_amount
    return amount, tax_free, _check_parts(payment, request, free, amount, tax_free)


def _check_parts(payment: Document, request: CancelRequest, free: Balance, amount: int, tax_free: int) -> int:
    if tax_free + (request.vat_amount or 0) > amount:
        raise Problem("SUM_OF_PARTS_EXCEEDS_CANCEL_AMOUNT")
    if tax_free > free.tax_free:
        raise Problem("CANCEL_TAX_FREE_AMOUNT_EXCEEDS_CANCELLABLE_TAX_FREE_AMOUNT")
    if amount - tax_free > free.taxable:
        raise Problem("CANCEL_TAX_AMOUNT_EXCEEDS_CANCELLABLE_TAX_AMOUNT")
    if request.vat_amount is not None:
        return request.vat_amount
    return vat_of(amount - tax_free) if payment["amount"].get("vat") else 0


def _check_promotion(payment: Document, request: CancelRequest, amount: int) -> None:
    """With RELEASE the discount is given up at the first partial refund, so less than `amount` goes back."""
    if "promotionId" not in payment or amount == balance_of(payment).total:
        return
    option = request.retain_option or "RELEASE"
    first_option = payment.get("_retainOption", option)
    if option != first_option:
        raise Problem("PROMOTION_DISCOUNT_RETAIN_OPTION_SHOULD_NOT_BE_CHANGED")
    is_first = payment["amount"]["cancelled"] == 0
    if is_first and option == "RELEASE" and amount < payment["amount"]["discount"]:
        raise Problem("NEGATIVE_PROMOTION_ADJUSTED_CANCEL_AMOUNT")


def _mark_succeeded(cancellation: Document, at: datetime) -> None:
    cancellation["cancelledAt"] = timestamp(at)
    cancellation["receiptUrl"] = f"https://receipt.example.com/cancel/{cancellation['pgCancellationId']}"


def _take_off_balance(payment: Document, cancellation: Document, at: datetime) -> None:
    amount = payment["amount"]
    amount["cancelled"] += cancellation["totalAmount"]
    amount["cancelledTaxFree"] += cancellation["taxFreeAmount"]
    is_full = amount["cancelled"] == amount["total"]
    change_status(payment, "CANCELLED" if is_full else "PARTIAL_CANCELLED", at)
    payment["cancelledAt"] = timestamp(at)
    if is_full:
        _cancel_cash_receipt(payment, at)


def _cancel_cash_receipt(payment: Document, at: datetime) -> None:
    """A full refund takes the cash receipt back; at KSNET that is done by hand."""
    receipt = payment.get("cashReceipt")
    if receipt and receipt["status"] == "ISSUED" and payment["channel"]["pgProvider"] != "KSNET":
        receipt.update(status="CANCELLED", cancelledAt=timestamp(at))
