"""The refund form where something stands in the way: rules, balances that moved, parts, PortOne away."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from app import clock
from app.accounts.models import User
from app.audit.queries import list_entries_of
from app.payments.models import Payment
from app.payments.service import sync_payment
from app.refunds.queries import get_refund
from app.refunds.service import RefundRefused, request_refund
from tests.conftest import Browser, on_both_databases, pages_on_one_database
from tests.factories import make_payment, make_wish
from tests.refunds.test_service import sent_body
from tests.refunds.test_views import form_address, open_form, submit

pytestmark = pages_on_one_database


@pytest.fixture
def owner(client: Browser, super_admin: User) -> Browser:
    """A browser in which the super admin is signed in."""
    return client.sign_in(super_admin)


@pytest.fixture
def old_ksnet(simulator: Any) -> Payment:
    """A payment older than KSNET's guide allows."""
    return make_payment(simulator, pg_provider="KSNET", requested_at=clock.now() - timedelta(days=200))


def test_a_rule_that_blocks_leaves_an_admin_no_form(signed_in: Browser, old_ksnet: Payment) -> None:
    page = signed_in.get(form_address(old_ksnet.payment_id)).text
    assert 'data-rule="KSNET_SIX_MONTHS"' in page
    assert 'name="intent"' not in page
    assert "출처: 포트원 가이드: KSNET" in page


def test_an_admin_cannot_go_past_a_rule_by_posting(
    signed_in: Browser, admin: User, old_ksnet: Payment, simulator: Any
) -> None:
    wish = make_wish(old_ksnet, override_note="괜찮습니다")
    fields = {"kind": "full", "reason_code": "duplicate", "override_note": "x", "confirmed": "1"}
    hidden = {"intent": str(wish.intent), "expected_refundable": str(wish.expected_refundable)}
    assert submit(signed_in, old_ksnet.payment_id, fields | hidden).status_code == 422
    with pytest.raises(RefundRefused, match="KSNET"):
        request_refund(old_ksnet.payment_id, wish, by=admin)
    assert simulator.calls("cancel") == []


@on_both_databases
def test_a_super_admin_goes_on_with_a_note_that_is_audited(
    owner: Browser, old_ksnet: Payment, simulator: Any
) -> None:
    fields = open_form(owner, old_ksnet.payment_id)
    assert submit(owner, old_ksnet.payment_id, fields).status_code == 422
    fields["override_note"] = "KSNET 담당자 확인"
    review = submit(owner, old_ksnet.payment_id, fields)
    assert "KSNET 담당자 확인" in review.text
    submit(owner, old_ksnet.payment_id, fields, confirmed="1")
    entries = {entry.action: entry for entry in list_entries_of("refund", fields["intent"])}
    facts = entries["refund.rules_overridden"].facts
    assert facts == {"rules": ["KSNET_SIX_MONTHS"], "note": "KSNET 담당자 확인"}


def test_a_rule_for_parts_is_told_beside_the_amount(signed_in: Browser, simulator: Any) -> None:
    payment = make_payment(simulator, method="MOBILE", pg_provider="DANAL", total=30_000)
    fields = open_form(signed_in, payment.payment_id)
    part = submit(signed_in, payment.payment_id, fields, kind="partial", amount="1,000")
    assert part.status_code == 422
    assert 'id="amount-error"' in part.text
    assert submit(signed_in, payment.payment_id, fields).status_code == 200


def test_a_warning_is_repeated_on_the_review(signed_in: Browser, simulator: Any) -> None:
    payment = make_payment(simulator, pg_provider="NICE_V2", total=30_000)
    fields = open_form(signed_in, payment.payment_id) | {"kind": "partial", "amount": "1000"}
    assert "부분취소 계약" in submit(signed_in, payment.payment_id, fields).text


def test_a_moved_balance_says_who_did_what_and_when(
    signed_in: Browser, simulator: Any, super_admin: User
) -> None:
    payment = make_payment(simulator, total=50_000)
    fields = open_form(signed_in, payment.payment_id) | {"kind": "partial", "amount": "7,000"}
    request_refund(payment.payment_id, make_wish(payment, 5_000), by=super_admin)
    simulator.console_cancel(payment.payment_id, 2_000)
    sync_payment(payment.payment_id)
    answer = submit(signed_in, payment.payment_id, fields)
    assert answer.status_code == 409
    assert "그 사이 5,000원이 환불되었습니다(이준호, " in answer.text
    assert "그 사이 2,000원이 환불되었습니다(포트원 콘솔, " in answer.text
    assert 'value="7,000"' in answer.text


