"""The filters of the list of billing keys, and the forms of what can be done with one."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import wtforms
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms.validators import Length, ValidationError

from app.billing_keys.deleting import Wish
from app.billing_keys.models import BillingKey
from app.billing_keys.queries import BillingKeyFilters
from app.billing_keys.service import mask_keys
from app.billing_keys.stopping import StoppingSchedule, ids_of
from app.columns import new_id
from app.payments.forms import CodesField, pg_choices
from app.web.forms import DayField, Form, PeriodForm, Required
from app.web.labels import choices_of, label_of

#: The methods a billing key can charge, by PortOne's codes.
METHODS = ("CARD", "EASY_PAY", "MOBILE", "TRANSFER", "PAYPAL")

_TOO_LONG = _l("This is longer than anything a billing key has.")


_USES = {
    "chargeable": _l("Chargeable"),
    "default": _l("Customer's default"),
    "off": _l("Switched off"),
    "deleting": _l("Being deleted"),
}


class BillingKeyFilterForm(PeriodForm):
    """The filters of the list, as they stand in its address; the days are those of issue."""

    from_ = DayField(_l("Issued from"), name="from")
    to = DayField(_l("Issued until"))
    q = wtforms.SearchField(_l("Search"), validators=[Length(max=200, message=_TOO_LONG)])
    status = wtforms.SelectMultipleField(_l("Status"))
    method = wtforms.SelectField(_l("Payment method"), default="")
    pg = CodesField(_l("PG"), validate_choice=False)
    use = wtforms.SelectField(_l("Use"), default="")
    customer = wtforms.StringField(_l("Customer ID"), validators=[Length(max=255, message=_TOO_LONG)])

    def __init__(self, formdata: Any = None, **values: Any) -> None:
        super().__init__(formdata, **values)
        self.status.choices = choices_of("billing_key_status")
        self.method.choices = [
            wtforms.SelectChoice("", _l("Every payment method")),
            *(wtforms.SelectChoice(code, label_of("method", code).text) for code in METHODS),
        ]
        self.pg.choices = pg_choices()
        self.use.choices = [
            wtforms.SelectChoice("", _l("All")),
            *(wtforms.SelectChoice(code, name) for code, name in _USES.items()),
        ]

    def filters(self) -> BillingKeyFilters:
        """The filters for `queries.list_billing_keys`."""
        return {
            "text": self.q.data or None,
            "status": self.status.data or [],
            "method": self.method.data or None,
            "customer": self.customer.data or None,
            "pg": self.pg.data or [],
            "use": self.use.data or None,
            "since": self.since,
            "until": self.until,
        }


class BillingKeyLookupForm(Form):
    """A whole billing key: it travels in the body of a POST, never in an address."""

    billing_key = wtforms.StringField(
        _l("Whole billing key"), validators=[Required(), Length(max=500, message=_TOO_LONG)]
    )


class RevealForm(Form):
    """Why somebody wants to see a whole key."""

    reason = wtforms.StringField(
        _l("Reason to see it"),
        filters=[mask_keys],
        validators=[
            Required(_l("Write why you need the key; the audit trail keeps it.")),
            Length(max=200, message=_l("A note has 200 characters at most.")),
        ],
    )


class SwitchForm(Form):
    """A switch, and how it is to stand; saying it again changes nothing."""

    on = wtforms.RadioField(choices=[wtforms.SelectChoice("1"), wtforms.SelectChoice("0")])

    @property
    def is_on(self) -> bool:
        """How the switch is to stand."""
        return bool(self.on.data == "1")


class DeletionForm(Form):
    """Why a key is to be deleted, on whose wish, and the end of the key typed as a proof of meaning it.

    `schedule` holds the ids of the scheduled payments that the page has shown, and which stop.
    """

    intent = wtforms.HiddenField()
    schedule = wtforms.SelectMultipleField(choices=[], validate_choice=False)
    reason = wtforms.StringField(
        _l("Reason"),
        filters=[mask_keys],
        validators=[
            Required(_l("Write why the key is deleted; PortOne, the PG and the audit trail keep it.")),
            Length(max=200, message=_l("A note has 200 characters at most.")),
        ],
    )
    requester = wtforms.RadioField(
        _l("On whose wish"),
        choices=[
            wtforms.SelectChoice("ADMIN", _l("The store's (ADMIN)")),
            wtforms.SelectChoice("CUSTOMER", _l("The customer's (CUSTOMER)")),
        ],
        default="ADMIN",
        filters=[lambda chosen: chosen or "ADMIN"],
    )
    confirmation = wtforms.StringField(_l("Type it to confirm"))

    def __init__(self, formdata: Any = None, *, row: BillingKey, **values: Any) -> None:
        super().__init__(formdata, **values)
        self.expected = text_to_type(row)
        self.confirmation.render_kw = {"placeholder": self.expected}

    def validate_confirmation(self, field: wtforms.Field) -> None:
        """What was typed is the end of this very key."""
        if (field.data or "").casefold() != self.expected.casefold():
            raise ValidationError(_("Type “%(text)s” here to confirm.", text=self.expected))

    @property
    def intent_id(self) -> UUID:
        """The id that was made with the form; a new one where it has none that can be used."""
        try:
            return UUID(self.intent.data or "")
        except ValueError:
            return new_id()

    def wish(self) -> Wish:
        """What the form asks for."""
        seen = frozenset(self.schedule.data or ())
        return Wish(self.intent_id, self.reason.data, self.requester.data, schedule_ids=seen)

    def begin_again(self, schedules: Sequence[StoppingSchedule] | None) -> None:
        """Make it the form of another deletion, over these schedules where they are known."""
        self.intent.data = str(new_id())
        if schedules is not None:
            self.schedule.data = ids_of(schedules)


def text_to_type(row: BillingKey) -> str:
    """What is typed to confirm the deletion of a key: its end, or that of our number for it."""
    return row.key_ending or str(row.id)[-4:]
