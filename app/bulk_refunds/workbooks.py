"""An XLSX → rows of cells, without believing what it says about itself.

An XLSX keeps numbers as binary64: 15 digits, and no zeros in front.
"""

import io
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import openpyxl
from flask_babel import gettext as _
from openpyxl.utils.exceptions import InvalidFileException

from app.bulk_refunds.cells import MAX_COLUMNS, SCIENTIFIC, Cell, FileRefused, Row, too_large

#: What the sheet of an XLSX, and each other part, may weigh unpacked: little can unpack to gigabytes.
MAX_SHEET_BYTES, MAX_PART_BYTES, MAX_PARTS = 32 * 1024 * 1024, 16 * 1024 * 1024, 500

_EXACT_FLOAT = 10**15

_UNREADABLE_WORKBOOK = (
    zipfile.BadZipFile,
    zlib.error,
    InvalidFileException,
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    NotImplementedError,
    OSError,
    RuntimeError,
    SyntaxError,  # what ElementTree raises
    TypeError,
    ValueError,  # what defusedxml raises
)


def read_workbook(content: bytes) -> Iterator[tuple[int, Row]]:
    """The rows of the first sheet that can be seen, empty ones too; raises `FileRefused`."""
    try:
        _refuse_bombs(content)
        book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, keep_links=False)
        try:
            yield from _read_sheet(book)
        finally:
            book.close()
    except _UNREADABLE_WORKBOOK as problem:
        message = _("This workbook is damaged or is not one. Open it in Excel and save it again as .xlsx.")
        raise FileRefused(message) from problem


def _refuse_bombs(content: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = archive.infolist()
    names = {part.filename for part in parts}
    if "xl/workbook.xml" not in names:
        raise FileRefused(_("This is no Excel workbook (.xlsx). Upload a CSV or an .xlsx."))
    for part in parts:
        most = MAX_SHEET_BYTES if part.filename.startswith("xl/worksheets/") else MAX_PART_BYTES
        if part.file_size > most or len(parts) > MAX_PARTS:
            raise too_large()


def _read_sheet(book: Any) -> Iterator[tuple[int, Row]]:
    sheet = next((sheet for sheet in book.worksheets if sheet.sheet_state == "visible"), None)
    if sheet is None:
        raise FileRefused(_("This workbook has no sheet to read."))
    sheet.reset_dimensions()  # what the file says about its own size need not be true
    for number, cells in enumerate(sheet.iter_rows(max_col=MAX_COLUMNS), 1):
        yield number, _row_of(cells)


def _row_of(cells: Iterable[Any]) -> Row:
    row = [_cell_of_value(cell.value, cell.data_type) for cell in cells]
    while row and not row[-1].text:
        row.pop()
    return row


def _cell_of_value(value: Any, data_type: str) -> Cell:
    """A cell of a workbook: `data_type` is f for a formula, e for an error such as #N/A."""
    match value:
        case None:
            return Cell("")
        case bool():
            return Cell(str(value).upper())
        case int():
            return Cell(str(value), is_number=True, is_rounded=abs(value) >= _EXACT_FLOAT)
        case float():
            is_whole = value.is_integer() and abs(value) < _EXACT_FLOAT
            text = str(int(value)) if is_whole else f"{value:.15g}"
            return Cell(text, is_number=True, is_rounded=bool(SCIENTIFIC.fullmatch(text)))
        case datetime():
            return Cell(value.isoformat(" "), is_number=True)
        case _:
            text = str(value).strip()
            return Cell(text, is_formula=data_type in {"f", "e"}, is_rounded=bool(SCIENTIFIC.fullmatch(text)))
