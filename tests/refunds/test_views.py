"""The refund pages: what is typed, what is asked again, and what bad input is told."""

import base64
import re
from html import unescape
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from flask import Flask

from app.accounts.models import User
from app.refunds.service import request_refund
from tests.conftest import Browser, on_both_databases, on_one_database, pages_on_one_database
from tests.factories import make_payment, make_wish

pytestmark = pages_on_one_database

ACCOUNT_FIELDS = {
    "bank": "KOOKMIN",
    "account_number": "123-456-789012",
    "account_number_again": "123456789012",
    "holder_name": "홍길동",
    "holder_phone": "010-1234-5678",
}


def form_address(payment_id: str) -> str:
    return f"/payments/{quote(payment_id, safe='')}/refunds/new"


def open_form(browser: Browser, payment_id: str) -> dict[str, str]:
    """The hidden fields of the form, filled for a full refund."""
    page = browser.get(form_address(payment_id)).text
    hidden = re.findall(r'<input[^>]*name="(intent|expected_refundable)"[^>]*value="([^"]*)"', page)
    assert len(hidden) == 2, page
    return dict(hidden) | {"kind": "full", "reason_code": "customer_request", "reason": ""}


def submit(browser: Browser, payment_id: str, fields: dict[str, str], **more: str) -> Any:
    return browser.submit(form_address(payment_id), fields | more)


def test_the_form_shows_the_balance_as_portone_has_it_now(signed_in: Browser, simulator: Any) -> None:
    payment = make_payment(simulator, total=50_000)
    simulator.console_cancel(payment.payment_id, 12_000)
    page = signed_in.get(form_address(payment.payment_id)).text
    assert "38,000원" in page


@on_both_databases
def test_three_clicks_refund_a_card_payment(signed_in: Browser, simulator: Any) -> None:
    payment = make_payment(simulator, total=50_000)
    fields = open_form(signed_in, payment.payment_id)
    review = submit(signed_in, payment.payment_id, fields)
    assert review.status_code == 200
    assert "50,000원" in review.text
    assert simulator.calls("cancel") == []
    done = submit(signed_in, payment.payment_id, fields, confirmed="1")
    assert done.status_code == 303
    assert done.location == f"/refunds/{fields['intent']}"
    page = signed_in.get(done.location).text
    assert f'data-refund-id="{fields["intent"]}"' in page
    assert 'data-status="succeeded"' in page


def test_the_review_carries_everything_that_was_typed(signed_in: Browser, simulator: Any) -> None:
    payment = make_payment(simulator, method="VIRTUAL_ACCOUNT", pg_provider="SMARTRO_V2", total=50_000)
    fields = open_form(signed_in, payment.payment_id) | ACCOUNT_FIELDS
    fields |= {"kind": "partial", "amount": "12,000원", "reason": "사이즈 <교환>"}
    review = submit(signed_in, payment.payment_id, fields).text
    hidden = {
        name: unescape(value)
        for name, value in re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', review)
    }
    assert {name: hidden[name] for name in fields} == fields
    assert "****9012" in review


def test_a_virtual_account_refund_reaches_the_account(signed_in: Browser, simulator: Any) -> None:
    payment = make_payment(simulator, method="VIRTUAL_ACCOUNT", pg_provider="SMARTRO_V2")
    fields = open_form(signed_in, payment.payment_id) | ACCOUNT_FIELDS
    done = submit(signed_in, payment.payment_id, fields, confirmed="1")
    assert 'data-status="succeeded"' in signed_in.get(done.location).text


@on_both_databases
def test_pressing_again_leads_to_the_first_outcome(signed_in: Browser, simulator: Any) -> None:
    payment = make_payment(simulator, total=50_000)
    fields = open_form(signed_in, payment.payment_id)
    addresses = {submit(signed_in, payment.payment_id, fields, confirmed="1").location for _ in range(3)}
    assert addresses == {f"/refunds/{fields['intent']}"}
    assert len(simulator.calls("cancel")) == 1


def test_an_intent_of_another_payment_is_refused(signed_in: Browser, simulator: Any) -> None:
    first, second = make_payment(simulator, total=1_000), make_payment(simulator, total=1_000)
    fields = open_form(signed_in, first.payment_id)
    submit(signed_in, first.payment_id, fields, confirmed="1")
    answer = submit(signed_in, second.payment_id, fields, confirmed="1")
    assert answer.status_code == 409
    assert len(simulator.calls("cancel")) == 1


