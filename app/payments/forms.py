"""The filters of the payment list, and the form of a note."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

import wtforms
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms.fields.choices import SelectChoice
from wtforms.validators import Length, Optional, Regexp, ValidationError

from app import clock
from app.money import InvalidAmount, decimals, parse_amount
from app.payments.filters import CLOCKS, FLAGS, USUAL_CLOCK, PaymentFilters
from app.payments.queries import BILLING_KEY_PREFIX
from app.payments.words import LANGUAGE, Settled, days_of, query_of, settle
from app.portone.labels import PG_PROVIDERS, pg_name
from app.web.forms import AmountField, Form, PeriodForm, Required
from app.web.labels import choices_of
from app.web.language import page_language
from app.web.query_language import Complaint

#: Won with their sign, cents with theirs, and as many decimals as any currency has.
_READ_AS = ("KRW", "USD", "CLF")

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
    "drift": _l("Differs from PortOne"),
}


#: What a row of the list can show beside status, order and amount, and what it does unless people choose.
COLUMNS = {
    "customer": _l("Customer"),
    "method": _l("Payment method"),
    "transaction_id": _l("Transaction ID"),
    "requested": _l("Requested at"),
    "approved": _l("Approved at"),
    "time": _l("Time"),
}
USUAL_COLUMNS = ("customer", "method", "time")


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
    column = CodesField(_l("Columns"))
    billing_key = wtforms.HiddenField(
        validators=[Optional(), Regexp("[0-9a-f]{64}$", message=_l("Search for the billing key again."))]
    )

    def __init__(self, formdata: Any = None, **values: Any) -> None:
        super().__init__(formdata, **values)
        self._settled: PaymentFilters | None = None
        #: What the person chose before; what an address names is shown all the same.
        self.remembered_columns: Sequence[str] = ()
        self.clock.choices = [SelectChoice(code, name) for code, name in _CLOCK_NAMES.items()]
        self._offer_codes()
        self.column.choices = [SelectChoice(code, name) for code, name in COLUMNS.items()]
        self.flag.choices = [
            SelectChoice("", _l("All")),
            *(SelectChoice(code, _FLAG_NAMES[code]) for code in FLAGS),
        ]

    def _offer_codes(self) -> None:
        self.status.choices = choices_of("payment_status")
        self.method.choices = _with_unknown(_method_names(), self.method.data)
        self.pg.choices = _with_unknown(pg_choices(), self.pg.data)

    @property
    def has_billing_key(self) -> bool:
        """Whether a billing key was typed into the search box: a credential no address may hold."""
        return looks_like_billing_key(self.q.data or "")

    @property
    def is_blank(self) -> bool:
        """Whether nothing narrows the list."""
        return self.filters() == PaymentFilters()

    @property
    def columns(self) -> Sequence[str]:
        """The columns to show beside status, order and amount, in the order of the table."""
        chosen = self.column.data or self.remembered_columns or USUAL_COLUMNS
        return [code for code in COLUMNS if code in chosen]

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

    def validate_q(self, field: wtforms.Field) -> None:
        """Read the query; what it says of other fields is shown in them, and wins over what stood there."""
        try:
            query = LANGUAGE.read(field.data or "")
        except Complaint as complaint:
            raise ValidationError(str(complaint)) from complaint
        settled = settle(query, self._chosen())
        self._settled = settled.filters
        if query.terms:
            self._show(settled)

    def filters(self) -> PaymentFilters:
        """The filters, from the fields and from what is typed; raises `Complaint` unless it was validated."""
        if self._settled is None:
            self._settled = settle(LANGUAGE.read(self.q.data or ""), self._chosen()).filters
        return self._settled

    @property
    def whole_query(self) -> str:
        """All that is filtered by, as one query that can be typed."""
        return LANGUAGE.print(query_of(self.filters()))

    def address(self, **changes: Any) -> dict[str, Any]:
        """The address of these filters with some changed, each in its field; None takes one out."""
        return {name: value for name, value in (self._told | changes).items() if value}

    @cached_property
    def _told(self) -> dict[str, Any]:
        """What each field says, read or settled; a page leads to some twenty variations of it."""
        return {
            "q": self.q.data,
            "status": self.status.data,
            "method": self.method.data,
            "pg": self.pg.data,
            "from": self.from_.data,
            "to": self.to.data,
            "clock": self.clock.data if self.clock.data != USUAL_CLOCK else None,
            "amount_min": self.amount_min.show(self.amount_min.data),
            "amount_max": self.amount_max.show(self.amount_max.data),
            "currency": self.currency.data,
            "flag": self.flag.data,
            "real": "1" if self.real.data else None,
            "billing_key": self.billing_key.data,
            "column": self.column.data,
        }

    def _show(self, settled: Settled) -> None:
        """Let the fields show what the query says, and the search box what no field can say."""
        filters = settled.filters
        self.q.data = settled.typed
        self.status.data = list(filters.statuses)
        self.method.data = list(filters.methods)
        self.pg.data = list(filters.pg_providers)
        self._offer_codes()
        self.status.choices = _with_unknown(choices_of("payment_status"), self.status.data)
        self.clock.data = filters.clock
        self.currency.data, self.flag.data = filters.currency, filters.flag or ""
        self.real.data = filters.is_real_only
        days = days_of(filters)
        for field, value in (
            (self.from_, days.low),
            (self.to, days.high),
            (self.amount_min, filters.least),
            (self.amount_max, filters.most),
        ):
            field.data, field.raw_data = value, None

    def _chosen(self) -> PaymentFilters:
        """What the fields say: days in Asia/Seoul become moments."""
        return PaymentFilters(
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


def pg_choices() -> list[SelectChoice]:
    """Every PG by its name, in the order of the names."""
    language = page_language()
    names = [SelectChoice(code, pg_name(code, language)) for code in PG_PROVIDERS]
    return sorted(names, key=lambda choice: str(choice.label).lower())
