"""The mirror is true of every kind of key, however and in whatever order PortOne tells of it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from flask import Flask
from flask_babel import force_locale
from sqlalchemy import select

from app import clock
from app.billing_keys import queries, service
from app.billing_keys.models import BillingKey
from app.extensions import db
from app.portone.payloads import BillingKeyInfo
from app.webhooks.handlers import BILLING_KEY_UNKNOWN
from app.webhooks.models import WebhookLog, WebhookStatus
from tests.billing_keys.documents import CARD, KEY, TRANSFER, billing_key_document
from tests.conftest import Browser
from tests.webhooks.messages import FakePortOne, about_billing_key, signed

EVENTS = ("BillingKey.Ready", "BillingKey.Issued", "BillingKey.Updated", "BillingKey.Deleted")


def store(**changes: Any) -> BillingKey:
    document = billing_key_document(**changes)
    change = service.store_billing_key(BillingKeyInfo.from_raw(document), read_at=clock.now())
    db.session.commit()
    return db.session.get_one(BillingKey, change.row_id)


def only_row() -> BillingKey:
    db.session.rollback()
    return db.session.scalars(select(BillingKey)).one()


def wallet(inner: dict[str, Any]) -> dict[str, Any]:
    return {"type": "BillingKeyPaymentMethodEasyPay", "provider": "NAVERPAY", "method": inner}


@pytest.mark.parametrize(
    ("inner", "told"),
    [
        (CARD, "네이버페이 · 신한카드 · 51004200****318*"),
        (TRANSFER, "네이버페이 · 국민은행 · 9432****7712"),
        ({"type": "BillingKeyPaymentMethodEasyPayCharge"}, "네이버페이"),
        ({"type": "BillingKeyPaymentMethodMoonbeam"}, "네이버페이"),
    ],
    ids=["card", "account", "points", "not known yet"],
)
def test_a_wallet_tells_what_it_charges(app: Flask, inner: dict[str, Any], told: str) -> None:
    row = store(method=wallet(inner))
    with force_locale("ko"):
        assert (row.method, queries.describe(row)) == ("EASY_PAY", told)


def test_a_key_over_several_channels_tells_which_of_them_failed(app: Flask) -> None:
    answers = [
        {"type": "ISSUED", "channel": {"name": "토스", "pgProvider": "TOSSPAYMENTS"}, "pgTxId": "t"},
        {
            "type": "FAILED",
            "channel": {"name": "KCP 일반", "pgProvider": "KCP_V2"},
            "failure": {"pgCode": "8112", "pgMessage": "유효기간 오류"},
        },
        {"type": "LATER"},
        "odd",
    ]
    channels = queries.channels_of(store(pgBillingKeyIssueResponses=answers))
    assert [(channel.name, channel.is_issued, channel.said) for channel in channels] == [
        ("토스", True, ""),
        ("KCP 일반", False, "유효기간 오류 8112"),
        ("", False, ""),
    ]
    assert queries.channels_of(store(pgBillingKeyIssueResponses=answers[:1])) == []
    assert queries.channels_of(store(pgBillingKeyIssueResponses=None)) == []


def test_old_keys_are_found_by_the_sync(simulator: Any) -> None:
    made = simulator.make_billing_key(issued_at=clock.now() - timedelta(days=900))
    assert service.sync_billing_keys() == (1, 1)
    row = only_row()
    assert (row.status, row.key_ending) == ("ISSUED", made["billingKey"][-4:])


def test_a_sync_tells_what_was_deleted_at_portone_meanwhile(simulator: Any) -> None:
    key = simulator.make_billing_key()["billingKey"]
    service.sync_billing_keys()
    simulator.delete_billing_key(key)
    assert service.sync_billing_keys() == (1, 1)
    assert (only_row().status, only_row().is_active) == ("DELETED", False)


@pytest.mark.parametrize("order", list(permutations(EVENTS))[::5], ids=" ".join)
def test_messages_in_any_order_and_twice_leave_the_key_deleted(
    client: Browser, portone: FakePortOne, settle: Callable[[], None], order: tuple[str, ...]
) -> None:
    deleted = datetime(2026, 3, 29, 2, 0, tzinfo=UTC)
    portone.knows(billing_key_document())
    for event in order:
        if event == "BillingKey.Deleted":
            portone.knows(billing_key_document(status="DELETED", deletedAt=deleted.isoformat()))
        for _ in range(2):
            client.post("/webhooks/portone", **signed(about_billing_key(KEY, event), webhook_id=event))
        settle()
    assert (only_row().status, only_row().deleted_at, only_row().is_chargeable) == ("DELETED", deleted, False)
    logs = db.session.scalars(select(WebhookLog)).all()
    assert {(log.status, log.deliveries) for log in logs} == {(WebhookStatus.PROCESSED, 2)}


@pytest.mark.parametrize("event", ["BillingKey.Ready", "BillingKey.Failed"])
def test_a_key_that_was_never_issued_makes_no_row(
    client: Browser, portone: FakePortOne, settle: Callable[[], None], event: str
) -> None:
    client.post("/webhooks/portone", **signed(about_billing_key(KEY, event)))
    settle()
    log = db.session.scalars(select(WebhookLog)).one()
    assert (log.status, log.error_message) == (WebhookStatus.PROCESSED, BILLING_KEY_UNKNOWN)
    assert db.session.scalars(select(BillingKey)).all() == []


def test_a_message_switches_nothing_on_that_a_person_has_switched_off(
    client: Browser, portone: FakePortOne, settle: Callable[[], None]
) -> None:
    row = store()
    row.is_active = False
    db.session.commit()
    portone.knows(billing_key_document(customer={"id": "customer-7", "name": "바뀐 이름"}))
    client.post("/webhooks/portone", **signed(about_billing_key(KEY, "BillingKey.Updated")))
    settle()
    assert (only_row().customer_name, only_row().is_active) == ("바뀐 이름", False)
