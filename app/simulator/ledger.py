"""Moves money and tells about it: each method is one step, one commit, and the webhooks that follow."""

from collections.abc import Callable
from datetime import datetime, timedelta

from app import clock
from app.simulator import cancelling, lifecycle
from app.simulator.cancel_request import CancelRequest
from app.simulator.confirmation import is_believed_rightly
from app.simulator.documents import Document, public
from app.simulator.outbox import Outbox
from app.simulator.problems import Problem
from app.simulator.state import Settlement, State

_PENDING = {"requested": "SUCCEEDED", "requested_then_failed": "FAILED"}


class Ledger:
    """The payments, and what may be done to them."""

    def __init__(self, state: State, outbox: Outbox, *, settles_after: timedelta) -> None:
        self.state = state
        self.outbox = outbox
        self._settles_after = settles_after
        outbox.chores.append(self.settle_due)

    def payment(self, payment_id: str) -> Document:
        """The payment as PortOne would answer it. Raises PAYMENT_NOT_FOUND."""
        return public(self._get(payment_id))

    def transactions(self, payment_id: str) -> list[Document]:
        """All attempts of a payment, oldest first."""
        payment = self.payment(payment_id)
        return [*self.state.earlier_attempts(payment_id), lifecycle.attempt_of(payment)]

    def pre_register(self, payment_id: str, expected: Document) -> None:
        """Note what a payment to come should amount to. Raises ALREADY_PAID."""
        payment = self.state.find_payment(payment_id)
        if payment and payment["status"] in lifecycle.PAID_STATUSES:
            raise Problem("ALREADY_PAID")
        self.state.save_preregistration(payment_id, expected)

    def confirm(self, payment_id: str, token: str, believed: Document, *, skip_webhook: bool) -> Document:
        """Approve a payment that waits for the merchant's word; answers it.

        `believed` is what the caller takes it for, by `read_confirmation()`. Raises ALREADY_PAID,
        INVALID_PAYMENT_TOKEN and INFORMATION_MISMATCH.
        """
        with self.state.transaction():
            payment = self._get(payment_id)
            if payment["status"] in lifecycle.PAID_STATUSES:
                raise Problem("ALREADY_PAID")
            if payment["status"] != "READY" or payment.pop("_paymentToken", None) != token:
                raise Problem("INVALID_PAYMENT_TOKEN")
            if not is_believed_rightly(payment, believed):
                raise Problem("INFORMATION_MISMATCH")
            return self._approve(payment, skip_webhook=skip_webhook)

    def pay(self, payment_id: str) -> Document:
        """The buyer completes the payment; after a failed attempt this is a new one.

        A virtual account is issued, not paid: that is `deposit()`. At a convenience store the buyer still has
        to go there: pay a second time. Raises ALREADY_PAID.
        """
        with self.state.transaction():
            payment = self._get(payment_id)
            if payment["status"] in lifecycle.PAID_STATUSES:
                raise Problem("ALREADY_PAID")
            if payment["status"] == "FAILED":
                self.state.keep_attempt(payment_id, lifecycle.attempt_of(public(payment)))
                lifecycle.begin_attempt(payment, clock.now())
            return self._approve(payment)

    def fail(self, payment_id: str, reason: str = "사용자가 결제를 취소하였습니다.") -> Document:
        """The attempt fails, be it at the window or at an approval that was pending."""
        with self.state.transaction():
            payment = self._get(payment_id)
            if payment["status"] not in {"READY", "PAY_PENDING"}:
                raise Problem("INVALID_REQUEST", payment["status"])
            lifecycle.fail(payment, clock.now(), reason=reason, pg_code="PAY_PROCESS_CANCELED")
            return self._tell(payment, "Transaction.Failed")

    def deposit(self, payment_id: str) -> Document:
        """The money arrives on the virtual account. Raises PAYMENT_NOT_WAITING_FOR_DEPOSIT."""
        with self.state.transaction():
            payment = self._get_waiting(payment_id)
            lifecycle.pay(payment, clock.now())
            payment["method"]["remitterName"] = payment["customer"].get("name", "입금자")
            return self._tell(payment, "Transaction.Paid", trigger="VIRTUAL_ACCOUNT_DEPOSIT")

    def close_virtual_account(self, payment_id: str) -> datetime:
        """Give up a virtual account nobody paid into; answers when."""
        with self.state.transaction():
            payment = self._get_waiting(payment_id)
            lifecycle.close_account(payment, clock.now())
            self._tell(payment, "Transaction.Failed")
            return clock.now()

    def cancel(self, payment_id: str, request: CancelRequest, *, fault: str | None = None) -> Document:
        """Cancel by the API; answers the cancellation. `fault` may make it pending or failed."""
        with self.state.transaction():
            payment = self._get(payment_id)
            now = clock.now()
            cancellation = cancelling.decide(payment, request, now)
            if fault in _PENDING or fault == "failed":
                cancellation["status"] = "FAILED" if fault == "failed" else "REQUESTED"
                cancellation.pop("cancelledAt", None)
                cancellation.pop("receiptUrl", None)
            cancelling.record_cancellation(payment, cancellation, now, retain_option=request.retain_option)
            self._follow_up(payment, cancellation, request, _PENDING.get(fault or "", "SUCCEEDED"))
            return cancellation

    def console_cancel(
        self, payment_id: str, amount: int | None = None, *, trigger: str = "CONSOLE"
    ) -> Document:
        """Somebody cancels in PortOne's console, past the API; None = all that is left."""
        with self.state.transaction():
            payment = self._get(payment_id)
            now = clock.now()
            reason = "차지백" if trigger == "CHARGEBACK" else cancelling.CONSOLE_REASON
            cancellation = cancelling.decide_without_pg(payment, amount, reason, now)
            cancellation["trigger"] = trigger
            cancelling.record_cancellation(payment, cancellation, now)
            self._tell_cancelled(payment, cancellation)
            return cancellation

    def chargeback(self, payment_id: str) -> Document:
        """The card company takes all the money back."""
        return self.console_cancel(payment_id, trigger="CHARGEBACK")

    def finish_cancellation(
        self, payment_id: str, cancellation_id: str, outcome: str, *, skip_webhook: bool = False
    ) -> bool:
        """End a pending cancellation with SUCCEEDED or FAILED; False when it is not pending.

        PortOne documents no event for a failure, so none is sent.
        """
        with self.state.transaction():
            payment = self._get(payment_id)
            finished = cancelling.finish_cancellation(payment, cancellation_id, outcome, clock.now())
            if finished is None:
                return False
            self.state.drop_settlement(cancellation_id, "cancellation")
            if outcome == "SUCCEEDED":
                self._tell_cancelled(payment, finished, trigger="ASYNC_CANCEL_APPROVED", skip=skip_webhook)
            else:
                self.state.save_payment(payment)
            return True

    def finish_account_refund(self, payment_id: str, *, is_reached: bool = True) -> None:
        """The pay-out of a refunded virtual account arrived, or came back."""
        with self.state.transaction():
            payment = self._get(payment_id)
            cancelling.finish_account_refund(payment, is_reached=is_reached, at=clock.now())
            self.state.save_payment(payment)
            for cancellation in payment["cancellations"]:
                self.state.drop_settlement(cancellation["id"], "account")

    def open_dispute(self, payment_id: str, reason: str = "상품을 받지 못했습니다.") -> Document:
        """The buyer disputes a paid payment. Raises PAYMENT_NOT_PAID otherwise."""
        return self._dispute(
            payment_id, "DISPUTE_CREATED", lambda it, at: lifecycle.open_dispute(it, at, reason=reason)
        )

    def resolve_dispute(self, payment_id: str) -> Document:
        """The disputes of this payment are settled."""
        return self._dispute(payment_id, "DISPUTE_RESOLVED", lifecycle.resolve_disputes)

    def settle_due(self) -> None:
        """End the pending cancellations and pay-outs whose time has come."""
        for settlement in self.state.due_settlements(clock.now()):
            is_good = settlement.outcome == "SUCCEEDED"
            if settlement.kind == "account":
                self.finish_account_refund(settlement.payment_id, is_reached=is_good)
            else:
                self.finish_cancellation(
                    settlement.payment_id,
                    settlement.cancellation_id,
                    settlement.outcome,
                    skip_webhook=settlement.skip_webhook,
                )

    def _get(self, payment_id: str) -> Document:
        payment = self.state.find_payment(payment_id)
        if payment is None:
            raise Problem("PAYMENT_NOT_FOUND")
        return payment

    def _get_waiting(self, payment_id: str) -> Document:
        payment = self._get(payment_id)
        if payment["status"] != "VIRTUAL_ACCOUNT_ISSUED":
            raise Problem("PAYMENT_NOT_WAITING_FOR_DEPOSIT")
        return payment

    def _approve(self, payment: Document, *, skip_webhook: bool = False) -> Document:
        method = payment.get("method", {}).get("type")
        if method == "PaymentMethodVirtualAccount":
            lifecycle.issue_account(payment, clock.now())
            return self._tell(payment, "Transaction.VirtualAccountIssued", skip=skip_webhook)
        if method == "PaymentMethodConvenienceStore" and payment["status"] == "READY":
            lifecycle.wait_for_approval(payment, clock.now())
            return self._tell(payment, "Transaction.PayPending", skip=skip_webhook)
        trigger = "ASYNC_PAY_APPROVED" if payment["status"] == "PAY_PENDING" else None
        lifecycle.pay(payment, clock.now())
        return self._tell(payment, "Transaction.Paid", trigger=trigger, skip=skip_webhook)

    def _follow_up(self, payment: Document, cancellation: Document, request: CancelRequest, end: str) -> None:
        """After a cancel by the API: the refund's way to an account, what is settled later, the webhook."""
        if cancellation["status"] == "REQUESTED":
            self._settle_later(payment, cancellation, "cancellation", end, skip=request.skip_webhook)
            self._tell(payment, "Transaction.CancelPending", cancellation)
            return
        if cancellation["status"] == "FAILED":
            self.state.save_payment(payment)
            return
        if request.refund_account and payment["method"]["type"] == "PaymentMethodVirtualAccount":
            payment["method"]["refundStatus"] = "PENDING"
            reached = "SUCCEEDED" if cancelling.is_reachable(request.refund_account) else "FAILED"
            self._settle_later(payment, cancellation, "account", reached)
        self._tell_cancelled(payment, cancellation, skip=request.skip_webhook)

    def _settle_later(
        self, payment: Document, cancellation: Document, kind: str, outcome: str, *, skip: bool = False
    ) -> None:
        settlement = Settlement(cancellation["id"], kind, payment["id"], outcome, skip)
        self.state.save_settlement(settlement, due_at=clock.now() + self._settles_after)

    def _tell_cancelled(
        self, payment: Document, cancellation: Document, *, trigger: str | None = None, skip: bool = False
    ) -> None:
        is_full = payment["status"] == "CANCELLED"
        kind = "Transaction.Cancelled" if is_full else "Transaction.PartialCancelled"
        self._tell(payment, kind, cancellation, trigger=trigger, skip=skip)

    def _tell(
        self,
        payment: Document,
        kind: str,
        cancellation: Document | None = None,
        *,
        trigger: str | None = None,
        skip: bool = False,
    ) -> Document:
        """Store the payment and, unless that is to be skipped, send the webhook; answers the payment."""
        self.state.save_payment(payment)
        data = {
            "paymentId": payment["id"],
            "storeId": payment["storeId"],
            "transactionId": payment["transactionId"],
        }
        if cancellation is not None:
            data["cancellationId"] = cancellation["id"]
        if not skip:
            self.outbox.emit(kind, data, payment=payment, trigger=trigger)
        return public(payment)

    def _dispute(
        self, payment_id: str, trigger: str, change: Callable[[Document, datetime], None]
    ) -> Document:
        with self.state.transaction():
            payment = self._get(payment_id)
            if payment["status"] != "PAID":
                raise Problem("PAYMENT_NOT_PAID")
            change(payment, clock.now())
            kind = trigger.title().replace("_", "")
            return self._tell(payment, f"Transaction.{kind}", trigger=trigger)
