"""The filters of the webhook log."""

from typing import Any
from uuid import UUID

import wtforms
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import SelectChoice
from wtforms.validators import Length, Optional, ValidationError

from app.web.forms import DigitsField, Form, PeriodForm, Required
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
    answer = wtforms.SelectField(
        _l("Our answer"),
        choices=[
            SelectChoice("", _l("Every answer")),
            SelectChoice("ok", _l("2xx")),
            SelectChoice("error", _l("Not 2xx")),
        ],
        default="",
    )
    attempts = DigitsField(_l("Tried more often than"), max_digits=3, validators=[Optional()])
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
            "is_answer_ok": {"ok": True, "error": False}.get(self.answer.data),
            "attempts_over": int(self.attempts.data) if self.attempts.data else None,
            "since": self.since,
            "until": self.until,
        }


class ReasonForm(Form):
    """Why a person does something; it may stay empty."""

    reason = wtforms.StringField(
        _l("Reason (optional)"), validators=[Length(max=500, message=_l("500 characters at most, please."))]
    )


class BulkForm(ReasonForm):
    """What begins a bulk; `intent` was made with the page, so that pressing twice begins one."""

    intent = wtforms.HiddenField(validators=[Required()])

    def validate_intent(self, field: wtforms.Field) -> None:
        """It is the id that the page came with."""
        try:
            UUID(field.data or "")
        except ValueError:
            raise ValidationError(_("This page cannot be sent again. Open it anew.")) from None


class GapFilterForm(PeriodForm):
    """What the list of differences between PortOne's log and ours is narrowed to."""

    kind = wtforms.SelectField(_l("Kind"), default="")

    def __init__(self, formdata: Any = None, **values: Any) -> None:
        super().__init__(formdata, **values)
        self.kind.choices = [SelectChoice("", _("Missing")), *choices_of("gap_kind")]
