"""The period that is checked."""

from datetime import timedelta
from typing import Any

import wtforms
from flask_babel import gettext as _
from wtforms.validators import ValidationError

from app import clock
from app.checks.queries import Period
from app.web.forms import PeriodForm

#: The days of the page as it opens, and the most it takes.
USUAL_DAYS, MOST_DAYS = 7, 92


class CheckForm(PeriodForm):
    """First and last day; the last week unless something is chosen."""

    def __init__(self, formdata: Any = None, **values: Any) -> None:
        first = clock.today() - timedelta(days=USUAL_DAYS - 1)
        super().__init__(formdata, data={"from_": first, "to": clock.today()}, **values)

    def validate_from_(self, field: wtforms.Field) -> None:
        """The period is no longer than what can be counted at once."""
        last = self.to.data or clock.today()
        first = field.data or last
        if (last - first).days >= MOST_DAYS:
            raise ValidationError(_("Choose %(days)s days at most.", days=MOST_DAYS))

    def period(self) -> Period:
        """The period, with what was left open filled in."""
        last = self.to.data or clock.today()
        first = self.from_.data or last - timedelta(days=USUAL_DAYS - 1)
        self.from_.data, self.to.data = first, last
        return Period(clock.start_of_day(first), clock.start_of_day(last + timedelta(days=1)))
