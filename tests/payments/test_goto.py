"""A whole id in the search box leads straight to its page, from wherever it was copied."""

import pytest

from app.columns import new_id
from app.extensions import db
from app.payments.queries import get_payment
from app.refunds.models import Refund
from app.webhooks.models import WebhookLog
from tests.payments.documents import cancellation, card, store, stored, virtual_account


def led_to(browser, typed, **others):
    """The address that a text in the search box leads to; None where it is searched for."""
    return browser.get("/payments", query_string={"q": typed, **others}).headers.get("Location")


@pytest.mark.parametrize(
    "typed",
    [
        "order-1",
        "transaction of order-1",
        "PG-1",
        "cancellation-1",
        "30012345",
        "110-123-456789",
        "110123456789",
        "110 123 456789",
        "  order-1\n",
        "“order-1”",
        "'order-1',",
        "결제 ID: order-1",
        "http://localhost:8000/payments/order-1?attempts=1",
        "https://admin.portone.io/payments?paymentId=order-1",
    ],
)
def test_a_whole_id_leads_to_its_payment(signed_in, typed):
    store("order-1", pgTxId="PG-1", cancellations=[cancellation()], method=card(approvalNumber="30012345"))
    if "110" in typed:
        store("order-1", method=virtual_account(), updatedAt="2026-03-30T00:00:00Z")
    store("order-10", transactionId="30012345-1")
    assert led_to(signed_in, typed) == "/payments/order-1"


@pytest.mark.parametrize(
    "typed", ["order", "길동", "3001234", "1234", "상태:결제완료", "http://[", "https://"]
)
def test_part_of_an_id_and_other_texts_lead_nowhere(signed_in, typed):
    store("order-1", method=card(approvalNumber="30012345"))
    assert led_to(signed_in, typed) is None


@pytest.mark.parametrize("typed", ["010-1234-5678", "01012345678", "(010) 1234.5678", "+82 10-1234-5678"])
def test_a_phone_leads_to_its_only_payment_and_finds_several(signed_in, typed):
    store("order-1")
    assert led_to(signed_in, typed) == "/payments/order-1"
    store("order-2")
    page = signed_in.get("/payments", query_string={"q": typed})
    assert page.text.count("data-payment-id") == 2


def test_ids_are_compared_as_they_are_and_with_nothing_else_asked_for(signed_in):
    store("order/1?a=b&c")
    assert led_to(signed_in, "order/1?a=b&c") == "/payments/order%2F1%3Fa%3Db%26c"
    assert led_to(signed_in, "ORDER/1?a=b&c") is None
    assert led_to(signed_in, "order/1?a=b&c", status="PAID") is None
    assert led_to(signed_in, "order/1?a=b&c", clock="requested") is not None


def test_an_id_with_a_colon_is_an_id_and_no_word(signed_in):
    store("shop:2026:1")
    assert led_to(signed_in, "shop:2026:1") == "/payments/shop%3A2026%3A1"


def test_one_id_of_two_things_is_a_choice(signed_in):
    store("order-1", transactionId="same")
    store("order-2", pgTxId="same", orderName="왁싱")
    page = signed_in.get("/payments?q=same")
    assert page.status_code == 200
    assert 'href="/payments/order-1"' in page.text
    assert 'href="/payments/order-2"' in page.text


def test_a_refund_is_found_by_its_id_and_by_portones(signed_in):
    payment = stored("order-1", cancellations=[cancellation()])
    refund = Refund(id=new_id(), payment_id=payment.id, amount=1_000, status="succeeded")
    refund.cancellation_id = "cancellation-1"
    db.session.add(refund)
    db.session.commit()
    address = f"/refunds/{refund.id}"
    assert led_to(signed_in, str(refund.id)) == address
    assert led_to(signed_in, f"https://portico.example{address}") == address
    assert led_to(signed_in, "cancellation-1") == address


def test_a_webhook_is_found_by_its_id_and_by_ours(signed_in):
    store("order-1")
    log = WebhookLog(id=new_id(), webhook_id="msg_1", webhook_type="Transaction.Paid", status="processed")
    log.payment_id = get_payment("order-1").id
    db.session.add(log)
    db.session.commit()
    assert led_to(signed_in, "msg_1") == led_to(signed_in, str(log.id)) == f"/webhooks/{log.id}"
