"""The query language over a small list of its own: reading, printing, and complaining."""

import re
from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app import clock
from app.web.query_language import Complaint, Language, Phrase, Query, Term, Word
from app.web.query_values import Amounts, Choice, Days, Span, Switch, Texts

LANGUAGE = Language(
    (
        Word("status", ("상태",), Choice(lambda: {"PAID": ("결제완료", "Paid"), "FAILED": ("결제실패",)})),
        Word(
            "pg",
            ("결제대행사",),
            Choice(lambda: {"KCP": ("NHN KCP 구모듈",), "KCP_V2": ("NHN KCP",)}, is_wide=True, is_open=True),
        ),
        Word("amount", ("금액",), Amounts()),
        Word("date", ("날짜",), Days()),
        Word("test", ("테스트",), Switch()),
        Word("phone", ("전화",), Texts(str)),
    )
)
NAMES = [name for word in LANGUAGE.words for name in (word.name, *word.twins)]
#: A Thursday.
NOW = datetime(2026, 3, 5, 3, 0, tzinfo=UTC)


def read(typed: str) -> Query:
    with clock.fixed_at(NOW):
        return LANGUAGE.read(typed)


def only(typed: str):
    (term,) = read(typed).terms
    return term.values


@pytest.fixture(autouse=True)
def _in_english(plain_app):
    with plain_app.test_request_context(headers={"Accept-Language": "en"}):
        yield


@pytest.mark.parametrize(
    ("typed", "values"),
    [
        ("status:paid", ("PAID",)),
        ("상태:결제완료", ("PAID",)),
        ("상태：결제 완료", ("PAID",)),
        ("STATUS:PAID,결제실패", ("PAID", "FAILED")),
        ('status:"결제완료",failed,', ("PAID", "FAILED")),
        ("pg:kcp", ("KCP", "KCP_V2")),
        ("pg:=KCP", ("KCP",)),
        ("pg:NEW_PG", ("NEW_PG",)),
        ("test:예", (True,)),
        ("테스트:false", (False,)),
        ("phone:1234,5678", ("1234", "5678")),
        ('전화:"12 34"', ("12 34",)),
    ],
)
def test_words_and_their_twins_take_values_in_both_languages(typed, values):
    if "완료" in typed and " " in typed:
        typed = typed.replace("결제 완료", '"결제 완료"')
    assert only(typed) == values


@pytest.mark.parametrize(
    ("typed", "low", "high"),
    [
        ("amount:10000", 10000, 10000),
        ("amount:10,000원", 10000, 10000),
        ("금액:10000..50000", 10000, 50000),
        ("금액:1만~5.5만원", 10000, 55000),
        ("amount:>=29.99", Decimal("29.99"), None),
        ("amount:..500", None, 500),
        ("amount:500..", 500, None),
        ("금액:10만이상", 100000, None),
    ],
)
def test_amounts_are_typed_in_many_ways(typed, low, high):
    assert only(typed) == (Span(low, high),)


def test_a_bound_may_be_left_out_itself():
    assert only("amount:>5") == only("amount:5초과") == (Span(5, is_low_open=True),)
    assert only("amount:<5") == (Span(high=5, is_high_open=True),)


@pytest.mark.parametrize(
    ("typed", "first", "last"),
    [
        ("오늘", "2026-03-05", "2026-03-05"),
        ("yesterday", "2026-03-04", "2026-03-04"),
        ("지난주", "2026-02-23", "2026-03-01"),
        ("last-week", "2026-02-23", "2026-03-01"),
        ("이번달", "2026-03-01", "2026-03-31"),
        ("지난달", "2026-02-01", "2026-02-28"),
        ("작년", "2025-01-01", "2025-12-31"),
        ("최근7일", "2026-02-27", "2026-03-05"),
        ("2026-02", "2026-02-01", "2026-02-28"),
        ("2024년", "2024-01-01", "2024-12-31"),
        ("2026년3월1일", "2026-03-01", "2026-03-01"),
        ("20260301", "2026-03-01", "2026-03-01"),
        ("2026.3.1..2026.3.7", "2026-03-01", "2026-03-07"),
        ("지난달..어제", "2026-02-01", "2026-03-04"),
    ],
)
def test_days_are_typed_in_many_ways(typed, first, last):
    assert only(f"date:{typed}") == (Span(date.fromisoformat(first), date.fromisoformat(last)),)


def test_days_may_be_compared():
    assert only("date:>2026-02") == (Span(low=date(2026, 3, 1)),)
    assert only("date:<=2026-02") == (Span(high=date(2026, 2, 28)),)


