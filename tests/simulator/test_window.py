"""The payment window: the buyer pays or gives up, and never another amount than was announced."""

import pytest
from flask.testing import FlaskClient

from app.simulator import Simulator, SimulatorApp

ASKED = {
    "paymentId": "order1",
    "orderName": "향수 50ml",
    "totalAmount": "98000",
    "currency": "KRW",
    "redirectUrl": "http://127.0.0.1:9/orders/done",
}


@pytest.fixture
def page(simulator_app: SimulatorApp) -> FlaskClient:
    return simulator_app.test_client()


def test_the_buyer_sees_what_is_to_be_paid(page: FlaskClient) -> None:
    shown = page.get("/window", query_string=ASKED, headers={"Accept-Language": "en"}).text
    assert "향수 50ml" in shown
    assert "98,000 KRW" in shown
    assert "Pay by card" in shown


@pytest.mark.parametrize(
    ("method", "status"),
    [("CARD", "PAID"), ("VIRTUAL_ACCOUNT", "VIRTUAL_ACCOUNT_ISSUED"), ("GIVE_UP", "FAILED")],
)
def test_the_buyer_is_sent_back_with_what_happened(
    page: FlaskClient, simulator: Simulator, method: str, status: str
) -> None:
    answer = page.post("/window", data=ASKED | {"method": method})
    assert answer.status_code == 303
    assert answer.location.startswith("http://127.0.0.1:9/orders/done?paymentId=order1&txId=")
    assert ("code=" in answer.location) == (status == "FAILED")
    assert simulator.payment("order1")["status"] == status


def test_another_amount_than_was_announced_is_not_asked_for(page: FlaskClient, simulator: Simulator) -> None:
    simulator.pre_register("order1", {"totalAmount": 98_000, "currency": "KRW"})
    tampered = ASKED | {"totalAmount": "100"}
    assert page.get("/window", query_string=tampered).status_code == 409
    assert page.post("/window", data=tampered | {"method": "CARD"}).status_code == 409
    assert simulator.payments() == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"totalAmount": "0"},
        {"totalAmount": "x"},
        {"redirectUrl": "https://evil.example/"},
        {"redirectUrl": "http://127.0.0.1/?a=b"},
        {"paymentId": ""},
        {"method": "BEADS"},
    ],
)
def test_what_makes_no_sense_is_refused(
    page: FlaskClient, simulator: Simulator, wrong: dict[str, str]
) -> None:
    assert page.post("/window", data=ASKED | {"method": "CARD"} | wrong).status_code == 400
    assert simulator.payments() == []
