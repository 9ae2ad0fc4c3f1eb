"""The pages of approval: who sees which button, forged posts, and the password that is asked again."""

import re
from typing import Any

import pytest
from flask import Flask

from app.accounts.models import User
from app.approvals.service import choose_approvers
from app.audit.queries import list_entries_of
from app.refunds.service import request_refund
from app.settings import service as settings
from tests.conftest import Browser
from tests.factories import PASSWORD, make_payment, make_user, make_wish
from tests.refunds.test_views import open_form, submit


@pytest.fixture
def threshold(admin: User, super_admin: User) -> None:
    choose_approvers({admin.id}, by=super_admin)
    settings.change({"refund_approval_threshold": {"KRW": 5_000}}, by=super_admin)


@pytest.fixture
def step_up(super_admin: User) -> None:
    settings.change({"refund_step_up_threshold": {"KRW": 5_000}}, by=super_admin)


@pytest.fixture
def address(simulator: Any, admin: User, threshold: None) -> str:
    """The page of a refund of 6,000 won that `admin` asked for and that waits."""
    payment = make_payment(simulator, total=10_000)
    wish = make_wish(payment, 6_000)
    request_refund(payment.payment_id, wish, by=admin)
    return f"/refunds/{wish.intent}"


def status_on(page: str) -> str:
    found = re.search(r'id="outcome"[^>]*data-status="(\w+)"', page)
    assert found
    return found[1]


def browser_of(app: Flask, user: User) -> Browser:
    browser = app.test_client()
    assert isinstance(browser, Browser)
    return browser.sign_in(user)


def test_above_the_threshold_the_review_says_so_and_the_refund_waits(
    signed_in: Browser, simulator: Any, threshold: None
) -> None:
    payment = make_payment(simulator, total=10_000)
    fields = open_form(signed_in, payment.payment_id)
    assert "승인 요청" in submit(signed_in, payment.payment_id, fields).text
    done = submit(signed_in, payment.payment_id, fields, confirmed="1")
    page = signed_in.get(done.location).text
    assert status_on(page) == "awaiting_approval"
    assert "이준호" in page
    assert f'action="{done.location}/withdraw"' in page
    assert f'action="{done.location}/approve"' not in page
    assert simulator.calls("cancel") == []


def test_the_other_person_approves_with_a_note(app: Flask, address: str, super_admin: User) -> None:
    owner = browser_of(app, super_admin)
    assert f'action="{address}/approve"' in owner.get(address).text
    assert owner.submit(f"{address}/approve", {"note": "통화 확인 <b>"}).status_code == 303
    page = owner.get(address).text
    assert status_on(page) == "succeeded"
    assert "통화 확인 &lt;b&gt;" in page
    again = owner.submit(f"{address}/approve")
    assert again.status_code == 409
    assert "이준호님이 이미 승인" in again.text


def test_the_other_person_rejects_without_a_note(app: Flask, address: str, super_admin: User) -> None:
    owner = browser_of(app, super_admin)
    assert owner.submit(f"{address}/reject").status_code == 303
    assert status_on(owner.get(address).text) == "rejected"


def test_a_forged_approval_of_ones_own_refund_is_refused_and_recorded(
    signed_in: Browser, simulator: Any, address: str
) -> None:
    for verb in ("approve", "reject"):
        assert signed_in.submit(f"{address}/{verb}").status_code == 403
    assert status_on(signed_in.get(address).text) == "awaiting_approval"
    refused = [entry.action for entry in list_entries_of("refund", address.rpartition("/")[2])]
    assert refused.count("refund.decision_refused") == 2
    assert simulator.calls("cancel") == []


def test_an_admin_without_the_permission_sees_no_button_and_gets_403(app: Flask, address: str) -> None:
    third = browser_of(app, make_user(email="third@example.com"))
    page = third.get(address).text
    assert "/approve" not in page
    assert "/withdraw" not in page
    assert third.submit(f"{address}/approve").status_code == 403
    assert third.submit(f"{address}/withdraw").status_code == 403
    assert status_on(third.get(address).text) == "awaiting_approval"


def test_the_requester_takes_it_back(signed_in: Browser, address: str) -> None:
    assert signed_in.submit(f"{address}/withdraw").status_code == 303
    assert status_on(signed_in.get(address).text) == "rejected"
    assert signed_in.submit(f"{address}/withdraw").status_code == 409


def test_a_note_too_long_is_kept(app: Flask, address: str, super_admin: User) -> None:
    owner = browser_of(app, super_admin)
    answer = owner.submit(f"{address}/reject", {"note": "길" * 501})
    assert answer.status_code == 422
    assert "길" * 501 in answer.text
    assert status_on(answer.text) == "awaiting_approval"


