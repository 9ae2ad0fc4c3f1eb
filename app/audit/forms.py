"""The filters of the audit trail."""

import uuid
from typing import Any

import wtforms
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import SelectChoice
from wtforms.validators import UUID, Length, Optional

from app.audit.queries import AuditFilters
from app.audit.words import ACTIONS, SUBJECTS
from app.web.forms import PeriodForm

_NO_SESSION = _l("A session is named by a UUID, as the links of the list do.")


class AuditFilterForm(PeriodForm):
    """Who, what, about which thing, and when."""

    actor = wtforms.StringField(_l("Who"), validators=[Length(max=200)])
    action = wtforms.SelectField(_l("What"), default="", validate_choice=False)
    subject_type = wtforms.SelectField(_l("About"), default="", validate_choice=False)
    subject_id = wtforms.StringField(_l("Its number"), validators=[Length(max=500)])
    address = wtforms.StringField(_l("IP address"), validators=[Length(max=45)])
    session = wtforms.StringField(_l("Session"), validators=[Optional(), UUID(_NO_SESSION)])

    def __init__(self, formdata: Any = None, **values: Any) -> None:
        super().__init__(formdata, **values)
        self.action.choices = _choices(_("Everything"), ACTIONS, self.action.data)
        self.subject_type.choices = _choices(_("Anything"), SUBJECTS, self.subject_type.data)

    def filters(self) -> AuditFilters:
        """The filters for `queries.list_entries`: days in Asia/Seoul become moments."""
        return AuditFilters(
            actor=self.actor.data or None,
            action=self.action.data or None,
            subject_type=self.subject_type.data or None,
            subject_id=self.subject_id.data or None,
            address=self.address.data or None,
            sign_in_id=uuid.UUID(self.session.data) if self.session.data else None,
            since=self.since,
            until=self.until,
        )


def _choices(everything: str, words: dict[str, Any], chosen: str | None) -> list[SelectChoice]:
    """The known codes by their words, and one chosen by address that has no words yet."""
    known = sorted((str(text), code) for code, text in words.items())
    unknown = [(chosen, chosen)] if chosen and chosen not in words else []
    return [SelectChoice("", everything), *(SelectChoice(code, text) for text, code in [*known, *unknown])]
