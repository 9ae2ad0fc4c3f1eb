"""What has to be said before a person is forgotten."""

import wtforms
from flask_babel import lazy_gettext as _l
from wtforms.validators import InputRequired, Length

from app.web.forms import Form, Required


class ErasureForm(Form):
    """Why, whether notes go too, and that it is meant."""

    reason = wtforms.StringField(
        _l("Reason"),
        validators=[
            Required(_l("Say who asked for it and when. It is kept in the audit trail.")),
            Length(max=300, message=_l("A reason has 300 characters at most.")),
        ],
    )
    with_notes = wtforms.BooleanField(_l("Erase the notes on these payments too"), false_values=("", "0"))
    confirmed = wtforms.BooleanField(
        _l("I know that this cannot be undone"),
        false_values=("", "0"),
        validators=[InputRequired(_l("Tick this box: what is erased cannot be brought back."))],
    )
