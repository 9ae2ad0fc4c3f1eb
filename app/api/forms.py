"""The form that makes a token."""

import wtforms
from flask_babel import lazy_gettext as _l
from wtforms import SelectChoice
from wtforms.validators import Length

from app.api.models import Scope
from app.web.forms import Form, Required

#: How long a token may live, in days; 0 is without end.
LIFETIMES = (30, 90, 365, 0)

SCOPE_NAMES = {
    Scope.INITIALIZE: _l("Initialize payments"),
    Scope.VERIFY: _l("Verify payments"),
    Scope.CONFIRM: _l("Approve payments"),
    Scope.CANCEL: _l("Cancel payments"),
}

_LIFETIME_NAMES = {30: _l("30 days"), 90: _l("90 days"), 365: _l("One year"), 0: _l("Without end")}


class TokenForm(Form):
    """Which server gets the token, and what it may be used for."""

    name = wtforms.StringField(
        _l("Name"),
        validators=[
            Required(_l("Name the server that will use it.")),
            Length(max=80, message=_l("A name has 80 characters at most.")),
        ],
    )
    scopes = wtforms.SelectMultipleField(
        _l("May be used to"),
        choices=[SelectChoice(scope.value, name) for scope, name in SCOPE_NAMES.items()],
        validators=[Required(_l("Choose at least one."))],
        widget=wtforms.widgets.ListWidget(prefix_label=False),
        option_widget=wtforms.widgets.CheckboxInput(),
    )
    days = wtforms.SelectField(
        _l("Valid for"),
        coerce=int,
        default=365,
        choices=[SelectChoice(days, _LIFETIME_NAMES[days]) for days in LIFETIMES],
    )
