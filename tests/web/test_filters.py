from datetime import UTC, date, datetime, timedelta

import pytest
from flask import Flask, url_for

from app import clock
from app.web.filters import (
    OnceEach,
    here,
    label,
    local_time,
    money,
    readable_json,
    relative_time,
    url_for_page,
    urls_to,
)

NOW = datetime(2026, 3, 29, 11, 22, 8, tzinfo=UTC)


@pytest.fixture(params=["ko", "en"])
def language(plain_app: Flask, request):
    with plain_app.test_request_context(headers={"Accept-Language": request.param}):
        yield request.param


@pytest.fixture
def korean(plain_app: Flask):
    with plain_app.test_request_context():
        yield


def test_money_follows_the_language(language):
    assert money(12_000, "KRW") == {"ko": "12,000원", "en": "₩12,000"}[language]
    assert money(2_999, "USD") == "$29.99"
    assert money(None, "KRW") == "–"


def test_a_moment_is_told_in_seoul(korean):
    assert local_time(NOW) == "2026-03-29 20:22:08"
    assert local_time(None) == "–"


@pytest.mark.parametrize(
    ("age", "words"),
    [
        (timedelta(seconds=20), {"ko": "방금", "en": "just now"}),
        (timedelta(seconds=60), {"ko": "1분 전", "en": "1 minute ago"}),
        (timedelta(minutes=80), {"ko": "1시간 전", "en": "1 hour ago"}),
        (timedelta(hours=27), {"ko": "27시간 전", "en": "27 hours ago"}),
        (timedelta(hours=30), {"ko": "1일 전", "en": "1 day ago"}),
        (timedelta(days=-3), {"ko": "3일 후", "en": "in 3 days"}),
    ],
)
def test_an_age_is_told_in_words(language, age, words):
    with clock.fixed_at(NOW):
        assert relative_time(NOW - age) == words[language]


def test_an_unknown_code_is_shown_as_it_came(korean):
    assert label("SOMETHING_NEW", "payment_status") == "SOMETHING_NEW"
    assert label(None, "method") == ""
    assert label("TOSSPAYMENTS", "pg") == "토스페이먼츠"


def test_a_page_address_changes_in_the_names_given_and_forgets_the_cursor(plain_app: Flask):
    with plain_app.test_request_context(
        "/payments?q=%ED%99%8D+a&status=PAID&status=READY&after=abc&_external=1"
    ):
        assert url_for_page(status=None) == "/payments?q=%ED%99%8D+a&_external=1"
        assert url_for_page(status=["FAILED"], q=None) == "/payments?_external=1&status=FAILED"
        assert url_for_page(after="next", q=None, status=None) == "/payments?_external=1&after=next"


def test_the_address_of_this_page_keeps_an_encoded_slash(plain_app: Flask):
    with plain_app.test_request_context("/?x=%26", environ_overrides={"PATH_INFO": "/payments/a%2Fb"}):
        assert here() == "/payments/a%2Fb?x=%26"


def test_a_document_is_laid_out_with_its_korean():
    assert readable_json({"이름": NOW}) == '{\n  "이름": "2026-03-29 11:22:08+00:00"\n}'


def test_a_label_of_a_constant_follows_the_language_too(plain_app: Flask):
    template = plain_app.jinja_env.from_string('{{ "PAID" | label("payment_status") }}')
    shown = []
    for language in ("en", "ko"):
        with plain_app.test_request_context(headers={"Accept-Language": language}):
            shown.append(template.render())
    assert shown == ["Paid", "결제완료"]


def test_addresses_of_one_page_are_those_of_url_for(plain_app: Flask):
    queries = [
        {},
        {"q": "홍 길&동/%+", "to": date(2026, 3, 29)},
        {"status": ["PAID", "READY"], "after": None},
    ]
    with plain_app.test_request_context("/", base_url="http://localhost/below"):
        url = urls_to("payments.index")
        assert [url(**query) for query in queries] == [
            url_for("payments.index", **query) for query in queries
        ]


def test_a_code_is_made_into_words_once_for_each_page():
    asked = []
    labels = OnceEach(lambda kind, code: asked.append(code) or f"{kind} {code}", "method")
    assert [labels[code] for code in ("CARD", None, "CARD")] == ["method CARD", "method None", "method CARD"]
    assert asked == ["CARD", None]
