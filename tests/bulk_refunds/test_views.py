"""The pages of a bulk refund: upload, read, confirm, watch, keep."""

import csv
import io
import re

import pytest

from app.audit.queries import list_entries_of
from app.bulk_refunds import queries
from app.bulk_refunds.cells import MAX_BYTES
from app.bulk_refunds.models import BatchStatus, RefundBatch
from app.bulk_refunds.parsing import read_table
from app.columns import new_id
from app.extensions import db
from app.settings import service as settings
from tests.bulk_refunds.conftest import rows_of, work
from tests.bulk_refunds.files import csv_of, xlsx_of
from tests.conftest import on_both_databases, pages_on_one_database
from tests.factories import make_payment

pytestmark = pages_on_one_database

FILE = "환불 3월.csv"


def send(browser, content, name=FILE, **fields):
    data = content if isinstance(content, bytes) else content.encode()
    return browser.submit("/refunds/bulk/new", {"file": (io.BytesIO(data), name), **fields})


def hidden_of(page):
    return dict(re.findall(r'<input[^>]*name="(with_warned|expected)"[^>]*value="([^"]*)"', page))


def start(browser, address, **fields):
    return browser.submit(
        f"{address}/start", hidden_of(browser.get(address).text) | {"confirmed": "y"} | fields
    )


@pytest.fixture
def uploaded(signed_in, simulator):
    """The address of a file with a good row, one worth a look and a bad one."""
    payment = make_payment(simulator, total=50_000, order_name="벚꽃 네일", customer_name="한별")
    rows = [
        (payment.payment_id, "12,000", "변심"),
        (payment.payment_id, "1,000", "변심"),
        ("nobody", "1", "변심"),
    ]
    return send(signed_in, csv_of(*rows)).location


def test_a_file_leads_to_its_dry_run_and_nothing_is_refunded(signed_in, uploaded, simulator):
    page = signed_in.get(uploaded).text
    for shown in (FILE, "벚꽃 네일", "한별", "1건, 12,000원", 'data-level="bad"', "알지 못합니다"):
        assert shown in page
    assert simulator.calls("cancel") == []


@on_both_databases
def test_the_rows_can_be_narrowed_to_those_with_a_finding(signed_in, uploaded):
    page = signed_in.get(f"{uploaded}?view=bad").text
    assert re.findall(r'data-row="(\d+)"', page) == ["4"]
    assert re.findall(r'data-row="(\d+)"', signed_in.get(f"{uploaded}?view=nonsense&after=-1").text) == list(
        "234"
    )


def test_the_confirmation_says_the_sum_and_has_to_be_ticked(signed_in, uploaded, simulator):
    answer = start(signed_in, uploaded, confirmed="")
    assert (answer.status_code, "체크해 주세요" in answer.text) == (422, True)
    done = start(signed_in, uploaded)
    assert (done.status_code, done.location) == (303, uploaded)
    assert 'data-status="running"' in signed_in.get(uploaded).text
    work()
    assert [call.endpoint for call in simulator.calls("cancel")] == ["cancel"]


def test_rows_worth_a_look_are_included_when_wanted(signed_in, uploaded):
    page = signed_in.get(f"{uploaded}?warned=1").text
    assert "2건, 13,000원" in page
    assert signed_in.submit(f"{uploaded}/start", hidden_of(page) | {"confirmed": "y"}).status_code == 303
    work()
    assert [row.status for row in rows_of(uploaded.split("/")[-1])] == ["sent", "sent", "left_out"]


@pytest.mark.parametrize("expected", ["", "KRW", "KRW:1", "KRW:x", "KRW:" + "9" * 40, "KRW:１２０００"])
def test_a_damaged_confirmation_starts_nothing(signed_in, uploaded, expected):
    assert start(signed_in, uploaded, expected=expected).status_code == 409
    assert 'data-status="checked"' in signed_in.get(uploaded).text


@on_both_databases
def test_pressing_start_twice_runs_it_once(signed_in, uploaded, simulator):
    fields = hidden_of(signed_in.get(uploaded).text) | {"confirmed": "y"}
    assert signed_in.submit(f"{uploaded}/start", fields).status_code == 303
    assert signed_in.submit(f"{uploaded}/start", fields).status_code == 409
    work()
    assert len(simulator.calls("cancel")) == 1


def test_the_page_asks_for_itself_while_it_runs_and_is_whole_when_it_is_over(signed_in, uploaded):
    start(signed_in, uploaded)
    assert 'hx-trigger="every 2s"' in signed_in.get(uploaded).text
    busy = signed_in.get(uploaded, headers={"HX-Request": "true"})
    assert ("<html" in busy.text, busy.headers.get("HX-Refresh")) == (False, None)
    work()
    assert signed_in.get(uploaded, headers={"HX-Request": "true"}).headers["HX-Refresh"] == "true"
    page = signed_in.get(uploaded).text
    assert "hx-trigger" not in page
    assert 'data-status="succeeded"' in page


def test_the_job_is_found_again_and_leads_back(signed_in, uploaded):
    start(signed_in, uploaded)
    page = signed_in.get("/jobs").text
    assert f'href="{uploaded}"' in page
    assert "대량 환불" in page
    assert FILE in signed_in.get("/refunds/bulk").text


def test_the_report_opens_in_excel_and_holds_every_row(signed_in, uploaded):
    start(signed_in, uploaded)
    work()
    answer = signed_in.get(f"{uploaded}/report.csv")
    assert answer.data.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig"))))
    assert [(row["행"], row["결과"]) for row in rows] == [("2", "환불 완료"), ("3", "제외"), ("4", "제외")]
    batch_id = uploaded.split("/")[-1]
    assert list_entries_of("refund_batch", batch_id)[0].action == "refund_batch.downloaded"


