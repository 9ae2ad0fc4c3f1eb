"""The payment pages as a browser meets them."""

import re
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from sqlalchemy import text as sql

from app.extensions import db
from app.payments import listing, queries
from app.payments.models import Payment
from app.payments.queries import RefundOutlook, get_payment
from tests.conftest import on_both_databases, pages_on_one_database
from tests.payments.documents import at, cancellation, store, stored, virtual_account

pytestmark = pages_on_one_database

HTMX = {"HX-Request": "true"}
ODD_IDS = ["a b", "a/b", "주문-1", "🙂", "a%2Fb", "a?b#c", "..", "/refunds/new", "a//b", "<b>&\"'", "a+b"]


def rows(page) -> list[str]:
    return re.findall(r'<tr data-payment-id="([^"]*)"', page.text)


@on_both_databases
def test_the_list_shows_payments_with_their_status(signed_in):
    store("order-1", cancelled=1_000, status="PARTIAL_CANCELLED")
    page = signed_in.get("/payments")
    assert page.status_code == 200
    assert 'data-payment-id="order-1" data-status="PARTIAL_CANCELLED"' in page.text
    assert "12,000원" in page.text
    assert "1,000원" in page.text


def test_a_stranger_is_sent_to_the_sign_in(client):
    assert client.get("/payments").headers["Location"].startswith("/login")


def test_test_payments_are_marked(signed_in):
    store("order-1", channel={"type": "TEST", "pgProvider": "KCP_V2"})
    assert "TEST" in signed_in.get("/payments").text
    assert "TEST" in signed_in.get("/payments/order-1").text


def test_the_address_holds_the_whole_state_of_the_list(signed_in):
    store("card", status="FAILED", **at("2026-03-29T01:00:00Z"))
    store("paid", **at("2026-03-29T01:00:00Z"))
    store("later", status="FAILED", **at("2026-04-01T01:00:00Z"))
    address = (
        "/payments?status=FAILED&method=CARD&pg=TOSSPAYMENTS&from=2026-03-29&to=2026-03-29&clock=requested"
    )
    assert rows(signed_in.get(address + "&amount_min=12,000원&amount_max=12000")) == ["card"]


@on_both_databases
def test_days_are_korean_days(signed_in):
    store("order-1", **at("2026-03-28T15:00:00Z"))
    assert rows(signed_in.get("/payments?from=2026-03-29&to=2026-03-29")) == ["order-1"]
    assert rows(signed_in.get("/payments?to=2026-03-28")) == []


@on_both_databases
def test_several_statuses_are_one_list(signed_in):
    store("paid")
    store("failed", status="FAILED")
    store("ready", status="READY")
    assert set(rows(signed_in.get("/payments?status=PAID&status=FAILED"))) == {"paid", "failed"}


@on_both_databases
def test_empty_fields_of_the_form_filter_nothing(signed_in):
    store("order-1")
    empty = "q=&status=&method=&pg=&from=&to=&clock=&amount_min=&amount_max=&currency=&flag=&real=0"
    assert rows(signed_in.get(f"/payments?{empty}")) == ["order-1"]


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("from=2026-02-30", "달력에 없는 날짜"),
        ("from=yesterday", "2026-03-29"),
        ("from=2026-03-02&to=2026-03-01", "종료일"),
        ("amount_min=-1", "0보다 작을 수 없습니다"),
        ("amount_min=1e9", "12,000"),
        ("amount_max=9223372036854775808", "금액"),
        ("amount_min=2000&amount_max=1000", "금액"),
        ("amount_min=1,2", "12,000"),
        ("amount_min=0.00001", "소수"),
        ("status=LOST", "LOST"),
        ("clock=moon", "목록"),
        ("flag=x", "목록"),
        ("currency=12", "KRW"),
        ("billing_key=abc", "빌링키"),
        ("q=" + "x" * 201, "200"),
    ],
)
def test_what_cannot_be_used_is_said_at_the_field_and_nothing_is_lost(signed_in, query, sentence):
    page = signed_in.get(f"/payments?{query}")
    typed = query.split("&")[0].split("=")[1]
    assert page.status_code == 422
    assert sentence in page.text
    assert f'"{typed}"' in page.text or typed in ("moon", "x", "LOST")


