"""The filters of the list of schedules, as they stand in its address."""

from typing import Any

import wtforms
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms.fields.choices import SelectChoice
from wtforms.validators import Length, ValidationError

from app.payments.forms import CodesField
from app.payments.goto import as_uuid
from app.schedules.listing import ScheduleFilters
from app.web.forms import PeriodForm
from app.web.labels import choices_of


class ScheduleFilterForm(PeriodForm):
    """Which schedules to show; days are those they are paid on."""

    q = wtforms.SearchField(
        _l("Search"), validators=[Length(max=200, message=_l("Search for 200 characters at most."))]
    )
    status = CodesField(_l("Status"))
    origin = wtforms.SelectField(_l("Made by"), default="")
    key = wtforms.StringField(_l("Billing key"))
    plan = wtforms.StringField(_l("Recurring plan"))

    def __init__(self, formdata: Any = None, **values: Any) -> None:
        super().__init__(formdata, **values)
        self.status.choices = choices_of("schedule_status")
        self.origin.choices = [
            SelectChoice("", _l("All")),
            SelectChoice("plan", _l("Recurring plans")),
            SelectChoice("unplanned", _l("Not by a plan")),
            SelectChoice("ours", _l("People here")),
            SelectChoice("elsewhere", _l("Elsewhere (store, console)")),
        ]

    def validate_key(self, field: wtforms.Field) -> None:
        """A billing key is named by our id of it, which is no secret."""
        if field.data and as_uuid(field.data) is None:
            raise ValidationError(_("This is no number of ours. Open the list from the page it belongs to."))

    validate_plan = validate_key

    def filters(self) -> ScheduleFilters:
        """The filters for `listing.list_schedules`: days in Asia/Seoul become moments."""
        return ScheduleFilters(
            text=self.q.data or None,
            statuses=tuple(self.status.data or ()),
            since=self.since,
            until=self.until,
            origin=self.origin.data or "",
            billing_key_id=as_uuid(self.key.data or ""),
            plan_id=as_uuid(self.plan.data or ""),
        )
