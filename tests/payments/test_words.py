"""What a query means for payments: the filters, the fields of the filter row, and back to a query."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict

from app import clock
from app.payments.filters import CLOCKS, FLAGS, PaymentFilters
from app.payments.forms import PaymentFilterForm
from app.payments.text_query import TextQuery
from app.payments.words import LANGUAGE, query_of, settle
from tests.conftest import on_both_databases, pages_on_one_database
from tests.payments.documents import store

pytestmark = pages_on_one_database

NOW = datetime(2026, 3, 5, 3, 0, tzinfo=UTC)


def form_of(typed: str, **fields) -> PaymentFilterForm:
    """The form over an address with this query, validated."""
    with clock.fixed_at(NOW):
        form = PaymentFilterForm(MultiDict({"q": typed} | fields))
        form.validate()
    return form


def test_words_with_a_field_are_shown_in_it_and_leave_the_search_box(app):
    with app.test_request_context():
        form = form_of(
            "상태:결제완료,failed 금액:1만..5만 승인일:어제 method:가상계좌 통화:USD 길동 전화:1234"
        )
        assert form.errors == {}
        assert form.status.data == ["PAID", "FAILED"]
        assert form.method.data == ["VIRTUAL_ACCOUNT"]
        assert (form.clock.data, str(form.from_.data), str(form.to.data)) == (
            "paid",
            "2026-03-04",
            "2026-03-04",
        )
        assert (form.amount_min._value(), form.amount_max._value()) == ("10000", "50000")
        assert form.currency.data == "USD"
        assert form.q.data == "전화:1234 길동"


@pytest.mark.parametrize(
    ("typed", "fields"),
    [
        ("status:paid,failed", {"status": ["PAID", "FAILED"]}),
        ("status:paid status:failed", {"status": ["PAID", "FAILED"]}),
        ("amount:10000..50000", {"amount_min": "10,000원", "amount_max": "50000"}),
        ("amount:>=29.99", {"amount_min": "29.99"}),
        ("date:2026-03", {"from": "2026-03-01", "to": "2026-03-31"}),
        (
            "requested:2026-03-01..2026-03-02",
            {"from": "2026-03-01", "to": "2026-03-02", "clock": "requested"},
        ),
        ("method:카드 pg:=KCP_V2", {"method": "CARD", "pg": "KCP_V2"}),
        ("has:분쟁 통화:JPY real:true", {"flag": "open_dispute", "currency": "JPY", "real": "1"}),
    ],
)
def test_the_query_and_the_fields_are_two_views_of_one_filter(app, typed, fields):
    with app.test_request_context():
        by_fields = PaymentFilterForm(MultiDict(fields))
        assert by_fields.validate(), by_fields.errors
        by_words = form_of(typed)
        assert by_words.filters() == by_fields.filters()
        assert by_words.address() == by_fields.address()


def test_what_is_typed_wins_over_its_field(app):
    with app.test_request_context():
        form = form_of("status:paid", status="FAILED", method="CARD")
        assert form.filters() == PaymentFilters(statuses=("PAID",), methods=("CARD",))


def test_what_no_field_can_say_stays_in_the_search_box_as_it_was_typed(app):
    with app.test_request_context():
        typed = "-상태:결제실패 금액:>100000 -test:true 있음:환불 웹훅:실패"
        form = form_of(typed + " status:paid")
        assert form.q.data == typed
        assert form.status.data == ["PAID"]


def test_an_error_names_the_word_and_keeps_what_was_typed(signed_in):
    store("order-1")
    page = signed_in.get("/payments?q=statsu:paid+길동", headers={"Accept-Language": "en"})
    assert page.status_code == 422
    assert "Did you mean “status”?" in page.text
    assert 'value="statsu:paid 길동"' in page.text


def test_the_page_shows_the_status_that_was_typed(signed_in):
    store("order-1")
    page = signed_in.get("/payments?q=상태:결제완료")
    assert 'data-payment-id="order-1"' in page.text
    assert '<input type="hidden" name="status" value="PAID">' in page.text


MEAN = ['"', '""', "-", "%", "_%_", "길*", "NEAR(a b)", "ㄱ", "\u202e길동", "🙂", "a" * 200, "-a " * 60, "\\"]


@on_both_databases
@pytest.mark.parametrize("typed", MEAN)
def test_a_mean_text_is_searched_for(signed_in, typed):
    store("order-1")
    assert signed_in.get("/payments", query_string={"q": typed}).status_code == 200


@on_both_databases
@pytest.mark.parametrize("typed", ["x" * 10_000, "상태:" * 40, "\ud7ff:", "a:" * 100, "전화:" + "1," * 90])
def test_a_mean_query_is_answered(signed_in, typed):
    store("order-1")
    assert signed_in.get("/payments", query_string={"q": typed}).status_code in (200, 422)


@on_both_databases
@pytest.mark.parametrize(
    "typed",
    [
        "has:refund",
        "환불:완료",
        "webhook:failed",
        "웹훅:실패",
        "has:webhook",
        "있음:메모",
        "has:cancellation",
    ],
)
def test_the_words_of_other_domains_are_known(app, typed):
    with app.test_request_context():
        (term,) = form_of(typed).filters().terms
        assert len(term.values) == 1


texts = st.sampled_from(["길동", "속눈썹 펌", 'a"b', "-x", "status:paid", "010-1234", "ㄱ", "100%"])
filters = st.builds(
    PaymentFilters,
    text=st.builds(
        TextQuery,
        words=st.lists(texts, max_size=2, unique=True).map(tuple),
        without=st.lists(texts, max_size=2, unique=True).map(tuple),
    ),
    statuses=st.sampled_from([(), ("PAID",), ("CANCELLED", "READY"), ("NEW_ONE",)]),
    methods=st.sampled_from([(), ("CARD",), ("EASY_PAY", "BARTER")]),
    pg_providers=st.sampled_from([(), ("KCP",), ("KCP_V2", "INICIS")]),
    since=st.sampled_from([None, clock.start_of_day(NOW.date().replace(day=1))]),
    until=st.sampled_from([None, clock.start_of_day(NOW.date())]),
    clock=st.sampled_from(list(CLOCKS)),
    least=st.sampled_from([None, Decimal(10_000), Decimal("29.99")]),
    most=st.sampled_from([None, Decimal(50_000)]),
    currency=st.sampled_from([None, "USD"]),
    flag=st.sampled_from([None, *FLAGS]),
    is_real_only=st.booleans(),
)


def test_filters_are_printed_as_a_query_that_means_them(app):
    @settings(max_examples=150, deadline=None)
    @given(filters)
    def holds(wanted):
        typed = LANGUAGE.print(query_of(wanted))
        assert settle(LANGUAGE.read(typed)).filters == wanted

    with app.test_request_context():
        holds()
