"""Names of banks, PGs, card companies and wallets, and what errors mean."""

import json

import pytest

from app.portone.banks import BANKS, bank_code, refund_banks
from app.portone.labels import (
    CARD_COMPANIES,
    EASY_PAY_PROVIDERS,
    PG_PROVIDERS,
    bank_name,
    card_company_name,
    easy_pay_name,
    pg_name,
)
from app.portone.meanings import MEANINGS, UNKNOWN_MEANING, meaning_of, msgid_of


def test_all_79_banks_are_known_and_institutions_take_no_refund():
    offered = refund_banks()
    assert (len(BANKS), len(offered)) == (79, 75)
    assert offered[0].code == "KOOKMIN"
    assert {bank.kind for bank in offered} == {"bank", "securities"}
    kinds = [bank.kind for bank in offered]
    assert kinds == sorted(kinds)


@pytest.mark.parametrize(
    ("spelling", "code"),
    [
        ("KOOKMIN", "KOOKMIN"),
        ("KB국민은행", "KOOKMIN"),
        (" 국민 은행 ", "KOOKMIN"),
        ("nh농협", "NONGHYUP"),
        ("GWANGJU_BANK", "KWANGJU"),
        ("iM뱅크", "DAEGU"),
        ("없는은행", None),
        ("", None),
    ],
)
def test_a_bank_is_found_by_its_usual_spellings(spelling, code):
    assert bank_code(spelling) == code


@pytest.mark.parametrize(
    ("name", "code", "korean", "english"),
    [
        (bank_name, "KAKAO", "카카오뱅크", "KakaoBank"),
        (pg_name, "TOSSPAYMENTS", "토스페이먼츠", "Toss Payments"),
        (card_company_name, "SHINHAN_CARD", "신한카드", "Shinhan Card"),
        (easy_pay_name, "KAKAOPAY", "카카오페이", "KakaoPay"),
    ],
)
def test_codes_have_names_in_both_languages_and_unknown_ones_stay(name, code, korean, english):
    assert (name(code, "ko"), name(code, "en"), name(code, "ko_KR")) == (korean, english, korean)
    assert (name("BRAND_NEW", "ko"), name(None, "en")) == ("BRAND_NEW", "")


@pytest.mark.parametrize(
    ("file", "table"),
    [
        ("banks", BANKS),
        ("pg-providers", PG_PROVIDERS),
        ("card-companies", CARD_COMPANIES),
        ("easy-pay-providers", EASY_PAY_PROVIDERS),
    ],
)
def test_tables_hold_every_code_of_the_facts(shared_data, file, table):
    assert sorted(table) == sorted(
        row["code"] for row in json.loads((shared_data / f"{file}.json").read_text())
    )


def test_every_error_type_of_the_facts_has_a_meaning(shared_data):
    facts = json.loads((shared_data / "errors.json").read_text())
    types = {row["type"] for row in facts["types"]}
    listed = {
        name
        for operation in facts["operations"].values()
        for names in operation["errors"].values()
        for name in names
    }
    assert types | listed | {"IDEMPOTENCY_OUTSTANDING_REQUEST"} == set(MEANINGS)


def test_meanings_are_sentences_of_their_own():
    assert len(set(MEANINGS.values())) == len(MEANINGS)
    assert all(sentence[0].isupper() and sentence.endswith(".") for sentence in MEANINGS.values())
    assert all("%" not in sentence for sentence in MEANINGS.values())


def test_an_unknown_error_is_named_as_it_is():
    assert "“BRAND_NEW”" in meaning_of("BRAND_NEW")
    assert msgid_of("BRAND_NEW") == UNKNOWN_MEANING
    assert "HTTP_403" in meaning_of("HTTP_403")
