"""The filters of the webhook log."""

from typing import Any

import wtforms
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import SelectChoice
from wtforms.validators import Length

from app.web.forms import PeriodForm
from app.web.labels import choices_of
from app.webhooks.handlers import EVENTS
from app.webhooks.queries import WebhookFilters


class WebhookFilterForm(PeriodForm):
    """The filters of the list, as they stand in its address."""

    q = wtforms.StringField(
        _l("Payment"), validators=[Length(max=500, message=_l("No id of PortOne is that long."))]
    )
    status = wtforms.SelectMultipleField(_l("Outcome"))
    type = wtforms.SelectField(_l("Event"), default="", validate_choice=False)
    repeated = wtforms.BooleanField(_l("Repeated only"))

    def __init__(self, formdata: Any = None, **values: Any) -> None:
        super().__init__(formdata, **values)
        self.status.choices = choices_of("webhook_status")
        self.type.choices = [
            SelectChoice("", _("Every event")),
            *(SelectChoice(name, _(words)) for name, words in EVENTS.items()),
        ]
        if self.type.data and self.type.data not in EVENTS:  # PortOne has added it since
            self.type.choices.append(SelectChoice(self.type.data, self.type.data))

    def filters(self) -> WebhookFilters:
        """The filters for `queries.list_webhook_logs`: days in Asia/Seoul become moments."""
        return {
            "text": self.q.data or None,
            "status": self.status.data or [],
            "type": self.type.data or None,
            "is_repeated": bool(self.repeated.data),
            "since": self.since,
            "until": self.until,
        }
