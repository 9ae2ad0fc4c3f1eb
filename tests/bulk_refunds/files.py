"""Files as people upload them."""

import csv
import io
from typing import Any

import openpyxl

HEADINGS = ("결제 ID", "금액", "사유")


def csv_of(*rows: tuple[str, ...], headings: tuple[str, ...] = HEADINGS, delimiter: str = ",") -> str:
    lines = io.StringIO(newline="")
    csv.writer(lines, delimiter=delimiter).writerows([headings, *rows])
    return lines.getvalue()


def xlsx_of(*rows: tuple[Any, ...], headings: tuple[str, ...] = HEADINGS) -> bytes:
    book = openpyxl.Workbook()
    for row in (headings, *rows):
        book.active.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()
