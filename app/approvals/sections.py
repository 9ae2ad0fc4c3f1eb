"""“Who may approve”, on the settings page."""

from typing import Any

from flask_babel import gettext as _

from app.accounts.models import User
from app.approvals import service
from app.approvals.forms import ApproversForm
from app.settings.sections import add_section


class Approvers:
    """The section with a tick for each admin."""

    name = "approvers"
    template = "approvals/_approvers.html"

    @property
    def title(self) -> str:
        """The heading, in the person's language."""
        return str(_("Who may approve"))

    def form(self, formdata: Any = None) -> ApproversForm:
        """Who may approve now, with what was ticked over it."""
        return ApproversForm(formdata)

    def save(self, form: ApproversForm, *, by: User) -> bool:
        """Let exactly those who are ticked approve."""
        return service.choose_approvers(form.chosen, by=by, seen=form.seen.data)


def init_app() -> None:
    """Put the section on the settings page."""
    add_section(Approvers(), below="refunds")
