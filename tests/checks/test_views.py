"""The checks: each finds exactly what it says, and leads to it."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app import clock
from app.columns import new_id
from app.extensions import db
from app.payments.models import Cancellation, Payment
from app.refunds.models import Refund
from app.webhooks.models import WebhookLog
from tests.webhooks.messages import payment_document

NOON = datetime(2026, 3, 29, 3, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def noon() -> Any:
    with clock.fixed_at(NOON):
        yield


def add(*rows: Any) -> None:
    db.session.add_all(rows)
    db.session.commit()


def add_payment(payment_id: str = "order-1", **values: Any) -> Payment:
    usual = {"status": "PAID", "amount": 12_000, "cancellable_amount": 12_000, "channel_type": "LIVE"}
    usual |= {"method": "CARD", "pg_provider": "TOSSPAYMENTS", "status_changed_at": NOON}
    document = payment_document(payment_id)
    payment = Payment(payment_id=payment_id, snapshot=document, **(usual | values))
    add(payment)
    return payment


def counts(page: str) -> dict[str, int]:
    return {name: int(count) for name, count in re.findall(r'data-check="(\w+)" data-count="(\d+)"', page)}


def test_a_healthy_store_has_nothing_to_find(signed_in: Any) -> None:
    add_payment()
    page = signed_in.get("/checks")
    assert counts(page.text) == {"unbalanced": 0, "drift": 0, "unknown": 0, "holds": 0, "failed": 0}


def test_balances_that_do_not_add_up_are_found(signed_in: Any) -> None:
    add_payment("주문/1", cancellable_amount=11_000)
    add_payment("order-2", amount=13_000, cancellable_amount=13_000)
    page = signed_in.get("/checks").text
    found = counts(page)
    assert (found["unbalanced"], found["drift"]) == (1, 2)
    assert "/payments/%EC%A3%BC%EB%AC%B8%2F1" in page


def test_refunds_that_portone_does_not_bear_out_are_found(signed_in: Any) -> None:
    payment = add_payment()
    usual = {"payment_id": payment.id, "amount": 10, "status": "succeeded", "created_at": NOON}
    known = {"total_amount": 10, "status": "SUCCEEDED", "cancelled_at": NOON}
    add(
        Cancellation(payment_id=payment.id, cancellation_id="c-1", **known),
        Refund(id=new_id(), cancellation_id="c-1", **usual),
        Refund(id=new_id(), cancellation_id="c-2", **usual),
        Refund(id=new_id(), cancellation_id=None, **usual),
    )
    assert counts(signed_in.get("/checks").text)["unknown"] == 2


@pytest.mark.parametrize(("minutes", "found"), [(59, 0), (61, 1)])
def test_a_hold_without_an_outcome_is_found_after_an_hour(signed_in: Any, minutes: int, found: int) -> None:
    since = NOON - timedelta(minutes=minutes)
    add(Refund(id=new_id(), payment_id=add_payment().id, amount=1, status="uncertain", created_at=since))
    assert counts(signed_in.get("/checks").text)["holds"] == found


def test_webhooks_are_counted_by_the_day_in_seoul_and_lead_to_exactly_their_rows(signed_in: Any) -> None:
    late_evening = datetime(2026, 3, 27, 16, 0, tzinfo=UTC)  # 01:00 on the 28th in Seoul
    for number, status in enumerate(["processed", "processed", "failed"]):
        about = {"webhook_type": "Transaction.Paid", "error_message": "100% x", "created_at": late_evening}
        add(WebhookLog(webhook_id=f"w-{number}", status=status, **about))
    page = signed_in.get("/checks").text
    links = re.findall(r'href="(/webhooks\?status=[^"]+)">(\d+)<', page)
    assert len(links) == 4  # two outcomes, by type and by day
    assert any("from=2026-03-28" in link and "to=2026-03-28" in link for link, _total in links)
    for link, total in links:
        assert signed_in.get(link.replace("&amp;", "&")).text.count("data-webhook-id") == int(total), link
    assert counts(page)["failed"] == 1


def test_cancellations_are_never_added_up_across_currencies(signed_in: Any) -> None:
    for number, (currency, channel) in enumerate([("KRW", "LIVE"), ("USD", "LIVE"), ("KRW", "TEST")]):
        payment = add_payment(f"order-{number}", currency=currency, channel_type=channel)
        row = {"total_amount": 1_000, "status": "SUCCEEDED", "cancelled_at": NOON, "requested_at": NOON}
        add(Cancellation(payment_id=payment.id, cancellation_id="c", **row))
    page = signed_in.get("/checks").text
    assert page.count('<tr data-status="SUCCEEDED">') == 2
    assert "$10.00" in page


def test_cancellations_that_outgrow_64_bits_together_are_added_up(signed_in: Any) -> None:
    for number, amount in enumerate([2**63 - 1, 2**63 - 1, 1]):
        row = {"total_amount": amount, "status": "SUCCEEDED", "cancelled_at": NOON, "requested_at": NOON}
        method = "CARD" if amount > 1 else "TRANSFER"
        payment = add_payment(f"order-{number}", method=method)
        add(Cancellation(payment_id=payment.id, cancellation_id="c", **row))
    page = signed_in.get("/checks").text
    assert page.index(f"{2 * (2**63 - 1):,}원") < page.index(">1원<")


@pytest.mark.parametrize("query", ["?from=2020-01-01", "?from=x", "?from=2026-03-29&to=2026-03-01"])
def test_a_period_that_cannot_be_used_gets_a_sentence(signed_in: Any, query: str) -> None:
    page = signed_in.get(f"/checks{query}")
    assert page.status_code == 422
    assert "field-error" in page.text


def test_a_period_left_open_is_filled_in(signed_in: Any) -> None:
    assert signed_in.get("/checks?from=&to=").status_code == 200