@on_both_databases
def test_a_control_character_is_refused_with_a_sentence(signed_in):
    assert signed_in.get("/payments?q=a%07b").status_code == 422
    assert signed_in.get("/payments?q=a%00b").status_code == 400
    assert signed_in.get("/payments?after=%ff%fe").status_code == 400


@on_both_databases
def test_htmx_gets_the_list_and_then_its_rows(signed_in):
    for minute in range(51):
        store(f"order-{minute:02}", **at(f"2026-03-29T01:{minute:02}:00Z"))
    page = signed_in.get("/payments")
    more = re.search(r'rel="next"[^>]*href="([^"]+)"', page.text)[1].replace("&amp;", "&")
    part = signed_in.get("/payments", headers=HTMX)
    assert "<html" not in part.text
    assert len(rows(part)) == 50
    assert rows(signed_in.get(more, headers=HTMX)) == rows(signed_in.get(more)) == ["order-00"]
    assert signed_in.get(more, headers=HTMX).text.lstrip().startswith("<tr")


@on_both_databases
def test_a_page_leads_back_to_the_one_before_it(signed_in):
    for minute in range(51):
        store(f"order-{minute:02}", **at(f"2026-03-29T01:{minute:02}:00Z"))
    first = signed_in.get("/payments?q=길동&status=PAID")
    assert 'rel="prev"' not in first.text
    more = re.search(r'rel="next"[^>]*href="([^"]+)"', first.text)[1].replace("&amp;", "&")
    back = re.search(r'rel="prev"[^>]*href="([^"]+)"', signed_in.get(more).text)[1].replace("&amp;", "&")
    assert rows(signed_in.get(back)) == rows(first)
    assert signed_in.get("/payments?before=%ff").status_code == 400


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"])
def test_a_moment_that_no_calendar_shows_breaks_no_page(signed_in, moment):
    account = virtual_account(expiredAt=moment)
    gone = cancellation(cancelledAt=moment, requestedAt=moment)
    store("order-1", method=account, status="PARTIAL_CANCELLED", cancellations=[gone], **at(moment))
    for address in ("/payments", "/payments?q=길동", "/payments?clock=paid", "/payments/order-1", "/"):
        assert signed_in.get(address).status_code == 200, address


def test_the_columns_are_chosen_in_the_address(signed_in):
    store("order-1")
    page = signed_in.get("/payments?column=transaction_id&column=approved").text
    assert "transaction of order-1" in page
    assert "홍길동" not in page
    assert signed_in.get("/payments?column=password").status_code == 422


def test_links_keep_the_filters_that_were_typed(signed_in):
    store("order-1")
    page = signed_in.get("/payments?q=status:paid+amount:1000..20000+길동").text
    (failed,) = re.findall(r'href="(/payments[^"]*status=FAILED[^"]*)"', page)
    query = parse_qs(urlsplit(failed.replace("&amp;", "&")).query)
    assert query == {"q": ["길동"], "status": ["FAILED"], "amount_min": ["1000"], "amount_max": ["20000"]}


@on_both_databases
def test_a_search_that_takes_too_long_is_given_up_with_a_sentence(signed_in, monkeypatch):
    store("order-1")
    monkeypatch.setattr(listing, "LONGEST_SEARCH", 0.0005)
    monkeypatch.setattr(listing, "_find_page", lambda filters, at: slow_query())
    page = signed_in.get("/payments?q=길동")
    assert page.status_code == 422
    assert "시간이 너무 오래" in page.text
    assert 'value="길동"' in page.text


def slow_query():
    """Counts to a number that takes seconds, in the database."""
    db.session.execute(
        sql(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000000) "
            "SELECT max(i) FROM n"
        )
    )


@on_both_databases
def test_a_whole_id_goes_straight_to_its_payment(signed_in):
    store("order-1", pgTxId="PG-77")
    store("order-10")
    assert signed_in.get("/payments?q=PG-77").headers["Location"] == "/payments/order-1"
    assert signed_in.get("/payments?q=order-1").headers["Location"] == "/payments/order-1"
    assert rows(signed_in.get("/payments?q=order-1", headers=HTMX)) == ["order-10", "order-1"]
    assert rows(signed_in.get("/payments?q=order-1&status=PAID")) == ["order-10", "order-1"]


