"""The handle that tests, the demo and the pages hold: everything a person at PortOne could do."""

import threading
from collections import deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from app import clock
from app.simulator import cancelling, lifecycle
from app.simulator.charging import Charger
from app.simulator.documents import RANDOM_IDS, Document, customer_document, public
from app.simulator.faults import Call, Faults
from app.simulator.keyring import Keyring
from app.simulator.ledger import Ledger
from app.simulator.outbox import Outbox
from app.simulator.state import State

#: How many calls are remembered.
_CALLS_KEPT = 10_000

_EVENT_OF = {
    "READY": "Transaction.Ready",
    "PAY_PENDING": "Transaction.PayPending",
    "VIRTUAL_ACCOUNT_ISSUED": "Transaction.VirtualAccountIssued",
    "PAID": "Transaction.Paid",
    "FAILED": "Transaction.Failed",
}


class Simulator(Ledger, Keyring, Charger):
    """A PortOne of one store. `state`, `outbox` and `faults` may be used directly."""

    def __init__(
        self,
        state: State,
        outbox: Outbox,
        faults: Faults,
        *,
        api_secret: str,
        settles_after: timedelta,
    ) -> None:
        super().__init__(state, outbox, settles_after=settles_after)
        outbox.chores.append(self.charge_due)
        self.faults = faults
        self.api_secret = api_secret
        self.store_id = state.store_id
        self._calls: deque[Call] = deque(maxlen=_CALLS_KEPT)
        self._calls_lock = threading.Lock()

    def calls(self, endpoint: str | None = None) -> list[Call]:
        """The calls that came in, oldest first: all, or those of one endpoint (`cancel`, `get_payment`, …).

        A repetition answered from memory has `is_replayed`; what was really cancelled stands in the payment.
        """
        with self._calls_lock:
            return [call for call in self._calls if endpoint in {None, call.endpoint}]

    def remember_call(self, call: Call) -> None:
        """Enter a call into the log."""
        with self._calls_lock:
            self._calls.append(call)

    def forget_calls(self) -> None:
        """Begin the log anew."""
        with self._calls_lock:
            self._calls.clear()

    def payments(self) -> list[Document]:
        """All payments, the newest first."""
        start, end = clock.now() - timedelta(days=36_500), clock.now() + timedelta(days=36_500)
        found = self.state.payments_between(
            "CREATED_AT", start, end, order_by="CREATED_AT", is_descending=True
        )
        return [public(payment) for payment in found]

    def make_payment(
        self,
        *,
        status: str = "PAID",
        method: str | Mapping[str, Any] | None = "CARD",
        pg_provider: str | None = None,
        channel_type: str = "LIVE",
        currency: str = "KRW",
        total: int = 39_000,
        tax_free: int = 0,
        discount: int = 0,
        cancelled: int | None = None,
        payment_id: str | None = None,
        order_name: str = "속눈썹 펌 예약",
        customer_id: str | None = None,
        customer_name: str | None = "김하늘",
        customer_email: str | None = "haneul.kim@example.com",
        customer_phone: str | None = "010-3321-9087",
        requested_at: datetime | None = None,
        version: str = "V2",
        platform_type: str = "PC",
        payment_token: str | None = None,
        notify: bool = False,
        extra: Mapping[str, Any] | None = None,
    ) -> Document:
        """Make a payment in the status given, and answer it; amounts are in minor units.

        `method` is a short code (`card`, `virtual_account`, …) or a method document. `cancelled` is for
        PARTIAL_CANCELLED, half the total by default. A READY payment with a `payment_token` waits for the
        merchant's confirm call. `notify` sends the webhook of the status. `extra` members are put into the
        document as they are.
        """
        now = clock.now()
        started = requested_at or now - timedelta(minutes=1)
        payment = lifecycle.open_payment(
            payment_id=payment_id or f"pay{started:%Y%m%d}{RANDOM_IDS.digits(10)}",
            store_id=self.store_id,
            requested_at=started,
            order_name=order_name,
            total=total,
            currency=currency,
            tax_free=tax_free,
            discount=discount,
            method=method,
            pg_provider=pg_provider,
            channel_type=channel_type,
            customer=customer_document(customer_id, customer_name, customer_email, customer_phone),
            version=version,
            platform_type=platform_type,
        )
        if payment_token is not None:
            payment["_paymentToken"] = payment_token
        _advance(payment, status, min(started + timedelta(seconds=42), now), cancelled)
        payment.update(extra or {})
        with self.state.transaction():
            self.state.save_payment(payment)
            if notify and status in _EVENT_OF:
                self._tell(payment, _EVENT_OF[status])
        return public(payment)

    def close(self) -> None:
        """Stop sending and let go of the file."""
        self.outbox.stop()
        self.faults.let_go()
        self.state.close()


def _advance(payment: Document, status: str, at: datetime, cancelled: int | None) -> None:
    """Take a payment just opened to the status wished for, by the way it would have come."""
    if status == "READY":
        return
    if status == "FAILED":
        lifecycle.fail(payment, at, reason="카드 한도가 초과되었습니다.", pg_code="EXCEED_MAX_AMOUNT")
    elif status == "PAY_PENDING":
        lifecycle.wait_for_approval(payment, at)
    elif status == "VIRTUAL_ACCOUNT_ISSUED":
        lifecycle.issue_account(payment, at)
    else:
        lifecycle.pay(payment, at)
    if status in {"PARTIAL_CANCELLED", "CANCELLED"}:
        total = payment["amount"]["total"]
        amount = total if status == "CANCELLED" else cancelled or total // 2
        cancellation = cancelling.decide_without_pg(payment, amount, "고객 요청", at)
        cancelling.record_cancellation(payment, {**cancellation, "trigger": "API"}, at)
