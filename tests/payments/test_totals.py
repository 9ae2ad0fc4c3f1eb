"""What a list adds up to, and the counts in its tabs."""

import pytest

from app.payments import totals
from app.payments.filters import PaymentFilters
from app.payments.text_query import TextQuery
from tests.payments.documents import store


@pytest.fixture(autouse=True)
def _forget():
    totals._totals.clear()
    totals._counts.clear()


def test_totals_are_by_currency_without_test_payments(app):
    store("a", total=12_000)
    store("b", total=10_000, cancelled=4_000, status="PARTIAL_CANCELLED")
    store("c", status="FAILED", total=99_000)
    store("d", total=5_000, channel={"type": "TEST", "pgProvider": "KCP_V2"})
    store("e", currency="USD", total=2_999)
    won, dollars = totals.totals_of(PaymentFilters()).value
    assert won == totals.Total("KRW", count=3, paid=22_000, cancelled=4_000, tests=1)
    assert won.net == 18_000
    assert (dollars.currency, dollars.paid) == ("USD", 2_999)


def test_totals_follow_the_filters_and_a_text(app):
    store("a", total=12_000)
    store("b", total=7_000, orderName="왁싱", customer={"name": "이민준"})
    (found,) = totals.totals_of(PaymentFilters(text=TextQuery.of("길동"))).value
    assert (found.count, found.paid) == (1, 12_000)
    assert totals.totals_of(PaymentFilters(statuses=("FAILED",))).value == []


def test_totals_that_no_64_bits_hold_are_summed(app):
    for number in range(3):
        store(f"order-{number}", total=2**62)
    assert totals.totals_of(PaymentFilters()).value[0].paid == 3 * 2**62


def test_totals_are_kept_for_a_moment_with_their_age(signed_in):
    store("a", total=12_000)
    first = totals.totals_of(PaymentFilters())
    store("b", total=1_000)
    assert totals.totals_of(PaymentFilters()) is first
    page = signed_in.get("/payments?part=totals")
    assert "12,000원" in page.text
    assert "방금" in page.text
    part = signed_in.get("/payments?part=totals", headers={"HX-Request": "true"})
    assert "<html" not in part.text


@pytest.mark.parametrize("text", ["", "길동"])
def test_the_tabs_count_each_status_but_for_the_one_that_is_chosen(app, text):
    store("a")
    store("b")
    store("c", status="FAILED")
    filters = PaymentFilters(text=TextQuery.of(text), statuses=("FAILED",))
    counts = totals.counts_by_status(filters, ["PAID", "FAILED"]).value
    assert counts == {"PAID": 2, "FAILED": 1}


def test_the_tabs_come_after_the_page(signed_in):
    store("a")
    assert "part=counts" in signed_in.get("/payments").text
    part = signed_in.get("/payments?part=counts", headers={"HX-Request": "true"})
    assert '<span class="tab-count">1</span>' in part.text
    assert "part=counts" not in part.text
