"""Money is counted in the smallest unit and read and shown in the major one."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.money import MAX_AMOUNT, InvalidAmount, Money, decimals, parse_amount

_CURRENCIES = Path(__file__).parents[2] / "shared" / "data" / "currencies.json"


@pytest.mark.parametrize(
    ("amount", "currency", "korean", "english"),
    [
        (12_000, "KRW", "12,000원", "₩12,000"),
        (-12_000, "KRW", "-12,000원", "-₩12,000"),
        (0, "KRW", "0원", "₩0"),
        (2_999, "USD", "$29.99", "$29.99"),
        (-5, "USD", "-$0.05", "-$0.05"),
        (4_800, "JPY", "¥4,800", "¥4,800"),
        (1_200, "AED", "AED 12.00", "AED 12.00"),
        (1_234_567, "BHD", "BHD 1,234.567", "BHD 1,234.567"),
        (MAX_AMOUNT, "KRW", "9,223,372,036,854,775,807원", "₩9,223,372,036,854,775,807"),
    ],
)
def test_money_is_written_as_people_write_it(amount, currency, korean, english):
    money = Money(amount, currency)
    assert (money.format("ko"), money.format("en"), str(money)) == (korean, english, english)


@pytest.mark.parametrize(
    ("currency", "places"), [("KRW", 0), ("JPY", 0), ("USD", 2), ("BHD", 3), ("CLF", 4), ("???", 2)]
)
def test_currencies_have_their_decimals(currency, places):
    assert decimals(currency) == places


def test_decimals_are_those_of_the_facts():
    if not _CURRENCIES.is_file():
        pytest.skip("no ../shared/data beside this checkout")
    for currency in json.loads(_CURRENCIES.read_text()):
        assert decimals(currency["code"]) == (currency["decimals"] or 0), currency["code"]


@pytest.mark.parametrize(
    ("text", "currency", "amount"),
    [
        ("12000", "KRW", 12_000),
        ("12,000원", "KRW", 12_000),
        (" ₩12,000 ", "KRW", 12_000),
        ("12,000 원", "KRW", 12_000),
        ("0", "KRW", 0),
        ("007", "KRW", 7),
        ("29.99", "USD", 2_999),
        ("$1,234.5", "USD", 123_450),
        ("¥480", "JPY", 480),
        ("¥4.80", "CNY", 480),
        ("1.234", "BHD", 1_234),
        ("9,223,372,036,854,775,807", "KRW", MAX_AMOUNT),
    ],
)
def test_typed_amounts_become_the_smallest_unit(text, currency, amount):
    assert parse_amount(text, currency) == amount


@pytest.mark.parametrize(
    ("text", "currency", "reason"),
    [
        ("", "KRW", "empty"),
        ("  ", "KRW", "empty"),
        ("원", "KRW", "not_a_number"),
        ("abc", "KRW", "not_a_number"),
        ("1e9", "KRW", "not_a_number"),
        ("１２", "KRW", "not_a_number"),
        ("1 000", "KRW", "not_a_number"),
        ("₩1원", "KRW", "not_a_number"),
        ("$5", "KRW", "not_a_number"),
        ("5원", "USD", "not_a_number"),
        (".5", "USD", "not_a_number"),
        ("5.", "USD", "not_a_number"),
        ("1.2.3", "USD", "not_a_number"),
        ("NaN", "USD", "not_a_number"),
        ("--1", "KRW", "not_a_number"),
        ("-", "KRW", "not_a_number"),
        ("-1", "KRW", "negative"),
        ("-12,000원", "KRW", "negative"),
        ("₩-1", "KRW", "negative"),
        ("-$29.99", "USD", "negative"),
        ("1,00", "KRW", "misplaced_comma"),
        ("12,0000", "KRW", "misplaced_comma"),
        ("1,,000", "KRW", "misplaced_comma"),
        (",100", "KRW", "misplaced_comma"),
        ("1000,000", "KRW", "misplaced_comma"),
        ("1.0,0", "USD", "misplaced_comma"),
        ("100.0", "KRW", "too_many_decimals"),
        ("0.001", "USD", "too_many_decimals"),
        ("9223372036854775808", "KRW", "too_large"),
        ("92233720368547758.08", "USD", "too_large"),
        ("9" * 10_000, "KRW", "too_large"),
    ],
)
def test_anything_else_is_refused_with_its_reason(text, currency, reason):
    with pytest.raises(InvalidAmount) as caught:
        parse_amount(text, currency)
    assert caught.value.reason == reason


@given(st.integers(0, MAX_AMOUNT), st.sampled_from(["KRW", "USD", "BHD", "CLF"]))
def test_what_is_shown_is_read_back(amount, currency):
    money = Money(amount, currency)
    assert parse_amount(money.plain(), currency) == amount
    if currency in {"KRW", "USD"}:
        assert {parse_amount(money.format(language), currency) for language in ("ko", "en")} == {amount}


@given(st.text(max_size=20))
def test_any_text_is_an_amount_or_refused(text):
    try:
        assert 0 <= parse_amount(text, "KRW") <= MAX_AMOUNT
    except InvalidAmount:
        return
