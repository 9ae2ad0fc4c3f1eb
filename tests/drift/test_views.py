"""The page of differences: tabs, filters, one difference, and the way from Home, payments and files."""

from typing import Any

import pytest
from sqlalchemy import select

from app.drift import service, walking
from app.drift.models import Drift
from app.exports.models import Export
from app.extensions import db
from app.overview.queries import list_concerns
from app.payments.models import Payment
from tests.conftest import on_both_databases, pages_on_one_database
from tests.exports.conftest import lines_of, work
from tests.factories import make_payment

pytestmark = pages_on_one_database


@pytest.fixture
def gone(portone: Any, later: Any) -> Payment:
    """A payment that PortOne no longer knows."""
    payment = make_payment(portone, total=10_000, order_name="네일 케어")
    portone.state.execute("DELETE FROM payments WHERE payment_id = ?", payment.payment_id)
    with later(30):
        walking.compare_again(payment.payment_id, seen_how="open")
    return payment


@pytest.fixture
def healed(portone: Any, later: Any) -> Payment:
    payment = make_payment(portone, status="READY", order_name="왁싱")
    portone.pay(payment.payment_id)
    with later(30):
        service.watch("worker-a")
    return payment


@on_both_databases
def test_each_tab_shows_its_own(gone: Payment, healed: Payment, signed_in: Any) -> None:
    first, second = signed_in.get("/drift").text, signed_in.get("/drift?state=healed").text
    assert (gone.payment_id in first, healed.payment_id in first) == (True, False)
    assert (gone.payment_id in second, healed.payment_id in second) == (False, True)
    assert signed_in.get("/drift?state=closed").text.count("data-drift-id") == 0


@on_both_databases
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=네일", 1),
        ("q=없음", 0),
        ("kind=payment_gone", 1),
        ("kind=not_expected", 0),
        ("seen=open", 1),
        ("seen=hand", 0),
        ("currency=KRW", 1),
        ("from=2020-01-01&to=2020-01-02", 0),
    ],
)
def test_filters_narrow(gone: Payment, signed_in: Any, query: str, found: int) -> None:
    assert signed_in.get(f"/drift?{query}").text.count("data-drift-id") == found


def test_filters_that_cannot_be_used_answer_422(signed_in: Any) -> None:
    for query in ("state=other", "kind=x", "from=2026-13-01", "currency=wo"):
        assert signed_in.get(f"/drift?{query}").status_code == 422


def test_the_strip_says_what_was_compared(healed: Payment, signed_in: Any) -> None:
    assert "비교" in signed_in.get("/drift").text


@on_both_databases
def test_one_difference_is_closed_with_a_note_only(gone: Payment, signed_in: Any) -> None:
    kept = db.session.scalars(select(Drift.id)).one()
    assert signed_in.submit(f"/drift/{kept}/close", {"note": " "}).status_code == 422
    assert signed_in.submit(f"/drift/{kept}/close", {"note": "PortOne에 문의함"}).status_code == 303
    assert signed_in.submit(f"/drift/{kept}/close", {"note": "또"}).status_code == 409
    assert "PortOne에 문의함" in signed_in.get("/drift?state=closed").text
    assert "PortOne에 문의함" in signed_in.get(f"/payments/{gone.payment_id}").text


@on_both_databases
def test_comparing_again_by_hand_tells_how_it_stands(gone: Payment, signed_in: Any) -> None:
    kept = db.session.scalars(select(Drift.id)).one()
    assert signed_in.submit(f"/drift/{kept}/compare").location == f"/drift/{kept}"
    assert db.session.get(Drift, kept).is_open


def test_home_leads_to_what_waits(gone: Payment, signed_in: Any) -> None:
    (concern,) = [each for each in list_concerns() if each.kind == "drifts"]
    assert (concern.count, concern.amounts[0].amount, concern.endpoint) == (1, 10_000, "drift.index")
    assert 'href="/drift"' in signed_in.get("/").text


@on_both_databases
@pytest.mark.parametrize("query", ["drift:yes", "어긋남:예", "대사:예", "has:drift"])
def test_the_query_finds_the_payment(gone: Payment, healed: Payment, signed_in: Any, query: str) -> None:
    page = signed_in.get("/payments", query_string={"q": query}).text
    assert (f'data-payment-id="{gone.payment_id}"' in page) is True
    assert f'data-payment-id="{healed.payment_id}"' not in page
    assert '<option selected value="drift">' in page


@on_both_databases
def test_the_negated_query_finds_the_others(gone: Payment, healed: Payment, signed_in: Any) -> None:
    for query in ("drift:no", "-drift:yes"):
        page = signed_in.get("/payments", query_string={"q": query}).text
        assert f'data-payment-id="{healed.payment_id}"' in page
        assert f'data-payment-id="{gone.payment_id}"' not in page


def test_an_admin_without_the_permission_closes_nothing(
    gone: Payment, signed_in: Any, monkeypatch: Any
) -> None:
    kept = db.session.scalars(select(Drift.id)).one()
    monkeypatch.setattr("app.access.guards.holds", lambda _person, which: which != "drift:close")
    assert signed_in.submit(f"/drift/{kept}/close", {"note": "x"}).status_code == 403


@on_both_databases
def test_the_list_is_a_file_too(gone: Payment, healed: Payment, signed_in: Any, later: Any) -> None:
    with later(60):
        signed_in.submit("/exports/new?list=drifts", {"format": "csv", "reason": "점검"})
        work()
    (line,) = lines_of(db.session.scalars(select(Export)).one())
    assert (line["고객사 거래번호"], line["관련 금액"]) == (gone.payment_id, "10000")
    assert line["여기 → PortOne"] == "상태: 결제완료 → –"
