"""The dry run: the rules and the balance of a single refund for each row, and what files alone bring."""

from datetime import timedelta

import pytest

from app import clock
from app.bulk_refunds import queries, service, uploading
from app.bulk_refunds.models import BatchStatus, Level, RefundBatch, RefundBatchRow
from app.extensions import db
from app.payments.service import sync_payment
from app.settings import service as settings
from tests.bulk_refunds.conftest import rows_of, work
from tests.bulk_refunds.files import csv_of, xlsx_of
from tests.conftest import on_one_database
from tests.factories import make_payment

pytestmark = on_one_database

ACCOUNT_HEADINGS = ("결제 ID", "금액", "사유", "은행", "계좌번호", "예금주", "예금주 연락처")


def check(upload, *rows, headings=("결제 ID", "금액", "사유"), **values):
    return rows_of(upload(csv_of(*rows, headings=headings), **values))


def test_a_good_row_knows_its_payment_and_amount(upload, simulator):
    payment = make_payment(simulator, total=50_000)
    row = check(upload, (payment.payment_id, "12,000원", "변심"))[0]
    assert (row.level, row.findings, row.amount, row.currency) == (Level.GOOD, [], 12_000, "KRW")
    assert (row.payment_id, row.checked_refundable, row.reason) == (payment.id, 50_000, "변심")


@pytest.mark.parametrize("typed", ["", "전액", " 전액 ", "ALL"])
def test_an_empty_amount_is_all_that_is_left(upload, simulator, typed):
    payment = make_payment(simulator, total=50_000)
    simulator.console_cancel(payment.payment_id, 8_000)
    sync_payment(payment.payment_id)
    assert check(upload, (payment.payment_id, typed, "변심"))[0].amount == 42_000


def test_amounts_are_in_the_currency_of_the_payment(upload, simulator):
    payment = make_payment(simulator, total=10_000, currency="USD")
    good, bad = check(upload, (payment.payment_id, "29.99", "변심"), (payment.payment_id, "29.999", "변심"))
    assert (good.amount, good.currency) == (2_999, "USD")
    assert "소수" in bad.findings[0]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (("", "1", "변심"), "결제 ID가 없"),
        (("no-such-payment", "1", "변심"), "알지 못합니다"),
        (("{id}", "0", "변심"), "0보다"),
        (("{id}", "-5", "변심"), "0보다 작을 수 없습니다"),
        (("{id}", "50,001", "변심"), "50,000원"),
        (("{id}", "12,00", "변심"), "쉼표"),
        (("{id}", "만원", "변심"), "숫자"),
        (("{id}", "1.5E+4", "변심"), "반올림"),
        (("{id}", "=1+1", "변심"), "수식"),
        (("{id}", "1", ""), "사유"),
        (("{id}", "1", "가" * 201), "200자"),
        (("{id}", "1", "변심\x01"), "제어 문자"),
        (("{id}", "12", "000", "변심"), "칸"),
    ],
)
def test_a_wrong_cell_is_told_beside_its_row(upload, simulator, row, words):
    payment = make_payment(simulator, total=50_000)
    found = check(upload, tuple(cell.replace("{id}", payment.payment_id) for cell in row))[0]
    assert found.level == Level.BAD
    assert words in " ".join(found.findings)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"은행": "없는은행"}, "없는은행"),
        ({"은행": ""}, "은행"),
        ({"계좌번호": "12345"}, "자리"),
        ({"계좌번호": "12-가나-3"}, "숫자"),
        ({"계좌번호": "1.23E+12"}, "반올림"),
        ({"계좌번호": ""}, "계좌번호"),
        ({"예금주": ""}, "예금주"),
        ({"예금주 연락처": ""}, "휴대폰"),
    ],
)
def test_an_account_that_cannot_be_is_told(upload, simulator, wrong, words):
    payment = make_payment(simulator, method="VIRTUAL_ACCOUNT", pg_provider="SMARTRO_V2")
    right = dict(
        zip(
            ACCOUNT_HEADINGS,
            (payment.payment_id, "", "변심", "국민은행", "012-345-678901", "홍길동", "010-1234-5678"),
            strict=True,
        )
    )
    row = check(upload, tuple((right | wrong).values()), headings=ACCOUNT_HEADINGS)[0]
    assert row.level == Level.BAD
    assert words in " ".join(row.findings)


def test_an_account_keeps_its_zeros_and_is_stored_sealed(upload, simulator):
    payment = make_payment(simulator, method="VIRTUAL_ACCOUNT")
    cells = (payment.payment_id, "", "변심", "국민", "012-345-678901", "홍길동", "")
    row = check(upload, cells, headings=ACCOUNT_HEADINGS)[0]
    assert (row.level, row.account_bank, row.account_last_digits) == (Level.GOOD, "KOOKMIN", "8901")
    stored = [str(getattr(row, column.key)) for column in RefundBatchRow.__table__.columns]
    assert not any("678901" in value for value in stored)
    assert row.cells_sealed is None