@on_one_database
@pytest.mark.parametrize("confirmed", ["0", "2", "false"])
def test_nothing_but_1_confirms(signed_in: Browser, simulator: Any, confirmed: str) -> None:
    payment = make_payment(simulator, total=50_000)
    fields = open_form(signed_in, payment.payment_id)
    assert submit(signed_in, payment.payment_id, fields, confirmed=confirmed).status_code == 200
    assert simulator.calls("cancel") == []


@on_both_databases
@pytest.mark.parametrize("confirmed", ["", "1"])
def test_a_balance_that_moved_keeps_the_form(signed_in: Browser, simulator: Any, confirmed: str) -> None:
    payment = make_payment(simulator, total=50_000)
    fields = open_form(signed_in, payment.payment_id) | {
        "kind": "partial",
        "amount": "7,000",
        "reason": "기스",
    }
    simulator.console_cancel(payment.payment_id, 5_000)
    signed_in.get(form_address(payment.payment_id))  # a colleague opens it: our copy is new
    answer = submit(signed_in, payment.payment_id, fields, confirmed=confirmed)
    assert answer.status_code == 409
    assert "45,000원" in answer.text
    assert 'value="7,000"' in answer.text
    assert "기스" in answer.text
    assert fields["intent"] not in answer.text
    assert simulator.calls("cancel") == []


@on_one_database
@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("", "환불할 금액을 입력"),
        ("0", "0보다"),
        ("-1", "0보다 작을 수 없습니다"),
        ("1e9", "숫자"),
        ("천원", "숫자"),
        ("１２０００", "숫자"),
        ("12,00", "쉼표"),
        ("100.5", "소수"),
        ("50,001", "50,000원"),
        (str(2**63), "넘었습니다"),
        ("9" * 400, "넘었습니다"),
    ],
)
def test_an_amount_that_cannot_be_is_told_in_a_sentence(
    signed_in: Browser, simulator: Any, typed: str, sentence: str
) -> None:
    payment = make_payment(simulator, total=50_000)
    fields = open_form(signed_in, payment.payment_id) | {"kind": "partial", "amount": typed}
    answer = submit(signed_in, payment.payment_id, fields, confirmed="1")
    assert answer.status_code == 422
    assert sentence in answer.text
    assert f'value="{typed}"' in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert simulator.calls("cancel") == []


@on_one_database
@pytest.mark.parametrize(
    "wrong",
    [
        {"bank": ""},
        {"bank": "국민은행"},
        {"bank": "NO_SUCH_BANK"},
        {"account_number": ""},
        {"account_number": "12345"},
        {"account_number": "1" * 21},
        {"account_number": "12-34-ab"},
        {"account_number_again": "123456789013"},
        {"holder_name": ""},
        {"holder_name": "홍" * 51},
        {"holder_phone": ""},
        {"holder_phone": "010"},
    ],
)
def test_a_refund_account_that_cannot_be_is_refused(
    signed_in: Browser, simulator: Any, wrong: dict[str, str]
) -> None:
    payment = make_payment(simulator, method="VIRTUAL_ACCOUNT", pg_provider="SMARTRO_V2")
    fields = open_form(signed_in, payment.payment_id) | ACCOUNT_FIELDS | wrong
    answer = submit(signed_in, payment.payment_id, fields, confirmed="1")
    assert answer.status_code == 422
    assert 'class="field-error"' in answer.text
    assert simulator.calls("cancel") == []


@on_one_database
@pytest.mark.parametrize(
    "damage",
    [
        {"intent": ""},
        {"intent": "nonsense"},
        {"expected_refundable": ""},
        {"expected_refundable": "１２"},
        {"expected_refundable": "9" * 99},
        {"kind": "everything"},
        {"reason_code": "because"},
        {"reason_code": "", "reason": ""},
        {"reason_code": "other", "reason": " "},
        {"reason": "가" * 201},
        {"reason": "a\x00b"},
    ],
)
def test_a_damaged_form_is_refused_and_nothing_happens(
    signed_in: Browser, simulator: Any, damage: dict[str, str]
) -> None:
    payment = make_payment(simulator)
    fields = open_form(signed_in, payment.payment_id) | damage
    answer = submit(signed_in, payment.payment_id, fields, confirmed="1")
    assert answer.status_code == 422
    assert simulator.calls("cancel") == []


@on_one_database
@pytest.mark.parametrize("status", ["READY", "FAILED", "VIRTUAL_ACCOUNT_ISSUED", "CANCELLED", "PAY_PENDING"])
def test_what_cannot_be_refunded_gets_a_reason_and_no_form(
    signed_in: Browser, simulator: Any, status: str
) -> None:
    method = "VIRTUAL_ACCOUNT" if status == "VIRTUAL_ACCOUNT_ISSUED" else "CARD"
    payment = make_payment(simulator, status=status, method=method)
    page = signed_in.get(form_address(payment.payment_id))
    assert page.status_code == 200
    assert 'name="intent"' not in page.text
    assert "환불할 수 없습니다" in page.text


