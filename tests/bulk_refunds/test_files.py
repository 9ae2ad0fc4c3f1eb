"""Files as they come: every usual spelling is read, every wrong thing gets a sentence of its own."""

import io
import zipfile

import openpyxl
import pytest

from app import create_app
from app.bulk_refunds.cells import MAX_ROWS, FileRefused
from app.bulk_refunds.parsing import read_table
from tests.bulk_refunds.files import HEADINGS, csv_of, xlsx_of
from tests.conftest import make_settings


@pytest.fixture(scope="module")
def plain_app(tmp_path_factory):
    """The app: reading a file asks no database."""
    return create_app(make_settings(DATABASE_URL=f"sqlite:///{tmp_path_factory.mktemp('app')}/app.sqlite3"))


@pytest.fixture(autouse=True)
def app(plain_app):
    with plain_app.app_context():
        yield


ROW = ("order-1", "12,000", "고객 변심, 사이즈")


def typed(content: bytes) -> list[dict[str, str]]:
    return [{name: cell.text for name, cell in row.cells.items()} for row in read_table(content).rows]


def refusal(content: bytes) -> str:
    with pytest.raises(FileRefused) as refused:
        read_table(content)
    return refused.value.message


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_every_usual_encoding_and_delimiter_is_read(encoding, delimiter):
    found = typed(csv_of(ROW, delimiter=delimiter).encode(encoding))
    assert found == [{"payment_id": "order-1", "amount": "12,000", "reason": "고객 변심, 사이즈"}]


@pytest.mark.parametrize(
    "headings",
    [
        ("payment_id", "amount", "reason"),
        ("Payment ID", "AMOUNT", "Reason"),
        ("결제ID", " 금액 ", "사유"),
        ("paymentId", "환불 금액", "환불사유"),
    ],
)
def test_headings_are_known_in_both_languages(headings):
    assert typed(csv_of(ROW, headings=headings).encode())[0]["payment_id"] == "order-1"


def test_columns_come_in_any_order_and_unknown_ones_are_told():
    table = read_table(
        csv_of(("변심", "메모", "order-1", "1"), headings=("사유", "담당자", "결제 ID", "금액")).encode()
    )
    assert (table.rows[0].cells["payment_id"].text, table.unused) == ("order-1", ["담당자"])


def test_titles_above_the_headings_and_empty_rows_are_passed_over():
    table = read_table(("3월 환불 목록,,\r\n\r\n" + csv_of(ROW) + ",,\r\n\r\n  ,\r\n").encode())
    assert [row.number for row in table.rows] == [4]


def test_a_line_break_inside_quotation_marks_stays_in_its_cell():
    found = typed(csv_of(("order-1", "1", "첫 줄\n둘째 줄"), ("order-2", "2", "변심")).encode())
    assert [row["reason"] for row in found] == ["첫 줄\n둘째 줄", "변심"]


def test_excels_own_hint_about_the_delimiter_is_taken():
    assert typed(b"sep=;\r\n" + csv_of(ROW, delimiter=";").encode())[0]["amount"] == "12,000"


def test_texts_kept_from_being_formulas_are_read_back():
    found = typed("결제 ID,금액,사유\n'=order-1,=\"0012\",'-변심\n".encode())
    assert found == [{"payment_id": "=order-1", "amount": "0012", "reason": "-변심"}]


def test_a_workbook_is_read_like_a_csv():
    rows = read_table(
        xlsx_of(("order-1", 12000, "변심"), (None, None, None), (1234567890123, 29.9, None))
    ).rows
    assert [(row.number, row.cells["payment_id"].text, row.cells["amount"].text) for row in rows] == [
        (2, "order-1", "12000"),
        (4, "1234567890123", "29.9"),
    ]


def test_what_a_spreadsheet_does_to_cells_is_noticed():
    row = read_table(xlsx_of((12345678901234567, "=A1+1", "1.23E+12"))).rows[0]
    assert row.cells["payment_id"].is_rounded
    assert row.cells["amount"].is_formula
    assert row.cells["reason"].is_rounded


def test_an_amount_cut_in_two_by_its_comma_is_noticed():
    assert read_table("결제 ID,금액,사유\norder-1,12,000,변심\n".encode()).rows[0].surplus
    assert read_table("결제 ID,금액,면세금액,사유\norder-1,12,500,변심\n".encode()).rows[0].surplus
    assert not read_table("결제 ID,금액,사유\norder-1,12000,변심\n".encode()).rows[0].surplus


def zipped(name: str, content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return file.getvalue()


def hidden() -> bytes:
    book = openpyxl.Workbook()
    book.create_sheet("second").append(HEADINGS)
    book.active.sheet_state = "hidden"
    book["second"].sheet_state = "visible"
    book.active = 1
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "비어"),
        (b"\xef\xbb\xbf\r\n ", "비어"),
        (csv_of().encode(), "행이 없"),
        (xlsx_of(), "행이 없"),
        (hidden(), "행이 없"),
        ("금액,사유\n1,변심\n".encode(), "결제 ID"),
        ("결제 ID,사유\norder-1,변심\n".encode(), "금액"),
        (b"hello\nworld\n", "hello"),
        ("결제 ID,금액,금액\na,1,2\n".encode(), "두 번"),
        (b"%PDF-1.7 ...", "PDF"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512), "xls"),
        (b"\x89PNG\r\n\x1a\n", "그림"),
        (b"<html><table><tr><td>", "웹 페이지"),
        (zipped("word/document.xml", b"<x/>"), "통합 문서"),
        (zipped("xl/workbook.xml", b"<broken"), "손상"),
        (b"PK\x03\x04 broken", "손상"),
        (xlsx_of(ROW)[:-200], "손상"),
        ("결제 ID,금액\n".encode() + b"\xff\xfe\xff\x81", "문자"),
        (b"a\0b\0c,1\n\0", "문자"),
        (b'payment_id,amount\n"order-1,1\n', "따옴표"),
        (b'payment_id,amount\n"order-1"x,1\n', "따옴표"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_why(content, words):
    assert words in refusal(content)


def test_a_hundred_thousand_rows_are_refused_without_reading_them_all():
    content = csv_of(*[(f"order-{number}", "1", "변심") for number in range(100_000)]).encode()
    assert f"{MAX_ROWS:,}" in refusal(content)


def test_as_many_rows_as_are_allowed_are_read():
    content = csv_of(*[(f"order-{number}", "1", "변심") for number in range(MAX_ROWS)]).encode()
    assert len(read_table(content).rows) == MAX_ROWS


def test_an_endless_tail_of_empty_rows_is_not_read():
    assert len(read_table(csv_of(ROW).encode() + b"\n" * 15_000_000).rows) == 1


def test_a_small_file_that_unpacks_to_a_huge_one_is_refused():
    bomb = io.BytesIO(xlsx_of(ROW))
    with zipfile.ZipFile(bomb, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/sharedStrings2.xml", bytes(17 * 1024 * 1024))
    assert len(bomb.getvalue()) < 100_000
    assert "16 MB" in refusal(bomb.getvalue())


def test_entities_in_a_workbook_are_not_expanded():
    parts = zipfile.ZipFile(io.BytesIO(xlsx_of(ROW)))
    evil = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaa">]><workbook>&a;</workbook>'
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in parts.namelist():
            archive.writestr(name, evil if name == "xl/workbook.xml" else parts.read(name))
    assert "손상" in refusal(file.getvalue())
