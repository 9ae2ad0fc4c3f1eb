"""What payments are found by, on both databases alike."""

import unicodedata

import pytest
from sqlalchemy import text, update

from app.extensions import db
from app.payments import listing, search, text_query
from app.payments.listing import PaymentFilters, list_payments
from app.payments.models import PaymentSearch
from app.payments.search import rebuild_search, tokens_of
from app.payments.text_query import TextQuery
from tests.payments.documents import at, card, store, virtual_account


def found(typed: str, **filters) -> list[str]:
    listed = list_payments(PaymentFilters(text=TextQuery.of(typed), **filters), after=None)
    return [payment.payment_id for payment in listed.page.rows]


@pytest.mark.parametrize(
    ("typed", "tokens"),
    [
        ("ab", []),
        ("Order-123", ["ord", "rde", "der", "123"]),
        ("홍길", ["ed998d", "eab8b8", "ed998deab8b8"]),
        ("카드a1b", ["ecb9b4", "eb939c", "ecb9b4eb939c", "a1b"]),
        ("aaaa", ["aaa"]),
    ],
)
def test_a_text_is_cut_into_tokens(typed, tokens):
    assert tokens_of(search.normalised(typed)) == tokens


@pytest.mark.parametrize(
    ("typed", "tokens"),
    [
        ("01012345678", ("678", "456", "234", "012")),
        ("010-1234-5678", ("234", "123", "678", "567")),
        ("order-20260329-0000123456789", ("789", "567", "345", "123")),
        ("abc", ("abc",)),
    ],
)
def test_of_a_long_text_the_grams_that_tell_most_are_looked_up(typed, tokens):
    assert TextQuery.of(typed).tokens == tokens


@pytest.mark.parametrize(
    "typed",
    [
        "order-77",
        "RDER-7",
        "transaction of order-77",
        "pg-tx",
        "펌",
        "속눈썹",
        "길동",
        "gildong@exam",
        "010-1234-5678",
        "01012345678",
        "1234-56",
        "30012345",
        unicodedata.normalize("NFD", "길동"),
        "  길동   펌 ",
        "길동 order-77",
    ],
)
def test_a_payment_is_found_by_any_part_of_its_texts(app, typed):
    store("order-77", pgTxId="a-pg-tx-id", method=card(approvalNumber="30012345"))
    store("other", transactionId="t", orderName="왁싱", customer={"name": "이민준"})
    assert found(typed) == ["order-77"]


@pytest.mark.parametrize("typed", ["110-123-456789", "110123456789", "123456", "23-456"])
def test_a_virtual_account_is_found_with_hyphens_or_without(app, typed):
    store("order-1", method=virtual_account())
    store("order-2", method=virtual_account(accountNumber="110123456789"))
    assert set(found(typed)) >= (
        {"order-1", "order-2"} if "-" not in typed or typed[3] == "-" else {"order-1"}
    )


@pytest.mark.parametrize(
    "typed",
    [
        "%",
        "_",
        "\\",
        "order%1",
        '"',
        "'",
        "길동 OR 민준",
        "NOT 길동",
        "길*",
        "(",
        "text:길동",
        "길동 NEAR 펌",
    ],
)
def test_wildcards_and_operators_mean_themselves(app, typed):
    store("order-1")
    assert found(typed) == []


def test_wildcards_are_found_where_they_stand(app):
    store("100%_done", orderName='5% "할인"')
    store("100 done", orderName="할인")
    assert found("100%_") == found("5%") == found('"할인"') == ["100%_done"]


def test_several_words_have_to_stand_all(app):
    store("order-1", orderName="속눈썹 펌")
    store("order-2", orderName="속눈썹 연장")
    assert found("속눈썹 연장") == ["order-2"]
    assert found("속눈썹 없는말") == []


@pytest.mark.parametrize("typed", ["a", "zz", "-", "er"])
def test_a_text_the_index_does_not_know_is_looked_for_all_the_same(app, typed):
    store("order-1", orderName="pizzza", transactionId="t-1")
    assert found(typed) == ["order-1"]


def test_the_newest_matches_come_first_whichever_way_they_are_found(app, monkeypatch):
    for hour in range(4):
        store(f"order-{hour}", **at(f"2026-03-29T0{hour}:00:00Z"))
    by_collecting = found("길동")
    monkeypatch.setattr(text_query, "FREQUENT", 1)
    monkeypatch.setattr(listing, "FEW", 0)
    assert found("길동") == by_collecting == ["order-3", "order-2", "order-1", "order-0"]


def test_a_frequent_word_that_only_old_payments_hold_is_found(app, monkeypatch):
    monkeypatch.setattr(text_query, "FREQUENT", 1)
    monkeypatch.setattr(listing, "FEW", 0)
    for hour in range(6):
        store(
            f"order-{hour}",
            orderName="옛 상품" if hour < 2 else "새 상품",
            **at(f"2026-03-29T0{hour}:00:00Z"),
        )
    assert found("옛") == ["order-1", "order-0"]


def test_every_match_is_met_once_by_paging(app, monkeypatch):
    monkeypatch.setattr(text_query, "FREQUENT", 1)
    monkeypatch.setattr(listing, "FEW", 0)
    for number in range(120):
        store(f"order-{number:03}", orderName="짝수" if number % 2 == 0 else "홀수")
    filters, seen, after = PaymentFilters(text=TextQuery.of("짝수")), [], None
    while after or not seen:
        page = list_payments(filters, after=after).page
        seen += [payment.payment_id for payment in page.rows]
        after = page.next_cursor
    assert sorted(seen) == [f"order-{number:03}" for number in range(0, 120, 2)]


def test_a_search_keeps_to_the_filters(app):
    store("order-1")
    store("order-2", status="FAILED")
    assert found("길동", statuses=("FAILED",)) == ["order-2"]


def test_a_row_says_where_the_text_was_found(app):
    payment_id = store("order-1").row_id
    listed = list_payments(PaymentFilters(text=TextQuery.of("5678")), after=None)
    assert listed.found_in == {payment_id: ["customer_phone"]}


def test_a_changed_text_is_found_anew_and_no_longer_by_the_old(app):
    store("order-1")
    store("order-1", orderName="왁싱", updatedAt="2026-03-30T00:00:00Z")
    assert found("왁싱") == ["order-1"]
    assert found("속눈썹") == []


def test_a_broken_index_is_rebuilt(app):
    store("order-1")
    store("order-2")
    db.session.execute(update(PaymentSearch).values(text="", tokens=[]))
    if db.engine.dialect.name == "sqlite":
        db.session.execute(
            text("INSERT INTO payment_search_index(payment_search_index) VALUES ('delete-all')")
        )
    db.session.commit()
    told = []
    assert rebuild_search(on_progress=told.append, batch=1) == 2
    assert told == [1, 2]
    assert found("길동") == ["order-2", "order-1"]


def test_a_payment_portone_has_not_reported_is_indexed_by_its_columns(app):
    db.session.add(listing.Payment(payment_id="waiting-1", status="READY", order_name="예약금"))
    db.session.commit()
    rebuild_search(on_progress=lambda done: None)
    assert found("예약") == found("waiting") == ["waiting-1"]


@pytest.mark.parametrize(
    ("typed", "is_whole"),
    [("길동", True), ("랑", True), ("com", True), ("홍길동", False), ("ab", False), ("010", True),
     ("길-동", False), ("길동 com", False), ("a길", False), ("", False)],
)  # fmt: skip
def test_a_word_that_is_a_token_needs_no_second_look(typed, is_whole):
    assert TextQuery.of(typed).is_a_token == is_whole