@pytest.mark.parametrize(
    ("typed", "phrases"),
    [
        ("길동 펌", (Phrase("길동"), Phrase("펌"))),
        ('"속눈썹 펌"', (Phrase("속눈썹 펌"),)),
        ("“속눈썹 펌”", (Phrase("속눈썹 펌"),)),
        ("-길동", (Phrase("길동", is_negated=True),)),
        ('"-길동"', (Phrase("-길동"),)),
        ('"status:paid"', (Phrase("status:paid"),)),
        ("https://example.com", (Phrase("https://example.com"),)),
        ("12:30 :a -", (Phrase("12:30"), Phrase(":a"), Phrase("-"))),
        ('5" 할인', (Phrase('5"'), Phrase("할인"))),
        ('"a""b"', (Phrase('a"b'),)),
        ('"" -""', ()),
    ],
)
def test_all_else_is_free_text(typed, phrases):
    assert read(typed) == Query((), phrases)


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("statsu:paid", "“status”"),
        ("상테:결제완료", "“상태”"),
        ("bogusword:1", "bogusword"),
        ("status:piad", "“Paid”"),
        ("status:결재완료", "“결제완료”"),
        ("status:zzzzzz", "결제완료"),
        ("status:", "“status:”"),
        ("status:,", "“status:”"),
        ("status:=", "after"),
        ("test:maybe", "maybe"),
        ("amount:viel", "viel"),
        ("amount:500..10", "smaller"),
        ("amount:..", ".."),
        ("amount:1,00", "1,00"),
        ("date:어재", "“어제”"),
        ("date:2026-02-30", "calendar"),
        ("date:0001-01-01", "1990"),
        ("x" * 1_001, "1000"),
    ],
)
def test_what_cannot_be_read_is_named_with_the_nearest_word(typed, told):
    with pytest.raises(Complaint, match=re.escape(told)):
        read(typed)


amounts = st.decimals(0, 10**9, places=2).map(lambda amount: amount.normalize())
days = st.dates(date(1990, 1, 1), date(2199, 12, 30))


def spans(values):
    pairs = st.tuples(values, values).map(sorted).map(lambda pair: Span(*pair))
    return st.one_of(pairs, values.map(lambda low: Span(low=low)), values.map(lambda high: Span(high=high)))


opened = st.one_of(
    amounts.map(lambda low: Span(low=low, is_low_open=True)),
    amounts.map(lambda high: Span(high=high, is_high_open=True)),
)
texts = st.text(min_size=1, max_size=8).map(str.strip).filter(bool).filter(lambda text: "“" not in text)
choices = st.lists(st.sampled_from(["KCP", "KCP_V2", "NEW_PG"]), min_size=1, unique=True).map(tuple)
plain = texts.filter(lambda text: not set(text) & set("”："))
terms = st.one_of(
    st.builds(Term, st.just("status"), st.sampled_from([("PAID",), ("FAILED", "PAID")]), st.booleans()),
    st.builds(Term, st.just("pg"), choices, st.booleans()),
    st.builds(Term, st.just("amount"), st.tuples(spans(amounts) | opened), st.booleans()),
    st.builds(Term, st.just("date"), st.tuples(spans(days)), st.booleans()),
    st.builds(Term, st.just("phone"), st.lists(plain, min_size=1, unique=True).map(tuple), st.booleans()),
)
phrases = st.builds(Phrase, plain, st.booleans())


@settings(max_examples=150, deadline=None)
@given(st.lists(terms, max_size=4).map(tuple), st.lists(phrases, max_size=4).map(tuple))
def test_what_is_printed_is_read_as_the_same_query(wanted, words):
    query = Query(wanted, words)
    assert read(LANGUAGE.print(query)) == query


signs = *':"-=,.<>~ ', "\u3000", "\u202e", "ㄱ", "🙂"
pieces = st.sampled_from([*NAMES, *signs, "paid", "결제완료", "kcp", "1만", "5", "어제"])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(pieces, st.characters(codec="utf-8")), max_size=12).map("".join))
def test_whatever_is_typed_is_read_and_printed_or_complained_about(typed):
    try:
        query = read(typed)
    except Complaint:
        return
    assert read(LANGUAGE.print(query)) == query


@pytest.mark.parametrize("unit", ['"', '"a', "-", "a:", "상태:", "ㄱ", '""', "(", "status:paid,"])
def test_a_long_query_is_dealt_with(unit):
    with suppress(Complaint):
        read((unit * 999)[:999])
    with pytest.raises(Complaint):
        read(unit * 10_000)
