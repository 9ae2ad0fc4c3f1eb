"""Rows → CSV and XLSX, row by row in constant memory, opened without harm by any spreadsheet.

A cell is a text, a whole number, a `Decimal`, a moment, or None. Texts that a spreadsheet would take for a
formula get a `'` before them; numbers, negative ones too, stay numbers. Moments are written in Asia/Seoul.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import IO, Any

import xlsxwriter

from app.clock import SEOUL
from app.money import decimals

Cell = str | int | Decimal | datetime | None

#: What begins a formula (https://owasp.org/www-community/attacks/CSV_Injection), in wide forms too.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")

#: What XML cannot hold: controls but for tab and line breaks, halves of pairs, non-characters.
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")

#: A spreadsheet keeps this many digits of a number; one with more is written as text, and so not rounded.
_EXACT_DIGITS = 15

#: Limits of XLSX, for the rows of a sheet (with its headings) and the characters of a cell.
SHEET_ROWS, CELL_CHARACTERS = 1_048_576, 32_767

#: Excel counts days from here, for dates from March 1900 on.
_EPOCH, _FIRST_DATE = datetime(1899, 12, 30), datetime(1900, 3, 1)  # noqa: DTZ001 - a spreadsheet knows no zones
_DAY_SECONDS = 86_400

_MOMENT_FORMAT = "yyyy-mm-dd hh:mm:ss"

#: So that Excel reads the file as UTF-8.
BOM = "\ufeff"


def safe_text(text: str) -> str:
    """A text that no spreadsheet takes for a formula, without what a file cannot hold."""
    clean = text if text.isprintable() else _UNWRITABLE.sub("\N{REPLACEMENT CHARACTER}", text)
    return f"'{clean}" if clean.startswith(_FORMULA_STARTS) else clean


def major(amount: int | None, currency: str) -> Decimal | int | None:
    """An amount in minor units as the number people read: 2999 and USD become 29.99, 1500 and KRW 1500."""
    places = decimals(currency)
    return amount if amount is None or places == 0 else Decimal(amount).scaleb(-places)


def local_text(moment: datetime) -> str:
    """A moment in Asia/Seoul, as a CSV holds it."""
    return moment.astimezone(SEOUL).isoformat(" ", "seconds")[:19]


def csv_text(rows: Iterable[Sequence[Cell]]) -> str:
    """Rows as the lines of a CSV file, which begins with `BOM` and a line of headings."""
    lines = io.StringIO(newline="")
    csv.writer(lines, lineterminator="\r\n").writerows([[_csv_cell(cell) for cell in row] for row in rows])
    return lines.getvalue()


def _csv_cell(cell: Cell) -> Any:
    if isinstance(cell, str):
        return safe_text(cell)
    if isinstance(cell, datetime):
        return local_text(cell)
    return f"{cell:f}" if isinstance(cell, Decimal) else cell


class Workbook:
    """An XLSX file that is written row by row; a full sheet is followed by another, so no row is left out."""

    def __init__(
        self,
        file: str | IO[bytes],
        title: str,
        headings: Sequence[str],
        *,
        folder: str | None = None,
        rows_of_sheet: int = SHEET_ROWS,
    ) -> None:
        self._book = xlsxwriter.Workbook(file, {"constant_memory": True, "tmpdir": folder})
        self._bold = self._book.add_format({"bold": True})
        self._moment = self._book.add_format({"num_format": _MOMENT_FORMAT})
        self._places = [self._book.add_format({"num_format": _number_format(places)}) for places in range(5)]
        self._title, self._headings, self._rows_of_sheet = title, headings, rows_of_sheet
        self._begin_sheet()

    def close(self) -> None:
        """Put the sheets, which lie in `folder` until then, into the file."""
        self._book.close()

    def write(self, row: Sequence[Cell]) -> None:
        """Add a row; those before it are on the disk already."""
        if self._next_row == self._rows_of_sheet:
            self._begin_sheet()
        for column, cell in enumerate(row):
            self._write_cell(column, cell)
        self._next_row += 1

    def _begin_sheet(self) -> None:
        number = len(self._book.worksheets()) + 1
        self._sheet = self._book.add_worksheet(_sheet_name(self._title, number))
        self._sheet.freeze_panes(1, 0)
        for column, heading in enumerate(self._headings):
            self._sheet.set_column(column, column, 18)
            self._sheet.write_string(0, column, safe_text(heading), self._bold)
        self._next_row = 1

    def _write_cell(self, column: int, cell: Cell) -> None:
        if cell is None or cell == "":
            return
        if isinstance(cell, str):
            self._sheet.write_string(self._next_row, column, _xlsx_text(cell))
        elif isinstance(cell, datetime):
            self._write_moment(column, cell)
        elif _is_exact(cell):
            self._sheet.write_number(self._next_row, column, cell, self._places[_places_of(cell)])
        else:
            self._sheet.write_string(
                self._next_row, column, f"{cell:f}" if isinstance(cell, Decimal) else str(cell)
            )

    def _write_moment(self, column: int, moment: datetime) -> None:
        local = moment.astimezone(SEOUL).replace(tzinfo=None, microsecond=0)
        if local < _FIRST_DATE:
            self._sheet.write_string(self._next_row, column, local_text(moment))
            return
        days = (local - _EPOCH).total_seconds() / _DAY_SECONDS
        self._sheet.write_number(self._next_row, column, days, self._moment)


def _xlsx_text(text: str) -> str:
    safe = safe_text(text)
    return safe if len(safe) <= CELL_CHARACTERS else f"{safe[: CELL_CHARACTERS - 1]}…"


def _number_format(places: int) -> str:
    return "#,##0" + (f".{'0' * places}" if places else "")


def _places_of(number: int | Decimal) -> int:
    return -int(number.as_tuple().exponent) if isinstance(number, Decimal) else 0


def _is_exact(number: int | Decimal) -> bool:
    return len(str(abs(number)).replace(".", "").strip("0")) <= _EXACT_DIGITS


def _sheet_name(title: str, number: int) -> str:
    name = re.sub(r"[\[\]:*?/\\']", " ", title)[:25].strip() or "1"
    return name if number == 1 else f"{name} {number}"
