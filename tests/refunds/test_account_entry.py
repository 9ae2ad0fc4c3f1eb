"""The link by which the buyer enters the account: once, for one payment, seeing nothing else."""

import re
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from app import clock
from app.accounts.models import User
from app.audit.queries import list_entries_of
from app.extensions import db
from app.payments.models import Payment
from app.refunds.account_links import MOST_TRIES
from app.refunds.models import AccountLink
from tests.conftest import Browser
from tests.factories import make_payment
from tests.refunds.test_service import sent_body
from tests.refunds.test_views import form_address, open_form, submit

ENTERED = {
    "bank": "SHINHAN",
    "account_number": "110-123-456789",
    "account_number_again": "110123456789",
    "holder_name": "박하늘",
}


@pytest.fixture
def paid(simulator: Any) -> Payment:
    """A paid virtual account: its refund needs an account."""
    return make_payment(
        simulator, method="VIRTUAL_ACCOUNT", pg_provider="TOSSPAYMENTS", customer_email="secret@example.com"
    )


@pytest.fixture
def buyer(app: Flask) -> Browser:
    """A browser of somebody who cannot sign in."""
    browser = app.test_client()
    assert isinstance(browser, Browser)
    return browser


def make_link(staff: Browser, payment: Payment) -> str:
    page = staff.submit(f"/payments/{payment.payment_id}", {"action": "make_account_link"}).text
    return re.findall(r"http://[^\s<\"]*(/refund-account/[\w-]+)", page)[0]


def test_the_buyer_enters_and_staff_refund_to_it(
    signed_in: Browser, buyer: Browser, simulator: Any, paid: Payment
) -> None:
    link = make_link(signed_in, paid)
    assert "신한은행 ****6789" in buyer.submit(link, ENTERED).text
    form = signed_in.get(form_address(paid.payment_id)).text
    assert "신한은행 ****6789, 박*늘" in form
    assert "110123456789" not in form
    source = re.findall(r'name="account_source"[^>]*value="([0-9a-f-]{36})"', form)[0]
    fields = open_form(signed_in, paid.payment_id) | {"account_source": source}
    assert "****6789" in submit(signed_in, paid.payment_id, fields).text
    submit(signed_in, paid.payment_id, fields, confirmed="1")
    assert sent_body(simulator)["refundAccount"]["number"] == "110123456789"


def test_the_page_shows_the_order_and_the_amount_only(
    signed_in: Browser, buyer: Browser, paid: Payment
) -> None:
    page = buyer.get(make_link(signed_in, paid)).text
    assert paid.order_name in page
    assert "39,000원" in page
    for secret in (paid.payment_id, paid.customer_name, paid.customer_email, paid.customer_phone):
        assert secret not in page


def test_a_link_works_once(signed_in: Browser, buyer: Browser, paid: Payment) -> None:
    link = make_link(signed_in, paid)
    assert buyer.submit(link, ENTERED).status_code == 200
    assert buyer.get(link).status_code == 404
    assert buyer.submit(link, ENTERED | {"holder_name": "도둑"}).status_code == 404


def test_wrong_expired_revoked_and_replaced_links_are_not_found(
    signed_in: Browser, buyer: Browser, paid: Payment
) -> None:
    assert buyer.get("/refund-account/nonsense").status_code == 404
    first, second = make_link(signed_in, paid), make_link(signed_in, paid)
    assert (buyer.get(first).status_code, buyer.get(second).status_code) == (404, 200)
    with clock.fixed_at(clock.now() + timedelta(days=3, minutes=1)):
        assert buyer.get(second).status_code == 404
    signed_in.submit(f"/payments/{paid.payment_id}", {"action": "revoke_account_link"})
    assert buyer.get(second).status_code == 404


def test_wrong_input_is_told_and_too_much_of_it_is_refused(
    signed_in: Browser, buyer: Browser, paid: Payment
) -> None:
    link = make_link(signed_in, paid)
    wrong = ENTERED | {"account_number_again": "1" * 12}
    statuses = [buyer.submit(link, wrong).status_code for _try in range(MOST_TRIES + 1)]
    assert statuses == [422] * MOST_TRIES + [429]
    assert buyer.submit(link, ENTERED).status_code == 429
    assert buyer.post(link, data=ENTERED).status_code == 400


def test_neither_token_nor_number_can_be_read_in_the_database(
    signed_in: Browser, buyer: Browser, paid: Payment
) -> None:
    link = make_link(signed_in, paid)
    buyer.submit(link, ENTERED)
    row = db.session.execute(select(AccountLink.__table__)).one()
    assert link.rpartition("/")[2] not in str(row)
    assert "110123456789" not in str(row)
    entries = list_entries_of("payment", paid.payment_id)
    assert {entry.action for entry in entries} >= {"refund.account_link_made", "refund.account_entered"}
    assert "110123456789" not in str([entry.facts for entry in entries])


def test_an_account_that_was_revoked_meanwhile_is_not_used(
    signed_in: Browser, buyer: Browser, simulator: Any, paid: Payment
) -> None:
    buyer.submit(make_link(signed_in, paid), ENTERED)
    form = signed_in.get(form_address(paid.payment_id)).text
    source = re.findall(r'name="account_source"[^>]*value="([0-9a-f-]{36})"', form)[0]
    fields = open_form(signed_in, paid.payment_id) | {"account_source": source}
    signed_in.submit(f"/payments/{paid.payment_id}", {"action": "revoke_account_link"})
    assert submit(signed_in, paid.payment_id, fields, confirmed="1").status_code == 422
    assert simulator.calls("cancel") == []


def test_the_entered_account_is_used_only_where_it_was_chosen(
    signed_in: Browser, buyer: Browser, simulator: Any, paid: Payment
) -> None:
    buyer.submit(make_link(signed_in, paid), ENTERED)
    fields = open_form(signed_in, paid.payment_id)
    assert submit(signed_in, paid.payment_id, fields, confirmed="1").status_code == 422
    assert simulator.calls("cancel") == []


def test_a_card_payment_needs_no_link(signed_in: Browser, simulator: Any, admin: User) -> None:
    payment = make_payment(simulator)
    answer = signed_in.submit(f"/payments/{payment.payment_id}", {"action": "make_account_link"})
    assert answer.status_code == 409
