"""The forms of signing in and of one's own account."""

from typing import Any
from urllib.parse import unquote

from flask_babel import lazy_gettext as _l
from wtforms import (
    EmailField,
    Field,
    HiddenField,
    PasswordField,
    RadioField,
    SelectChoice,
    StringField,
    ValidationError,
)
from wtforms.validators import EqualTo, Length

from app.access.permissions import Role
from app.accounts import passwords, people
from app.accounts.limits import LIMITS, own_limits
from app.accounts.models import User
from app.settings.forms import AmountsField
from app.web.filters import THEMES
from app.web.forms import Form, Required

#: Each language in its own words, for those who cannot read the other.
LANGUAGES = [SelectChoice("ko", "한국어"), SelectChoice("en", "English")]


ROLE_NAMES = {
    Role.ADMIN: _l("Admin: searches, refunds within the limit, replays"),
    Role.SUPER_ADMIN: _l("Super admin: people, limits, approvals, settings as well"),
}


def local_path(address: str | None) -> str | None:
    """The address if it is a path of this site, else None: no link to `/login?next=…` leads to another one.

    Browsers take `//host` and `/\\host` for another site, and drop tabs and line ends before they look.
    """
    if not address or not address.startswith("/") or not address.isprintable() or len(address) > 2000:
        return None
    beginning = unquote(unquote(address)).replace("\\", "/")
    return None if beginning.startswith("//") else address


def fit_password(_form: Form, field: Field) -> None:
    """Refuse what the service would refuse."""
    try:
        passwords.refuse_unfit_password(field.data)
    except passwords.PasswordRefused as refusal:
        raise ValidationError(refusal.message) from None


class NextField(HiddenField):
    """Where to go afterwards: a path of this site, or nothing."""

    def process_formdata(self, valuelist: list[Any]) -> None:
        self.data = local_path(valuelist[0]) if valuelist else None


class SignInForm(Form):
    """The sign-in page."""

    email = EmailField(_l("E-mail"), [Required()])
    password = PasswordField(_l("Password"), [Required()])
    code = StringField()
    next = NextField()


class CodeForm(Form):
    """A code of the second factor, or a recovery code."""

    code = StringField(_l("Code"), [Required(_l("Type the code that your app shows."))])
    next = NextField()


class SetUpForm(Form):
    """A code of the new secret, and one's own password: an unattended session must lock nobody out."""

    code = StringField(_l("Code"), [Required(_l("Type the code that your app shows."))])
    password = PasswordField(_l("Password"), [Required()])


class ConfirmationForm(Form):
    """One's own password, before the second factor is taken away."""

    password = PasswordField(_l("Password"), [Required()])


class PasswordForm(Form):
    """A new password, typed twice, and the one there is."""

    current_password = PasswordField(_l("Current password"), [Required()])
    new_password = PasswordField(_l("New password"), [Required(), fit_password])
    new_password_again = PasswordField(
        _l("New password, again"),
        [Required(), EqualTo("new_password", message=_l("This is not the same as the new password."))],
    )


class InvitationForm(Form):
    """Whom to invite, and as what."""

    email = EmailField(_l("E-mail"), [Required()])
    name = StringField(_l("Name"), [Length(max=200, message=_l("A name has 200 characters at most."))])
    role = RadioField(
        _l("Role"),
        choices=[SelectChoice(role.value, ROLE_NAMES[role]) for role in (Role.ADMIN, Role.SUPER_ADMIN)],
        default=Role.ADMIN.value,
        validators=[Required()],
    )


class LimitsForm(Form):
    """A person's own limits, over those of their role."""

    refund_limit = AmountsField(LIMITS["refund_limit"])
    refund_daily_limit = AmountsField(LIMITS["refund_daily_limit"])
    charge_limit = AmountsField(LIMITS["charge_limit"])
    seen = HiddenField()

    def __init__(self, formdata: Any = None, *, person: User) -> None:
        stored: dict[str, Any] = {name: dict(own_limits(person, name)) for name in LIMITS}
        super().__init__(formdata, data={**stored, "seen": people.mark_of_limits(person)})

    def wanted(self) -> dict[str, dict[str, int]]:
        """The limits as `people.change_limits` takes them; only after `validate()`."""
        return {name: self[name].data for name in LIMITS}


class FirstPasswordForm(Form):
    """The password an invited person chooses, typed twice."""

    new_password = PasswordField(_l("New password"), [Required(), fit_password])
    new_password_again = PasswordField(
        _l("New password, again"),
        [Required(), EqualTo("new_password", message=_l("This is not the same as the new password."))],
    )


class LanguageForm(Form):
    """The choice of language, on the account page and in the menu."""

    language = RadioField(_l("Language"), choices=LANGUAGES)
    next = NextField()


class ThemeForm(Form):
    """The choice of light and dark."""

    theme = RadioField(_l("Theme"), choices=[SelectChoice(theme) for theme in THEMES])
    next = NextField()
