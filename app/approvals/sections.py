"""“Who may approve”, on the settings page: for refunds, and for charges."""

from typing import Any

from flask_babel import gettext as _

from app.accounts.models import User
from app.approvals import service
from app.approvals.forms import ApproversForm
from app.approvals.queries import Kind
from app.settings.sections import add_section


class Approvers:
    """The section with a tick for each admin who may approve what is of one kind."""

    template = "approvals/_approvers.html"

    def __init__(self, name: str, kind: Kind) -> None:
        self.name = name
        self.kind = kind

    @property
    def title(self) -> str:
        """The heading, in the person's language."""
        return str(_("Who may approve") if self.kind == Kind.REFUND else _("Who may approve charges"))

    def form(self, formdata: Any = None) -> ApproversForm:
        """Who may approve now, with what was ticked over it."""
        return ApproversForm(formdata, kind=self.kind)

    def save(self, form: ApproversForm, *, by: User) -> bool:
        """Let exactly those who are ticked approve."""
        return service.choose_approvers(form.chosen, by=by, seen=form.seen.data, kind=self.kind)


def init_app() -> None:
    """Put the sections on the settings page."""
    add_section(Approvers("approvers", Kind.REFUND), below="refunds")
    add_section(Approvers("charge_approvers", Kind.CHARGE), below="charges")
