"""The filters of the list of billing keys, and the box that a whole key is pasted into."""

from typing import Any

import wtforms
from flask_babel import lazy_gettext as _l
from wtforms.validators import Length

from app.billing_keys.queries import BillingKeyFilters
from app.web.forms import Form, Required
from app.web.labels import choices_of, label_of

#: The methods a billing key can charge, by PortOne's codes.
METHODS = ("CARD", "EASY_PAY", "MOBILE", "TRANSFER", "PAYPAL")

_TOO_LONG = _l("This is longer than anything a billing key has.")


class BillingKeyFilterForm(Form):
    """The filters of the list, as they stand in its address."""

    q = wtforms.StringField(_l("Search"), validators=[Length(max=200, message=_TOO_LONG)])
    status = wtforms.SelectMultipleField(_l("Status"))
    method = wtforms.SelectField(_l("Payment method"), default="")
    customer = wtforms.StringField(_l("Customer ID"), validators=[Length(max=255, message=_TOO_LONG)])

    def __init__(self, formdata: Any = None, **values: Any) -> None:
        super().__init__(formdata, **values)
        self.status.choices = choices_of("billing_key_status")
        self.method.choices = [
            wtforms.SelectChoice("", _l("Every payment method")),
            *(wtforms.SelectChoice(code, label_of("method", code).text) for code in METHODS),
        ]

    def filters(self) -> BillingKeyFilters:
        """The filters for `queries.list_billing_keys`."""
        return {
            "text": self.q.data or None,
            "status": self.status.data or [],
            "method": self.method.data or None,
            "customer": self.customer.data or None,
        }


class BillingKeyLookupForm(Form):
    """A whole billing key: it travels in the body of a POST, never in an address."""

    billing_key = wtforms.StringField(
        _l("Whole billing key"), validators=[Required(), Length(max=500, message=_TOO_LONG)]
    )
