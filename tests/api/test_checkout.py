"""Initialize, verify and confirm against PortOne's double: twice, changed, tampered with, and unanswered."""

import pytest

from app.audit.queries import list_entries_of
from app.payments.queries import find_payment, get_payment
from app.payments.service import sync_payment
from app.portone.client import PortOneClient
from tests.api.conftest import Shop, problem_of
from tests.conftest import STORE_ID


def test_a_payment_is_announced_here_and_at_portone(shop: Shop, simulator):
    answer = shop.initialize(taxFreeAmount=2_000, customer={"fullName": "홍길동"}, customData="a-1")
    assert answer.get_json() == {
        "storeId": STORE_ID,
        "paymentId": "order1",
        "orderName": "속눈썹 펌",
        "totalAmount": 12_000,
        "currency": "KRW",
        "taxFreeAmount": 2_000,
        "customer": {"fullName": "홍길동"},
        "customData": "a-1",
    }
    payment = get_payment("order1")
    assert (payment.status, payment.expected_amount, payment.expected_currency) == ("READY", 12_000, "KRW")
    assert (payment.snapshot, payment.transaction_id, payment.requested_at) == (None, None, None)
    assert '"totalAmount":12000' in simulator.calls("pre_register")[0].body


def test_an_id_is_made_where_none_is_given(shop: Shop, simulator):
    wanted = {"orderName": "속눈썹 펌", "amount": 12_000, "currency": "KRW"}
    first, second = (shop.ask("initialize", wanted).get_json()["paymentId"] for _ in range(2))
    assert first != second
    assert first.isascii()
    assert first.isalnum()
    assert len(first) <= 40


def test_the_same_content_again_answers_the_same(shop: Shop, simulator):
    assert shop.initialize().get_json() == shop.initialize().get_json()


@pytest.mark.parametrize(
    "changed", [{"amount": 11_000}, {"currency": "USD"}, {"orderName": "다른 상품"}, {"customData": "x"}]
)
def test_other_content_under_the_same_id_is_a_conflict(shop: Shop, simulator, changed):
    shop.initialize()
    answer = shop.initialize(**changed)
    assert (answer.status_code, problem_of(answer)) == (409, "conflicting-content")
    assert get_payment("order1").expected_amount == 12_000


def test_a_payment_that_was_paid_without_being_announced_cannot_be_announced(shop: Shop, simulator):
    payment = simulator.make_payment(total=12_000)
    sync_payment(payment["id"])
    assert problem_of(shop.initialize(payment["id"])) == "already-paid"


def test_a_paid_payment_that_only_portone_knows_cannot_be_announced(shop: Shop, simulator):
    payment = simulator.make_payment(total=12_000)
    assert problem_of(shop.initialize(payment["id"])) == "already-paid"


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"amount": 0}, "amount"),
        ({"amount": -1}, "amount"),
        ({"amount": "12000"}, "amount"),
        ({"amount": 12_000.5}, "amount"),
        ({"amount": True}, "amount"),
        ({"amount": 2**63}, "amount"),
        ({"currency": "krw"}, "currency"),
        ({"orderName": ""}, "orderName"),
        ({"orderName": "a\x00b"}, "orderName"),
        ({"taxFreeAmount": 12_001}, "taxFreeAmount"),
        ({"paymentId": ""}, "paymentId"),
        ({"paymentId": "x" * 201}, "paymentId"),
        ({"total": 5}, "total"),
        ({"customer": {"name": "x"}}, "customer.name"),
    ],
)
def test_a_field_that_cannot_be_used_is_named(shop: Shop, simulator, wanted, field):
    content = {"paymentId": "order1", "orderName": "펌", "amount": 12_000, "currency": "KRW"} | wanted
    answer = shop.ask("initialize", content)
    assert (answer.status_code, problem_of(answer)) == (422, "invalid")
    assert [error["field"] for error in answer.get_json()["errors"]] == [field]
    assert find_payment("order1") is None


def test_a_silent_portone_is_told_and_the_request_can_be_repeated(shop: Shop, simulator, app):
    reachable = app.extensions["portone"]
    app.extensions["portone"] = PortOneClient(
        api_secret="x", store_id=STORE_ID, base="http://127.0.0.1:9", sleep=lambda seconds: None
    )
    answer = shop.initialize()
    assert (answer.status_code, problem_of(answer)) == (503, "portone-unavailable")
    assert answer.get_json()["paymentId"] == "order1"
    assert int(answer.headers["Retry-After"]) > 0
    app.extensions["portone"] = reachable
    assert shop.initialize().status_code == 200


def test_what_was_paid_as_announced_is_paid(shop: Shop, simulator):
    shop.initialize()
    simulator.make_payment(payment_id="order1", total=12_000)
    answer = shop.ask("verify", {"paymentId": "order1"}).get_json()
    assert (answer["status"], answer["portoneStatus"], answer["totalAmount"]) == ("paid", "PAID", 12_000)
    assert answer["paidAt"].endswith("Z")


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ("PAY_PENDING", "pending"),
        ("FAILED", "failed"),
        ("CANCELLED", "cancelled"),
        ("PARTIAL_CANCELLED", "paid"),
    ],
)
def test_where_a_payment_stands_is_told_in_the_words_of_the_document(shop: Shop, simulator, status, told):
    shop.initialize()
    simulator.make_payment(payment_id="order1", total=12_000, status=status)
    answer = shop.ask("verify", {"paymentId": "order1"}).get_json()
    assert (answer["status"], answer["portoneStatus"]) == (told, status)