def test_the_report_masks_accounts_and_disarms_formulas(signed_in, simulator):
    payment = make_payment(simulator, method="VIRTUAL_ACCOUNT")
    headings = ("결제 ID", "금액", "사유", "은행", "계좌번호", "예금주")
    cells = (payment.payment_id, "", "'=cmd|calc", "국민은행", "012345678901", "홍길동")
    address = send(signed_in, csv_of(cells, headings=headings)).location
    report = signed_in.get(f"{address}/report.csv").text
    assert "012345678901" not in report
    assert "****8901" in report
    assert "'=cmd|calc" in report


def test_a_report_can_be_corrected_and_uploaded_again(signed_in, uploaded):
    table = read_table(signed_in.get(f"{uploaded}/report.csv").data)
    assert [row.cells["payment_id"].text for row in table.rows][-1] == "nobody"


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_the_template_is_a_file_that_can_be_read(signed_in, kind):
    answer = signed_in.get(f"/refunds/bulk/template.{kind}")
    rows = read_table(answer.data).rows
    assert [row.cells["amount"].text for row in rows] == ["", "12,000", "전액"]
    assert rows[2].cells["account_number"].text == "012345-67-890123"


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        (b"", FILE, "비어"),
        (b"%PDF-1.7", "refunds.pdf", "PDF"),
        (b"a,b\n1,2\n", FILE, "결제 ID"),
        (b"x" * (MAX_BYTES + 1), FILE, "16 MB"),
        (b"x" * (MAX_BYTES + 1024 * 1024), FILE, "16 MB"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_beside_its_field(signed_in, content, name, words):
    answer = send(signed_in, content, name, reason="품절")
    assert answer.status_code == 422
    assert 'class="field-error"' in answer.text
    assert words in answer.text
    assert db.session.query(RefundBatch).count() == 0


def test_no_file_and_a_reason_too_long_are_told(signed_in):
    answer = signed_in.submit("/refunds/bulk/new", {"reason": "가" * 201})
    assert (answer.status_code, answer.text.count('class="field-error"')) == (422, 2)


def test_a_stranger_may_not_send_large_files(client):
    answer = client.submit("/refunds/bulk/new", {"file": (io.BytesIO(b"x" * 2_000_000), FILE)})
    assert answer.status_code == 413


def test_a_file_larger_than_other_forms_may_be_is_taken(signed_in):
    content = csv_of(("nobody", "1", "가" * 1_000), *[("nobody", "1", "가" * 1_000)] * 600)
    assert len(content.encode()) > 1_500_000
    assert send(signed_in, content).status_code == 303


def test_a_workbook_with_unknown_columns_says_which(signed_in):
    content = xlsx_of(("order-1", 1, "변심", "김서연"), headings=("결제 ID", "금액", "사유", "<담당자>"))
    page = signed_in.get(send(signed_in, content, "환불.xlsx").location).text
    assert "&lt;담당자&gt;" in page


@on_both_databases
def test_the_same_file_twice_is_told(signed_in, simulator):
    content = csv_of((make_payment(simulator).payment_id, "1,000", "변심"))
    first, second = send(signed_in, content).location, send(signed_in, content).location
    page = signed_in.get(second).text
    assert "같은 파일" in page
    assert f'href="{first}"' in page


def test_a_second_person_approves_on_the_page(client, simulator, admin, super_admin, second_owner):
    settings.change({"refund_approval_threshold": {"KRW": 1}}, by=super_admin)
    client.sign_in(admin)
    address = send(client, csv_of((make_payment(simulator).payment_id, "", "변심"))).location
    start(client, address)
    assert "/approve" not in client.get(address).text
    assert client.submit(f"{address}/approve").status_code == 403
    client.submit("/logout")
    client.sign_in(super_admin)
    assert f"{address}/approve" in client.get(address).text
    assert client.submit(f"{address}/approve", {"note": "가" * 501}).status_code == 422
    assert client.submit(f"{address}/approve", {"note": "확인했습니다"}).status_code == 303
    page = client.get(address).text
    assert "확인했습니다" in page
    assert queries.get_batch(address.split("/")[-1]).status == BatchStatus.RUNNING


def test_a_password_that_is_wrong_is_told_beside_its_field(signed_in, uploaded, super_admin):
    settings.change({"refund_step_up_threshold": {"KRW": 1}}, by=super_admin)
    answer = start(signed_in, uploaded, password="wrong")
    assert (answer.status_code, "비밀번호가 맞지 않습니다" in answer.text) == (422, True)
    assert 'value="wrong"' not in answer.text


@on_both_databases
def test_many_rows_come_in_pages(signed_in, simulator):
    content = csv_of(*[(f"nobody-{number}", "1", "변심") for number in range(60)])
    address = send(signed_in, content).location
    following = re.search(r'rel="next"[^>]*href="([^"]+)"', signed_in.get(address).text)
    assert following is not None
    assert signed_in.get(following[1]).text.count("data-row=") == 10


def test_a_file_is_discarded(signed_in, uploaded):
    assert signed_in.submit(f"{uploaded}/discard").location == "/refunds/bulk"
    assert 'data-status="discarded"' in signed_in.get("/refunds/bulk").text
    assert start(signed_in, uploaded).status_code == 409


def test_a_file_that_is_not_there_cannot_be_discarded(signed_in):
    assert signed_in.submit(f"/refunds/bulk/{new_id()}/discard").status_code == 404
