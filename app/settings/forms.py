"""The form of a section of the settings page, made from the catalogue."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import wtforms
from babel.numbers import is_currency
from flask_babel import gettext as _
from wtforms.validators import Length

from app.money import InvalidAmount, Money, parse_amount
from app.settings.catalogue import CATALOGUE, Kind, Setting
from app.web.forms import Form, NumberField, Required, sentence_about

#: Rows for amounts in further currencies; saving gives new ones.
BLANK_ROWS = 2

#: Rows that are read at most: there are fewer currencies.
MOST_ROWS = 300

#: What a secret becomes when nobody typed anything: it stays what it is.
UNCHANGED = None


@dataclass(slots=True)
class AmountRow:
    """An amount in one currency as it was typed, and what is wrong with it."""

    currency: str = ""
    amount: str = ""
    error: str | None = None

    def read(self) -> tuple[str, int]:
        """The currency and the amount in its minor units; raises ValueError with a sentence."""
        currency = self.currency.upper()
        if not currency:
            raise ValueError(_("Which currency? Type its three letters, such as KRW."))
        if not is_currency(currency):
            raise ValueError(_("There is no currency “%(currency)s”.", currency=currency))
        if not self.amount:
            raise ValueError(_("Type an amount, or clear this row."))
        try:
            return currency, parse_amount(self.amount, currency)
        except InvalidAmount as problem:
            raise ValueError(sentence_about(problem, currency)) from problem


class AmountsField(wtforms.Field):
    """Amounts by currency, a row each, in major units; `.data` is `{"KRW": 500000}` in minor units.

    The rows are two lists of one length, `<name>-currency` and `<name>-amount`, so that no script is needed.
    """

    rows: list[AmountRow]
    data: dict[str, int]
    process_errors: list[str]

    def process(self, formdata: Any, data: Any = wtforms.utils.unset_value, **_kwargs: Any) -> None:
        self.process_errors = []
        self.data = self.object_data = {} if data is wtforms.utils.unset_value else data
        if formdata is None or f"{self.name}-currency" not in formdata:  # not asked, so not to be emptied
            self.rows = [AmountRow(code, Money(each, code).plain()) for code, each in self.data.items()]
            self._add_blanks()
            return
        currencies = formdata.getlist(f"{self.name}-currency")[:MOST_ROWS]
        amounts = formdata.getlist(f"{self.name}-amount")[:MOST_ROWS]
        pairs = zip(currencies, amounts, strict=False)
        self.rows = [AmountRow(code.strip(), typed.strip()) for code, typed in pairs]
        self.raw_data = [*currencies, *amounts]
        self._read_rows()
        self._add_blanks()

    def _read_rows(self) -> None:
        self.data = {}
        for row in self.rows:
            if not row.currency and not row.amount:
                continue
            try:
                currency, amount = row.read()
            except ValueError as problem:
                row.error = str(problem)
            else:
                if currency in self.data:
                    row.error = _("%(currency)s stands here twice.", currency=currency)
                self.data[currency] = amount
        if any(row.error for row in self.rows):
            self.process_errors = [_("Please look at the rows marked below.")]

    def _add_blanks(self) -> None:
        blank = sum(not row.currency and not row.amount for row in self.rows)
        self.rows += [AmountRow() for _number in range(BLANK_ROWS - blank)]


class SecretField(wtforms.PasswordField):
    """A secret that is set anew, cleared (box `<name>-clear`) or left; it never goes back to the browser.

    `.data` is the new secret, "" to clear it, or `UNCHANGED`. `is_set` says whether there is one.
    """

    data: str | None
    is_set = False
    clears = False

    def process(self, formdata: Any, data: Any = wtforms.utils.unset_value, **kwargs: Any) -> None:
        self.is_set = data is True
        super().process(formdata, "", **kwargs)
        self.clears = bool(formdata and formdata.get(f"{self.name}-clear"))
        self.data = "" if self.clears else (self.data or UNCHANGED)

    def pre_validate(self, _form: wtforms.Form) -> None:
        if self.clears and any(self.raw_data or ()):
            raise wtforms.ValidationError(_("Either type a new value, or clear it."))


class SettingsForm(Form):
    """What all sections share; `seen` tells whether somebody else was faster."""

    seen = wtforms.HiddenField()

    def settings(self) -> list[Setting]:
        """The settings on this form, in the order of the catalogue."""
        return [CATALOGUE[field.name] for field in self if field.name in CATALOGUE]

    def wanted(self) -> dict[str, Any]:
        """What each setting is to be, as `service.change` takes it. Only after `validate()`."""
        return {setting.name: self[setting.name].data for setting in self.settings()}

    def blame(self, problems: Mapping[str, str]) -> None:
        """Put sentences of the service beside the fields they are about."""
        for name, sentence in problems.items():
            self[name].errors = [*self[name].errors, sentence]


def form_for(section: str, formdata: Any = None, *, values: Mapping[str, Any], seen: str) -> SettingsForm:
    """The form of a section: `values` as they are stored, over which lies what was typed."""
    settings = [setting for setting in CATALOGUE.values() if setting.section == section]
    fields = {setting.name: _field_for(setting) for setting in settings}
    data = {setting.name: values[setting.name] for setting in settings}
    form: SettingsForm = type("SectionForm", (SettingsForm,), fields)(formdata, data={**data, "seen": seen})
    return form


def _field_for(setting: Setting) -> Any:
    match setting.kind:
        case Kind.AMOUNTS:
            return AmountsField(setting.label)
        case Kind.NUMBER:
            return NumberField(setting.label, [Required()], least=setting.least, most=setting.most)
        case Kind.SWITCH:
            return wtforms.BooleanField(setting.label)
        case Kind.SECRET:
            return SecretField(setting.label, [_at_most(setting.most)])
        case Kind.TEXT:
            return wtforms.StringField(setting.label, [_at_most(setting.most)])


def _at_most(most: int) -> Length:
    return Length(max=most, message=_("This has %(most)s characters at most.", most=f"{most:,}"))