def test_a_portone_that_does_not_let_us_in_is_no_fault_of_the_store(shop: Shop, simulator, app):
    shop.initialize()
    app.extensions["portone"] = PortOneClient(
        api_secret="over", store_id=STORE_ID, base=app.extensions["portone"]._transport._base
    )
    answer = shop.ask("verify", {"paymentId": "order1"})
    assert (answer.status_code, problem_of(answer)) == (502, "portone-misconfigured")


def test_before_anybody_pays_it_is_pending(shop: Shop, simulator):
    shop.initialize()
    answer = shop.ask("verify", {"paymentId": "order1"}).get_json()
    assert (answer["status"], answer.get("portoneStatus")) == ("pending", None)


def test_an_issued_virtual_account_waits_for_its_deposit(shop: Shop, simulator):
    shop.initialize()
    simulator.make_payment(
        payment_id="order1", total=12_000, method="VIRTUAL_ACCOUNT", status="VIRTUAL_ACCOUNT_ISSUED"
    )
    answer = shop.ask("verify", {"paymentId": "order1"}).get_json()
    assert answer["status"] == "waiting_for_deposit"
    assert answer["virtualAccount"]["accountNumber"]


def test_a_payment_nobody_announced_cannot_be_verified(shop: Shop, simulator):
    payment = simulator.make_payment(total=12_000)
    answer = shop.ask("verify", {"paymentId": payment["id"]})
    assert (answer.status_code, problem_of(answer)) == (404, "not-initialized")


TAMPERED = [
    ({"total": 100}, "amount"),
    ({"currency": "JPY"}, "currency"),
    ({"channel_type": "TEST"}, "channelType"),
]


def test_a_mismatch_that_is_asked_for_again_is_in_the_trail_once(shop: Shop, simulator):
    shop.initialize()
    simulator.make_payment(payment_id="order1", total=100)
    assert [shop.ask("verify", {"paymentId": "order1"}).status_code for _ in range(3)] == [409] * 3
    actions = [entry.action for entry in list_entries_of("payment", "order1")]
    assert actions == ["payment.verify_refused", "payment.mismatched"]


@pytest.mark.parametrize(("made", "field"), TAMPERED)
def test_tampering_is_found_at_verify(shop: Shop, simulator, made, field):
    shop.initialize()
    simulator.make_payment(**({"payment_id": "order1", "total": 12_000} | made))
    answer = shop.ask("verify", {"paymentId": "order1"})
    assert (answer.status_code, problem_of(answer)) == (409, "mismatch")
    assert [difference["field"] for difference in answer.get_json()["differences"]] == [field]
    assert "payment.verify_refused" in [entry.action for entry in list_entries_of("payment", "order1")]


@pytest.mark.parametrize(("made", "field"), TAMPERED)
def test_tampering_is_found_by_the_webhook_alone(shop: Shop, simulator, made, field):
    shop.initialize()
    simulator.make_payment(**({"payment_id": "order1", "total": 12_000} | made))
    sync_payment("order1")  # what processing a webhook does
    assert get_payment("order1").is_mismatched
    entry = list_entries_of("payment", "order1")[0]
    assert (entry.action, list(entry.facts)) == ("payment.mismatched", [field])


def test_a_mismatched_payment_is_among_what_needs_a_person_now(shop: Shop, simulator, signed_in):
    shop.initialize()
    simulator.make_payment(payment_id="order1", total=12_000, channel_type="TEST")
    sync_payment("order1")
    assert "flag=mismatched" in signed_in.get("/").text
    assert 'data-payment-id="order1"' in signed_in.get("/payments?flag=mismatched").text


def test_a_payment_with_manual_approval_is_confirmed_at_what_was_announced(shop: Shop, simulator):
    shop.initialize()
    simulator.make_payment(payment_id="order1", total=12_000, status="READY", payment_token="token-1")
    wish = {"paymentId": "order1", "paymentToken": "token-1"}
    assert shop.ask("confirm", wish).get_json()["status"] == "paid"
    assert shop.ask("confirm", wish).get_json()["status"] == "paid"


def test_another_amount_is_not_confirmed(shop: Shop, simulator):
    shop.initialize()
    simulator.make_payment(payment_id="order1", total=100, status="READY", payment_token="token-1")
    answer = shop.ask("confirm", {"paymentId": "order1", "paymentToken": "token-1"})
    assert (answer.status_code, problem_of(answer)) == (409, "mismatch")
    assert simulator.payment("order1")["status"] == "READY"


def test_a_wrong_payment_token_is_portones_no(shop: Shop, simulator):
    shop.initialize()
    simulator.make_payment(payment_id="order1", total=12_000, status="READY", payment_token="token-1")
    answer = shop.ask("confirm", {"paymentId": "order1", "paymentToken": "guessed"})
    assert (answer.status_code, problem_of(answer)) == (409, "portone-refused")
    assert answer.get_json()["portoneType"] == "INVALID_PAYMENT_TOKEN"