@on_both_databases
def test_the_list_says_in_which_field_it_found_the_text(signed_in):
    store("order-1")
    assert "고객 전화번호" in signed_in.get("/payments?q=5678").text


def test_an_empty_period_offers_a_wider_one(signed_in):
    store("order-1")
    page = signed_in.get("/payments?from=2026-05-01&to=2026-05-02")
    assert "1" in re.search(r'empty-text">([^<]*)', page.text)[1]
    assert 'href="/payments"' in page.text


def test_a_search_without_a_hit_offers_to_ask_portone(signed_in):
    page = signed_in.get("/payments?q=nowhere")
    assert 'action="/payments/nowhere"' in page.text
    assert 'value="refresh"' in page.text


def test_a_billing_key_is_searched_by_post_and_stays_out_of_addresses(signed_in):
    key = "billing-key-0190c1d2"
    store("order-1", billingKey=key)
    store("order-2")
    offer = signed_in.get(f"/payments?q={key}")
    assert not rows(offer)
    assert key not in re.sub(r'<input type="hidden" name="q" value="[^"]*">', "", offer.text)
    answer = signed_in.submit("/payments", {"q": key})
    assert key not in answer.headers["Location"]
    assert rows(signed_in.get(answer.headers["Location"])) == ["order-1"]


def test_a_billing_key_typed_into_the_live_search_stays_out_of_the_address_bar(signed_in):
    part = signed_in.get("/payments?q=billing-key-1", headers=HTMX)
    assert part.headers["HX-Push-Url"] == "false"
    assert 'method="post"' in part.text
    assert "<html" not in part.text


def test_another_text_that_is_posted_is_searched_in_the_address(signed_in):
    assert signed_in.submit("/payments", {"q": "길동"}).headers["Location"] == f"/payments?q={quote('길동')}"


@on_both_databases
@pytest.mark.parametrize("payment_id", ODD_IDS)
def test_any_id_has_a_page_that_its_row_leads_to(signed_in, payment_id):
    store(payment_id, orderName="무엇이든")
    link = re.search(r'<th scope="row">\s*<a href="([^"]+)"', signed_in.get("/payments").text)[1]
    page = signed_in.get(link.replace("&amp;", "&").replace("&#39;", "'"))
    assert page.status_code == 200
    assert "무엇이든" in page.text


def test_a_page_tells_the_balance_and_offers_a_refund(signed_in, monkeypatch):
    monkeypatch.setattr(queries, "_tell_outlook", lambda payment: RefundOutlook(2_000, 9_000, None))
    store("order-1", cancelled=1_000, cancellations=[cancellation()])
    page = signed_in.get("/payments/order-1")
    for amount in ("12,000원", "1,000원", "2,000원", "9,000원"):
        assert amount in page.text
    assert 'href="/payments/order-1/refunds/new"' in page.text


def test_a_page_says_why_there_is_no_refund(signed_in, monkeypatch):
    monkeypatch.setattr(
        queries, "_tell_outlook", lambda payment: RefundOutlook(0, 0, "이미 전액 취소되었습니다.")
    )
    store("order-1", status="CANCELLED", cancelled=12_000)
    page = signed_in.get("/payments/order-1")
    assert "이미 전액 취소되었습니다." in page.text
    assert "/refunds/new" not in page.text


def test_only_paid_money_can_be_given_back_where_no_other_domain_says_so(app):
    assert queries._outlook_without_refunds(stored()).obstacle is None
    assert queries._outlook_without_refunds(stored("order-2", status="READY")).obstacle


def test_everything_unknown_is_shown_as_it_came(signed_in):
    store(
        "order-1",
        status="HALF_PAID",
        currency="XYZ",
        method={"type": "PaymentMethodBarter", "refundStatus": "LOST"},
    )
    page = signed_in.get("/payments/order-1")
    for raw in ("HALF_PAID", "XYZ 120.00", "PaymentMethodBarter", "LOST"):
        assert raw in page.text
    assert "HALF_PAID" in signed_in.get("/payments").text


