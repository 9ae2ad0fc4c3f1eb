"""The dry run of a row: the same form, rules and balance as for a single refund, over our copy of it.

PortOne is not asked here, because a file may have thousands of rows; it is when a row is carried out.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import select
from werkzeug.datastructures import MultiDict

from app.accounts.models import User
from app.bulk_refunds import safeguards
from app.bulk_refunds.cells import Cell
from app.bulk_refunds.models import Level, RefundBatch, RefundBatchRow
from app.bulk_refunds.other_rows import Spoken, rows_elsewhere, spoken_for
from app.bulk_refunds.parsing import COLUMNS
from app.columns import new_id
from app.encryption import vault
from app.extensions import db
from app.payments.models import Payment
from app.portone.banks import bank_code
from app.refunds import balance, rules
from app.refunds.forms import FULL, PARTIAL, RefundForm
from app.refunds.rulebook import WARN

#: How people write "everything that is refundable".
ALL = frozenset({"", "전액", "전체", "all", "full"})

#: Columns whose cells are copied as they stand: a rounded or worked-out value in them is never right.
_EXACT = ("payment_id", "amount", "tax_free_amount", "account_number", "holder_phone")


@dataclass
class Judgement:
    """What was found about a row: what keeps it from being carried out, and what is worth a look."""

    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def level(self) -> Level:
        """What follows from it."""
        if self.problems:
            return Level.BAD
        return Level.WARNED if self.warnings else Level.GOOD


class Checker:
    """Checks rows of one batch in their order, as what the uploader may refund."""

    def __init__(self, batch: RefundBatch, uploader: User) -> None:
        self.batch = batch
        self.uploader = uploader
        self._spoken: dict[UUID, Spoken] = {}

    def check(self, rows: Sequence[RefundBatchRow]) -> None:
        """Write what is found onto the rows; the caller commits."""
        payments = _payments_named(row.cells.get("payment_id", {}).get("text", "") for row in rows)
        self._spoken |= spoken_for(self.batch, rows[0].number, payments.values())
        elsewhere = rows_elsewhere(self.batch, payments.values())
        for row in rows:
            cells = cells_of(row)
            judgement = self._judge(row, cells, payments, elsewhere)
            row.level = judgement.level
            row.findings = [*judgement.problems, *judgement.warnings]
            row.cells_sealed = None

    def _judge(
        self,
        row: RefundBatchRow,
        cells: dict[str, Cell],
        payments: dict[str, Payment],
        elsewhere: set[tuple[UUID | None, int | None]],
    ) -> Judgement:
        judgement = Judgement(problems=_damage_of(row, cells))
        payment = payments.get(cells["payment_id"].text)
        row.reason = cells["reason"].text or self.batch.default_reason
        if payment is None:
            judgement.problems += [] if judgement.problems else [_missing(cells["payment_id"].text)]
            return judgement
        row.payment_id, row.currency = payment.id, payment.currency
        row.is_test = payment.channel_type == "TEST"
        row.checked_refundable = balance.refundable(payment)
        if not judgement.problems:
            self._judge_refund(judgement, row, cells, payment)
        if not judgement.problems:
            self._look_twice(judgement, row, cells, payment)
            if (payment.id, row.amount) in elsewhere:
                judgement.warnings.append(
                    _("Another file holds the same refund: the same payment and amount. Look there first.")
                )
            self._speak_for(payment.id, row)
        return judgement

    def _judge_refund(
        self, judgement: Judgement, row: RefundBatchRow, cells: dict[str, Cell], payment: Payment
    ) -> None:
        obstacle = rules.find_obstacle(payment)
        if balance.find_in_flight(payment) is not None:
            obstacle = _("Another refund of this payment has no outcome yet.")
        if obstacle:
            judgement.problems.append(obstacle)
            return
        spoken = self._spoken.get(payment.id, Spoken())
        form = _form_of(row, cells, payment, spoken)
        if form.refundable <= 0:
            judgement.problems.append(
                _("Row %(number)s already takes what is left of this payment.", number=spoken.number)
            )
            return
        judgement.problems += _problems_of(form, cells)
        if judgement.problems:
            return
        wish = form.wish()
        row.amount, row.tax_free_amount = wish.amount, wish.tax_free_amount
        if wish.account is not None:
            row.account_bank, row.account_holder = wish.account.bank, wish.account.holder_name
            row.account_last_digits = wish.account.number[-4:]
        row.wish_sealed = vault().seal(json.dumps(asdict(wish), ensure_ascii=False, default=str))
        refusals = (
            rules.find_obstacle(payment, wish.amount),
            safeguards.find_excess(self.uploader, wish.amount, payment.currency),
        )
        judgement.problems += filter(None, refusals)
        broken = rules.rules_broken(payment, wish.amount)
        judgement.warnings += [str(rule.sentence) for rule in broken if rule.severity == WARN]

    def _look_twice(
        self, judgement: Judgement, row: RefundBatchRow, cells: dict[str, Cell], payment: Payment
    ) -> None:
        earlier = self._spoken.get(payment.id)
        if earlier is not None:
            judgement.warnings.append(
                _("Row %(number)s refunds the same payment; this one would follow it.", number=earlier.number)
            )
        if row.is_test:
            judgement.warnings.append(_("This is a payment of a test channel; no real money moves."))
        if cells["tax_free_amount"].text and (_is_all(cells) or not payment.tax_free_amount):
            judgement.warnings.append(
                _("The tax-free amount of this row is not used; it follows from the payment.")
            )
        if row.account_bank is None and cells["account_number"].text:
            judgement.warnings.append(
                _("This payment goes back the way it was paid. The account in this row is not used.")
            )
        elif row.account_bank is not None and cells["account_number"].is_number:
            judgement.warnings.append(
                _("The account number is kept as a number, which loses zeros in front. Read it again.")
            )

    def _speak_for(self, payment_row_id: UUID, row: RefundBatchRow) -> None:
        spoken = self._spoken.setdefault(payment_row_id, Spoken())
        spoken.amount += row.amount or 0
        spoken.tax_free += row.tax_free_amount or 0
        spoken.number = row.number


def cells_of(row: RefundBatchRow) -> dict[str, Cell]:
    """Every column's cell of a row as typed, the sealed ones opened; empty where nothing stands."""
    secrets = json.loads(vault().open(row.cells_sealed)) if row.cells_sealed else {}
    typed: dict[str, Any] = {**row.cells, **secrets}
    return {name: Cell(**typed[name]) if name in typed else Cell("") for name in COLUMNS}


