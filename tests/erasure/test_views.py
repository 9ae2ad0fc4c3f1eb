"""The pages of erasures: what would go is shown first, and only the owner may."""

from typing import Any

import pytest

from app.accounts.models import User
from app.erasure.models import Erasure
from app.extensions import db
from app.payments.models import Payment
from app.payments.queries import get_payment
from tests.conftest import on_both_databases, pages_on_one_database
from tests.factories import make_payment

pytestmark = pages_on_one_database

MEANT = {"reason": "2026-03-03 이메일로 요청", "confirmed": "1"}


@pytest.fixture
def payment(simulator: Any) -> Payment:
    return make_payment(simulator, payment_id="order-1", customer_id="c-1", customer_name="남궁민수")


@pytest.fixture
def owner(client: Any, super_admin: User) -> Any:
    return client.sign_in(super_admin)


def address(payment: Payment) -> str:
    return f"/erasures/new?payment_id={payment.payment_id}"


def test_the_payment_leads_to_what_would_go_and_that_changes_nothing(owner, payment):
    assert "/erasures/new?payment_id=" in owner.get(f"/payments/{payment.payment_id}").text
    page = owner.get(address(payment)).text
    assert 'data-count="payments"' in page
    assert "c-1" in page
    assert get_payment(payment.payment_id).customer_name == "남궁민수"


@on_both_databases
def test_it_is_done_once_it_is_meant(owner, payment):
    answer = owner.submit(address(payment), MEANT)
    assert (answer.status_code, answer.location) == (303, "/erasures")
    assert "2026-03-03 이메일로 요청" in owner.get("/erasures").text
    page = owner.get(f"/payments/{payment.payment_id}").text
    assert "남궁민수" not in page
    assert "/erasures/new" not in page
    assert "남궁민수" not in owner.get(f"/payments/{payment.payment_id}?attempts=1").text


@pytest.mark.parametrize("lacking", ["reason", "confirmed"])
def test_what_is_not_meant_or_not_explained_is_not_done(owner, payment, lacking):
    answer = owner.submit(address(payment), MEANT | {lacking: ""})
    assert answer.status_code == 422
    assert get_payment(payment.payment_id).customer_name == "남궁민수"


@on_both_databases
def test_a_second_time_is_told_instead_of_done(owner, payment):
    owner.submit(address(payment), MEANT)
    assert owner.submit(address(payment), MEANT).status_code == 409
    assert "<form class" not in owner.get(address(payment)).text.split("<main")[1]
    assert len(db.session.scalars(db.select(Erasure)).all()) == 1


@pytest.mark.parametrize("query", ["", "?payment_id=", "?payment_id=none", "?billing_key=x"])
def test_who_is_not_known_cannot_be_erased(owner, query):
    assert owner.get(f"/erasures/new{query}").status_code == 404
    assert owner.submit(f"/erasures/new{query}", MEANT).status_code == 404


def test_an_admin_may_not(signed_in, payment):
    assert signed_in.get(address(payment)).status_code == 403
    assert signed_in.submit(address(payment), MEANT).status_code == 403
    assert "/erasures/new" not in signed_in.get(f"/payments/{payment.payment_id}").text
