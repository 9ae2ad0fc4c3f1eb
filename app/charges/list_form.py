"""The filters of the list of charges, as they stand in its address."""

from typing import Any
from uuid import UUID

import wtforms
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms.fields.choices import SelectChoice
from wtforms.validators import Length, Optional, Regexp, ValidationError

from app.charges.listing import ChargeFilters, list_people
from app.payments.forms import AnyCurrencyAmountField, CodesField
from app.web.forms import PeriodForm
from app.web.labels import choices_of

_EVERYBODY = SelectChoice("", _l("All"))


class ChargeFilterForm(PeriodForm):
    """Which charges to show."""

    q = wtforms.SearchField(
        _l("Search"), validators=[Length(max=200, message=_l("Search for 200 characters at most."))]
    )
    status = CodesField(_l("Status"))
    amount_min = AnyCurrencyAmountField(_l("Amount from"))
    amount_max = AnyCurrencyAmountField(_l("Amount to"))
    currency = wtforms.StringField(
        _l("Currency"),
        filters=[lambda typed: typed and typed.upper()],
        validators=[Optional(), Regexp("[A-Z]{3}$", message=_l("A currency has three letters, as in KRW."))],
    )
    requested_by = wtforms.SelectField(_l("Requested by"), default="")
    approved_by = wtforms.SelectField(_l("Approved by"), default="")
    channel = wtforms.SelectField(_l("Channel"), default="")
    billing_key = wtforms.HiddenField(_l("Billing key"))

    def __init__(self, formdata: Any = None, **values: Any) -> None:
        super().__init__(formdata, **values)
        self.status.choices = choices_of("charge_status")
        people = [SelectChoice(str(person.id), person.name or person.email) for person in list_people()]
        self.requested_by.choices = self.approved_by.choices = [_EVERYBODY, *people]
        self.channel.choices = [
            _EVERYBODY,
            SelectChoice("real", _l("Without test payments")),
            SelectChoice("other", _l("Test payments only")),
        ]

    def validate_amount_max(self, field: wtforms.Field) -> None:
        """The range has its smaller amount first."""
        least = self.amount_min.data
        if field.data is not None and least is not None and field.data < least:
            raise ValidationError(_("The largest amount is below the smallest."))

    def validate_billing_key(self, field: wtforms.Field) -> None:
        """Our id of a billing key, which a link brings; never the key itself."""
        try:
            UUID(field.data) if field.data else None
        except ValueError:
            field.data = ""
            raise ValidationError(_("There is no billing key with this number.")) from None

    def filters(self) -> ChargeFilters:
        """The filters for `listing.list_charges`: days in Asia/Seoul become moments."""
        ids = {
            name: UUID(self[name].data) if self[name].data else None
            for name in ("billing_key", "requested_by", "approved_by")
        }
        return ChargeFilters(
            text=self.q.data or None,
            statuses=tuple(self.status.data or ()),
            since=self.since,
            until=self.until,
            least=self.amount_min.data,
            most=self.amount_max.data,
            currency=self.currency.data or None,
            channel=self.channel.data or "",
            **ids,
        )