def _form_of(row: RefundBatchRow, cells: dict[str, Cell], payment: Payment, spoken: Spoken) -> RefundForm:
    typed = {name: cell.text for name, cell in cells.items() if name != "payment_id"}
    is_all = _is_all(cells)
    fields = {
        **typed,
        "kind": FULL if is_all else PARTIAL,
        "amount": "" if is_all else typed["amount"],
        "reason": row.reason,
        "bank": bank_code(typed["bank"]) or typed["bank"],
        "account_number_again": typed["account_number"],
        "intent": str(row.intent or new_id()),
        "expected_refundable": str(row.checked_refundable or 0),
    }
    form = RefundForm(MultiDict(fields), payment=payment)
    form.refundable = max(form.refundable - spoken.amount, 0)
    form.refundable_tax_free = min(max(form.refundable_tax_free - spoken.tax_free, 0), form.refundable)
    return form


def _is_all(cells: dict[str, Cell]) -> bool:
    return cells["amount"].text.casefold() in ALL


def _problems_of(form: RefundForm, cells: dict[str, Cell]) -> list[str]:
    """What the form says, each sentence behind the heading it is about."""
    if form.validate():
        return []
    problems = []
    for field_ in form:
        if not field_.errors or field_.name == "account_number_again":
            continue
        sentences = [str(error) for error in field_.errors]
        if field_.name == "bank" and cells["bank"].text:
            sentences = [_("No bank is known as “%(name)s”.", name=cells["bank"].text[:40])]
        problems.append(f"{field_.label.text}: {' '.join(sentences)}")
    return problems or [_("This row cannot be used.")]


def _damage_of(row: RefundBatchRow, cells: dict[str, Cell]) -> list[str]:
    """What a spreadsheet, or a comma, has done to a row."""
    problems = []
    if row.cells.get("surplus"):
        problems.append(
            _(
                "This row has more cells than there are headings, or an amount is cut in two. "
                "Put amounts with commas in quotation marks, or leave the commas out."
            )
        )
    for name in _EXACT:
        heading = COLUMNS[name].heading
        if cells[name].is_formula:
            problems.append(
                _("%(heading)s: this is a formula or an error. Paste its value.", heading=heading)
            )
        elif cells[name].is_rounded:
            problems.append(
                _(
                    "%(heading)s: a spreadsheet has rounded this number. "
                    "Format the column as text and type it again.",
                    heading=heading,
                )
            )
    return problems


def _missing(payment_id: str) -> str:
    if not payment_id:
        return str(_("There is no payment ID in this row."))
    return str(_("Portico does not know this payment. Check the ID, or look it up under Payments first."))


def _payments_named(payment_ids: Iterable[str]) -> dict[str, Payment]:
    wanted = {payment_id for payment_id in payment_ids if payment_id}
    found = db.session.scalars(select(Payment).where(Payment.payment_id.in_(wanted)))
    return {payment.payment_id: payment for payment in found}