def test_a_full_document_is_shown(signed_in):
    store(
        "order-1",
        method=virtual_account(expiredAt="2026-04-01T00:00:00Z", remitteeName="포티코"),
        receiptUrl="https://pg.example.com/slip",
        cashReceipt={
            "status": "ISSUED",
            "type": "PERSONAL",
            "issueNumber": "77",
            "url": "javascript:alert(1)",
        },
        escrow={"status": "REGISTERED", "company": "CJ", "invoiceNumber": "55"},
        disputes=[{"status": "UNRESOLVED", "reason": "미배송"}],
        failure={"reason": "한도", "pgCode": "F1", "pgMessage": "거절"},
    )
    page = signed_in.get("/payments/order-1").text
    for text in ("국민은행", "포티코", "https://pg.example.com/slip", "77", "CJ", "미배송", "F1"):
        assert text in page
    assert 'href="javascript' not in page


def test_an_initialised_payment_has_a_page(signed_in):
    db.session.add(
        Payment(payment_id="order-1", status="READY", expected_amount=9_900, expected_currency="KRW")
    )
    db.session.commit()
    assert "9,900원" in signed_in.get("/payments/order-1").text


def test_an_unknown_id_offers_to_look_at_portone_and_finds_it_there(signed_in, simulator):
    simulator.make_payment(payment_id="order/1")
    offer = signed_in.get("/payments/order%2F1")
    assert offer.status_code == 404
    assert 'value="refresh"' in offer.text
    answer = signed_in.submit("/payments/order%2F1", {"action": "refresh"})
    assert answer.headers["Location"] == "/payments/order%2F1"
    assert get_payment("order/1").status == "PAID"


def test_an_id_portone_does_not_know_either_is_not_found(signed_in, simulator):
    assert signed_in.submit("/payments/nowhere", {"action": "refresh"}).status_code == 404


def test_a_fresh_look_shows_the_difference(signed_in, simulator):
    simulator.make_payment(payment_id="order-1")
    signed_in.submit("/payments/order-1", {"action": "refresh"})
    assert "달라진 점이 없습니다" in signed_in.submit("/payments/order-1", {"action": "refresh"}).text
    simulator.console_cancel("order-1")
    page = signed_in.submit("/payments/order-1", {"action": "refresh"})
    assert page.status_code == 200
    assert "전체취소" in page.text
    assert get_payment("order-1").status == "CANCELLED"


def test_a_payment_portone_has_lost_stays_here(signed_in, simulator):
    store("order-1")
    page = signed_in.submit("/payments/order-1", {"action": "refresh"})
    assert page.status_code == 200
    assert get_payment("order-1").status == "PAID"


def test_portone_out_of_reach_is_said_clearly(signed_in):
    store("order-1")
    assert signed_in.submit("/payments/order-1", {"action": "refresh"}).status_code == 503


def test_attempts_are_read_from_portone_when_asked_for(signed_in, simulator):
    simulator.make_payment(payment_id="order-1", status="FAILED")
    signed_in.submit("/payments/order-1", {"action": "refresh"})
    assert simulator.calls("transactions") == []
    page = signed_in.get("/payments/order-1?attempts=1")
    assert page.status_code == 200
    assert "결제 시도: 결제실패" in page.text


def test_a_note_is_kept_and_shown(signed_in):
    store("order-1")
    answer = signed_in.submit("/payments/order-1", {"action": "note", "body": "<b>전화함</b>"})
    assert answer.headers["Location"] == "/payments/order-1#notes"
    assert "&lt;b&gt;전화함&lt;/b&gt;" in signed_in.get("/payments/order-1").text


@pytest.mark.parametrize("body", ["", "   ", "x" * 2_001])
def test_a_note_that_cannot_be_kept_comes_back(signed_in, body):
    store("order-1")
    page = signed_in.submit("/payments/order-1", {"action": "note", "body": body})
    assert page.status_code == 422
    assert body.strip() in page.text


def test_a_note_on_nothing_and_an_unknown_action_are_refused(signed_in):
    assert signed_in.submit("/payments/nowhere", {"action": "note", "body": "x"}).status_code == 404
    assert signed_in.submit("/payments/nowhere", {"action": "explode"}).status_code == 400
    assert signed_in.post("/payments/nowhere", data={"action": "refresh"}).status_code == 400


def test_the_pages_speak_english(signed_in):
    store("order-1")
    english = {"Accept-Language": "en"}
    assert "Payment method" in signed_in.get("/payments", headers=english).text
    assert "₩12,000" in signed_in.get("/payments/order-1", headers=english).text