def test_earlier_refunds_are_not_told_as_news(signed_in: Browser, simulator: Any, admin: User) -> None:
    payment = make_payment(simulator, total=50_000)
    request_refund(payment.payment_id, make_wish(payment, 9_000), by=admin)
    fields = open_form(signed_in, payment.payment_id)
    simulator.console_cancel(payment.payment_id, 2_000)
    sync_payment(payment.payment_id)
    text = submit(signed_in, payment.payment_id, fields).text
    assert "그 사이 2,000원이" in text
    assert "그 사이 9,000원이" not in text


def test_portone_away_is_said_on_the_page_with_a_way_to_try_again(
    signed_in: Browser, simulator: Any, app: Flask
) -> None:
    payment = make_payment(simulator)
    simulator.faults.next("get_payment", "proxy_error", times=9)
    app.extensions["portone"]._transport._sleep = lambda _seconds: None
    answer = signed_in.get(form_address(payment.payment_id))
    assert answer.status_code in {502, 503}
    assert f'href="{form_address(payment.payment_id)}"' in answer.text
    assert "환불을 시작할 수 없습니다" in answer.text


def test_vat_is_sent_only_as_typed_and_within_bounds(signed_in: Browser, simulator: Any) -> None:
    payment = make_payment(simulator, total=22_000, tax_free=0)
    fields = open_form(signed_in, payment.payment_id) | {"kind": "partial", "amount": "11,000"}
    assert "1,000원 (자동 계산)" in submit(signed_in, payment.payment_id, fields).text
    too_much = submit(signed_in, payment.payment_id, fields, vat_amount="11,001")
    assert (too_much.status_code, 'id="vat_amount-error"' in too_much.text) == (422, True)
    submit(signed_in, payment.payment_id, fields, vat_amount="900", confirmed="1")
    assert sent_body(simulator)["vatAmount"] == 900


def test_a_promotion_asks_once_and_repeats_the_first_choice(signed_in: Browser, simulator: Any) -> None:
    payment = make_payment(simulator, total=30_000, discount=3_000, extra={"promotionId": "promotion-1"})
    first = open_form(signed_in, payment.payment_id) | {"kind": "partial", "amount": "10,000"}
    submit(signed_in, payment.payment_id, first, retain_option="RETAIN", confirmed="1")
    assert get_refund(first["intent"]).status == "succeeded"
    second = open_form(signed_in, payment.payment_id) | {"kind": "partial", "amount": "5,000"}
    submit(signed_in, payment.payment_id, second, retain_option="RELEASE", confirmed="1")
    assert sent_body(simulator)["promotionDiscountRetainOption"] == "RETAIN"
    assert get_refund(second["intent"]).status == "succeeded"


def test_a_full_refund_of_a_promotion_is_asked_nothing(signed_in: Browser, simulator: Any) -> None:
    payment = make_payment(simulator, total=30_000, discount=3_000, extra={"promotionId": "promotion-1"})
    submit(signed_in, payment.payment_id, open_form(signed_in, payment.payment_id), confirmed="1")
    assert "promotionDiscountRetainOption" not in sent_body(simulator)


def test_triple_a_gets_the_buyers_address(signed_in: Browser, simulator: Any) -> None:
    payment = make_payment(simulator, method="CRYPTO", pg_provider="TRIPLE_A", currency="USD", total=5_000)
    fields = open_form(signed_in, payment.payment_id)
    wrong = submit(signed_in, payment.payment_id, fields, refund_email="nobody")
    assert (wrong.status_code, 'id="refund_email-error"' in wrong.text) == (422, True)
    submit(signed_in, payment.payment_id, fields, confirmed="1")
    assert sent_body(simulator)["refundEmail"] == payment.customer_email


def test_a_number_of_unusual_length_is_doubted_and_not_refused(signed_in: Browser, simulator: Any) -> None:
    payment = make_payment(simulator, method="VIRTUAL_ACCOUNT", pg_provider="TOSSPAYMENTS")
    account = {"bank": "KAKAO", "account_number": "333301", "account_number_again": "3333-01"}
    fields = open_form(signed_in, payment.payment_id) | account | {"holder_name": "홍길동"}
    review = submit(signed_in, payment.payment_id, fields)
    assert review.status_code == 200
    assert "보통 자릿수가 다릅니다" in review.text


def test_kpn_transfers_take_an_account_or_none(signed_in: Browser, simulator: Any) -> None:
    payment = make_payment(simulator, method="TRANSFER", pg_provider="KPN", total=9_000)
    fields = open_form(signed_in, payment.payment_id)
    begun = submit(signed_in, payment.payment_id, fields, bank="KOOKMIN")
    assert (begun.status_code, 'id="holder_name-error"' in begun.text) == (422, True)
    submit(signed_in, payment.payment_id, fields, confirmed="1")
    assert "refundAccount" not in sent_body(simulator)
