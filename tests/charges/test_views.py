"""The pages of charges: what is typed, what is asked again, who may, and what bad input is told."""

import re
from html import unescape
from typing import Any

import pytest

from app.access.permissions import Permission, Role, is_permitted
from app.accounts.models import User
from app.approvals.queries import Kind
from app.approvals.service import choose_approvers
from app.billing_keys.models import BillingKey
from app.charges.models import Charge, payment_id_of
from app.charges.outcomes import key_in
from app.charges.queries import get_charge
from app.charges.service import request_charge
from app.columns import new_id
from app.extensions import db
from app.settings import service as settings
from tests.conftest import Browser, on_both_databases, pages_on_one_database
from tests.factories import PASSWORD, make_billing_key, make_charge_wish

pytestmark = pages_on_one_database

PAY = "pay_with_billing_key"
TYPED = {"amount": "12,000원", "currency": "KRW", "order_name": "정기구독 7월분", "customer_name": "김하늘"}


def address_of(row: BillingKey) -> str:
    return f"/billing-keys/{row.id}/charges/new"


def open_form(browser: Browser, row: BillingKey) -> dict[str, str]:
    """The hidden fields of the form, and what is typed beside."""
    page = browser.get(address_of(row)).text
    hidden = dict(re.findall(r'<input[^>]*name="(intent|payment_id)"[^>]*value="([^"]*)"', page))
    assert len(hidden) == 2, page
    return hidden | TYPED


def submit(browser: Browser, row: BillingKey, fields: dict[str, str], **more: str) -> Any:
    return browser.submit(address_of(row), fields | more)


def hidden_in(page: str) -> dict[str, str]:
    found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page)
    return {name: unescape(value) for name, value in found if name != "csrf_token"}


@on_both_databases
def test_three_clicks_charge_a_card(signed_in, simulator, row):
    assert address_of(row) in signed_in.get(f"/billing-keys/{row.id}").text
    fields = open_form(signed_in, row)
    review = submit(signed_in, row, fields)
    assert review.status_code == 200
    assert "김하늘님에게 12,000원을 지금 청구합니다" in review.text
    assert simulator.calls(PAY) == []
    done = submit(signed_in, row, hidden_in(review.text), confirmed="1")
    assert (done.status_code, done.location) == (303, f"/charges/{fields['intent']}")
    assert 'data-status="succeeded"' in signed_in.get(done.location).text
    [payment] = simulator.payments()
    assert (payment["id"], payment["amount"]["total"]) == (fields["payment_id"], 12_000)


@on_both_databases
def test_pressing_again_leads_to_the_first_outcome(signed_in, simulator, row):
    fields = open_form(signed_in, row)
    addresses = {submit(signed_in, row, fields, confirmed="1").location for _ in range(3)}
    assert addresses == {f"/charges/{fields['intent']}"}
    assert len(simulator.payments()) == 1


def test_the_ids_of_a_form_belong_together(signed_in, simulator, row):
    fields = open_form(signed_in, row)
    for wrong in ({"payment_id": "order-of-somebody"}, {"intent": str(new_id())}, {"intent": "x"}):
        answer = submit(signed_in, row, fields | wrong, confirmed="1")
        assert answer.status_code == 422
        assert "손상" in answer.text
    assert simulator.calls(PAY) == []


def test_a_form_of_another_key_is_refused(signed_in, simulator, row):
    fields = open_form(signed_in, row)
    submit(signed_in, row, fields, confirmed="1")
    assert submit(signed_in, make_billing_key(simulator), fields, confirmed="1").status_code == 409
    assert len(simulator.payments()) == 1


@pytest.mark.parametrize("confirmed", ["0", "2", "false"])
def test_nothing_but_1_confirms(signed_in, simulator, row, confirmed):
    assert submit(signed_in, row, open_form(signed_in, row), confirmed=confirmed).status_code == 200
    assert simulator.calls(PAY) == []


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"amount": ""}, "청구할 금액을 입력"),
        ({"amount": "0"}, "0보다"),
        ({"amount": "-1"}, "0보다 작을 수 없습니다"),
        ({"amount": "１２０００"}, "숫자"),
        ({"amount": "12,00"}, "쉼표"),
        ({"amount": "100.5"}, "소수"),
        ({"amount": str(2**63)}, "넘었습니다"),
        ({"amount": "29.999", "currency": "USD"}, "USD"),
        ({"currency": "ABC"}, "ABC"),
        ({"currency": "원화"}, "원화"),
        ({"tax_free_amount": "12,001"}, "12,000원"),
        ({"order_name": ""}, "무엇에 대한 청구"),
        ({"order_name": "   "}, "무엇에 대한 청구"),
        ({"order_name": "a" * 101}, "100자"),
        ({"order_name": "구독\x00"}, "제어 문자"),
        ({"not_twin": "x", "again": "1"}, "손상"),
    ],
)
def test_what_cannot_be_is_told_in_a_sentence_and_nothing_is_lost(signed_in, simulator, row, typed, sentence):
    fields = open_form(signed_in, row) | {"reason": "7월분 <미납>"} | typed
    answer = submit(signed_in, row, fields, confirmed="1")
    assert answer.status_code == 422
    assert sentence in unescape(answer.text)
    assert "7월분 &lt;미납&gt;" in answer.text
    assert fields["intent"] in answer.text
    assert simulator.calls(PAY) == []


