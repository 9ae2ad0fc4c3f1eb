"""Snapshots are read whole, and what nobody knows yet never spoils them."""

from datetime import UTC, datetime

import pytest

from app.portone.payloads import BillingKeyInfo, Cancellation, PaymentSnapshot, UnreadableDocument


def test_a_paid_card_is_read_with_its_card_and_times(payload):
    snapshot = PaymentSnapshot.from_raw(payload("paid_card"))
    assert (snapshot.payment_id, snapshot.transaction_id) == ("bread-0001", "tx-0001")
    assert (snapshot.status, snapshot.order_name) == ("PAID", "통밀 식빵 2개")
    assert (snapshot.method.code, snapshot.method.card.issuer) == ("CARD", "HYUNDAI_CARD")
    assert (snapshot.method.approval_number, snapshot.method.installment_months) == ("55102030", 3)
    assert snapshot.requested_at == datetime(2026, 9, 1, 1, 0, 0, 123456, tzinfo=UTC)
    assert snapshot.updated_at == datetime(2026, 9, 1, 1, 0, 31, 500000, tzinfo=UTC)
    assert snapshot.customer.name == "한지우"
    assert not snapshot.is_test


def test_times_of_any_zone_become_utc(payload):
    snapshot = PaymentSnapshot.from_raw(payload("paid_card"))
    assert snapshot.paid_at == datetime(2026, 9, 1, 1, 0, 31, tzinfo=UTC)
    assert snapshot.paid_at.tzinfo is UTC


def test_a_webhook_delivery_tells_what_was_sent_and_answered(payload):
    (delivery,) = PaymentSnapshot.from_raw(payload("paid_card")).webhooks
    assert (delivery.id, delivery.trigger) == ("hook-0001", "MANUAL")
    assert (delivery.status, delivery.payment_status) == ("FAILED_NOT_OK_RESPONSE", "PAID")
    assert (delivery.current_execution_count, delivery.max_execution_count) == (2, 6)
    assert (delivery.request_body, delivery.response_code, delivery.response_body) == ("{}", "500", "down")
    assert delivery.responded_at == datetime(2026, 9, 1, 1, 0, 33, tzinfo=UTC)


def test_a_virtual_account_is_read_with_its_account_and_receipt(payload):
    snapshot = PaymentSnapshot.from_raw(payload("paid_virtual_account"))
    method = snapshot.method
    assert (method.code, method.bank) == ("VIRTUAL_ACCOUNT", "SHINHAN")
    assert (method.account_number, method.account_type) == ("56201234567890", "NORMAL")
    assert (method.remittee_name, method.remitter_name, method.refund_status) == ("새벽빵집", "한지우", None)
    assert method.expired_at == datetime(2026, 9, 5, 14, 59, 59, tzinfo=UTC)
    assert snapshot.channel.pg_provider == "SMARTRO_V2"
    assert snapshot.cash_receipt.issue_number == "140000001"


def test_balances_are_what_is_left_of_total_and_tax_free(payload):
    snapshot = PaymentSnapshot.from_raw(payload("partial_cancelled"))
    assert (snapshot.amount.cancellable, snapshot.amount.cancellable_tax_free) == (55_000, 20_000)
    assert [cancellation.id for cancellation in snapshot.open_cancellations] == ["cancel-0002"]


def test_more_cancelled_than_paid_leaves_nothing(payload):
    raw = payload("paid_card")
    raw["amount"] |= {"cancelled": 30_000, "taxFree": 100, "cancelledTaxFree": 200}
    amount = PaymentSnapshot.from_raw(raw).amount
    assert (amount.cancellable, amount.cancellable_tax_free) == (0, 0)


def test_an_easy_pay_card_is_found_in_the_wallet(payload):
    method = PaymentSnapshot.from_raw(payload("partial_cancelled")).method
    assert (method.code, method.provider, method.card) == ("EASY_PAY", "KAKAOPAY", None)
    assert (method.inner.code, method.any_card.name) == ("CARD", "현대카드")


def test_an_unknown_status_and_method_are_kept_as_they_are(payload):
    raw = payload("unknown_status_and_method")
    snapshot = PaymentSnapshot.from_raw(raw)
    assert (snapshot.status, snapshot.method.code) == ("SETTLING", "PaymentMethodBrainwave")
    assert snapshot.is_test
    assert snapshot.raw == raw


def test_an_unreadable_cancellation_spoils_no_other(payload, caplog):
    snapshot = PaymentSnapshot.from_raw(payload("unknown_status_and_method"))
    assert [cancellation.status for cancellation in snapshot.open_cancellations] == ["PONDERING"]
    assert len(caplog.records) == 2


@pytest.mark.parametrize("key", ["id", "status", "currency", "amount"])
def test_a_payment_without_what_makes_it_one_is_unreadable(payload, key):
    raw = payload("paid_card")
    del raw[key]
    with pytest.raises(UnreadableDocument):
        PaymentSnapshot.from_raw(raw)


@pytest.mark.parametrize("cancelled", ["25000", 1.5, -1, True, 2**63])
def test_an_unreadable_sum_never_passes_for_nothing(payload, cancelled):
    raw = payload("paid_card")
    raw["amount"]["cancelled"] = cancelled
    with pytest.raises(UnreadableDocument):
        PaymentSnapshot.from_raw(raw)


@pytest.mark.parametrize(
    "time",
    ["yesterday", 1756688400, None, "2026-02-30T00:00Z", "0001-01-01T00:00+09:00", "9999-12-31T23:59:59Z"],
)
def test_a_time_that_is_none_is_left_out(payload, time):
    assert PaymentSnapshot.from_raw(payload("paid_card") | {"paidAt": time}).paid_at is None


def test_an_attempt_names_its_payment_apart(payload):
    attempt = payload("paid_card") | {"id": "tx-0001", "paymentId": "bread-0001"}
    snapshot = PaymentSnapshot.from_attempt(attempt)
    assert (snapshot.payment_id, snapshot.transaction_id) == ("bread-0001", "tx-0001")


def test_a_cancellation_of_an_unknown_status_counts_as_open(payload):
    done, waiting = (Cancellation.from_raw(raw) for raw in payload("partial_cancelled")["cancellations"])
    assert (done.is_open, done.easy_pay_discount_amount, done.trigger) == (False, 500, "API")
    assert (waiting.is_open, waiting.cancelled_at) == (True, None)


def test_a_billing_key_is_read_with_its_card(payload):
    info = BillingKeyInfo.from_raw(payload("billing_key_card"))
    assert (info.billing_key, info.status, info.customer.id) == ("billing-key-dawn-1", "ISSUED", "guest-77")
    assert (info.first_card.issuer, info.first_card.number) == ("HYUNDAI_CARD", "43302800****552*")
    assert (info.issue_name, info.deleted_at) == ("주간 빵 구독", None)


def test_a_billing_key_may_have_no_method_customer_or_channel():
    info = BillingKeyInfo.from_raw({"billingKey": "billing-key-dawn-2", "status": "ISSUED"})
    assert (info.first_card, info.customer.id, info.methods, info.channels) == (None, None, (), ())


def test_a_billing_key_stands_in_no_repr(payload):
    payment = PaymentSnapshot.from_raw(payload("paid_card") | {"billingKey": "billing-key-dawn-1"})
    info = BillingKeyInfo.from_raw(payload("billing_key_card"))
    assert "billing-key-dawn-1" not in f"{payment!r} {info!r}"
