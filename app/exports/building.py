"""Write the file of an export: a job that a worker does in steps, a batch of rows each, in constant memory.

The rows are walked from the newest to the oldest along a clock that hardly ever changes, beginning at the
moment the export was asked for. So a row that arrives later is not in the file; one that changes meanwhile is
in it once, as it is when the walk comes by; and one that no longer matches then, or no longer exists, is not.
A batch and the position behind it are one commit: whoever takes over goes on from there. Only XLSX, which is
packed at the end, begins again.
"""

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

from flask_babel import force_locale
from sqlalchemy import Select, delete, func, select

from app import clock
from app.database import reading
from app.errors import DomainError
from app.exports.models import Export, ExportChunk, Format
from app.extensions import db
from app.jobs.service import advance, fail, finish, get_job, handles
from app.portone.meanings import N_
from app.settings.service import value_of
from app.web.lists import Listing, cells_by, get_listing
from app.web.pagination import Position, cursor_of, list_rows
from app.web.spreadsheets import BOM, Cell, Workbook, csv_text

KIND = "export"

#: A piece of a CSV holds so many rows, which is a few hundred KiB; a piece of an XLSX so many bytes.
ROWS_OF_A_PIECE = 2_000
BYTES_OF_A_PIECE = 256 * 1024

#: Rows are much alike, so the quickest compression will do; an XLSX is compressed already.
_LEVELS = {Format.CSV: 1, Format.XLSX: 0}

UNUSABLE = N_("The filters of this export can no longer be used. Please export the list again.")


@dataclass(frozen=True, slots=True)
class _Work:
    """What a worker has to know all along, while the rows of the session come and go."""

    job_id: UUID
    holder: str
    export_id: UUID
    listing: Listing
    statement: Select[Any]
    until: datetime
    cells: Callable[[Any], list[Cell]]

    @property
    def export(self) -> Export:
        """The export as it stands."""
        return db.session.get_one(Export, self.export_id)

    @property
    def bounded(self) -> Select[Any]:
        """The rows that were there when the export was asked for."""
        return self.statement.where(self.listing.clock <= self.until)

    @property
    def headings(self) -> list[str]:
        """The first line of the file."""
        return [str(column.heading) for column in self.listing.columns]

    def read(self, after: str | None) -> tuple[list[list[Cell]], str | None]:
        """The next rows as cells, and the cursor behind them; None behind the last.

        Below a cursor the upper bound says nothing new, and SQLite would walk down from it for every piece.
        """
        with reading():
            rows = list_rows(
                self.statement if after else self.bounded,
                clock=self.listing.clock,
                key=self.listing.key,
                at=Position(after),
                size=ROWS_OF_A_PIECE,
            )
        return [self.cells(row) for row in rows], cursor_of(rows[-1]) if rows else None

    def store(self, content: bytes, *, rows: int, position: str | None) -> bool:
        """Add a piece to the file, and say how far it is, in one commit; whether to go on."""
        export = self.export
        packed = zlib.compress(content, _LEVELS[Format(export.format)])
        db.session.add(ExportChunk(export_id=export.id, number=export.pieces, content=packed))
        export.pieces += 1
        export.size += len(content)
        export.rows, export.position = rows, position
        return advance(self.job_id, self.holder, done=rows)


@handles(KIND)
def build(job_id: UUID, holder: str) -> None:
    """Write the file from where it stands, and finish the job once it is whole."""
    export = db.session.get_one(Export, get_job(job_id).subject_id)
    with force_locale(export.language):
        work = _work_on(export, job_id, holder)
        if work is None:
            fail(job_id, holder, UNUSABLE)
        elif _count(work) and _WRITERS[Format(export.format)](work):
            _finish(work)


def _work_on(export: Export, job_id: UUID, holder: str) -> _Work | None:
    try:
        listing = get_listing(export.list_name)
        statement = listing.rows(listing.filters(export.query))
    except DomainError:
        return None
    cells = cells_by(listing.columns, is_unmasked=export.is_unmasked)
    return _Work(job_id, holder, export.id, listing, statement, export.until, cells)


def _count(work: _Work) -> bool:
    """Say how many rows there are to come; whether to go on."""
    ones = work.bounded.with_only_columns(work.listing.key, maintain_column_froms=True).order_by(None)
    with reading():
        total = db.session.scalar(select(func.count()).select_from(ones.subquery()))
    return advance(work.job_id, work.holder, total=total)


def _write_csv(work: _Work) -> bool:
    """Add what is still missing; whether the file is whole."""
    if work.export.pieces == 0:
        headings = f"{BOM}{csv_text([work.headings])}"
        if not work.store(headings.encode(), rows=0, position=None):
            return False
    written, position = work.export.rows, work.export.position
    while True:
        cells, position = work.read(position)
        if not cells:
            return True
        written += len(cells)
        if not work.store(csv_text(cells).encode(), rows=written, position=position):
            return False


def _write_xlsx(work: _Work) -> bool:
    """Begin the file anew; whether it is whole."""
    with TemporaryDirectory(prefix="portico-export-") as folder:
        path = Path(folder) / "file.xlsx"
        if not _begin_again(work) or not _fill_workbook(work, path, folder):
            return False
        rows = get_job(work.job_id).done
        return all(work.store(piece, rows=rows, position=None) for piece in _pieces_of(path))


def _begin_again(work: _Work) -> bool:
    export = work.export
    db.session.execute(delete(ExportChunk).where(ExportChunk.export_id == export.id))
    export.pieces = export.size = export.rows = 0
    return advance(work.job_id, work.holder, done=0)


def _fill_workbook(work: _Work, path: Path, folder: str) -> bool:
    book = Workbook(str(path), str(work.listing.title), work.headings, folder=folder)
    written, position = 0, None
    while True:
        cells, position = work.read(position)
        if not cells:
            book.close()
            return True
        _write_rows(book, cells)
        written += len(cells)
        if not advance(work.job_id, work.holder, done=written):
            return False


def _write_rows(book: Workbook, rows: Sequence[Sequence[Cell]]) -> None:
    for row in rows:
        book.write(row)


def _pieces_of(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(BYTES_OF_A_PIECE):
            yield piece


def _finish(work: _Work) -> None:
    export = work.export
    export.finished_at = clock.now()
    export.expires_at = export.finished_at + timedelta(days=value_of("export_days"))
    finish(work.job_id, work.holder, result={"rows": export.rows, "bytes": export.size})


_WRITERS = {Format.CSV: _write_csv, Format.XLSX: _write_xlsx}
