"""What has to be said before a list leaves the house as a file."""

import wtforms
from flask_babel import lazy_gettext as _l
from wtforms.fields.choices import SelectChoice
from wtforms.validators import Length

from app.exports.models import Format
from app.web.forms import Form, Required


class ExportForm(Form):
    """The kind of file, and why it is needed."""

    format = wtforms.RadioField(
        _l("File"),
        choices=[
            SelectChoice(Format.XLSX.value, _l("Excel (XLSX)")),
            SelectChoice(Format.CSV.value, _l("CSV, for Excel and other programs")),
        ],
        default=Format.XLSX.value,
        validators=[Required(_l("Choose a kind of file."))],
    )
    reason = wtforms.StringField(
        _l("Reason"),
        validators=[
            Required(_l("Say what the file is needed for. It is kept in the audit trail.")),
            Length(max=500, message=_l("A reason has 500 characters at most.")),
        ],
    )
    unmasked = wtforms.BooleanField(
        _l("Show names, e-mail addresses, phones and account numbers in full"),
        false_values=("", "0", "false"),
    )
