"""Cancelling by the API: every refusal PortOne documents, and what is true afterwards."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from app import clock
from app.simulator import Simulator
from tests.simulator.conftest import Api, Merchant

ACCOUNT = {"bank": "KOOKMIN", "number": "94320211117712", "holderName": "김하늘"}


def test_a_part_can_be_cancelled(api: Api, simulator: Simulator) -> None:
    payment = simulator.make_payment(total=60_000)
    answer = api.cancel(payment, amount=25_000).get_json()["cancellation"]
    assert (answer["status"], answer["totalAmount"], answer["vatAmount"]) == ("SUCCEEDED", 25_000, 2_273)
    payment = simulator.payment(payment["id"])
    assert payment["status"] == "PARTIAL_CANCELLED"
    assert payment["amount"]["cancelled"] == 25_000
    assert payment["cancellations"] == [answer]
    assert "disputes" not in payment


def test_without_an_amount_all_that_remains_is_cancelled(api: Api, simulator: Simulator) -> None:
    payment = simulator.make_payment(status="PARTIAL_CANCELLED", total=60_000, cancelled=25_000)
    assert api.cancel(payment).get_json()["cancellation"]["totalAmount"] == 35_000
    assert simulator.payment(payment["id"])["status"] == "CANCELLED"


def test_a_full_refund_gives_the_tax_free_part_back_too(api: Api, simulator: Simulator) -> None:
    payment = simulator.make_payment(total=30_000, tax_free=10_000)
    assert api.cancel(payment).get_json()["cancellation"]["taxFreeAmount"] == 10_000
    assert simulator.payment(payment["id"])["amount"]["cancelledTaxFree"] == 10_000


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"currentCancellableAmount": 29_999}, "CANCELLABLE_AMOUNT_CONSISTENCY_BROKEN"),
        ({"amount": 30_001}, "CANCEL_AMOUNT_EXCEEDS_CANCELLABLE_AMOUNT"),
        ({"amount": 5_000, "taxFreeAmount": 4_000, "vatAmount": 1_001}, "SUM_OF_PARTS_EXCEEDS_CANCEL_AMOUNT"),
        (
            {"amount": 15_000, "taxFreeAmount": 10_001},
            "CANCEL_TAX_FREE_AMOUNT_EXCEEDS_CANCELLABLE_TAX_FREE_AMOUNT",
        ),
        ({"amount": 20_001}, "CANCEL_TAX_AMOUNT_EXCEEDS_CANCELLABLE_TAX_AMOUNT"),
    ],
)
def test_amounts_that_do_not_fit_are_refused(
    api: Api, simulator: Simulator, body: dict[str, Any], kind: str
) -> None:
    payment = simulator.make_payment(total=30_000, tax_free=10_000)
    answer = api.cancel(payment, **body)
    assert (answer.status_code, answer.get_json()["type"]) == (409, kind)
    assert simulator.payment(payment["id"]) == payment


@pytest.mark.parametrize(
    "body",
    [
        {"amount": 0},
        {"amount": -1},
        {"amount": "1000"},
        {"amount": 1.0},
        {"amount": True},
        {"amount": 2**63},
        {"reason": ""},
        {"reason": None},
        {"requester": "Admin"},
        {"currentCancellableAmount": -1},
        {"refundAccount": {**ACCOUNT, "bank": "KB국민은행"}},
        {"refundAccount": {"bank": "KOOKMIN", "number": "1"}},
        {"refundAccount": "KOOKMIN"},
        {"skipWebhook": "no"},
    ],
)
def test_malformed_bodies_are_invalid(api: Api, simulator: Simulator, body: dict[str, Any]) -> None:
    answer = api.cancel(simulator.make_payment(), **body)
    assert (answer.status_code, answer.get_json()["type"]) == (400, "INVALID_REQUEST")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("READY", "PAYMENT_NOT_PAID"),
        ("PAY_PENDING", "PAYMENT_NOT_PAID"),
        ("VIRTUAL_ACCOUNT_ISSUED", "PAYMENT_NOT_PAID"),
        ("FAILED", "PAYMENT_NOT_PAID"),
        ("CANCELLED", "PAYMENT_ALREADY_CANCELLED"),
    ],
)
def test_only_paid_payments_can_be_cancelled(api: Api, simulator: Simulator, status: str, kind: str) -> None:
    answer = api.cancel(simulator.make_payment(status=status))
    assert (answer.status_code, answer.get_json()["type"]) == (409, kind)


def test_an_unknown_payment_is_not_found(api: Api) -> None:
    answer = api.cancel({"id": "nobody's"})
    assert (answer.status_code, answer.get_json()["type"]) == (404, "PAYMENT_NOT_FOUND")


def test_ksnet_refunds_in_nine_parts_at_most(api: Api, simulator: Simulator) -> None:
    payment = simulator.make_payment(pg_provider="KSNET", total=30_000)
    assert [api.cancel(payment, amount=1_000).status_code for _ in range(9)] == [200] * 9
    assert api.cancel(payment, amount=1_000).get_json()["type"] == "MAX_CANCEL_COUNT_REACHED"


@pytest.mark.parametrize("pg_provider", ["TOSSPAYMENTS", "SMARTRO", "SMARTRO_V2"])
def test_a_paid_virtual_account_needs_an_account_to_refund_to(
    api: Api, simulator: Simulator, pg_provider: str
) -> None:
    payment = simulator.make_payment(method="virtual_account", pg_provider=pg_provider)
    refusal = api.cancel(payment)
    assert (refusal.status_code, refusal.get_json()["type"]) == (502, "PG_PROVIDER")
    assert refusal.get_json()["pgCode"] == "REFUND_ACCOUNT_REQUIRED"
    with_phone = {**ACCOUNT, "holderPhoneNumber": "01033219087"}
    assert api.cancel(payment, refundAccount=with_phone).status_code == 200


@pytest.mark.parametrize("pg_provider", ["SMARTRO", "SMARTRO_V2"])
def test_smartro_needs_the_holders_phone_number(api: Api, simulator: Simulator, pg_provider: str) -> None:
    payment = simulator.make_payment(method="virtual_account", pg_provider=pg_provider)
    assert api.cancel(payment, refundAccount=ACCOUNT).get_json()["pgCode"] == "REFUND_PHONE_REQUIRED"


def test_a_test_channel_cannot_refund_virtual_accounts(api: Api, simulator: Simulator) -> None:
    payment = simulator.make_payment(method="virtual_account", channel_type="TEST")
    assert api.cancel(payment, refundAccount=ACCOUNT).get_json()["pgCode"] == "TEST_REFUND_UNSUPPORTED"


@pytest.mark.parametrize(
    ("number", "amount", "outcome"),
    [
        ("94320211117712", None, "COMPLETED"),
        ("94320211119999", None, "FAILED"),
        ("94320211119999", 1_000, "PARTIAL_REFUND_FAILED"),
    ],
)
def test_the_pay_out_to_an_account_ends_later(
    api: Api, simulator: Simulator, number: str, amount: int | None, outcome: str
) -> None:
    payment = simulator.make_payment(method="virtual_account")
    answer = api.cancel(payment, amount=amount, refundAccount={**ACCOUNT, "number": number})
    assert answer.get_json()["cancellation"]["status"] == "SUCCEEDED"
    assert simulator.payment(payment["id"])["method"]["refundStatus"] == "PENDING"
    simulator.settle_due()
    assert simulator.payment(payment["id"])["method"]["refundStatus"] == outcome


def test_a_mobile_payment_of_last_month_needs_an_account(api: Api, simulator: Simulator) -> None:
    payment = simulator.make_payment(method="mobile", requested_at=clock.now() - timedelta(days=40))
    assert api.cancel(payment).get_json()["pgCode"] == "NEXT_MONTH_REFUND"
    assert api.cancel(payment, refundAccount=ACCOUNT).status_code == 200


@pytest.mark.parametrize(
    ("method", "pg_provider", "code"),
    [
        ("mobile", "KSNET", "PARTIAL_REFUND_UNSUPPORTED"),
        ("gift_certificate", "TOSSPAYMENTS", "PARTIAL_REFUND_UNSUPPORTED"),
        ("convenience_store", "INICIS_JP", "ALREADY_PAID_AT_STORE"),
        ("crypto", "TRIPLE_A", "REFUND_EMAIL_REQUIRED"),
    ],
)
def test_pgs_have_rules_of_their_own(
    api: Api, simulator: Simulator, method: str, pg_provider: str, code: str
) -> None:
    payment = simulator.make_payment(method=method, pg_provider=pg_provider)
    assert api.cancel(payment, amount=1_000).get_json()["pgCode"] == code


def test_cards_cannot_be_refunded_for_ever(api: Api, simulator: Simulator) -> None:
    payment = simulator.make_payment(requested_at=clock.now() - timedelta(days=366))
    assert api.cancel(payment).get_json()["pgCode"] == "REFUND_DEADLINE_PASSED"


def test_a_convenience_store_payment_can_be_cancelled_before_it_is_paid(
    api: Api, simulator: Simulator
) -> None:
    payment = simulator.make_payment(status="PAY_PENDING", method="convenience_store", currency="JPY")
    assert api.cancel(payment).status_code == 200
    assert "paidAt" not in simulator.payment(payment["id"])


def test_a_promotion_keeps_its_first_option(api: Api, simulator: Simulator) -> None:
    payment = simulator.make_payment(total=30_000, discount=3_000, extra={"promotionId": "summer"})
    too_small = api.cancel(payment, amount=2_000)
    assert too_small.get_json()["type"] == "NEGATIVE_PROMOTION_ADJUSTED_CANCEL_AMOUNT"
    retained = {"amount": 5_000, "promotionDiscountRetainOption": "RETAIN"}
    assert api.cancel(payment, **retained).status_code == 200
    changed = api.cancel(payment, amount=5_000)
    assert changed.get_json()["type"] == "PROMOTION_DISCOUNT_RETAIN_OPTION_SHOULD_NOT_BE_CHANGED"


def test_paypal_decides_later(api: Api, simulator: Simulator, merchant: Merchant) -> None:
    payment = simulator.make_payment(method="easy_pay", pg_provider="PAYPAL_V2", currency="USD", total=2_999)
    assert api.cancel(payment).get_json()["cancellation"]["status"] == "REQUESTED"
    waiting = simulator.payment(payment["id"])
    assert (waiting["status"], waiting["amount"]["cancelled"]) == ("PAID", 0)
    assert api.cancel(payment, amount=1).get_json()["type"] == "CANCEL_AMOUNT_EXCEEDS_CANCELLABLE_AMOUNT"
    simulator.outbox.flush()
    assert simulator.payment(payment["id"])["status"] == "CANCELLED"
    assert merchant.types == ["Transaction.CancelPending", "Transaction.Cancelled"]


def test_a_pending_cancellation_may_fail(api: Api, simulator: Simulator) -> None:
    payment = simulator.make_payment(pg_provider="PAYPAL_V2")
    cancellation = api.cancel(payment).get_json()["cancellation"]
    assert simulator.finish_cancellation(payment["id"], cancellation["id"], "FAILED")
    assert not simulator.finish_cancellation(payment["id"], cancellation["id"], "SUCCEEDED")
    ended = simulator.payment(payment["id"])
    assert (ended["status"], ended["cancellations"][0]["status"]) == ("PAID", "FAILED")


def test_two_at_once_with_the_same_balance_and_one_wins(api: Api, simulator: Simulator) -> None:
    payment = simulator.make_payment(total=10_000)

    def refund(_: int) -> int:
        return api.cancel(payment, amount=5_000, currentCancellableAmount=10_000).status_code

    with ThreadPoolExecutor(8) as pool:
        answers = sorted(pool.map(refund, range(8)))
    assert answers == [200] + [409] * 7
    assert simulator.payment(payment["id"])["amount"]["cancelled"] == 5_000


def test_a_full_refund_takes_the_cash_receipt_back(api: Api, simulator: Simulator) -> None:
    receipt = {
        "status": "ISSUED",
        "issueNumber": "1",
        "totalAmount": 39_000,
        "currency": "KRW",
        "issuedAt": "2026-08-01T00:00:00Z",
    }
    payment = simulator.make_payment(method="transfer", extra={"cashReceipt": receipt})
    api.cancel(payment)
    assert simulator.payment(payment["id"])["cashReceipt"]["status"] == "CANCELLED"
