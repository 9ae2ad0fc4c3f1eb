"""Billing keys of the store: issued, read, deleted, each with its webhook."""

from typing import Any

from app import clock
from app.simulator.billing_keys import open_billing_key, open_schedule
from app.simulator.documents import Document, timestamp
from app.simulator.outbox import Outbox
from app.simulator.problems import Problem
from app.simulator.state import State

_OPEN_SCHEDULES = frozenset({"SCHEDULED", "STARTED", "PENDING"})


class Keyring:
    """The billing keys, and what may be done to them."""

    state: State
    outbox: Outbox

    def make_billing_key(self, *, notify: bool = False, **wishes: Any) -> Document:
        """Issue a billing key and answer it; the wishes are those of `open_billing_key()`."""
        document = open_billing_key(store_id=self.state.store_id, **wishes)
        with self.state.transaction():
            self.state.save_billing_key(document)
            if notify:
                self._tell_billing_key("BillingKey.Issued", document)
        return document

    def make_schedule(self, billing_key: str, **wishes: Any) -> Document:
        """Plan a charge and answer the schedule; the wishes are those of `open_schedule()`."""
        schedule = open_schedule(self.billing_key(billing_key), **wishes)
        self.state.save_schedule(schedule)
        return schedule

    def delete_billing_key(
        self, billing_key: str, *, reason: str = "", requester: str = "", skip_webhook: bool = False
    ) -> Document:
        """Delete a billing key and answer it.

        Raises BILLING_KEY_ALREADY_DELETED, PAYMENT_SCHEDULE_ALREADY_EXISTS while a charge is to come, and
        INVALID_REQUEST at Naver Pay, which wants a reason and a requester.
        """
        with self.state.transaction():
            document = self.billing_key(billing_key)
            self._check_deletable(document, reason, requester)
            document.update(status="DELETED", deletedAt=timestamp(clock.now()))
            self.state.save_billing_key(document)
            if not skip_webhook:
                self._tell_billing_key("BillingKey.Deleted", document)
            return document

    def billing_key(self, billing_key: str) -> Document:
        """The billing key. Raises BILLING_KEY_NOT_FOUND."""
        document = self.state.find_billing_key(billing_key)
        if document is None:
            raise Problem("BILLING_KEY_NOT_FOUND")
        return document

    def _tell_billing_key(self, kind: str, document: Document) -> None:
        """Send a webhook about a billing key."""
        self.outbox.emit(kind, {"storeId": document["storeId"], "billingKey": document["billingKey"]})

    def _check_deletable(self, document: Document, reason: str, requester: str) -> None:
        if document["status"] == "DELETED":
            raise Problem("BILLING_KEY_ALREADY_DELETED")
        if any(channel["pgProvider"] == "NAVERPAY" for channel in document["channels"]) and not (
            reason and requester
        ):
            raise Problem("INVALID_REQUEST", "reason, requester")
        if any(it["status"] in _OPEN_SCHEDULES for it in self.state.schedules(document["billingKey"])):
            raise Problem("PAYMENT_SCHEDULE_ALREADY_EXISTS")
