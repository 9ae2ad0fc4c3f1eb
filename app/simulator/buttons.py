"""The buttons of the page: which ones a payment has, and what each does."""

from collections.abc import Callable

from flask import request

from app.simulator.documents import Document
from app.simulator.problems import Problem
from app.simulator.simulator import Simulator


def read_whole_number(name: str, *, least: int = 1) -> int:
    """A number of the form, commas or not. Raises INVALID_REQUEST."""
    text = request.form.get(name, "").replace(",", "").strip()
    if not text.isdecimal() or not least <= int(text) <= 10**12:
        raise Problem("INVALID_REQUEST", name)
    return int(text)


def actions_of(payment: Document) -> list[str]:
    """The names of what may happen to this payment now."""
    usual = {
        "READY": ["pay", "fail"],
        "PAY_PENDING": ["pay", "fail"],
        "FAILED": ["pay"],
        "VIRTUAL_ACCOUNT_ISSUED": ["deposit", "close"],
        "PAID": ["console_cancel", "dispute"],
        "PARTIAL_CANCELLED": ["console_cancel"],
    }
    actions = list(usual.get(payment["status"], []))
    if any(item["status"] == "UNRESOLVED" for item in payment.get("disputes", [])):
        actions[-1] = "resolve"
    if _pending_id(payment):
        actions += ["finish", "fail_cancellation"]
    if payment.get("method", {}).get("refundStatus") == "PENDING":
        actions += ["pay_out", "return_pay_out"]
    if payment.get("webhooks"):
        actions.append("resend")
    return actions


def _pending_id(payment: Document) -> str:
    pending = [item["id"] for item in payment.get("cancellations", []) if item["status"] == "REQUESTED"]
    return pending[0] if pending else ""


def _cancel_as_console(simulator: Simulator, payment: Document) -> object:
    amount = read_whole_number("amount") if request.form.get("amount", "").strip() else None
    return simulator.console_cancel(payment["id"], amount)


#: What a button does.
ACTIONS: dict[str, Callable[[Simulator, Document], object]] = {
    "pay": lambda simulator, payment: simulator.pay(payment["id"]),
    "fail": lambda simulator, payment: simulator.fail(payment["id"]),
    "deposit": lambda simulator, payment: simulator.deposit(payment["id"]),
    "close": lambda simulator, payment: simulator.close_virtual_account(payment["id"]),
    "console_cancel": _cancel_as_console,
    "dispute": lambda simulator, payment: simulator.open_dispute(payment["id"]),
    "resolve": lambda simulator, payment: simulator.resolve_dispute(payment["id"]),
    "finish": lambda simulator, payment: simulator.finish_cancellation(
        payment["id"], _pending_id(payment), "SUCCEEDED"
    ),
    "fail_cancellation": lambda simulator, payment: simulator.finish_cancellation(
        payment["id"], _pending_id(payment), "FAILED"
    ),
    "pay_out": lambda simulator, payment: simulator.finish_account_refund(payment["id"]),
    "return_pay_out": lambda simulator, payment: simulator.finish_account_refund(
        payment["id"], is_reached=False
    ),
    "resend": lambda simulator, payment: simulator.outbox.resend(payment["id"]),
}
