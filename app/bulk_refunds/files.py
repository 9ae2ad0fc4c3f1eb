"""An uploaded file → rows of cells, whatever program wrote it: CSV in the usual encodings, or XLSX.

Excel in Korea saves "CSV" in code page 949 and "CSV UTF-8" with a BOM; its "Unicode text" is UTF-16.
"""

import csv
import io
import re
from collections.abc import Iterator

from flask_babel import gettext as _

from app.bulk_refunds.cells import (
    MAX_BYTES,
    MAX_COLUMNS,
    MAX_ROWS,
    SCIENTIFIC,
    Cell,
    FileRefused,
    Row,
    too_large,
    too_many_rows,
)
from app.bulk_refunds.workbooks import read_workbook

#: So many empty rows in a row are the end of a file, whatever stands below.
EMPTY_ROWS_AT_END = 1_000

_MAGIC = (
    (b"%PDF", "pdf"),
    (b"\xd0\xcf\x11\xe0", "xls"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"\x89PNG", "picture"),
    (b"\xff\xd8\xff", "picture"),
    (b"GIF8", "picture"),
)

_FORMULA_OF_TEXT = re.compile(r'="([^"]*)"')
_ESCAPED_TEXT = re.compile(r"'(?=[=+\-@\t\r])")


def read_rows(content: bytes) -> Iterator[tuple[int, Row]]:
    """The rows of a file that hold anything, with their numbers as a spreadsheet counts them.

    Raises `FileRefused` for what is neither CSV nor XLSX, is damaged, or is too large.
    """
    if len(content) > MAX_BYTES:
        raise too_large()
    kind = _kind_of(content)
    rows = read_workbook(content) if kind == "zip" else _read_csv(_decode(content))
    found = empty = 0
    for number, row in rows:
        if not any(cell.text for cell in row):
            empty += 1
            if empty > EMPTY_ROWS_AT_END:
                return
            continue
        found, empty = found + 1, 0
        if found > MAX_ROWS + 10:  # headings and titles are not counted here
            raise too_many_rows()
        yield number, row


def _kind_of(content: bytes) -> str:
    """`zip` or `csv`; raises for what is known to be something else."""
    kind = next((kind for magic, kind in _MAGIC if content.startswith(magic)), "csv")
    if kind == "pdf":
        raise FileRefused(_("This is a PDF. Upload a CSV or an Excel workbook (.xlsx)."))
    if kind == "xls":
        raise FileRefused(
            _(
                "This is an old Excel workbook (.xls) or one with a password. "
                "Save it as .xlsx without a password."
            )
        )
    if kind == "picture":
        raise FileRefused(_("This is a picture. Upload a CSV or an Excel workbook (.xlsx)."))
    if content[:200].lstrip(b"\xef\xbb\xbf\r\n\t ").startswith(b"<"):
        raise FileRefused(
            _("This is a web page that only looks like a workbook. Open it in Excel and save it as .xlsx.")
        )
    if not content.strip(b"\xef\xbb\xbf\xff\xfe\0\r\n\t "):
        raise FileRefused(_("This file is empty."))
    return kind


def _decode(content: bytes) -> str:
    for encoding in _encodings_of(content):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise FileRefused(
        _("The characters of this file cannot be read. Save it as “CSV UTF-8” or as a workbook (.xlsx).")
    )


def _encodings_of(content: bytes) -> tuple[str, ...]:
    """What the file may be written in, most certain first."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return ("utf-16",)
    if b"\0" in content:  # in UTF-16 a delimiter, a digit and a line break each have one, always on one side
        is_little = content[1::2].count(0) > content[0::2].count(0)
        return ("utf-16-le",) if is_little else ("utf-16-be",)
    return ("utf-8-sig", "cp949")


def _read_csv(text: str) -> Iterator[tuple[int, Row]]:
    delimiter, start = _delimiter_of(text)
    lines = csv.reader(io.StringIO(text[start:], newline=""), delimiter=delimiter, strict=True)
    number = 1 if start else 0
    while True:
        number += 1
        try:
            cells = next(lines, None)
        except csv.Error as problem:
            message = _(
                "Row %(number)s cannot be read: a quotation mark is out of place, or a cell is endless.",
                number=number,
            )
            raise FileRefused(message) from problem
        if cells is None:
            return
        yield number, [_cell_of_text(text) for text in cells[:MAX_COLUMNS]]


def _delimiter_of(text: str) -> tuple[str, int]:
    """What parts the cells, and where the rows begin: Excel can be told by a first line `sep=;`."""
    told = re.match(r"sep=(.)\r?\n", text)
    if told:
        return told[1], told.end()
    first = next((line for line in text[:20_000].splitlines() if line.strip()), "")
    bare = re.sub(r'"[^"]*"', "", first)
    return max(",;\t", key=bare.count), 0


def _cell_of_text(text: str) -> Cell:
    """A cell of a CSV: `="0123"` is how people keep zeros, a `'` what keeps a text from being a formula."""
    kept = _FORMULA_OF_TEXT.fullmatch(text.strip())
    if kept:
        return Cell(kept[1].strip())
    bare = _ESCAPED_TEXT.sub("", text, count=1) if text.startswith("'") else text
    stripped = bare.strip()
    return Cell(
        stripped,
        is_formula=stripped.startswith("=") and bare == text,
        is_rounded=bool(SCIENTIFIC.fullmatch(stripped)),
    )
