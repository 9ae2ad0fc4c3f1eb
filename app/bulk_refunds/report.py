"""A batch as a file to keep or to correct: each row as typed, what was found, and what became of it."""

import tempfile
from typing import Any
from uuid import UUID

from flask_babel import gettext as _

from app.bulk_refunds import queries
from app.bulk_refunds.models import RefundBatchRow, RowStatus
from app.bulk_refunds.parsing import COLUMNS
from app.refunds.story import explain
from app.web.filters import label, mask_ending
from app.web.spreadsheets import BOM, Cell, Workbook, csv_text, major

#: One row of the template for each case.
_EXAMPLES = (
    ("order-20260301-0001", "", "", "고객 변심", "", "", "", ""),
    ("order-20260301-0002", "12,000", "", "상품 불량 또는 오배송", "", "", "", ""),
    ("order-20260301-0003", "전액", "", "품절", "국민은행", "012345-67-890123", "홍길동", ""),
)


def template_csv() -> str:
    """The headings with an example of each case, as Excel opens it right."""
    return BOM + csv_text([[column.heading for column in COLUMNS.values()], *_EXAMPLES])


def template_xlsx() -> bytes:
    """The same as a workbook, whose cells are text, so that zeros stay."""
    with tempfile.TemporaryFile() as file:
        book = Workbook(file, "환불", [column.heading for column in COLUMNS.values()])
        for example in _EXAMPLES:
            book.write(example)
        book.close()
        file.seek(0)
        return file.read()


def report_csv(batch_id: UUID) -> str:
    """The whole report, which has a bounded number of rows; account numbers are masked."""
    return BOM + csv_text([_headings(), *map(_cells, queries.iterate_rows(batch_id))])


def outcome_of(row: RefundBatchRow) -> tuple[str, str]:
    """The kind and code of the label that says what became of a row."""
    if row.status == RowStatus.SENT and row.refund is not None:
        return "refund_status", row.refund.status
    return "refund_row_status", row.status


def message_of(row: RefundBatchRow) -> str:
    """Why a row was not refunded, in words; empty where all is well."""
    refund = row.refund
    if refund is None or not refund.problem:
        return row.problem or ""
    return " ".join(filter(None, (explain(refund.problem), refund.pg_message or refund.problem_message)))


def _headings() -> list[str]:
    return [
        _("Row"),
        *(column.heading for column in COLUMNS.values()),
        _("Currency"),
        _("Checked amount"),
        _("Order"),
        _("Customer"),
        _("Check"),
        _("Findings"),
        _("Result"),
        _("Message"),
        _("Refund number"),
        _("Cancellation ID"),
        _("Carried out"),
    ]


def _cells(row: RefundBatchRow) -> list[Cell]:
    typed = {name: str(row.cells.get(name, {}).get("text", "")) for name in COLUMNS}
    kind, code = outcome_of(row)
    return [
        row.number,
        *(_shown(row, name, text) for name, text in typed.items()),
        row.currency,
        major(row.amount, row.currency or "KRW"),
        row.payment.order_name if row.payment else None,
        row.payment.customer_name if row.payment else None,
        label(row.level, "refund_row_level") if row.level else None,
        " / ".join(row.findings or ()),
        label(code, kind),
        message_of(row),
        str(row.refund.id) if row.refund else None,
        row.refund.cancellation_id if row.refund else None,
        row.carried_out_at,
    ]


def _shown(row: RefundBatchRow, name: str, text: str) -> Any:
    return mask_ending(row.account_last_digits) if name == "account_number" else text