@on_one_database
@pytest.mark.parametrize("payment_id", ["a b", "주문/2026/1", "🎁-1", "100%", "a?b#c", "x/refunds/new"])
def test_ids_of_any_shape_can_be_refunded(signed_in: Browser, simulator: Any, payment_id: str) -> None:
    make_payment(simulator, payment_id=payment_id)
    form = form_address(payment_id)
    page = signed_in.get(form).text
    hidden = dict(re.findall(r'<input[^>]*name="(intent|expected_refundable)"[^>]*value="([^"]*)"', page))
    fields = hidden | {"kind": "full", "reason_code": "duplicate", "confirmed": "1"}
    assert signed_in.submit(form, fields).status_code == 303
    assert simulator.payment(payment_id)["status"] == "CANCELLED"


def test_an_unknown_payment_has_no_form(signed_in: Browser, simulator: Any) -> None:
    assert signed_in.get(form_address("no-such-payment")).status_code == 404


def test_portone_away_is_told_and_nothing_is_offered(signed_in: Browser, simulator: Any, app: Flask) -> None:
    payment = make_payment(simulator)
    simulator.faults.next("get_payment", "proxy_error", times=9)
    app.extensions["portone"]._transport._sleep = lambda _seconds: None
    answer = signed_in.get(form_address(payment.payment_id))
    assert answer.status_code in {502, 503}
    assert 'name="intent"' not in answer.text


def test_a_refund_nobody_made_is_not_found(signed_in: Browser) -> None:
    assert signed_in.get(f"/refunds/{uuid4()}").status_code == 404
    assert signed_in.get("/refunds/nonsense").status_code == 404


def test_a_post_without_a_token_is_refused(signed_in: Browser, simulator: Any) -> None:
    payment = make_payment(simulator)
    fields = open_form(signed_in, payment.payment_id) | {"confirmed": "1"}
    assert signed_in.post(form_address(payment.payment_id), data=fields).status_code == 400
    assert simulator.calls("cancel") == []


@on_both_databases
def test_the_list_finds_refunds_by_status_and_text(signed_in: Browser, simulator: Any, admin: User) -> None:
    payment = make_payment(simulator, order_name="벚꽃 네일", customer_name="한별")
    wish = make_wish(payment)
    request_refund(payment.payment_id, wish, by=admin)
    row = f'data-refund-id="{wish.intent}"'
    assert row in signed_in.get("/refunds?status=succeeded&q=벚꽃").text
    assert row in signed_in.get("/refunds?q=한별").text
    assert row not in signed_in.get("/refunds?status=failed").text
    assert row not in signed_in.get("/refunds?q=%25").text


@pytest.mark.parametrize(
    "query",
    ["from=2026-02-30", "from=어제", "from=2026-05-02&to=2026-05-01", "status=lost", "q=" + "가" * 201],
)
def test_filters_that_cannot_be_get_a_sentence(signed_in: Browser, query: str) -> None:
    answer = signed_in.get(f"/refunds?{query}")
    assert answer.status_code == 422
    assert "data-refund-id" not in answer.text


def test_a_broken_cursor_gets_a_sentence(signed_in: Browser) -> None:
    assert signed_in.get("/refunds?after=%00nonsense").status_code == 400
    assert signed_in.get("/refunds?after=nonsense").status_code == 400
    for moment in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"):
        cursor = base64.urlsafe_b64encode(f"{moment} {uuid4()}".encode()).decode()
        assert signed_in.get(f"/refunds?after={cursor}").status_code == 400


def test_an_open_refund_asks_for_itself_and_a_final_one_does_not(
    signed_in: Browser, simulator: Any, app: Flask
) -> None:
    payment = make_payment(simulator)
    simulator.faults.next("cancel", "requested")
    fields = open_form(signed_in, payment.payment_id) | {"confirmed": "1"}
    address = submit(signed_in, payment.payment_id, fields).location
    assert 'hx-trigger="every 2s"' in signed_in.get(address).text
    simulator.finish_cancellation(
        payment.payment_id, simulator.payment(payment.payment_id)["cancellations"][0]["id"], "SUCCEEDED"
    )
    assert signed_in.submit(f"{address}/recheck").status_code == 303
    fragment = signed_in.get(address, headers={"HX-Request": "true"}).text
    assert "<html" not in fragment
    assert "hx-trigger" not in fragment
