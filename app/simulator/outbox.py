"""Sends webhooks, again and again by PortOne's rule, and keeps the log of it.

A first try and up to five more, each after a random part of 1, 4, 16, 64 and 256 minutes. The `webhook-id`
stays the same on every try and on a resend. What became of each try stands in the payment's `webhooks[]`.
"""

import json
import logging
import random
import threading
import uuid
from base64 import b64encode
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from secrets import token_bytes
from typing import Any

from standardwebhooks import Webhook

from app import clock
from app.simulator.documents import Document, timestamp
from app.simulator.faults import Faults
from app.simulator.messages import Sender, SignedRequest, logged, sign, write_body
from app.simulator.problems import Problem
from app.simulator.state import State, milliseconds

logger = logging.getLogger(__name__)

#: How often one message may be sent again by hand; PortOne has such a limit but does not tell it.
MAX_RESENDS = 10

#: How long an `out_of_order` message waits for another one to overtake it.
_OVERTAKING_SECONDS = 60


class Outbox:
    """Messages that wait to be sent, and the log of those that were.

    `retry_minutes` are the longest waits before each further try; every wait is multiplied by `time_scale`.
    """

    def __init__(
        self,
        state: State,
        faults: Faults,
        *,
        url: str | None,
        secret: str,
        version: str,
        retry_minutes: Sequence[float],
        time_scale: float,
        send: Sender,
    ) -> None:
        self.url = url
        self.version = version
        self.send = send
        #: Work to be done before each round of sending.
        self.chores: list[Callable[[], None]] = []
        self._state = state
        self._faults = faults
        self._signer = Webhook(secret)
        self._stranger = Webhook(b64encode(token_bytes(32)).decode())
        self._retry_minutes = tuple(retry_minutes)
        self._time_scale = time_scale
        self._jitter = random.SystemRandom()
        self._sending = threading.RLock()
        self._awake = threading.Event()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def emit(
        self,
        kind: str,
        data: Document,
        *,
        payment: Document | None = None,
        trigger: str | None = None,
    ) -> None:
        """Make a message; it goes out once the surrounding transaction is committed."""
        body = write_body(kind, data, clock.now(), self.version)
        if self.url is None or body is None:
            return
        entry = self._new_entry(body, payment, trigger)
        delivery = {"kind": kind, "entry": entry, "resends": 0}
        due_at = self._meet_fault(delivery)
        self._let_overtaken_go(due_at)
        self._state.save_delivery(delivery, payment_id=payment["id"] if payment else None, due_at=due_at)
        self._awake.set()

    def flush(self, *, newest_first: bool = False) -> int:
        """Do the chores and send all that is due, here and now; answers how many tries were made."""
        with self._sending:
            for chore in self.chores:
                chore()
            tries = 0
            while due := self._due():
                for webhook_id in reversed(due) if newest_first else due:
                    self._try(webhook_id)
                tries += len(due)
            return tries

    def resend(self, payment_id: str, webhook_id: str | None = None) -> Document:
        """Send a message of this payment again, at once; the latest one if none is named.

        Raises WEBHOOK_NOT_FOUND and MAX_WEBHOOK_RETRY_COUNT_REACHED.
        """
        found = [
            delivery
            for delivery in self.deliveries(payment_id)
            if webhook_id in {None, delivery["entry"]["id"]}
        ]
        if not found:
            raise Problem("WEBHOOK_NOT_FOUND")
        delivery = found[0]
        if delivery["resends"] >= MAX_RESENDS:
            raise Problem("MAX_WEBHOOK_RETRY_COUNT_REACHED")
        return self._try(delivery["entry"]["id"], is_resend=True)

    def deliveries(self, payment_id: str) -> list[Document]:
        """The messages of one payment, newest first: kind, entry, how often resent."""
        rows = self._state.rows(
            "SELECT document FROM deliveries WHERE payment_id = ? ORDER BY sequence DESC", payment_id
        )
        return [json.loads(row["document"]) for row in rows]

    def latest_deliveries(self, count: int) -> list[Document]:
        """The latest messages of all, newest first."""
        rows = self._state.rows("SELECT document FROM deliveries ORDER BY sequence DESC LIMIT ?", count)
        return [json.loads(row["document"]) for row in rows]

    def start(self) -> None:
        """Send in the background from now on."""
        if self._thread is None:
            self._stopped.clear()
            self._thread = threading.Thread(target=self._run, name="simulator-outbox", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stop sending; what waits is kept for the next start."""
        self._stopped.set()
        self._awake.set()
        if self._thread is not None:
            self._thread.join(timeout=5)
            self._thread = None

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._awake.clear()
            try:
                self.flush()
            except Exception:
                logger.exception("A round of webhooks broke down; the next one follows")
            self._awake.wait(0.5)

    def _new_entry(self, body: str, payment: Document | None, trigger: str | None) -> Document:
        entry: Document = {
            "id": str(uuid.uuid4()),
            "url": self.url,
            "isAsync": trigger is not None,
            "currentExecutionCount": 0,
            "maxExecutionCount": 1 + len(self._retry_minutes),
            "request": {"body": body},
            "triggeredAt": timestamp(clock.now()),
        }
        if payment is not None:
            entry["paymentStatus"] = payment["status"]
        if trigger is not None:
            entry["trigger"] = trigger
        return entry

    def _meet_fault(self, delivery: Document) -> datetime:
        fault = self._faults.take("webhook")
        if fault is None:
            return clock.now()
        delivery["fault"] = fault.fault
        wait = fault.seconds if fault.fault == "late" else 0
        if fault.fault == "out_of_order":
            wait = _OVERTAKING_SECONDS
        return clock.now() + timedelta(seconds=wait)

    def _let_overtaken_go(self, due_at: datetime) -> None:
        """A new message releases those that were to be overtaken, to be sent right after it."""
        self._state.execute(
            "UPDATE deliveries SET due_at = ? WHERE due_at > ?"
            " AND json_extract(document, '$.fault') = 'out_of_order'"
            " AND json_extract(document, '$.entry.currentExecutionCount') = 0",
            milliseconds(due_at) + 1,
            milliseconds(due_at),
        )

    def _due(self) -> list[str]:
        rows = self._state.rows(
            "SELECT webhook_id FROM deliveries WHERE due_at <= ? ORDER BY due_at, sequence",
            milliseconds(clock.now()),
        )
        return [row["webhook_id"] for row in rows]

    def _load(self, webhook_id: str) -> tuple[Document, Any]:
        row = self._state.rows("SELECT * FROM deliveries WHERE webhook_id = ?", webhook_id)[0]
        return json.loads(row["document"]), row

    def _try(self, webhook_id: str, *, is_resend: bool = False) -> Document:
        delivery, _ = self._load(webhook_id)
        result = self._send(delivery, is_resend=is_resend)
        with self._state.transaction():
            delivery, row = self._load(webhook_id)
            entry: Document = delivery["entry"]
            entry.pop("response", None)
            entry.update(result, currentExecutionCount=entry["currentExecutionCount"] + 1)
            due_at = row["due_at"]
            if is_resend:
                entry["trigger"] = "MANUAL"
                delivery["resends"] += 1
            self._state.save_delivery(delivery, payment_id=row["payment_id"], due_at=None)
            self._plan_next_try(entry, due_at, is_resend=is_resend)
            self._show_in_payment(row["payment_id"], entry)
        return entry

    def _plan_next_try(self, entry: Document, due_at: int | None, *, is_resend: bool) -> None:
        """Success ends it. A failed resend leaves the automatic tries as they were."""
        tries = entry["currentExecutionCount"]
        if entry["status"] == "SUCCEEDED" or (tries > len(self._retry_minutes) and not is_resend):
            return
        if not is_resend:
            longest = self._retry_minutes[tries - 1] * 60 * self._time_scale
            wait = timedelta(seconds=self._jitter.uniform(0, longest))
            due_at = milliseconds(clock.now() + wait)
        self._state.execute("UPDATE deliveries SET due_at = ? WHERE webhook_id = ?", due_at, entry["id"])

    def _send(self, delivery: Document, *, is_resend: bool) -> Document:
        entry = delivery["entry"]
        fault = delivery.get("fault") if entry["currentExecutionCount"] == 0 else None
        signer = self._stranger if fault == "forged" else self._signer
        request = sign(signer, entry["id"], entry["url"], entry["request"]["body"])
        if fault == "lost" or (delivery.get("fault") == "never" and not is_resend):
            return {"status": "FAILED_UNEXPECTED_ERROR", "request": logged(request)}
        if fault == "twice":
            self._exchange(request)
        return self._exchange(request)

    def _exchange(self, request: SignedRequest) -> Document:
        try:
            answer = self.send(request)
        except OSError:
            return {"status": "FAILED_UNEXPECTED_ERROR", "request": logged(request)}
        is_ok = 200 <= answer.status_code < 300
        return {
            "status": "SUCCEEDED" if is_ok else "FAILED_NOT_OK_RESPONSE",
            "request": logged(request),
            "response": {
                "code": str(answer.status_code),
                "header": f"content-type: {answer.headers.get('Content-Type', '')}",
                "body": answer.text[:2000],
                "respondedAt": timestamp(clock.now()),
            },
        }

    def _show_in_payment(self, payment_id: str | None, entry: Document) -> None:
        payment = self._state.find_payment(payment_id) if payment_id else None
        if payment is None:
            return
        others = [item for item in payment.get("webhooks", []) if item["id"] != entry["id"]]
        payment["webhooks"] = [*others, entry]
        self._state.save_payment(payment)
