"""What is written comes back as it was, whoever opens the file."""

import csv
import io
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from openpyxl import load_workbook

from app.web.spreadsheets import BOM, CELL_CHARACTERS, Workbook, csv_text, major, safe_text

ODD_TEXTS = [
    "홍길동",
    'a "quoted", text; with | and \\',
    "first line\nsecond line",
    "  spaces around  ",
    "👩‍👩‍👧 family",
    "שלום עולם",
    "ㄱ",
    "'already",
    "0012345678",
    "1e5",
    "2026-03-29",
]


def read_csv(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text.removeprefix(BOM), newline="")))


def read_xlsx(rows: list[list[object]], **options: int) -> list[list[list[object]]]:
    """The sheets of a workbook with these rows, each as its rows."""
    file = io.BytesIO()
    book = Workbook(file, "결제", ["제목"], **options)
    for row in rows:
        book.write(row)
    book.close()
    return [
        [list(row) for row in sheet.iter_rows(values_only=True)] for sheet in load_workbook(file).worksheets
    ]


@pytest.mark.parametrize("text", ODD_TEXTS)
def test_an_odd_text_comes_back_as_it_was(text):
    assert read_csv(csv_text([[text, "end"]])) == [[text, "end"]]
    assert read_xlsx([[text]])[0][1] == [text]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "＝"])
def test_what_would_be_a_formula_is_a_text(start):
    text = f"{start}cmd|' /C calc'!A0"
    assert safe_text(text) == f"'{text}"
    assert read_csv(csv_text([[text]])) == [[f"'{text}"]]
    assert str(read_xlsx([[text]])[0][1][0]).startswith("'")


def test_negative_numbers_stay_numbers():
    row = [-12000, Decimal("-29.99"), 0]
    assert csv_text([row]) == "-12000,-29.99,0\r\n"
    assert read_xlsx([row])[0][1] == [-12000, -29.99, 0]


@pytest.mark.parametrize(
    ("amount", "currency", "written"),
    [
        (1500, "KRW", "1500"),
        (1500, "JPY", "1500"),
        (2999, "USD", "29.99"),
        (5, "BHD", "0.005"),
        (0, "USD", "0.00"),
    ],
)
def test_amounts_are_numbers_in_major_units(amount, currency, written):
    assert csv_text([[major(amount, currency)]]) == f"{written}\r\n"
    assert read_xlsx([[major(amount, currency)]])[0][1] == [pytest.approx(float(written))]


def test_no_amount_is_rounded():
    large, odd = major(10**15, "KRW"), major(9_007_199_254_740_993, "KRW")
    assert csv_text([[large, odd]]) == "1000000000000000,9007199254740993\r\n"
    assert read_xlsx([[large, odd]])[0][1] == [10**15, "9007199254740993"]


def test_times_are_those_of_seoul():
    moment = datetime(2026, 3, 29, 16, 22, 8, 900_000, tzinfo=UTC)
    assert csv_text([[moment]]) == "2026-03-30 01:22:08\r\n"
    assert read_xlsx([[moment]])[0][1] == [datetime(2026, 3, 30, 1, 22, 8)]  # noqa: DTZ001


def test_what_no_file_can_hold_is_replaced():
    assert read_csv(csv_text([["a\x00b\ud800c"]])) == [["a�b�c"]]
    assert read_xlsx([["a\x00b\ud800c\uffff"]])[0][1] == ["a�b�c�"]


def test_a_text_too_long_for_a_cell_says_so_by_its_end():
    [cell] = read_xlsx([["가" * 40_000]])[0][1]
    assert (len(str(cell)), str(cell)[-1]) == (CELL_CHARACTERS, "…")
    assert len(read_csv(csv_text([["가" * 40_000]]))[0][0]) == 40_000


def test_a_full_sheet_is_followed_by_another():
    sheets = read_xlsx([[1], [2], [3], [4], [5]], rows_of_sheet=3)
    assert sheets == [[["제목"], [1], [2]], [["제목"], [3], [4]], [["제목"], [5]]]


def test_nothing_is_an_empty_cell():
    assert csv_text([[None, "", 0]]) == ",,0\r\n"
