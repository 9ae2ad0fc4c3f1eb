"""The form that plans a charge, and the reason for giving one up."""

from datetime import date, datetime, timedelta
from typing import Any, cast
from uuid import UUID

import wtforms
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms.fields.choices import SelectChoice
from wtforms.validators import Length, ValidationError

from app import clock
from app.columns import new_id
from app.payments.goto import as_uuid
from app.schedules.periods import at_minute
from app.schedules.service import LEAD, Wish
from app.web.forms import AmountField, DayField, Form, Required, TimeOfDayField, composed

#: What amounts can be typed in, the usual one first.
CURRENCIES = ("KRW", "USD", "JPY", "EUR", "GBP", "CNY", "HKD", "SGD", "TWD", "THB", "VND")

_STALE = _l("This form can no longer be sent. Open it again.")
_TOO_LONG = _l("200 characters at most.")


def chosen_currency(formdata: Any) -> str:
    """The currency that the amounts of a form are typed in; one that is none is told beside its field."""
    chosen = (formdata or {}).get("currency", CURRENCIES[0])
    return chosen if chosen in CURRENCIES else CURRENCIES[0]


class ChargeTermsForm(Form):
    """What is charged: an amount in a currency, under a name that the buyer knows it by."""

    intent = wtforms.HiddenField(validators=[Required(_STALE)])
    amount = AmountField(_l("Amount"), validators=[Required()])
    currency = wtforms.SelectField(
        _l("Currency"), default=CURRENCIES[0], choices=[SelectChoice(code, code) for code in CURRENCIES]
    )
    order_name = wtforms.StringField(
        _l("Order name"),
        filters=[composed],
        validators=[Required(), Length(max=200, message=_TOO_LONG)],
    )

    def __init__(self, formdata: Any = None, **values: Any) -> None:
        super().__init__(formdata, **{"currency": chosen_currency(formdata), **values})

    def validate_intent(self, field: wtforms.Field) -> None:
        """The id of the wish was made with the form."""
        if as_uuid(field.data or "") is None:
            raise ValidationError(str(_STALE))

    def validate_amount(self, field: wtforms.Field) -> None:
        """Nothing is no amount to charge."""
        if field.data is not None and field.data <= 0:
            raise ValidationError(_("An amount to charge is greater than 0."))

    @property
    def intent_id(self) -> UUID:
        """The id of the wish."""
        return UUID(self.intent.data)

    @property
    def carried(self) -> list[tuple[str, str]]:
        """What was typed, to be sent again once it has been reviewed."""
        return [(field.name, field.raw_data[0]) for field in self if field.raw_data]


class ScheduleForm(ChargeTermsForm):
    """A charge at a time to come, in Asia/Seoul."""

    tax_free_amount = AmountField(_l("Tax-free part"))
    day = DayField(_l("Day"), validators=[Required()])
    time = TimeOfDayField(_l("Time (KST)"), validators=[Required()])

    @classmethod
    def fresh(cls) -> "ScheduleForm":
        """An empty form with an id of its own: tomorrow at ten."""
        return cls(data={"intent": str(new_id()), "day": clock.today() + timedelta(days=1), "time": 600})

    def validate_tax_free_amount(self, field: wtforms.Field) -> None:
        """A part is no more than the whole."""
        if field.data is not None and self.amount.data is not None and field.data > self.amount.data:
            raise ValidationError(_("The tax-free part is more than the amount."))

    def validate_time(self, field: wtforms.Field) -> None:
        """PortOne needs the schedule before its time has come."""
        if field.data is None or self.day.data is None:
            return
        if self.time_to_pay < clock.now() + LEAD:
            minutes = int(LEAD.total_seconds() // 60)
            raise ValidationError(_("Choose a time at least %(minutes)s minutes ahead.", minutes=minutes))

    @property
    def time_to_pay(self) -> datetime:
        """The moment that was chosen."""
        day, minute = cast("date", self.day.data), cast("int", self.time.data)
        return at_minute(day, minute)

    def wish(self) -> Wish:
        """What is wished for."""
        return Wish(
            intent=self.intent_id,
            amount=cast("int", self.amount.data),
            currency=str(self.currency.data),
            order_name=self.order_name.data,
            time_to_pay=self.time_to_pay,
            tax_free_amount=self.tax_free_amount.data,
        )


class ReasonForm(Form):
    """Why something is given up or changed; the trail keeps it."""

    reason = wtforms.StringField(
        _l("Reason"),
        validators=[Required(_l("Write why, in a few words.")), Length(max=200, message=_TOO_LONG)],
    )
