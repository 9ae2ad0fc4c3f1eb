"""The form of a charge, and that of a second person's decision."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import wtforms
from babel.numbers import is_currency
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms.validators import Length, ValidationError

from app.billing_keys.models import BillingKey
from app.charges.checks import Wish
from app.charges.models import payment_id_of
from app.columns import new_id
from app.web.filters import money
from app.web.forms import AmountField, Form, Required, composed

#: What is typed in where nobody says otherwise.
USUAL_CURRENCY = "KRW"

#: PortOne names no limit for an order's name; PGs and card statements cut long ones.
ORDER_NAME_LENGTH = 100

#: Fields of the form that the review page sends again.
_NOT_CARRIED = frozenset({"confirmed", "again", "not_twin"})


class ChargeForm(Form):
    """What to charge to one billing key. Amounts are typed in major units of the currency typed beside."""

    amount = AmountField(_l("Amount"), validators=[Required(_l("Type the amount to charge."))])
    currency = wtforms.StringField(
        _l("Currency"), default=USUAL_CURRENCY, filters=[lambda typed: (typed or USUAL_CURRENCY).upper()]
    )
    tax_free_amount = AmountField(_l("Tax-free part"))
    order_name = wtforms.StringField(
        _l("Order name"),
        filters=[composed],
        validators=[
            Required(_l("Write what the customer is charged for; they see it on their statement.")),
            Length(max=ORDER_NAME_LENGTH, message=_l("An order name has 100 characters at most.")),
        ],
    )
    customer_name = wtforms.StringField(
        _l("Customer name"),
        filters=[composed],
        validators=[Length(max=100, message=_l("A name has 100 characters at most."))],
    )
    reason = wtforms.StringField(
        _l("Why, for colleagues"),
        validators=[Length(max=200, message=_l("A note has 200 characters at most."))],
    )
    again = wtforms.BooleanField(_l("I mean another charge, not the same one twice"))
    intent = wtforms.HiddenField()
    payment_id = wtforms.HiddenField()
    not_twin = wtforms.HiddenField()
    confirmed = wtforms.HiddenField()

    def __init__(self, formdata: Any = None, **values: Any) -> None:
        typed = (formdata or {}).get("currency", "").strip().upper()[:3]
        super().__init__(formdata, currency=typed or USUAL_CURRENCY, **values)

    @classmethod
    def fresh(cls, row: BillingKey) -> "ChargeForm":
        """An empty form, with the ids by which it can be sent again and charge once."""
        intent = new_id()
        ids = {"intent": str(intent), "payment_id": payment_id_of(intent)}
        return cls(data={**ids, "customer_name": row.customer_name})

    @property
    def carried(self) -> Iterator[wtforms.Field]:
        """What the review page sends again as it was typed."""
        return (field for field in self if field.name not in _NOT_CARRIED)

    @property
    def intent_id(self) -> UUID | None:
        """The intent, if it can be read."""
        try:
            return UUID(self.intent.data or "")
        except ValueError:
            return None

    def wish(self) -> Wish:
        """What is wanted; only after `validate()`."""
        return Wish(
            intent=UUID(self.intent.data),
            amount=self.amount.data or 0,
            currency=self.currency.data,
            order_name=self.order_name.data,
            tax_free_amount=self.tax_free_amount.data or 0,
            customer_name=self.customer_name.data or None,
            reason=self.reason.data or "",
            not_twin=UUID(self.not_twin.data) if self.again.data and self.not_twin.data else None,
        )

    def validate_intent(self, field: wtforms.Field) -> None:
        """The ids of a form belong together, so that nobody can name another payment."""
        if self.intent_id is None or self.payment_id.data != payment_id_of(self.intent_id):
            field.data = ""
            raise ValidationError(_("This form is damaged. Open it again."))

    def validate_not_twin(self, field: wtforms.Field) -> None:
        """The charge that the person was told of."""
        try:
            UUID(field.data) if field.data else None
        except ValueError:
            raise ValidationError(_("This form is damaged. Open it again.")) from None

    def validate_currency(self, field: wtforms.Field) -> None:
        """A currency that there is."""
        if len(field.data) != 3 or not field.data.isascii() or not is_currency(field.data):
            raise ValidationError(_("There is no currency “%(currency)s”.", currency=field.data[:20]))

    def validate_amount(self, field: wtforms.Field) -> None:
        """Something has to be charged."""
        if field.data == 0:
            raise ValidationError(_("The amount must be more than 0."))

    def validate_tax_free_amount(self, field: wtforms.Field) -> None:
        """A part is no more than the whole."""
        if field.data is None or field.process_errors or self.amount.data is None:
            return
        if field.data > self.amount.data:
            most = money(self.amount.data, self.currency.data)
            raise ValidationError(_("The tax-free part can be %(most)s at most.", most=most))


class DecisionForm(Form):
    """What a second person says about a charge that waits."""

    note = wtforms.TextAreaField(
        _l("Note"), validators=[Length(max=500, message=_l("A note has 500 characters at most."))]
    )