def test_other_currencies_have_their_decimals(signed_in, simulator, row):
    fields = open_form(signed_in, row) | {"amount": "29.99", "currency": "usd"}
    submit(signed_in, row, fields, confirmed="1")
    [payment] = simulator.payments()
    assert (payment["amount"]["total"], payment["currency"]) == (2_999, "USD")


def test_korean_in_parts_is_put_together(signed_in, simulator, row):
    import unicodedata

    fields = open_form(signed_in, row) | {"order_name": unicodedata.normalize("NFD", "뷁 구독")}
    submit(signed_in, row, fields, confirmed="1")
    assert simulator.payments()[0]["orderName"] == "뷁 구독"


@on_both_databases
def test_the_same_amount_again_has_to_be_meant(signed_in, simulator, row):
    submit(signed_in, row, open_form(signed_in, row), confirmed="1")
    fields = open_form(signed_in, row)
    review = submit(signed_in, row, fields)
    assert review.status_code == 200
    assert "방금(1분 이내) 이 빌링키에 12,000원을 청구했습니다" in review.text
    carried = hidden_in(review.text)
    unticked = submit(signed_in, row, carried, confirmed="1")
    assert unticked.status_code == 409
    assert "표시해 주세요" in unticked.text
    assert len(simulator.payments()) == 1
    assert submit(signed_in, row, carried, confirmed="1", again="1").status_code == 303
    assert len(simulator.payments()) == 2


def test_a_key_that_cannot_be_charged_has_no_form(signed_in, simulator, row):
    fields = open_form(signed_in, row)
    row.is_active = False
    db.session.commit()
    page = signed_in.get(address_of(row)).text
    assert "사용 중지한 빌링키" in page
    assert 'name="intent"' not in page
    assert address_of(row) not in signed_in.get(f"/billing-keys/{row.id}").text
    assert submit(signed_in, row, fields, confirmed="1").status_code == 409
    assert simulator.calls(PAY) == []


def test_a_test_channel_is_marked_everywhere(signed_in, simulator):
    row = make_billing_key(simulator, channel_type="TEST")
    fields = open_form(signed_in, row)
    assert "TEST" in signed_in.get(address_of(row)).text
    assert "테스트 채널의 빌링키" in submit(signed_in, row, fields).text
    submit(signed_in, row, fields, confirmed="1")
    assert "TEST" in signed_in.get(f"/charges/{fields['intent']}").text
    assert "TEST" in signed_in.get("/charges").text


def test_the_regular_use_of_keys_is_called_to_mind(signed_in, row):
    assert "정기 구독 결제에만" in signed_in.get(address_of(row)).text
    assert "정기 구독 결제에만" in submit(signed_in, row, open_form(signed_in, row)).text


@on_both_databases
def test_an_unknown_outcome_asks_again_by_itself_and_by_hand(signed_in, simulator, row, impatient):
    simulator.faults.next(PAY, "done_then_silent", seconds=2)
    fields = open_form(signed_in, row)
    address = submit(signed_in, row, fields, confirmed="1").location
    page = signed_in.get(address).text
    assert 'data-status="uncertain"' in page
    assert "hx-trigger" in page
    assert "다시 청구하지 마세요" in page
    assert signed_in.submit(f"{address}/recheck").location == address
    settled = signed_in.get(address).text
    assert 'data-status="succeeded"' in settled
    assert "hx-trigger" not in settled


def test_what_the_pg_said_is_shown(signed_in, simulator, row):
    simulator.let_charges_fail(key_in(row), 1)
    page = signed_in.get(submit(signed_in, row, open_form(signed_in, row), confirmed="1").location).text
    assert "카드 한도가 초과되었습니다." in page
    assert "EXCEED_MAX_AMOUNT" in page


@pytest.fixture
def waiting(row: BillingKey, admin: User, super_admin: User) -> Charge:
    choose_approvers({admin.id}, by=super_admin, kind=Kind.CHARGE)
    settings.change({"charge_approval_threshold": {"KRW": 10_000}}, by=super_admin)
    wish = make_charge_wish(20_000)
    request_charge(row.id, wish, by=admin)
    return get_charge(wish.intent)


