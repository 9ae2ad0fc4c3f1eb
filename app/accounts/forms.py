"""The forms of signing in and of one's own account."""

from typing import Any
from urllib.parse import unquote

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import EmailField, Field, HiddenField, PasswordField, RadioField, SelectChoice, ValidationError

from app.accounts import passwords
from app.web.filters import THEMES
from app.web.forms import Form, Required

#: Each language in its own words, for those who cannot read the other.
LANGUAGES = [SelectChoice("ko", "한국어"), SelectChoice("en", "English")]


def local_path(address: str | None) -> str | None:
    """The address if it is a path of this site, else None: no link to `/login?next=…` leads to another one.

    Browsers take `//host` and `/\\host` for another site, and drop tabs and line ends before they look.
    """
    if not address or not address.startswith("/") or not address.isprintable() or len(address) > 2000:
        return None
    beginning = unquote(unquote(address)).replace("\\", "/")
    return None if beginning.startswith("//") else address


class NextField(HiddenField):
    """Where to go afterwards: a path of this site, or nothing."""

    def process_formdata(self, valuelist: list[Any]) -> None:
        self.data = local_path(valuelist[0]) if valuelist else None


class SignInForm(Form):
    """The sign-in page."""

    email = EmailField(_l("E-mail"), [Required()])
    password = PasswordField(_l("Password"), [Required()])
    next = NextField()


class PasswordForm(Form):
    """A new password, typed twice, and the one there is."""

    current_password = PasswordField(_l("Current password"), [Required()])
    new_password = PasswordField(_l("New password"), [Required()])
    new_password_again = PasswordField(_l("New password, again"), [Required()])

    def validate_new_password(self, field: Field) -> None:
        """Refuse what the service would refuse."""
        try:
            passwords.refuse_unfit_password(field.data)
        except passwords.PasswordRefused as refusal:
            raise ValidationError(refusal.message) from None

    def validate_new_password_again(self, field: Field) -> None:
        """Both have to be the same."""
        if field.data != self.new_password.data:
            raise ValidationError(_("This is not the same as the new password."))


class LanguageForm(Form):
    """The choice of language, on the account page and in the menu."""

    language = RadioField(_l("Language"), choices=LANGUAGES)
    next = NextField()


class ThemeForm(Form):
    """The choice of light and dark."""

    theme = RadioField(_l("Theme"), choices=[SelectChoice(theme) for theme in THEMES])
    next = NextField()
