"""The filters of the refund list, as they stand in its address."""

from typing import Any
from uuid import UUID

import wtforms
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms.fields.choices import SelectChoice
from wtforms.validators import Length, Optional, Regexp, ValidationError

from app.payments.forms import AnyCurrencyAmountField, CodesField, pg_choices
from app.refunds.listing import RefundFilters, list_people
from app.refunds.reasons import REASONS
from app.web.forms import PeriodForm
from app.web.labels import choices_of

USUAL_CLOCK = "requested"

_CLOCK_NAMES = {"requested": _l("Requested at"), "settled": _l("Settled at")}

_EVERYBODY = SelectChoice("", _l("All"))


class RefundFilterForm(PeriodForm):
    """Which refunds to show."""

    q = wtforms.SearchField(
        _l("Search"), validators=[Length(max=200, message=_l("Search for 200 characters at most."))]
    )
    status = CodesField(_l("Status"))
    clock = wtforms.SelectField(
        _l("Dates mean"), default=USUAL_CLOCK, filters=[lambda chosen: chosen or USUAL_CLOCK]
    )
    amount_min = AnyCurrencyAmountField(_l("Amount from"))
    amount_max = AnyCurrencyAmountField(_l("Amount to"))
    currency = wtforms.StringField(
        _l("Currency"),
        filters=[lambda typed: typed and typed.upper()],
        validators=[Optional(), Regexp("[A-Z]{3}$", message=_l("A currency has three letters, as in KRW."))],
    )
    method = CodesField(_l("Payment method"), validate_choice=False)
    pg = CodesField(_l("PG"), validate_choice=False)
    requested_by = wtforms.SelectField(_l("Requested by"), default="")
    approved_by = wtforms.SelectField(_l("Approved by"), default="")
    reason_code = wtforms.SelectField(_l("Reason"), default="")
    account = wtforms.BooleanField(_l("To a bank account only"), false_values=("", "0", "false"))
    channel = wtforms.SelectField(_l("Channel"), default="")

    def __init__(self, formdata: Any = None, **values: Any) -> None:
        super().__init__(formdata, **values)
        self.status.choices = choices_of("refund_status")
        self.clock.choices = [SelectChoice(code, name) for code, name in _CLOCK_NAMES.items()]
        self.method.choices = [
            choice for choice in choices_of("method") if choice.value not in {"CHARGE", "PAYPAL"}
        ]
        self.pg.choices = pg_choices()
        people = [SelectChoice(str(person.id), person.name or person.email) for person in list_people()]
        self.requested_by.choices = self.approved_by.choices = [_EVERYBODY, *people]
        self.reason_code.choices = [
            _EVERYBODY,
            *(SelectChoice(code, reason.label) for code, reason in REASONS.items()),
        ]
        self.channel.choices = [
            _EVERYBODY,
            SelectChoice("real", _l("Without test payments")),
            SelectChoice("other", _l("Test payments only")),
        ]

    @property
    def is_blank(self) -> bool:
        """Whether nothing narrows the list."""
        return self.filters() == RefundFilters()

    @property
    def clock_name(self) -> str:
        """What the dates mean."""
        return str(_CLOCK_NAMES.get(self.clock.data, _CLOCK_NAMES[USUAL_CLOCK]))

    def validate_amount_max(self, field: wtforms.Field) -> None:
        """The range has its smaller amount first."""
        least = self.amount_min.data
        if field.data is not None and least is not None and field.data < least:
            raise ValidationError(_("The largest amount is below the smallest."))

    def filters(self) -> RefundFilters:
        """The filters for `listing.list_refunds`: days in Asia/Seoul become moments."""
        return RefundFilters(
            text=self.q.data or None,
            statuses=tuple(self.status.data or ()),
            since=self.since,
            until=self.until,
            clock=self.clock.data,
            least=self.amount_min.data,
            most=self.amount_max.data,
            currency=self.currency.data or None,
            methods=tuple(self.method.data or ()),
            pg_providers=tuple(self.pg.data or ()),
            requested_by=UUID(self.requested_by.data) if self.requested_by.data else None,
            approved_by=UUID(self.approved_by.data) if self.approved_by.data else None,
            reason_code=self.reason_code.data or None,
            is_to_account=bool(self.account.data),
            channel=self.channel.data or "",
        )