def test_a_second_person_approves_on_the_page(app, signed_in, simulator, waiting, super_admin):
    address = f"/charges/{waiting.id}"
    assert f"{address}/withdraw" in signed_in.get(address).text
    assert signed_in.submit(f"{address}/approve").status_code == 403
    owner = app.test_client().sign_in(super_admin)
    assert "승인하고 20,000원 청구" in owner.get(address).text
    assert owner.submit(f"{address}/approve", {"note": "n" * 501}).status_code == 422
    assert owner.submit(f"{address}/approve", {"note": "확인"}).location == address
    assert 'data-status="succeeded"' in owner.get(address).text
    assert len(simulator.payments()) == 1


def test_a_second_person_rejects_on_the_page(app, simulator, waiting, super_admin):
    owner = app.test_client().sign_in(super_admin)
    owner.submit(f"/charges/{waiting.id}/reject")
    assert 'data-status="rejected"' in owner.get(f"/charges/{waiting.id}").text
    assert owner.submit(f"/charges/{waiting.id}/approve").status_code == 409
    assert simulator.payments() == []


def test_the_password_is_asked_again_and_the_tick_is_kept(signed_in, simulator, row, super_admin):
    submit(signed_in, row, open_form(signed_in, row), confirmed="1")
    settings.change({"charge_step_up_threshold": {"KRW": 10_000}}, by=super_admin)
    carried = hidden_in(submit(signed_in, row, open_form(signed_in, row)).text) | {
        "confirmed": "1",
        "again": "1",
    }
    wrong = submit(signed_in, row, carried, password="wrong")
    assert wrong.status_code == 422
    assert re.search(r'id="again"[^>]*checked', wrong.text)
    assert submit(signed_in, row, carried, password=PASSWORD).status_code == 303
    assert len(simulator.payments()) == 2


@on_both_databases
def test_the_list_is_filtered_counted_and_summed(signed_in, simulator, row, admin):
    for amount in (1_000, 2_000, 3_000):
        request_charge(row.id, make_charge_wish(amount, order_name=f"구독 {amount}"), by=admin)
    simulator.let_charges_fail(key_in(row), 1)
    request_charge(row.id, make_charge_wish(4_000), by=admin)
    page = signed_in.get("/charges").text
    assert page.count("data-charge-id") == 4
    assert "6,000원" in page
    assert signed_in.get("/charges?status=failed").text.count("data-charge-id") == 1
    assert signed_in.get("/charges?amount_min=2000&amount_max=3000").text.count("data-charge-id") == 2
    assert signed_in.get(f"/charges?q=2000&billing_key={row.id}").text.count("data-charge-id") == 1
    assert signed_in.get(f"/charges?billing_key={new_id()}").text.count("data-charge-id") == 0
    assert signed_in.get(f"/charges?requested_by={admin.id}").text.count("data-charge-id") == 4


@pytest.mark.parametrize(
    "query", ["status=odd", "amount_min=x", "currency=!", "billing_key=x", "from=x", "channel=x"]
)
def test_filters_that_cannot_be_are_told(signed_in, query):
    assert signed_in.get(f"/charges?{query}").status_code == 422


@on_both_databases
def test_who_had_a_payment_charged_is_in_its_story_and_its_id_is_found(signed_in, row, admin):
    wish = make_charge_wish()
    request_charge(row.id, wish, by=admin)
    page = signed_in.get(f"/payments/{payment_id_of(wish.intent)}").text
    assert f"/charges/{wish.intent}" in page
    assert "19,900원 청구: 청구 완료" in page
    assert f"/charges/{wish.intent}" in signed_in.get(f"/billing-keys/{row.id}").text
    assert signed_in.get(f"/payments?q={wish.intent}").location == f"/charges/{wish.intent}"
    assert signed_in.get(f"/payments?q={wish.payment_id}").location == f"/payments/{wish.payment_id}"


def test_the_key_is_in_no_page(signed_in, simulator, row, admin):
    wish, key = make_charge_wish(), key_in(row)
    request_charge(row.id, wish, by=admin)
    for address in (address_of(row), "/charges", f"/charges/{wish.intent}", f"/billing-keys/{row.id}"):
        assert key not in signed_in.get(address).text, address


def test_admins_charge_and_owners_approve():
    staff = {Permission.CHARGE_READ, Permission.CHARGE_CREATE, Permission.CHARGE_RECHECK}
    assert all(is_permitted(Role.ADMIN, permission) for permission in staff)
    assert not is_permitted(Role.ADMIN, Permission.CHARGE_APPROVE)
    assert not any(is_permitted(Role.CUSTOMER, permission) for permission in staff)
