"""The pages of exports: who may ask for a file, who may fetch it, and what it holds."""

import re
from datetime import timedelta
from itertools import product

import pytest

from app.access import permissions
from app.access.permissions import Permission, Role
from app.exports.models import Export
from app.extensions import db
from app.payments.models import Payment, PaymentSearch
from app.payments.search import tokens_of
from tests.conftest import Browser, on_both_databases, pages_on_one_database
from tests.exports.conftest import NOON, add_payments, ask, lines_of, work
from tests.factories import make_user

pytestmark = pages_on_one_database

ASKED = {"format": "csv", "reason": "3월 정산 대사"}


@pytest.fixture
def owner(app, super_admin) -> Browser:
    """A browser in which a super admin is signed in."""
    browser = app.test_client()
    assert isinstance(browser, Browser)
    return browser.sign_in(super_admin)


def finished(by, **wishes) -> Export:
    add_payments(3)
    export = ask(by, **wishes)
    work()
    return export


def add_odd_payments() -> None:
    """Eight payments that differ in all that a list is filtered by, found by their text too."""
    for number, (status, (currency, amount), channel) in enumerate(
        product(("PAID", "FAILED"), (("KRW", 20), ("USD", 2500)), ("LIVE", "TEST"))
    ):
        payment = Payment(
            payment_id=f"order/{number}",
            status=status,
            currency=currency,
            amount=amount,
            channel_type=channel,
            method="CARD",
            order_name=f"가은 {number}",
            customer_name="홍길동" if number % 2 else "김하은",
            requested_at=NOON - timedelta(hours=number),
        )
        db.session.add(payment)
        db.session.flush()
        text = f"{payment.payment_id}\n\n\n{payment.order_name}\n{payment.customer_name}"
        db.session.add(PaymentSearch(payment_id=payment.id, text=text, tokens=tokens_of(text)))
    db.session.commit()


@on_both_databases
def test_a_list_becomes_a_file_in_two_pages(signed_in):
    add_payments(3)
    link = re.search(r'href="(/exports/new[^"]*)"', signed_in.get("/payments?status=PAID").text)
    address = link[1].replace("&amp;", "&")
    assert "결제완료" in signed_in.get(address).text
    answer = signed_in.submit(address, ASKED)
    page = signed_in.get(answer.location)
    assert 'hx-trigger="every 2s"' in page.text
    work()
    page = signed_in.get(answer.location)
    assert "every 2s" not in page.text
    file = signed_in.get(f"{answer.location}/file.csv", buffered=True)
    assert (file.status_code, file.mimetype) == (200, "text/csv")
    assert file.headers["Content-Disposition"] == "attachment; filename=payments-20260329-120000.csv"
    assert file.content_length == len(file.data)
    assert file.data.decode("utf-8-sig").count("\r\n") == 4


@on_both_databases
@pytest.mark.parametrize(
    "filters",
    [
        "",
        "status=FAILED",
        "status=PAID&status=CANCELLED&method=CARD",
        "q=홍길동",
        "q=은%20order",
        "q=or",
        "from=2026-03-29&to=2026-03-29&clock=requested",
        "amount_min=10&amount_max=29.99&currency=usd",
        "clock=cancelled&from=2026-03-01",
        "real=1",
    ],
)
def test_the_file_holds_exactly_what_the_list_shows(signed_in, admin, filters):
    add_odd_payments()
    answer = signed_in.submit(f"/exports/new?list=payments&{filters}", ASKED)
    work()
    shown = set(re.findall(r'data-payment-id="([^"]+)"', signed_in.get(f"/payments?{filters}&x=1").text))
    export = db.session.query(Export).one()
    assert answer.location == f"/exports/{export.id}"
    assert {line["고객사 거래번호"] for line in lines_of(export)} == shown


def test_a_reason_is_asked_for_and_nothing_typed_is_lost(signed_in):
    answer = signed_in.submit("/exports/new?list=payments&q=홍", {"format": "csv", "reason": "   "})
    assert answer.status_code == 422
    assert "파일이 왜 필요한지" in answer.text
    assert re.search(r'value="csv"[^>]*checked|checked[^>]*value="csv"', answer.text)
    assert db.session.query(Export).count() == 0


def test_filters_that_cannot_be_used_are_told_before_anything_is_written(signed_in):
    assert signed_in.get("/exports/new?list=payments&amount_min=many").status_code == 422
    assert signed_in.submit("/exports/new?list=payments&amount_min=many", ASKED).status_code == 422
    assert signed_in.get("/exports/new?list=secrets").status_code == 404
    assert signed_in.get("/exports/new").status_code == 404


def test_nobody_else_finds_the_file_but_a_super_admin(app, signed_in, admin, owner):
    export = finished(admin)
    stranger = app.test_client().sign_in(make_user(email="other@example.com"))
    for page in (f"/exports/{export.id}", f"/exports/{export.id}/file.csv"):
        assert [browser.get(page, buffered=True).status_code for browser in (signed_in, stranger, owner)] == [
            200,
            404,
            200,
        ]
    assert stranger.submit(f"/jobs/{export.job_id}/stop").status_code == 403
    assert str(export.id) not in stranger.get("/exports").text
    assert str(export.id) in owner.get("/exports").text


def test_an_admin_cannot_ask_for_unmasked_data(signed_in, owner):
    assert 'name="unmasked"' not in signed_in.get("/exports/new?list=payments").text
    assert signed_in.submit("/exports/new?list=payments", ASKED | {"unmasked": "y"}).status_code == 403
    assert 'name="unmasked"' in owner.get("/exports/new?list=payments").text
    assert owner.submit("/exports/new?list=payments", ASKED | {"unmasked": "y"}).status_code == 303


def test_who_is_no_super_admin_any_more_cannot_fetch_unmasked_data(owner, super_admin):
    export = finished(super_admin, is_unmasked=True)
    assert owner.get(f"/exports/{export.id}/file.csv", buffered=True).status_code == 200
    super_admin.role = Role.ADMIN
    assert owner.get(f"/exports/{export.id}/file.csv", buffered=True).status_code == 403


@pytest.mark.parametrize("missing", [Permission.EXPORT_CREATE, Permission.PAYMENT_READ])
def test_the_permission_of_the_list_is_needed_too(signed_in, admin, monkeypatch, missing):
    export = finished(admin)
    held = permissions.HELD_BY[Role.ADMIN] - {missing}
    monkeypatch.setitem(permissions.HELD_BY, Role.ADMIN, held)
    assert signed_in.get("/exports/new?list=payments").status_code == 403
    assert signed_in.submit("/exports/new?list=payments", ASKED).status_code == 403
    assert signed_in.get(f"/exports/{export.id}/file.csv", buffered=True).status_code == 403


def test_a_file_that_is_not_there_is_told(signed_in, admin):
    export = ask(admin)
    assert signed_in.get(f"/exports/{export.id}/file.csv", buffered=True).status_code == 410
    work()
    assert signed_in.get(f"/exports/{export.id}/file.xlsx", buffered=True).status_code == 404
    export.expires_at = NOON
    assert "file.csv" not in signed_in.get(f"/exports/{export.id}").text
    assert signed_in.get(f"/exports/{export.id}/file.csv", buffered=True).status_code == 410


def test_a_stopped_export_says_so(signed_in, admin):
    export = ask(admin)
    answer = signed_in.submit(f"/jobs/{export.job_id}/stop")
    assert answer.location == f"/exports/{export.id}"
    assert "취소된 내보내기입니다." in signed_in.get(answer.location).text
