"""Rows of cells → refunds as typed, by the headings of their columns, Korean or English, in any order."""

from dataclasses import asdict, dataclass
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from app.bulk_refunds.cells import MAX_CELL, MAX_ROWS, Cell, FileRefused, Row, too_many_rows
from app.bulk_refunds.files import read_rows


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading in the template, what it holds, and other headings it is known by."""

    heading: str
    hint: Any
    aliases: tuple[str, ...]
    is_required: bool = False
    is_secret: bool = False


COLUMNS: dict[str, Column] = {
    "payment_id": Column(
        "결제 ID",
        _l("The payment's id at the store (paymentId)."),
        ("payment_id", "결제번호", "고객사 거래번호"),
        is_required=True,
    ),
    "amount": Column(
        "금액",
        _l("In the payment's currency, such as 12,000 or 29.99. Empty or 전액 (all): everything refundable."),
        ("amount", "환불금액", "취소금액"),
        is_required=True,
    ),
    "tax_free_amount": Column(
        "면세금액", _l("Left empty, it is the same share as of the balance."), ("tax_free_amount", "면세")
    ),
    "reason": Column("사유", _l("PortOne and the PG keep this text."), ("reason", "환불사유", "취소사유")),
    "bank": Column(
        "은행",
        _l("For virtual accounts: the bank's Korean name or PortOne's code."),
        ("bank", "은행명", "환불은행"),
    ),
    "account_number": Column(
        "계좌번호",
        _l("Digits; format the column as text, so that zeros in front stay."),
        ("account_number", "환불계좌", "환불계좌번호"),
        is_secret=True,
    ),
    "holder_name": Column("예금주", _l("The account holder."), ("holder_name", "예금주명", "holder")),
    "holder_phone": Column(
        "예금주 연락처",
        _l("Only where the PG is Smartro."),
        ("holder_phone", "예금주 전화번호", "연락처"),
        is_secret=True,
    ),
}

#: Titles may stand above the headings, within so many rows.
_HEADINGS_WITHIN = 10


def _folded(heading: str) -> str:
    return "".join(character for character in heading.casefold() if character.isalnum())


_BY_HEADING = {
    _folded(spelling): name
    for name, column in COLUMNS.items()
    for spelling in (column.heading, *column.aliases)
}


@dataclass(frozen=True, slots=True)
class TypedRow:
    """One refund as typed; `surplus` says that it has cells beyond the headings."""

    number: int
    cells: dict[str, Cell]
    surplus: bool

    def documents(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The cells as JSON: those anybody may read, and those that are to be sealed."""
        shown: dict[str, Any] = {"surplus": True} if self.surplus else {}
        secret: dict[str, Any] = {}
        for name, cell in self.cells.items():
            if cell.text:
                (secret if COLUMNS[name].is_secret else shown)[name] = asdict(cell)
        return shown, secret


@dataclass(frozen=True, slots=True)
class Table:
    """A file's refunds, and the headings that mean nothing here."""

    rows: list[TypedRow]
    unused: list[str]


def read_table(content: bytes) -> Table:
    """Read a file of refunds; raises `FileRefused` for one that cannot be used as a whole."""
    rows = read_rows(content)
    names: list[str | None] = []
    unused: list[str] = []
    first: Row | None = None
    for seen, (_number, row) in enumerate(rows, 1):
        first = first or row
        found = [_BY_HEADING.get(_folded(cell.text)) for cell in row]
        if "payment_id" in found:
            names = found
            unused = [cell.text[:80] for cell, name in zip(row, found, strict=True) if cell.text and not name]
            break
        if seen == _HEADINGS_WITHIN:
            break
    _refuse_headings(names, first)
    typed = []
    for number, row in rows:
        typed.append(_typed(number, row, names))
        if len(typed) > MAX_ROWS:
            raise too_many_rows()
    if not typed:
        raise FileRefused(_("This file has headings, but no row below them."))
    return Table(typed, unused)


def _refuse_headings(names: list[str | None], first: Row | None) -> None:
    if first is None:
        raise FileRefused(_("This file is empty."))
    missing = [column.heading for name, column in COLUMNS.items() if column.is_required and name not in names]
    if missing:
        seen = ", ".join(cell.text[:40] for cell in first[:8] if cell.text)
        raise FileRefused(
            _(
                "The column %(missing)s is missing. The first row has: %(seen)s. "
                "Compare it with the template.",
                missing=", ".join(missing),
                seen=seen,
            )
        )
    twice = {COLUMNS[name].heading for name in names if name and names.count(name) > 1}
    if twice:
        raise FileRefused(_("The column %(names)s is there twice.", names=", ".join(sorted(twice))))


def _typed(number: int, row: Row, names: list[str | None]) -> TypedRow:
    cells = {name: _bounded(cell) for name, cell in zip(names, row, strict=False) if name}
    return TypedRow(
        number, cells, surplus=any(cell.text for cell in row[len(names) :]) or _is_cut(row, names)
    )


def _bounded(cell: Cell) -> Cell:
    return Cell(cell.text[:MAX_CELL], cell.is_number, cell.is_formula, cell.is_rounded)


def _is_cut(row: Row, names: list[str | None]) -> bool:
    """Whether the comma of `12,000` seems to have cut an amount: 12 in its column and 000 in the next."""
    place = names.index("amount")
    pair = [cell.text for cell in row[place : place + 2] if not cell.is_number]
    return (
        len(pair) == 2 and pair[0].isdigit() and len(pair[0]) <= 3 and pair[1].isdigit() and len(pair[1]) == 3
    )
