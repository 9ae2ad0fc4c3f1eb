"""The forms of recurring plans: a new one, other terms, and going on."""

from datetime import timedelta
from typing import Any

import wtforms
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms.fields.choices import SelectChoice
from wtforms.validators import Length, ValidationError

from app import clock
from app.columns import new_id
from app.schedules.forms import ChargeTermsForm, ReasonForm
from app.schedules.models import ChargePlan
from app.schedules.periods import Cadence
from app.schedules.plans import PlanChange, PlanWish
from app.schedules.words import WEEKDAYS
from app.web.forms import AmountField, DayField, NumberField, Required, TimeOfDayField, composed
from app.web.labels import choices_of

#: More charges than this are for ever.
MOST_CHARGES = 1_200


class PlanForm(ChargeTermsForm):
    """A plan: what is charged, on which day of the month or week, from when and until when."""

    cadence = wtforms.RadioField(_l("How often"), default=Cadence.MONTHLY.value)
    month_day = NumberField(_l("Day of the month"), least=1, most=31)
    weekday = wtforms.SelectField(_l("Day of the week"), default="1")
    time = TimeOfDayField(_l("Time (KST)"), validators=[Required()])
    starts_on = DayField(_l("Not before"), validators=[Required()])
    ends_on = DayField(_l("Not after"))
    most_charges = NumberField(_l("Ends after so many charges"), least=1, most=MOST_CHARGES)

    def __init__(self, formdata: Any = None, **values: Any) -> None:
        super().__init__(formdata, **values)
        self.cadence.choices = choices_of("plan_cadence")
        self.weekday.choices = [SelectChoice(str(day), name) for day, name in enumerate(WEEKDAYS)]

    @classmethod
    def fresh(cls) -> "PlanForm":
        """An empty form with an id of its own: every month on tomorrow's day, at ten."""
        tomorrow = clock.today() + timedelta(days=1)
        return cls(
            data={"intent": str(new_id()), "month_day": tomorrow.day, "time": 600, "starts_on": tomorrow}
        )

    def validate_month_day(self, field: wtforms.Field) -> None:
        """A plan of every month names a day of it."""
        if self.cadence.data == Cadence.MONTHLY and field.data is None and not field.process_errors:
            raise ValidationError(_("Type the day of the month, 1 to 31."))

    def validate_ends_on(self, field: wtforms.Field) -> None:
        """The end lies behind the beginning."""
        if field.data and self.starts_on.data and field.data < self.starts_on.data:
            raise ValidationError(_("The last day is before the first."))

    def wish(self) -> PlanWish:
        """What is wished for."""
        cadence = Cadence(self.cadence.data)
        values: dict[str, Any] = {
            "day": self.month_day.data if cadence == Cadence.MONTHLY else int(self.weekday.data),
            "minute": self.time.data,
            "starts_on": self.starts_on.data,
            "amount": self.amount.data,
        }
        return PlanWish(
            intent=self.intent_id,
            cadence=cadence,
            currency=str(self.currency.data),
            order_name=self.order_name.data,
            ends_on=self.ends_on.data,
            most_charges=self.most_charges.data,
            **values,
        )


class PlanChangeForm(ReasonForm):
    """Other terms, from the next charge that is planned on; how often and in which currency stays."""

    amount = AmountField(_l("Amount"), validators=[Required()])
    order_name = wtforms.StringField(
        _l("Order name"),
        filters=[composed],
        validators=[Required(), Length(max=200, message=_l("200 characters at most."))],
    )
    month_day = NumberField(_l("Day of the month"), least=1, most=31)
    weekday = wtforms.SelectField(_l("Day of the week"))
    time = TimeOfDayField(_l("Time (KST)"), validators=[Required()])
    ends_on = DayField(_l("Not after"))
    most_charges = NumberField(_l("Ends after so many charges"), least=1, most=MOST_CHARGES)

    def __init__(self, formdata: Any = None, *, plan: ChargePlan) -> None:
        terms = {
            "amount": plan.amount,
            "order_name": plan.order_name,
            "month_day": plan.day,
            "weekday": str(plan.day),
            "time": plan.minute,
            "ends_on": plan.ends_on,
            "most_charges": plan.most_charges,
        }
        super().__init__(formdata, currency=plan.currency, data=terms)
        self.is_monthly = plan.cadence == Cadence.MONTHLY
        self.weekday.choices = [SelectChoice(str(day), name) for day, name in enumerate(WEEKDAYS)]
        del self[("weekday" if self.is_monthly else "month_day")]

    def validate_amount(self, field: wtforms.Field) -> None:
        """Nothing is no amount to charge."""
        if field.data is not None and field.data <= 0:
            raise ValidationError(_("An amount to charge is greater than 0."))

    def validate_month_day(self, field: wtforms.Field) -> None:
        """A plan of every month names a day of it."""
        if field.data is None and not field.process_errors:
            raise ValidationError(_("Type the day of the month, 1 to 31."))

    def wish(self) -> PlanChange:
        """What is wished for."""
        values: dict[str, Any] = {
            "day": self.month_day.data if self.is_monthly else int(self.weekday.data),
            "minute": self.time.data,
            "amount": self.amount.data,
        }
        return PlanChange(
            order_name=self.order_name.data,
            ends_on=self.ends_on.data,
            most_charges=self.most_charges.data,
            **values,
        )


class ResumeForm(ReasonForm):
    """Going on: with the next regular charge, or with the one that is owed at once."""

    charges_now = wtforms.BooleanField(
        _l("Charge the period that is owed at once, too"), false_values=("", "0", "false")
    )
