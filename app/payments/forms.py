"""The filters of the payment list, and the form of a note."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import wtforms
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms.fields.choices import SelectChoice
from wtforms.validators import Length, Optional, Regexp, ValidationError

from app import clock
from app.money import InvalidAmount, decimals, parse_amount
from app.payments.listing import CLOCKS, FLAGS, PaymentFilters
from app.payments.queries import BILLING_KEY_PREFIX
from app.payments.search import TextQuery
from app.portone.labels import PG_PROVIDERS, pg_name
from app.web.forms import AmountField, Form, PeriodForm, Required
from app.web.labels import choices_of
from app.web.language import page_language

#: Won with their sign, cents with theirs, and as many decimals as any currency has.
_READ_AS = ("KRW", "USD", "CLF")

USUAL_CLOCK = "status_changed"

_CLOCK_NAMES = {
    "status_changed": _l("Status changed at"),
    "requested": _l("Requested at"),
    "paid": _l("Approved at"),
    "cancelled": _l("Cancelled at"),
}

_FLAG_NAMES = {
    "pending_cancellation": _l("Cancellation in progress"),
    "open_dispute": _l("Open dispute"),
    "mismatched": _l("Differs from what was initialized"),
    "account_refund_failed": _l("Transfer of the refund failed"),
    "account_refund_pending": _l("Transfer of the refund in progress"),
}


class CodesField(wtforms.SelectMultipleField):
    """Any number of codes; the empty one, which a select sends for "all", is none."""

    def process_formdata(self, valuelist: Sequence[str]) -> None:
        """Take the codes that are there."""
        super().process_formdata([code for code in valuelist if code])

    def pre_validate(self, _form: wtforms.Form) -> None:
        """One sentence for the first code that is none of the choices."""
        known = {choice.value for choice in self.choices or ()}
        for code in self.data or () if self.validate_choice else ():
            if code not in known:
                raise ValidationError(_("There is no “%(code)s” to choose.", code=code))


class AnyCurrencyAmountField(AmountField):
    """An amount in major units of no particular currency (`12,000원`, `29.99`); `.data` is a Decimal."""

    def read(self, typed: str) -> Decimal:  # type: ignore[override]
        """The amount; the sentence for one that cannot be read is about won."""
        problem: InvalidAmount | None = None
        for currency in _READ_AS:
            try:
                return Decimal(parse_amount(typed, currency)).scaleb(-decimals(currency))
            except InvalidAmount as reason:
                problem = problem or reason
        if problem is not None and problem.reason == "too_many_decimals":
            raise ValueError(_("An amount has four decimals at most."))
        return Decimal(super().read(typed))

    def show(self, value: Any) -> str:
        """The amount as it would be typed."""
        return "" if value is None else f"{value:f}"


@dataclass(frozen=True, slots=True)
class Preset:
    """A period that is one press away; both days are included."""

    name: str
    first: date
    last: date


class PaymentFilterForm(PeriodForm):
    """The filters of the payment list, as they stand in its address."""

    q = wtforms.SearchField(
        _l("Search"), validators=[Length(max=200, message=_l("Search for 200 characters at most."))]
    )
    status = CodesField(_l("Status"))
    method = CodesField(_l("Payment method"), validate_choice=False)
    pg = CodesField(_l("PG"), validate_choice=False)
    clock = wtforms.SelectField(
        _l("Dates mean"),
        default=USUAL_CLOCK,
        filters=[lambda chosen: chosen or USUAL_CLOCK],
    )
    amount_min = AnyCurrencyAmountField(_l("Amount from"))
    amount_max = AnyCurrencyAmountField(_l("Amount to"))
    currency = wtforms.StringField(
        _l("Currency"),
        filters=[lambda typed: typed and typed.upper()],
        validators=[Optional(), Regexp("[A-Z]{3}$", message=_l("A currency has three letters, as in KRW."))],
    )
    flag = wtforms.SelectField(_l("Unsettled"), default="")
    real = wtforms.BooleanField(_l("Without test payments"), false_values=("", "0", "false"))
    billing_key = wtforms.HiddenField(
        validators=[Optional(), Regexp("[0-9a-f]{64}$", message=_l("Search for the billing key again."))]
    )

    def __init__(self, formdata: Any = None, **values: Any) -> None:
        super().__init__(formdata, **values)
        self.clock.choices = [SelectChoice(code, name) for code, name in _CLOCK_NAMES.items()]
        self.status.choices = choices_of("payment_status")
        self.method.choices = _with_unknown(_method_names(), self.method.data)
        self.pg.choices = _with_unknown(_pg_names(), self.pg.data)
        self.flag.choices = [
            SelectChoice("", _l("All")),
            *(SelectChoice(code, _FLAG_NAMES[code]) for code in FLAGS),
        ]

    @property
    def has_billing_key(self) -> bool:
        """Whether a billing key was typed into the search box: a credential no address may hold."""
        return looks_like_billing_key(self.q.data or "")

    @property
    def is_blank(self) -> bool:
        """Whether nothing narrows the list."""
        return self.filters() == PaymentFilters()

    @property
    def clock_name(self) -> str:
        """What the dates mean; the cancelled payments stand in the order of their last change."""
        usual = _CLOCK_NAMES[USUAL_CLOCK]
        return str(usual if self.clock.data == "cancelled" else _CLOCK_NAMES.get(self.clock.data, usual))

    @property
    def clock_column(self) -> str:
        """The column the list is in the order of."""
        return CLOCKS.get(self.clock.data, CLOCKS[USUAL_CLOCK])

    @property
    def presets(self) -> list[Preset]:
        """The periods people ask for most."""
        today = clock.today()
        this_month = today.replace(day=1)
        last_month = (this_month - timedelta(days=1)).replace(day=1)
        return [
            Preset(_("Today"), today, today),
            Preset(_("Yesterday"), today - timedelta(days=1), today - timedelta(days=1)),
            Preset(_("Last 7 days"), today - timedelta(days=6), today),
            Preset(_("Last 30 days"), today - timedelta(days=29), today),
            Preset(_("Last 90 days"), today - timedelta(days=89), today),
            Preset(_("This month"), this_month, today),
            Preset(_("Last month"), last_month, this_month - timedelta(days=1)),
        ]

    def validate_amount_max(self, field: wtforms.Field) -> None:
        """The range has its smaller amount first."""
        least = self.amount_min.data
        if field.data is not None and least is not None and field.data < least:
            raise ValidationError(_("The largest amount is below the smallest."))

    def filters(self) -> PaymentFilters:
        """The filters for `listing.list_payments`: days in Asia/Seoul become moments."""
        return PaymentFilters(
            text=TextQuery.of(self.q.data or ""),
            statuses=tuple(self.status.data or ()),
            methods=tuple(self.method.data or ()),
            pg_providers=tuple(self.pg.data or ()),
            since=self.since,
            until=self.until,
            clock=self.clock.data,
            least=self.amount_min.data,
            most=self.amount_max.data,
            currency=self.currency.data or None,
            flag=self.flag.data or None,
            is_real_only=bool(self.real.data),
            billing_key_hash=self.billing_key.data or None,
        )


class NoteForm(Form):
    """What a colleague wants the next one to know."""

    body = wtforms.TextAreaField(
        _l("Note"),
        validators=[
            Required(_l("Write something first.")),
            Length(max=2_000, message=_l("A note has 2,000 characters at most.")),
        ],
    )


def looks_like_billing_key(typed: str) -> bool:
    """Whether a text begins as every billing key does."""
    return typed.strip().lower().startswith(BILLING_KEY_PREFIX)


def _with_unknown(choices: list[SelectChoice], chosen: Sequence[str] | None) -> list[SelectChoice]:
    """The choices, and codes PortOne has added since: they are shown as they come."""
    known = {choice.value for choice in choices}
    return [*choices, *(SelectChoice(code, code) for code in chosen or () if code not in known)]


def _method_names() -> list[SelectChoice]:
    """The methods of payments; the others are of billing keys and wallets."""
    return [choice for choice in choices_of("method") if choice.value not in {"CHARGE", "PAYPAL"}]


def _pg_names() -> list[SelectChoice]:
    language = page_language()
    names = [SelectChoice(code, pg_name(code, language)) for code in PG_PROVIDERS]
    return sorted(names, key=lambda choice: str(choice.label).lower())