def test_an_account_kept_as_a_number_is_worth_a_look(upload, simulator):
    payment = make_payment(simulator, method="VIRTUAL_ACCOUNT")
    content = xlsx_of(
        (payment.payment_id, None, "변심", "국민은행", 110123456789, "홍길동", None),
        headings=ACCOUNT_HEADINGS,
    )
    row = rows_of(upload(content))[0]
    assert (row.level, row.account_last_digits) == (Level.WARNED, "6789")


def test_an_account_that_no_one_needs_is_worth_a_look(upload, simulator):
    payment = make_payment(simulator)
    cells = (payment.payment_id, "", "변심", "국민은행", "012345678901", "홍길동", "")
    row = check(upload, cells, headings=ACCOUNT_HEADINGS)[0]
    assert (row.level, row.account_bank) == (Level.WARNED, None)


@pytest.mark.parametrize("status", ["READY", "FAILED", "CANCELLED", "PAY_PENDING"])
def test_the_rules_of_a_single_refund_hold(upload, simulator, status):
    payment = make_payment(simulator, status=status)
    assert check(upload, (payment.payment_id, "", "변심"))[0].level == Level.BAD


def test_two_rows_of_one_payment_share_its_balance(upload, simulator):
    payment = make_payment(simulator, total=10_000)
    rows = check(
        upload,
        (payment.payment_id, "6,000", "변심"),
        (payment.payment_id, "5,000", "변심"),
        (payment.payment_id, "", "변심"),
        (payment.payment_id, "", "변심"),
    )
    assert [row.level for row in rows] == [Level.GOOD, Level.BAD, Level.WARNED, Level.BAD]
    assert (rows[2].amount, "4,000원" in rows[1].findings[0]) == (4_000, True)


def test_the_same_refund_in_another_file_is_worth_a_look(upload, simulator):
    payment = make_payment(simulator, total=10_000)
    content = csv_of((payment.payment_id, "1,000", "변심"))
    first = upload(content)
    assert rows_of(upload(content))[0].level == Level.WARNED
    assert [batch.id for batch in queries.list_same_files(queries.get_batch(first))] != []


def test_a_test_channel_and_a_limit_are_told(upload, simulator, super_admin):
    settings.change({"refund_limit_admin": {"KRW": 5_000}}, by=super_admin)
    tested = make_payment(simulator, total=1_000, channel_type="TEST")
    dear = make_payment(simulator, total=9_000)
    rows = check(upload, (tested.payment_id, "", "변심"), (dear.payment_id, "", "변심"))
    assert [(row.level, row.is_test) for row in rows] == [(Level.WARNED, True), (Level.BAD, False)]


def test_a_rule_that_warns_is_told_beside_the_row(upload, simulator):
    long_ago = clock.now() - timedelta(days=400)
    payment = make_payment(simulator, requested_at=long_ago)
    row = check(upload, (payment.payment_id, "", "변심"))[0]
    assert (row.level, "1년" in row.findings[0]) == (Level.WARNED, True)


def test_mixed_tax_is_shared_out_as_for_a_single_refund(upload, simulator):
    payment = make_payment(simulator, total=10_000, tax_free=4_000)
    row = check(upload, (payment.payment_id, "5,000", "변심"))[0]
    typed = check(
        upload,
        (payment.payment_id, "3,000", "변심", "4,001"),
        headings=("결제 ID", "금액", "사유", "면세금액"),
    )[0]
    assert (row.amount, row.tax_free_amount) == (5_000, 2_000)
    assert typed.level == Level.BAD


def test_the_reason_of_the_form_is_for_rows_without_one(upload, simulator):
    payment = make_payment(simulator)
    assert check(upload, (payment.payment_id, "", ""), reason="품절")[0].reason == "품절"


def test_a_large_file_is_checked_by_a_worker(upload, simulator, monkeypatch):
    monkeypatch.setattr(uploading, "CHECKED_AT_ONCE", 2)
    monkeypatch.setattr(uploading, "_CHUNK", 2)
    payment = make_payment(simulator, total=10_000)
    batch_id = upload(csv_of(*[(payment.payment_id, "1,000", "변심")] * 5))
    assert queries.get_batch(batch_id).status == BatchStatus.CHECKING
    work()
    rows = rows_of(batch_id)
    assert queries.get_batch(batch_id).status == BatchStatus.CHECKED
    assert [row.level for row in rows] == [Level.GOOD, *[Level.WARNED] * 4]
    assert "2번" in rows[1].findings[0]


def test_a_file_nobody_decides_about_expires_and_its_accounts_are_erased(upload, simulator):
    payment = make_payment(simulator, method="VIRTUAL_ACCOUNT")
    cells = (payment.payment_id, "", "변심", "국민은행", "012345678901", "홍길동", "")
    batch_id = upload(csv_of(cells, headings=ACCOUNT_HEADINGS))
    assert service.close_forgotten() == 0
    with clock.fixed_at(clock.now() + timedelta(hours=73)):
        assert service.close_forgotten() == 1
    row = rows_of(batch_id)[0]
    assert db.session.get_one(RefundBatch, batch_id).status == BatchStatus.EXPIRED
    assert (row.wish_sealed, row.status) == (None, "left_out")
