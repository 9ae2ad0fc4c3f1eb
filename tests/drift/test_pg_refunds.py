"""A refund at the PG, which PortOne cannot see, is noted, warned of, asked about, and resolved."""

import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from app import clock
from app.audit.models import AuditEntry
from app.columns import new_id
from app.drift import pg_refunds
from app.drift.models import Drift, PgRefund
from app.drift.service import AlreadyOver, close
from app.errors import DomainError
from app.extensions import db
from app.payments.models import Payment
from app.refunds.rules import rules_broken
from tests.factories import make_payment


@pytest.fixture
def payment(portone: Any) -> Payment:
    return make_payment(portone, total=10_000)


def noted(amount: int = 3_000, **values: Any) -> pg_refunds.Noted:
    told = {"intent": new_id(), "refunded_on": clock.today(), "note": "PG 관리자 화면에서 확인"}
    return pg_refunds.Noted(amount=amount, **(told | values))


def warned(payment: Payment) -> bool:
    return "REFUNDED_AT_PG" in {rule.code for rule in rules_broken(payment, 1_000)}


def test_a_noted_refund_marks_the_payment_and_warns_whoever_refunds(payment: Payment, admin: Any) -> None:
    pg_refunds.flag(payment.payment_id, noted(), by=admin)
    assert (payment.has_drift, payment.refunded_at_pg_amount) == (True, 3_000)
    assert warned(payment)
    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "pg_refund.flagged")).one()
    assert (entry.subject_id, entry.facts["amount"]) == (payment.payment_id, 3_000)


def test_the_same_press_notes_one(payment: Payment, admin: Any) -> None:
    same = noted()
    pg_refunds.flag(payment.payment_id, same, by=admin)
    pg_refunds.flag(payment.payment_id, same, by=admin)
    assert len(db.session.scalars(select(PgRefund)).all()) == 1
    assert payment.refunded_at_pg_amount == 3_000


def test_no_more_is_noted_than_the_payment_has_left(payment: Payment, admin: Any) -> None:
    pg_refunds.flag(payment.payment_id, noted(8_000), by=admin)
    with pytest.raises(DomainError):
        pg_refunds.flag(payment.payment_id, noted(2_001), by=admin)
    assert payment.refunded_at_pg_amount == 8_000


def test_taking_it_back_ends_the_warning(payment: Payment, admin: Any) -> None:
    first = noted()
    pg_refunds.flag(payment.payment_id, first, by=admin)
    pg_refunds.withdraw(first.intent, "다른 결제였음", by=admin)
    assert (payment.has_drift, payment.refunded_at_pg_amount, warned(payment)) == (False, 0, False)
    with pytest.raises(AlreadyOver):
        pg_refunds.withdraw(first.intent, "다시", by=admin)


@pytest.mark.parametrize(("is_shown", "goes_on"), [(True, False), (False, True)])
def test_resolved_is_warned_of_until_portone_shows_it(
    payment: Payment, admin: Any, is_shown: bool, goes_on: bool
) -> None:
    first = noted()
    pg_refunds.flag(payment.payment_id, first, by=admin)
    pg_refunds.resolve(first.intent, "PG와 정산 완료", is_shown=is_shown, by=admin)
    assert (payment.has_drift, warned(payment)) == (False, goes_on)
    assert db.session.scalars(select(Drift.note)).all() == ["PG와 정산 완료"]


def test_it_is_ended_where_it_was_noted_and_nowhere_else(payment: Payment, admin: Any) -> None:
    pg_refunds.flag(payment.payment_id, noted(), by=admin)
    with pytest.raises(DomainError):
        close(db.session.scalars(select(Drift.id)).one(), "끝", by=admin)
    assert payment.has_drift


def flag_on_page(browser: Any, payment: Payment, **fields: str) -> Any:
    address = f"/drift/pg-refunds/new?payment_id={payment.payment_id}"
    intent = re.search(r'name="intent" value="([^"]+)"', browser.get(address).text)
    assert intent
    typed = {"intent": intent[1], "amount": "3,000원", "refunded_on": "2026-03-01", "note": "확인"}
    return browser.submit(address, typed | fields)


def test_the_page_notes_it_and_has_a_letter_to_copy(payment: Payment, signed_in: Any) -> None:
    answer = flag_on_page(signed_in, payment)
    assert answer.status_code == 303
    page = signed_in.get(answer.location).text
    for told in (payment.payment_id, payment.transaction_id, "3,000원", "2026-03-01", "중복 환불"):
        assert told in page
    shown = signed_in.get(f"/payments/{payment.payment_id}").text
    assert answer.location in shown
    form = signed_in.get(f"/payments/{payment.payment_id}/refunds/new").text
    assert 'data-rule="REFUNDED_AT_PG"' in form
    assert answer.location in form


def test_the_last_step_of_a_refund_says_it_once_more_and_goes_on(payment: Payment, signed_in: Any) -> None:
    flag_on_page(signed_in, payment)
    address = f"/payments/{payment.payment_id}/refunds/new"
    page = signed_in.get(address).text
    hidden = dict(re.findall(r'name="(intent|expected_refundable)"[^>]*value="([^"]+)"', page))
    typed = {"kind": "partial", "amount": "1,000", "reason_code": "other", "reason": "변심"} | hidden
    review = signed_in.submit(address, typed)
    assert "이중 환불" in review.text
    done = signed_in.submit(address, typed | {"confirmed": "1"})
    assert done.location == f"/refunds/{hidden['intent']}"


@pytest.mark.parametrize(
    "fields",
    [
        {"amount": "0"},
        {"amount": "-1"},
        {"amount": "10,001"},
        {"amount": "많이"},
        {"refunded_on": (clock.today() + timedelta(days=2)).isoformat()},
        {"refunded_on": "어제"},
        {"note": ""},
        {"intent": "none"},
    ],
)
def test_bad_input_is_told_and_nothing_typed_is_lost(payment: Payment, signed_in: Any, fields: Any) -> None:
    answer = flag_on_page(signed_in, payment, **fields)
    assert answer.status_code == 422
    assert "field-error" in answer.text
    assert db.session.scalars(select(PgRefund)).all() == []
    assert fields.get("amount", "3,000원") in answer.text


def test_it_is_resolved_and_taken_back_on_its_page(payment: Payment, signed_in: Any) -> None:
    address = flag_on_page(signed_in, payment).location
    assert signed_in.submit(f"{address}/resolve", {"resolve-note": ""}).status_code == 422
    assert signed_in.submit(f"{address}/resolve", {"resolve-note": "끝"}).status_code == 303
    assert signed_in.submit(f"{address}/withdraw", {"withdraw-note": "끝"}).status_code == 409