def test_a_balance_that_no_longer_fits_is_told_on_the_refunds_page(
    app: Flask, simulator: Any, address: str, super_admin: User
) -> None:
    simulator.console_cancel(next(iter(simulator.payments()))["id"], 9_000)
    answer = browser_of(app, super_admin).submit(f"{address}/approve", {"note": "네"})
    assert answer.status_code == 409
    assert "1,000원" in answer.text
    assert "네" in answer.text


@pytest.mark.parametrize("verb", ["approve", "reject", "withdraw"])
def test_a_refund_nobody_made_is_not_found(app: Flask, super_admin: User, verb: str) -> None:
    owner = browser_of(app, super_admin)
    assert owner.submit(f"/refunds/0199a3f0-0000-7000-8000-000000000000/{verb}").status_code == 404


def test_above_the_second_threshold_the_password_is_asked_and_never_kept(
    signed_in: Browser, simulator: Any, step_up: None
) -> None:
    payment = make_payment(simulator, total=10_000)
    fields = open_form(signed_in, payment.payment_id)
    assert 'name="password"' in submit(signed_in, payment.payment_id, fields).text
    for wrong in ("", "a wrong password"):
        answer = submit(signed_in, payment.payment_id, fields, confirmed="1", password=wrong)
        assert answer.status_code == 422
        assert 'id="password-error"' in answer.text
        assert "a wrong password" not in answer.text
    assert simulator.calls("cancel") == []
    done = submit(signed_in, payment.payment_id, fields, confirmed="1", password=PASSWORD)
    assert status_on(signed_in.get(done.location).text) == "succeeded"


def test_below_the_second_threshold_no_password_is_asked(
    signed_in: Browser, simulator: Any, step_up: None
) -> None:
    payment = make_payment(simulator, total=5_000)
    fields = open_form(signed_in, payment.payment_id)
    assert 'name="password"' not in submit(signed_in, payment.payment_id, fields).text
    assert submit(signed_in, payment.payment_id, fields, confirmed="1").status_code == 303


def test_wrong_passwords_are_throttled_like_the_sign_in(
    signed_in: Browser, simulator: Any, step_up: None
) -> None:
    payment = make_payment(simulator, total=10_000)
    fields = open_form(signed_in, payment.payment_id)
    answers = [
        submit(signed_in, payment.payment_id, fields, confirmed="1", password="wrong").status_code
        for _number in range(9)
    ]
    assert set(answers) == {422}
    submit(signed_in, payment.payment_id, fields, confirmed="1", password="wrong")
    answer = submit(signed_in, payment.payment_id, fields, confirmed="1", password=PASSWORD)
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert simulator.calls("cancel") == []


def test_an_approval_above_the_second_threshold_asks_the_approver(
    app: Flask, simulator: Any, address: str, step_up: None, super_admin: User
) -> None:
    owner = browser_of(app, super_admin)
    assert 'name="password"' in owner.get(address).text
    wrong = owner.submit(f"{address}/approve", {"note": "확인", "password": "wrong"})
    assert wrong.status_code == 422
    assert "확인" in wrong.text
    assert simulator.calls("cancel") == []
    assert owner.submit(f"{address}/approve", {"password": PASSWORD}).status_code == 303
    assert "비밀번호 확인" in owner.get(address).text


def test_a_limit_is_told_over_the_form_before_the_review(
    signed_in: Browser, simulator: Any, super_admin: User
) -> None:
    settings.change({"refund_limit_admin": {"KRW": 5_000}}, by=super_admin)
    payment = make_payment(simulator, total=10_000)
    fields = open_form(signed_in, payment.payment_id) | {"kind": "partial", "amount": "5,001"}
    for confirmed in ("", "1"):
        answer = submit(signed_in, payment.payment_id, fields, confirmed=confirmed)
        assert answer.status_code == 422
        assert "5,000원까지만" in answer.text
        assert 'value="5,001"' in answer.text
    assert simulator.calls("cancel") == []


def test_what_waits_for_approval_may_hold_all_there_is(
    signed_in: Browser, simulator: Any, threshold: None
) -> None:
    payment = make_payment(simulator, total=10_000)
    fields = open_form(signed_in, payment.payment_id)
    submit(signed_in, payment.payment_id, fields, confirmed="1")
    page = signed_in.get(f"/payments/{payment.payment_id}/refunds/new").text
    assert 'name="intent"' not in page
    assert "보류" in page
    forged = fields | {"intent": "0199a3f0-0000-7000-8000-000000000001", "expected_refundable": "0"}
    assert submit(signed_in, payment.payment_id, forged, confirmed="1").status_code == 409
