"""The list finds what a look at every payment finds, and a walk through it loses and doubles nothing."""

import random
from dataclasses import replace
from datetime import date

import pytest

from app import clock
from app.connections import act_as
from app.database import TookTooLong
from app.extensions import db
from app.payments import listing, text_query
from app.payments.filters import PaymentFilters
from app.payments.listing import list_payments, select_matches
from app.payments.models import Payment
from app.payments.words import LANGUAGE, settle
from tests.payments import oracle
from tests.payments.documents import at, store

#: One seed for all runs; a failure names the query that shows it.
SEED = 20261126


#: How many queries are tried each way, others by each; tests.bench.random_queries tries thousands.
TRIED = 14


@pytest.fixture
def everything(app):
    with app.test_request_context():
        act_as("system")
        oracle.store_world(random.Random(SEED), 120)
        yield oracle.every_payment()


#: How few, frequent and near matches are, so that few rows are found each of the ways that many are.
WAYS = {
    "collected": {},
    "by months": {"FEW": 60, "FREQUENT": 60, "NEAREST": 0},
    "by days": {"FEW": 0, "FREQUENT": 60, "NEAREST": 0},
    "walked": {"FEW": 0, "FREQUENT": 1, "NEAREST": 0},
    "among the nearest": {"FEW": 0, "FREQUENT": 1, "NEAREST": 40},
}


@pytest.fixture(params=WAYS)
def way(request, monkeypatch):
    """One of the ways, each of which finds the same."""
    monkeypatch.setattr(listing, "PAGE_SIZE", 9)
    for name, value in WAYS[request.param].items():
        monkeypatch.setattr(text_query if name == "FREQUENT" else listing, name, value)
    return request.param


def walk(filters):
    """All pages from the newest on."""
    pages = [list_payments(filters, after=None).page]
    while pages[-1].next_cursor:
        pages.append(list_payments(filters, after=pages[-1].next_cursor).page)
    return pages


def walk_back(filters, page):
    """The pages before one, to the newest."""
    while page.previous_cursor:
        page = list_payments(filters, after=None, before=page.previous_cursor).page
        yield page


def ids_of(*pages):
    return [payment.payment_id for page in pages for payment in page.rows]


def test_random_queries_find_what_a_look_at_every_payment_finds(everything, way):
    for typed in oracle.queries(random.Random(f"{SEED} {way}"), TRIED):
        filters = settle(LANGUAGE.read(typed)).filters
        wanted = oracle.found_by_looking(filters, everything)
        pages = walk(filters)
        assert ids_of(*pages) == wanted, typed
        assert sorted(db.session.scalars(select_matches(filters, Payment.payment_id))) == sorted(wanted), (
            typed
        )
        for page in walk_back(filters, pages[-1]):
            start = wanted.index(page.rows[0].payment_id)
            assert ids_of(page) == wanted[start : start + 9], typed


def test_those_cancelled_in_a_period_may_have_changed_after_it(everything, way):
    since, until = clock.start_of_day(date(2026, 3, 1)), clock.start_of_day(date(2026, 4, 28))
    found = settle(LANGUAGE.read("ord")).filters
    filters = replace(found, clock="cancelled", since=since, until=until)
    wanted = oracle.found_by_looking(filters, everything)
    assert len(wanted) > 9
    assert ids_of(*walk(filters)) == wanted


def test_the_queries_tell_payments_apart(everything):
    """So that the test above is worth something."""
    queries = [settle(LANGUAGE.read(typed)).filters for typed in oracle.queries(random.Random(SEED), TRIED)]
    sizes = [len(oracle.found_by_looking(filters, everything)) for filters in queries]
    assert sum(0 < size < len(everything) for size in sizes) > TRIED / 2


@pytest.mark.parametrize("typed", ["", "길동", "status:paid"])
def test_a_walk_meets_each_payment_once_while_others_arrive_and_change(app, way, typed):
    with app.test_request_context():
        act_as("system")
        for number in range(40):
            moment = f"2026-03-{number % 20 + 1:02}T01:00:00Z"
            store(f"order-{number:02}", **at(moment))
        filters = settle(LANGUAGE.read(typed)).filters
        seen, cursor = [], None
        for step in range(20):
            page = list_payments(filters, after=cursor).page
            seen += ids_of(page)
            cursor = page.next_cursor
            if cursor is None:
                break
            store(f"new-{step}", **at("2026-04-01T00:00:00Z"))
            store("order-00", status="CANCELLED", cancelled=12_000, **at(f"2026-04-{step + 2:02}T00:00:00Z"))
        still = {f"order-{number:02}" for number in range(1, 40)}
        assert len(seen) == len(set(seen))
        assert still <= set(seen)


def test_a_page_back_near_the_start_is_whole(app, monkeypatch):
    monkeypatch.setattr(listing, "PAGE_SIZE", 3)
    for number in range(5):
        store(f"order-{number}", **at(f"2026-03-0{number + 1}T00:00:00Z"))
    first = list_payments(PaymentFilters(), after=None).page
    second = list_payments(PaymentFilters(), after=first.next_cursor).page
    assert ids_of(second) == ["order-1", "order-0"]
    store("order-5", **at("2026-03-06T00:00:00Z"))
    back = list_payments(PaymentFilters(), after=None, before=second.previous_cursor).page
    assert ids_of(back) == ["order-4", "order-3", "order-2"]
    newest = list_payments(PaymentFilters(), after=None, before=back.previous_cursor).page
    assert ids_of(newest) == ["order-5", "order-4", "order-3"]
    assert newest.previous_cursor is None


def test_a_number_that_takes_long_to_count_keeps_nobody_from_the_page(app, monkeypatch):
    monkeypatch.setattr(listing, "PAGE_SIZE", 2)
    for number in range(3):
        store(f"order-{number}")
    assert list_payments(PaymentFilters(), after=None).total == 3
    monkeypatch.setattr(listing, "capped_count", _take_too_long)
    listed = list_payments(PaymentFilters(), after=None)
    assert (len(listed.page.rows), listed.total) == (2, None)


def _take_too_long(_statement):
    raise TookTooLong("too long")
