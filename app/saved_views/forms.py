"""The name of a saved view, and who may use it."""

import wtforms
from flask_babel import lazy_gettext as _l
from wtforms.validators import Length

from app.web.forms import Form, Required

_UNTICKED = ("", "0", "false")


class ViewForm(Form):
    """A view that is saved or changed."""

    name = wtforms.StringField(
        _l("Name of the view"),
        validators=[
            Required(_l("Give the view a name.")),
            Length(max=60, message=_l("A name has 60 characters at most.")),
        ],
    )
    shared = wtforms.BooleanField(_l("Share with everybody"), false_values=_UNTICKED)
    default = wtforms.BooleanField(_l("My list opens with this view"), false_values=_UNTICKED)
