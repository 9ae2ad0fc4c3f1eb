"""A cell as it was found in a file, and what a file may hold at most."""

import re
from dataclasses import dataclass

from flask_babel import gettext as _

from app.errors import DomainError

#: What an upload may weigh.
MAX_BYTES = 16 * 1024 * 1024
MAX_ROWS = 5_000
_ROWS = f"{MAX_ROWS:,}"
MAX_COLUMNS = 64
MAX_CELL = 2_000

#: `1.23E+12`, which is what becomes of a long number in a narrow column.
SCIENTIFIC = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?[eE][+-]?[0-9]+")


class FileRefused(DomainError):
    """A file that cannot be used as a whole."""

    status = 422


@dataclass(frozen=True, slots=True)
class Cell:
    """The text of a cell, and whether a spreadsheet kept it as a number, worked it out, or rounded it."""

    text: str
    is_number: bool = False
    is_formula: bool = False
    is_rounded: bool = False


Row = list[Cell]


def too_large() -> FileRefused:
    """The file weighs more than may be sent."""
    return FileRefused(_("This file is too large. It may have %(rows)s rows and 16 MB at most.", rows=_ROWS))


def too_many_rows() -> FileRefused:
    """The file has more rows than one batch takes."""
    return FileRefused(_("This file has more than %(rows)s rows. Split it into several files.", rows=_ROWS))
