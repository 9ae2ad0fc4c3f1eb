"""Exports to show, and the pieces of a file one after the other."""

import zlib
from collections.abc import Iterator
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from app.accounts.models import User
from app.errors import NotFound
from app.exports.models import Export, ExportChunk
from app.extensions import db
from app.web.pagination import Page, list_page


def get_export(export_id: UUID, *, of: User | None) -> Export:
    """The export with this id that a person asked for, or anybody's; raises NotFound."""
    export = db.session.get(Export, export_id, options=[joinedload(Export.job), joinedload(Export.requester)])
    if export is None or (of is not None and export.requested_by != of.id):
        raise NotFound(_("There is no export with this number."))
    return export


def list_exports(*, of: User | None, after: str | None) -> Page[Export]:
    """A page of the exports that a person asked for, or of everybody's, the newest first."""
    statement = select(Export).options(joinedload(Export.job), joinedload(Export.requester))
    if of is not None:
        statement = statement.where(Export.requested_by == of.id)
    return list_page(statement, clock=Export.created_at, key=Export.id, after=after)


def read_file(export: Export) -> Iterator[bytes]:
    """The file, piece by piece; no transaction is open while a slow reader takes one.

    Raises RuntimeError where a piece is gone because the file was erased meanwhile: the reader sees it end
    early.
    """
    export_id, pieces = export.id, export.pieces
    for number in range(pieces):
        content = db.session.scalar(
            select(ExportChunk.content).where(
                ExportChunk.export_id == export_id, ExportChunk.number == number
            )
        )
        db.session.rollback()
        if content is None:
            raise RuntimeError(f"piece {number} of export {export_id} is gone")
        yield zlib.decompress(content)
