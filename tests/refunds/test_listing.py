"""The list of refunds: narrowed, counted, added up; and beside it the money that went back without us."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from app import clock
from app.columns import new_id
from app.exports.models import Export
from app.extensions import db
from app.payments.models import Cancellation, Payment
from app.refunds import listing
from app.refunds.listing import RefundFilters
from app.refunds.models import Refund
from app.web import totals as web_totals
from tests.exports.conftest import lines_of, work
from tests.factories import make_user

NOON = datetime(2026, 3, 29, 3, 0, tzinfo=UTC)


def add_payment(**values: object) -> Payment:
    usual = {"status": "PAID", "currency": "KRW", "amount": 10**12, "channel_type": "LIVE", "method": "CARD"}
    payment = Payment(payment_id=f"order-{new_id()}", **(usual | values))
    db.session.add(payment)
    db.session.flush()
    return payment


def add_refund(payment: Payment | None = None, **values: object) -> Refund:
    usual = {"status": "succeeded", "amount": 1000, "reason": "", "created_at": NOON}
    refund = Refund(id=new_id(), payment_id=(payment or add_payment()).id, **(usual | values))
    db.session.add(refund)
    db.session.commit()
    return refund


def add_cancellation(payment: Payment, **values: object) -> Cancellation:
    usual = {
        "cancellation_id": str(new_id()),
        "status": "SUCCEEDED",
        "total_amount": 500,
        "cancelled_at": NOON,
    }
    cancellation = Cancellation(payment_id=payment.id, **(usual | values))
    db.session.add(cancellation)
    db.session.commit()
    return cancellation


def found(browser, query: str) -> set[str]:
    return set(re.findall(r'data-refund-id="([^"]+)"', browser.get(f"/refunds?{query}").text))


@pytest.fixture
def many(signed_in, admin) -> dict[str, Refund]:
    """Refunds that differ in all that the list is narrowed by."""
    boss = make_user(role="super_admin", email="boss@example.com", name="박부장")
    return {
        "plain": add_refund(requested_by=admin.id, reason_code="duplicate", reason="중복 결제"),
        "approved": add_refund(requested_by=admin.id, approved_by=boss.id, amount=5000),
        "account": add_refund(account_bank="KOOKMIN", account_last_digits="1234", account_holder="홍길동"),
        "failed": add_refund(status="failed", amount=90_000, settled_at=NOON + timedelta(days=3)),
        "dollars": add_refund(add_payment(currency="USD"), amount=2999, created_at=NOON - timedelta(days=9)),
        "test": add_refund(add_payment(channel_type="TEST", method="EASY_PAY", pg_provider="KAKAOPAY")),
    }


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("status=failed", {"failed"}),
        ("status=failed&status=succeeded&amount_min=5000", {"failed", "approved"}),
        ("from=2026-03-20&to=2026-03-20", {"dollars"}),
        ("from=2026-03-30&clock=settled", {"failed"}),
        ("amount_max=29.99", {"dollars"}),
        ("currency=usd", {"dollars"}),
        ("method=EASY_PAY", {"test"}),
        ("pg=KAKAOPAY", {"test"}),
        ("reason_code=duplicate", {"plain"}),
        ("account=1", {"account"}),
        ("channel=other", {"test"}),
        ("q=홍길동", {"account"}),
        ("q=100%25", set()),
    ],
)
def test_the_list_is_narrowed_by_each_filter_and_the_file_is_alike(signed_in, many, query, names):
    wanted = {str(many[name].id) for name in names}
    assert found(signed_in, query) == wanted
    signed_in.submit(f"/exports/new?list=refunds&{query}", {"format": "csv", "reason": "대사"})
    work()
    export = db.session.scalars(select(Export)).one()
    assert {line["환불 번호"] for line in lines_of(export)} == wanted


def test_it_is_narrowed_by_who_asked_and_who_approved(signed_in, many, admin):
    approver = many["approved"].approved_by
    assert found(signed_in, f"requested_by={admin.id}") == {
        str(many[name].id) for name in ("plain", "approved")
    }
    assert found(signed_in, f"approved_by={approver}") == {str(many["approved"].id)}
    assert signed_in.get("/refunds?approved_by=nobody").status_code == 422


@pytest.mark.parametrize(
    "query", ["status=lost", "amount_min=x", "from=2026-02-30", "amount_min=2&amount_max=1"]
)
def test_a_filter_that_cannot_be_used_is_told(signed_in, query):
    answer = signed_in.get(f"/refunds?{query}")
    assert answer.status_code == 422
    assert signed_in.get(f"/refunds/elsewhere?{query}").status_code == 422


def test_each_status_says_how_many_there_are(signed_in, many):
    counts = listing.count_refunds(RefundFilters(statuses=("failed",)))
    assert (counts[""], counts["failed"], counts["succeeded"], counts["requested"]) == (6, 1, 5, 0)


def test_totals_are_a_currency_each_and_test_payments_are_left_out(many):
    totals = listing.total_refunds(RefundFilters())
    assert [(row.currency, row.count, dict(row.sums)) for row in totals.rows] == [
        ("KRW", 4, {"asked": 97_000, "succeeded": 7_000, "open": 0}),
        ("USD", 1, {"asked": 2_999, "succeeded": 2_999, "open": 0}),
    ]
    assert totals.left_out == 1


def test_a_sum_larger_than_the_database_can_hold_is_right(app):
    for _ in range(11):
        add_refund(amount=2**62 + 7)
    assert listing.total_refunds(RefundFilters()).rows[0].sums["succeeded"] == 11 * (2**62 + 7)


def test_the_sums_of_a_long_list_wait_until_somebody_asks_and_are_kept_briefly(signed_in, many, monkeypatch):
    monkeypatch.setattr(web_totals, "COUNT_CAP", 3)
    web_totals._kept.clear()
    assert "7,000원" not in signed_in.get("/refunds").text
    assert "7,000원" in signed_in.get("/refunds?totals=1").text
    add_refund(amount=1)
    assert "7,000원" in signed_in.get("/refunds?totals=1").text
    with clock.fixed_at(clock.now() + timedelta(seconds=61)):
        assert "7,001원" in signed_in.get("/refunds?totals=1").text


def test_pages_go_on_where_the_last_one_ended(signed_in):
    wanted = {str(add_refund(created_at=NOON - timedelta(minutes=number // 3)).id) for number in range(120)}
    seen, address = [], "/refunds"
    while address:
        page = signed_in.get(address).text
        seen += re.findall(r'data-refund-id="([^"]+)"', page)
        link = re.search(r'rel="next"[^>]*href="([^"]+)"', page)
        address = link[1].replace("&amp;", "&") if link else None
    assert (len(seen), set(seen)) == (120, wanted)


def test_money_that_went_back_elsewhere_is_seen_from_the_list(signed_in):
    payment = add_payment()
    ours = add_cancellation(payment, trigger="API")
    add_refund(payment, cancellation_id=ours.cancellation_id)
    console = add_cancellation(payment, trigger="CONSOLE", total_amount=700)
    add_cancellation(add_payment(currency="USD"), trigger="CHARGEBACK", status="REQUESTED", total_amount=2999)
    assert "2건" in signed_in.get("/refunds").text
    page = signed_in.get("/refunds/elsewhere").text
    assert ours.cancellation_id not in page
    assert console.cancellation_id in page
    totals = listing.total_elsewhere(RefundFilters())
    assert [(row.currency, dict(row.sums)) for row in totals.rows] == [
        ("KRW", {"succeeded": 700, "open": 0}),
        ("USD", {"succeeded": 0, "open": 2999}),
    ]


def test_cancellations_made_elsewhere_become_a_file_too(signed_in):
    add_cancellation(add_payment(customer_name="홍길동"), trigger="CONSOLE", reason="=1+1")
    answer = signed_in.submit(
        "/exports/new?list=cancellations-elsewhere&from=2026-03-01", {"format": "csv", "reason": "대사"}
    )
    assert answer.status_code == 303
    work()
    [line] = lines_of(db.session.scalars(select(Export)).one())
    assert (line["사유"], line["고객명"], line["취소 금액"]) == ("'=1+1", "홍*동", "500")
