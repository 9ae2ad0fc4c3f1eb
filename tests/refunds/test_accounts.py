"""Accounts money goes back to: sealed, shown to few, erased in time, and what the PG made of them."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app import clock
from app.accounts.models import User
from app.audit.queries import list_entries_of
from app.columns import new_id
from app.extensions import db
from app.payments.service import sync_payment
from app.refunds.account_keeping import erase_old_accounts
from app.refunds.bank_accounts import has_unusual_length, masked_name
from app.refunds.queries import get_refund
from app.refunds.service import request_refund
from tests.conftest import Browser
from tests.factories import ACCOUNT, make_payment, make_wish


def refund_to_account(simulator: Any, by: User, **values: Any) -> UUID:
    payment = make_payment(simulator, method="VIRTUAL_ACCOUNT", pg_provider="TOSSPAYMENTS")
    wish = make_wish(payment, **values)
    request_refund(payment.payment_id, wish, by=by)
    return wish.intent


def pay_out(simulator: Any, refund_id: UUID, *, is_reached: bool = True) -> None:
    payment_id = get_refund(refund_id).payment.payment_id
    simulator.finish_account_refund(payment_id, is_reached=is_reached)
    sync_payment(payment_id)


def erase_after(days: int) -> int:
    db.session.commit()
    with clock.fixed_at(clock.now() + timedelta(days=days)):
        return erase_old_accounts("worker-1")


def test_a_super_admin_sees_the_number_once_and_leaves_a_trace(
    client: Browser, super_admin: User, simulator: Any
) -> None:
    refund_id = refund_to_account(simulator, super_admin)
    client.sign_in(super_admin)
    assert ACCOUNT.number not in client.get(f"/refunds/{refund_id}").text
    answer = client.submit(f"/refunds/{refund_id}/reveal", {"reason": "구매자 문의"})
    assert ACCOUNT.number in answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    entry = list_entries_of("refund", refund_id)[0]
    assert (entry.action, entry.facts["reason"]) == ("refund.account_revealed", "구매자 문의")
    assert ACCOUNT.number not in str(entry.facts)


def test_nobody_sees_it_without_a_reason_or_the_right(
    client: Browser, admin: User, super_admin: User, simulator: Any
) -> None:
    refund_id = refund_to_account(simulator, admin)
    client.sign_in(super_admin)
    assert client.submit(f"/refunds/{refund_id}/reveal", {"reason": " "}).status_code == 422
    client.sign_in(admin)
    assert client.submit(f"/refunds/{refund_id}/reveal", {"reason": "문의"}).status_code == 403
    assert "reveal" not in client.get(f"/refunds/{refund_id}").text


def test_a_refund_without_an_account_has_nothing_to_show(
    client: Browser, super_admin: User, simulator: Any
) -> None:
    payment = make_payment(simulator)
    wish = make_wish(payment)
    request_refund(payment.payment_id, wish, by=super_admin)
    client.sign_in(super_admin)
    assert client.submit(f"/refunds/{wish.intent}/reveal", {"reason": "문의"}).status_code == 409


def test_the_number_is_erased_when_it_is_done_with(simulator: Any, admin: User) -> None:
    refund_id = refund_to_account(simulator, admin)
    pay_out(simulator, refund_id)
    assert erase_after(29) == 0
    assert erase_after(31) == 1
    refund = get_refund(refund_id)
    assert (refund.request_sealed, refund.account_last_digits, refund.account_holder) == (
        None,
        "9012",
        "홍*동",
    )
    assert list_entries_of("refund", refund_id)[0].action == "refund.account_erased"
    assert erase_after(60) == 0


def test_a_transfer_under_way_keeps_its_number(simulator: Any, admin: User) -> None:
    refund_id = refund_to_account(simulator, admin)
    assert get_refund(refund_id).payment.account_refund_status == "PENDING"
    assert erase_after(400) == 0


def test_a_refund_in_flight_never_loses_what_it_sends_again(simulator: Any, admin: User) -> None:
    simulator.faults.next("cancel", "requested")
    refund_id = refund_to_account(simulator, admin)
    get_refund(refund_id).payment.account_refund_status = None
    assert erase_after(400) == 0
    assert get_refund(refund_id).request_sealed is not None


def test_a_card_refund_keeps_its_request(simulator: Any, admin: User) -> None:
    payment = make_payment(simulator)
    wish = make_wish(payment)
    request_refund(payment.payment_id, wish, by=admin)
    assert erase_after(400) == 0
    assert get_refund(wish.intent).request_sealed is not None


@pytest.mark.parametrize(("is_reached", "words"), [(True, "입금했습니다"), (False, "입금하지 못했습니다")])
def test_the_page_follows_the_money_to_the_account(
    signed_in: Browser, simulator: Any, admin: User, is_reached: bool, words: str
) -> None:
    refund_id = refund_to_account(simulator, admin)
    assert "1~2영업일" in signed_in.get(f"/refunds/{refund_id}").text
    pay_out(simulator, refund_id, is_reached=is_reached)
    page = signed_in.get(f"/refunds/{refund_id}").text
    assert words in page
    assert ("- 환불 계좌: 국민은행 ****9012" in page) is not is_reached


@pytest.mark.parametrize(
    ("name", "masked"),
    [("홍길동", "홍*동"), ("남궁민수", "남**수"), ("김산", "김*"), ("A", "A"), ("", ""), (None, "")],
)
def test_a_name_is_masked_but_for_its_ends(name: str | None, masked: str) -> None:
    assert masked_name(name) == masked


@pytest.mark.parametrize(
    ("bank", "digits", "is_unusual"),
    [("KAKAO", 13, False), ("KAKAO", 12, True), ("KOOKMIN", 14, False), ("SAVINGS_BANK", 7, False)],
)
def test_only_lengths_that_are_known_are_doubted(bank: str, digits: int, is_unusual: bool) -> None:
    assert has_unusual_length(bank, "1" * digits) is is_unusual


def test_a_refund_nobody_made_reveals_nothing(client: Browser, super_admin: User) -> None:
    client.sign_in(super_admin)
    assert client.submit(f"/refunds/{new_id()}/reveal", {"reason": "x"}).status_code == 404
