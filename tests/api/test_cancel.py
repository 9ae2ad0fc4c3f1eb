"""Money goes back for a store's server by the refund desk's own way: once, limited, approved, explained."""

import threading
from typing import Any

import pytest

from app.accounts.models import User
from app.accounts.people import list_admins
from app.connections import act_as
from app.extensions import db
from app.payments.service import sync_payment
from app.portone.client import PortOneClient
from app.refunds.models import Refund
from app.settings import service as settings
from tests.api.conftest import Shop, problem_of
from tests.conftest import STORE_ID
from tests.factories import make_user

ACCOUNT = {"bank": "KOOKMIN", "number": "123456-78-901234", "holderName": "홍길동"}


def cancel(shop: Shop, payment_id: str, key: str | None = None, **values: Any) -> Any:
    headers = {"Idempotency_Key": key} if key else {}
    return shop.ask("cancel", {"paymentId": payment_id, "reason": "고객 변심"} | values, **headers)


def cancelled(simulator: Any, payment_id: str) -> int:
    return int(simulator.payment(payment_id)["amount"]["cancelled"])


@pytest.fixture
def paid(simulator) -> str:
    return str(simulator.make_payment(total=12_000)["id"])


def test_all_that_is_left_goes_back(shop: Shop, simulator, paid):
    answer = cancel(shop, paid)
    told = answer.get_json()
    assert (answer.status_code, told["status"], told["amount"]) == (200, "succeeded", 12_000)
    assert (told["refundableAmount"], cancelled(simulator, paid)) == (0, 12_000)


def test_a_part_goes_back(shop: Shop, simulator, paid):
    assert cancel(shop, paid, amount=5_000).get_json()["refundableAmount"] == 7_000
    assert cancelled(simulator, paid) == 5_000


@pytest.mark.parametrize("second", ["refund-of-order-1", '"refund-of-order-1"'])
def test_the_same_key_answers_the_first_outcome(shop: Shop, simulator, paid, second):
    first = cancel(shop, paid, '"refund-of-order-1"', amount=5_000).get_json()
    again = cancel(shop, paid, second, amount=7_000).get_json()
    assert (again["refundId"], again["amount"]) == (first["refundId"], 5_000)
    assert cancelled(simulator, paid) == 5_000


def test_a_key_of_another_payment_is_no_success(shop: Shop, simulator, paid):
    other = simulator.make_payment(total=9_000)["id"]
    cancel(shop, paid, "key-0004")
    answer = cancel(shop, other, "key-0004")
    assert (answer.status_code, problem_of(answer)) == (409, "key-reused")
    assert cancelled(simulator, other) == 0


def test_twenty_at_once_with_one_key_are_one_refund(app, shop: Shop, simulator, paid):
    db.session.commit()
    answers = []

    def ask() -> None:
        headers = {"Authorization": f"Bearer {shop.token}", "Idempotency-Key": "once-and-only-once"}
        wanted = {"paymentId": paid, "reason": "고객 변심", "amount": 1_000}
        answers.append(app.test_client().post("/api/portone/cancel", json=wanted, headers=headers))

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cancelled(simulator, paid) == 1_000
    assert {answer.status_code for answer in answers} <= {200, 202}


def test_more_than_is_left_is_refused_and_so_is_a_stale_balance(shop: Shop, simulator, paid):
    for values in ({"amount": 12_001}, {"amount": 1_000, "expectedRefundable": 9_000}):
        answer = cancel(shop, paid, **values)
        assert (answer.status_code, problem_of(answer)) == (409, "refund-refused")
    assert answer.get_json()["reason"] == "balance_moved"
    assert cancelled(simulator, paid) == 0


def test_a_virtual_account_is_refunded_to_an_account(shop: Shop, simulator):
    payment_id = simulator.make_payment(total=12_000, method="VIRTUAL_ACCOUNT")["id"]
    assert problem_of(cancel(shop, payment_id)) == "refund-refused"
    assert cancel(shop, payment_id, refundAccount=ACCOUNT).status_code == 200


@pytest.mark.parametrize(
    ("account", "field"),
    [({"bank": "NOWHERE"}, "refundAccount.bank"), ({"number": "12ab5678"}, "refundAccount.number")],
)
def test_an_account_that_is_none_is_told_so(shop: Shop, simulator, account, field):
    answer = cancel(shop, "order1", refundAccount=ACCOUNT | account)
    assert [error["field"] for error in answer.get_json()["errors"]] == [field]


def test_above_the_threshold_a_person_approves_first(shop: Shop, simulator, paid, super_admin):
    make_user(role="super_admin", email="second@example.com")
    settings.change({"refund_approval_threshold": {"KRW": 10_000}}, by=super_admin)
    answer = cancel(shop, paid, "key-0001")
    assert (answer.status_code, answer.get_json()["status"]) == (202, "awaiting_approval")
    assert cancelled(simulator, paid) == 0
    assert cancel(shop, paid, "key-0001").get_json()["status"] == "awaiting_approval"


def test_the_limit_of_admins_binds_a_program_too(shop: Shop, simulator, paid, super_admin):
    settings.change({"refund_limit_admin": {"KRW": 5_000}}, by=super_admin)
    answer = cancel(shop, paid)
    assert (problem_of(answer), answer.get_json()["reason"]) == ("refund-refused", "not_permitted")


def test_what_needs_a_persons_password_is_not_for_programs(shop: Shop, simulator, paid, super_admin):
    settings.change({"refund_step_up_threshold": {"KRW": 5_000}}, by=super_admin)
    assert cancel(shop, paid).get_json()["reason"] == "not_permitted"
    assert cancelled(simulator, paid) == 0


def test_a_refusal_of_the_pg_is_told_with_its_words(shop: Shop, simulator, paid):
    simulator.faults.next("cancel", "pg_refuses", pg_code="P001", pg_message="취소 불가")
    for _twice in range(2):
        answer = cancel(shop, paid, "key-0002")
        assert (answer.status_code, problem_of(answer)) == (409, "refund-failed")
        assert answer.get_json()["pgCode"] == "P001"


def test_a_payment_nobody_knows_is_told_so(shop: Shop, simulator):
    answer = cancel(shop, "never-heard-of")
    assert (answer.status_code, problem_of(answer)) == (404, "payment-unknown")


def test_while_portone_is_away_nothing_is_begun(app, shop: Shop, simulator, paid):
    app.extensions["portone"] = PortOneClient(
        api_secret="x", store_id=STORE_ID, base="http://127.0.0.1:9", sleep=lambda _: None
    )
    answer = cancel(shop, paid, "key-0003")
    assert (answer.status_code, problem_of(answer)) == (503, "portone-unavailable")
    assert db.session.query(Refund).count() == 0


@pytest.mark.parametrize("key", ["", " ", "ü", "a b", "x" * 257])
def test_a_key_that_is_none_is_told_so(shop: Shop, simulator, paid, key):
    headers = {"Authorization": f"Bearer {shop.token}", "Idempotency-Key": key.encode().decode("latin-1")}
    answer = shop.client.post("/api/portone/cancel", json={"paymentId": paid, "reason": "x"}, headers=headers)
    assert (answer.status_code, problem_of(answer)) == (422, "invalid")


def test_a_program_is_no_admin_one_could_sign_in_as_or_manage(shop: Shop, simulator, paid, super_admin):
    cancel(shop, paid)
    act_as("system")
    machine = db.session.query(User).filter_by(name="API · shop").one()
    assert (machine.email, machine.password_hash) == (None, None)
    assert machine.id not in {person.id for person in list_admins()}
    sync_payment(paid)
    assert db.session.query(Refund).one().requested_by == machine.id
