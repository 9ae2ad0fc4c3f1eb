"""The filters of the list of differences, and the forms by which people judge them."""

from typing import Any
from uuid import UUID

import wtforms
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import SelectChoice
from wtforms.validators import Length, Optional, Regexp, ValidationError

from app import clock
from app.drift.pg_refunds import Noted
from app.drift.queries import STATES, DriftFilters
from app.web.forms import AmountField, DayField, Form, PeriodForm, Required
from app.web.labels import choices_of

_STATE_NAMES = {"open": _l("To be judged"), "healed": _l("Healed"), "closed": _l("Closed")}

_TOO_LONG = Length(max=2_000, message=_l("A note has 2,000 characters at most."))


class DriftFilterForm(PeriodForm):
    """Which differences to show, as it stands in the address."""

    state = wtforms.SelectField(_l("State"), default="open", filters=[lambda chosen: chosen or "open"])
    q = wtforms.SearchField(
        _l("Search"), validators=[Length(max=200, message=_l("Search for 200 characters at most."))]
    )
    kind = wtforms.SelectField(_l("Kind"), default="")
    seen = wtforms.SelectField(_l("Seen by"), default="")
    currency = wtforms.StringField(
        _l("Currency"),
        filters=[lambda typed: typed and typed.upper()],
        validators=[Optional(), Regexp("[A-Z]{3}$", message=_l("A currency has three letters, as in KRW."))],
    )

    def __init__(self, formdata: Any = None, **values: Any) -> None:
        super().__init__(formdata, **values)
        everything = SelectChoice("", _l("All"))
        self.state.choices = [SelectChoice(code, _STATE_NAMES[code]) for code in STATES]
        self.kind.choices = [everything, *choices_of("drift_kind")]
        self.seen.choices = [everything, *choices_of("drift_seen")]

    def filters(self) -> DriftFilters:
        """The filters for `queries.list_drifts`: days in Asia/Seoul become moments."""
        return DriftFilters(
            state=self.state.data,
            text=self.q.data or None,
            kind=self.kind.data or None,
            seen_how=self.seen.data or None,
            currency=self.currency.data or None,
            since=self.since,
            until=self.until,
        )


class NoteForm(Form):
    """Why a difference need not wait any longer."""

    note = wtforms.TextAreaField(
        _l("What came of it"), validators=[Required(_l("Say what came of it.")), _TOO_LONG]
    )


class ResolveForm(NoteForm):
    """How a refund at the PG was settled."""

    shown = wtforms.BooleanField(_l("PortOne shows this refund by now"), false_values=("", "0", "false"))


class PgRefundForm(Form):
    """A refund that was made at the PG itself; `intent` came with the page, so that two presses note one."""

    intent = wtforms.HiddenField(validators=[Required()])
    amount = AmountField(_l("Amount refunded at the PG"), validators=[Required()])
    refunded_on = DayField(_l("Day of the refund"), validators=[Required()])
    note = wtforms.TextAreaField(
        _l("How it is known"),
        validators=[Required(_l("Say how it is known, such as who saw it in the PG's own page.")), _TOO_LONG],
    )

    def validate_intent(self, field: wtforms.Field) -> None:
        """It is the id that the page came with."""
        try:
            UUID(field.data or "")
        except ValueError:
            raise ValidationError(_("This page cannot be sent again. Open it anew.")) from None

    def validate_amount(self, field: wtforms.Field) -> None:
        """Nothing is no refund."""
        if field.data is not None and field.data <= 0:
            raise ValidationError(_("Type an amount above zero."))

    def validate_refunded_on(self, field: wtforms.Field) -> None:
        """It has happened."""
        if field.data and field.data > clock.today():
            raise ValidationError(_("This day is still to come."))

    def noted(self) -> Noted:
        """What was typed, once it is valid."""
        amount, day = self.amount.data, self.refunded_on.data
        if amount is None or day is None:
            raise ValueError("the form is not valid")
        return Noted(UUID(self.intent.data), amount, day, self.note.data or "")
