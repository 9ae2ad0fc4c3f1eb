"""The page: it works without JavaScript, in two languages, and moves the same money as the API."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from app.simulator import Simulator, SimulatorApp
from app.simulator.checkout import SHOWN
from app.simulator.store import fill_store
from tests.simulator.conftest import Api, Merchant
from tests.simulator.test_store import UNTIL


@pytest.fixture
def page(simulator_app: SimulatorApp) -> FlaskClient:
    return simulator_app.test_client()


def press(page: FlaskClient, payment: dict[str, Any], action: str, **form: str) -> int:
    return page.post(f"/_simulator/payments/{payment['id']}/{action}", data=form).status_code


def test_it_speaks_korean_and_english(page: FlaskClient, simulator: Simulator) -> None:
    simulator.faults.next("cancel", "slow")
    korean = page.get("/", headers={"Accept-Language": "ko-KR,ko;q=0.9,en;q=0.8"}).text
    english = page.get("/", headers={"Accept-Language": "en"}).text
    assert '<html lang="ko">' in korean
    assert "결제창 열기" in korean
    assert '<html lang="en">' in english
    assert "Open payment window" in english
    assert "built-in" not in korean


def test_nothing_foreign_and_no_script_may_run(page: FlaskClient) -> None:
    answer = page.get("/")
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'self'")
    assert "<script" not in answer.text
    assert " style=" not in answer.text
    assert page.get("/_simulator/static/simulator.css").status_code == 200


def test_a_whole_store_can_be_shown(page: FlaskClient, simulator: Simulator) -> None:
    fill_store(simulator.state, payments=100, until=UNTIL)
    assert page.get("/").text.count('<th scope="row"><code>') == SHOWN
    found = simulator.payments()[-1]
    assert found["id"] in page.get("/", query_string={"q": found["id"]}).text
    assert page.get("/", query_string={"q": "없는 사람"}).status_code == 200


def test_a_payment_goes_from_the_form_to_a_refund(
    page: FlaskClient, simulator: Simulator, merchant: Merchant
) -> None:
    form = {"order_name": "젤네일", "total": "60,000", "method": "VIRTUAL_ACCOUNT", "payment_id": "주문 1"}
    assert page.post("/_simulator/payments", data=form).status_code == 303
    payment = simulator.payment("주문 1")
    presses = [("pay", ""), ("deposit", ""), ("console_cancel", "10,000"), ("console_cancel", "")]
    for action, amount in presses:
        assert press(page, payment, action, amount=amount) == 303
    assert simulator.payment("주문 1")["status"] == "CANCELLED"
    simulator.outbox.flush()
    assert len(merchant.types) == 5


def test_ids_with_slashes_have_buttons_that_work(page: FlaskClient, simulator: Simulator) -> None:
    simulator.make_payment(status="READY", payment_id="a/b?c")
    assert 'action="/_simulator/payments/a%2Fb%3Fc/pay"' in page.get("/").text
    assert page.post("/_simulator/payments/a%2Fb%3Fc/pay").status_code == 303
    assert simulator.payment("a/b?c")["status"] == "PAID"


def test_pending_refunds_are_ended_by_hand(page: FlaskClient, api: Api, simulator: Simulator) -> None:
    paypal = simulator.make_payment(pg_provider="PAYPAL_V2")
    account = simulator.make_payment(method="virtual_account")
    api.cancel(paypal)
    api.cancel(account, refundAccount={"bank": "KAKAO", "number": "1", "holderName": "김산"})
    assert press(page, paypal, "fail_cancellation") == 303
    assert press(page, account, "return_pay_out") == 303
    assert simulator.payment(paypal["id"])["cancellations"][0]["status"] == "FAILED"
    assert simulator.payment(account["id"])["method"]["refundStatus"] == "FAILED"


@pytest.mark.parametrize("action", ["pay", "fail", "deposit", "close", "console_cancel", "nonsense"])
def test_what_cannot_be_done_is_said_on_the_page(
    page: FlaskClient, simulator: Simulator, action: str
) -> None:
    payment = simulator.make_payment(status="CANCELLED")
    answer = page.post(f"/_simulator/payments/{payment['id']}/{action}")
    assert answer.status_code in {400, 404, 409}
    assert 'role="alert"' in answer.text


@pytest.mark.parametrize(
    "form",
    [
        {"order_name": "x", "total": "-1", "method": "CARD"},
        {"order_name": "x", "total": "1e9", "method": "CARD"},
        {"order_name": "", "total": "1", "method": "CARD"},
        {"order_name": "x", "total": "1", "method": "GOLD"},
        {"order_name": "x", "total": "9" * 30, "method": "CARD"},
    ],
)
def test_a_bad_form_is_refused(page: FlaskClient, simulator: Simulator, form: dict[str, str]) -> None:
    assert page.post("/_simulator/payments", data=form).status_code == 400
    assert simulator.payments() == []


def test_the_window_refuses_an_amount_that_was_not_announced(page: FlaskClient, api: Api) -> None:
    api.post("/payments/announced/pre-register", {"totalAmount": 1_000})
    form = {"order_name": "x", "total": "999", "method": "CARD", "payment_id": "announced"}
    refusal = page.post("/_simulator/payments", data=form)
    assert refusal.status_code == 409
    assert "AmountNotEqualToPredefined" in refusal.text
    assert page.post("/_simulator/payments", data={**form, "total": "1000"}).status_code == 303


def test_a_billing_key_is_issued_and_told(
    page: FlaskClient, simulator: Simulator, merchant: Merchant
) -> None:
    assert page.post("/_simulator/billing-keys", data={"method": "EASY_PAY"}).status_code == 303
    simulator.outbox.flush()
    assert merchant.types == ["BillingKey.Issued"]


def test_faults_are_ordered_and_cleared(page: FlaskClient, simulator: Simulator) -> None:
    order = {"endpoint": "cancel", "fault": "slow", "times": "2", "seconds": "0"}
    assert page.post("/_simulator/faults/order", data=order).status_code == 303
    assert "slow × 2" in page.get("/").text
    assert page.post("/_simulator/faults/clear").status_code == 303
    assert simulator.faults.waiting() == []
    wrong = {**order, "fault": "twice"}
    assert page.post("/_simulator/faults/order", data=wrong).status_code == 400


def test_other_sites_cannot_press_the_buttons(page: FlaskClient, simulator: Simulator) -> None:
    payment = simulator.make_payment()
    origin = {"Origin": "https://elsewhere.example.com"}
    answer = page.post(f"/_simulator/payments/{payment['id']}/console_cancel", headers=origin)
    assert answer.status_code == 403
    assert simulator.payment(payment["id"])["status"] == "PAID"
