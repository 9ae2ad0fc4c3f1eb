"""Who may approve: a tick for each admin."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import wtforms
from flask_babel import lazy_gettext as _l
from wtforms.fields.choices import SelectChoice

from app.access.permissions import Role
from app.approvals import queries
from app.approvals.queries import Kind
from app.web.forms import Form


class ApproversForm(Form):
    """Admins to tick; super admins approve by role and are shown beside them."""

    approvers = wtforms.SelectMultipleField(
        _l("Admins who may approve"),
        option_widget=wtforms.widgets.CheckboxInput(),
        widget=wtforms.widgets.ListWidget(prefix_label=False),
    )
    seen = wtforms.HiddenField()

    def __init__(self, formdata: Any = None, *, kind: Kind = Kind.REFUND, **values: Any) -> None:
        people = queries.list_admins()
        approvers = queries.list_approvers(kind)
        admins = [person for person in people if person.role == Role.ADMIN]
        chosen = [str(person.id) for person in approvers if person.role == Role.ADMIN]
        self.super_admins = [person for person in people if person.role == Role.SUPER_ADMIN]
        seen = queries.mark_of_approvers(kind)
        super().__init__(formdata, data={"approvers": chosen, "seen": seen}, **values)
        self.approvers.choices = [
            SelectChoice(str(person.id), person.name or person.email or "") for person in admins
        ]

    @property
    def chosen(self) -> set[UUID]:
        """The ids of those ticked; only after `validate()`."""
        return {UUID(user_id) for user_id in self.approvers.data or ()}

    def blame(self, problems: Mapping[str, str]) -> None:
        """Put the service's sentences beside the ticks."""
        self.approvers.errors = [*self.approvers.errors, *problems.values()]
