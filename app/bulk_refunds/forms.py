"""The forms of a bulk refund: upload, confirm, decide."""

from typing import Any

import wtforms
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms.validators import Length, ValidationError

from app.bulk_refunds.queries import Total
from app.refunds.forms import REASON_LENGTH
from app.web.forms import Form

NOTE_LENGTH = 500


class UploadForm(Form):
    """A file, and the reason for those rows that have none."""

    file = wtforms.FileField(_l("File"))
    reason = wtforms.StringField(
        _l("Reason for rows without one"),
        validators=[Length(max=REASON_LENGTH, message=_l("A note has 200 characters at most."))],
    )

    def validate_file(self, field: wtforms.Field) -> None:
        if not getattr(field.data, "filename", ""):
            raise ValidationError(_("Choose a CSV or an Excel workbook (.xlsx)."))


class ConfirmForm(Form):
    """The word that makes a batch run: `expected` is the sum that the person saw, by currency."""

    confirmed = wtforms.BooleanField()
    with_warned = wtforms.HiddenField()
    expected = wtforms.HiddenField()
    password = wtforms.PasswordField(_l("Your password"))

    @classmethod
    def of(cls, totals: list[Total], *, with_warned: bool) -> "ConfirmForm":
        """An empty form over what is shown."""
        sums = _sums(totals)
        expected = " ".join(f"{currency}:{amount}" for currency, amount in sums.items())
        return cls(data={"with_warned": "1" if with_warned else "", "expected": expected})

    @property
    def expected_sums(self) -> dict[str, int]:
        """The sums that the person saw, in minor units; none where the field is damaged."""
        parts = [part.partition(":") for part in (self.expected.data or "").split()]
        are_whole = all(
            amount.isascii() and amount.isdigit() and len(amount) < 20 for _code, _colon, amount in parts
        )
        return {code: int(amount) for code, _colon, amount in parts} if are_whole else {}

    def validate_confirmed(self, field: wtforms.Field) -> None:
        if not field.data:
            raise ValidationError(_("Tick this to say that you have read the sum."))


class DecisionForm(Form):
    """What the second person may add."""

    note = wtforms.StringField(
        _l("Note (optional)"),
        validators=[Length(max=NOTE_LENGTH, message=_l("A note has 500 characters at most."))],
    )


def _sums(totals: list[Total]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for total in totals:
        sums[total.currency] = sums.get(total.currency, 0) + total.amount
    return sums


def view_of(arguments: Any, allowed: tuple[str, ...]) -> tuple[str, int]:
    """Which rows a page's address asks for, and after which number; what is unreadable counts as nothing."""
    view, after = arguments.get("view", ""), arguments.get("after", "")
    number = int(after) if after.isascii() and after.isdigit() and len(after) < 10 else 0
    return (view if view in allowed else "all"), number
