"""The form all forms extend, and fields for amounts, days and numbers that people type in many ways."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any, ClassVar

import wtforms
from flask_babel import get_locale, lazy_gettext
from flask_babel import gettext as _
from markupsafe import Markup, escape
from wtforms.fields.core import UnboundField
from wtforms.i18n import get_translations
from wtforms.meta import DefaultMeta
from wtforms.validators import StopValidation, ValidationError
from wtforms.widgets.core import clean_key

from app.clock import start_of_day
from app.money import InvalidAmount, Money, decimals, parse_amount

#: Days outside these years are slips of the keyboard, and some of them no time zone can convert.
EARLIEST, LATEST = date(1990, 1, 1), date(2199, 12, 31)

_WHITESPACE_TYPED = {"\n", "\r", "\t"}

_NOT_AN_AMOUNT = lazy_gettext("Type an amount in digits, such as %(example)s.")

#: What is wrong with an amount, by the reason of `InvalidAmount`.
_AMOUNT_SENTENCES = {
    "negative": lazy_gettext("An amount cannot be negative."),
    "too_large": lazy_gettext("This amount is larger than any payment can be."),
    "misplaced_comma": lazy_gettext("Commas may stand only between thousands, as in 12,000."),
    "no_decimals": lazy_gettext("%(currency)s has no decimals. Type a whole amount."),
    "too_many_decimals": lazy_gettext("%(currency)s has %(places)s decimals at most."),
}


#: WTForms' own messages that say less than they could.
_BETTER_SENTENCES = {
    "Not a valid choice.": lazy_gettext("Choose one from the list."),
    "Invalid Choice: could not coerce.": lazy_gettext("Choose one from the list."),
}


class _Sentences:
    """WTForms' messages in the language of the page, with ours in place of some."""

    def __init__(self, language: str) -> None:
        self._own = get_translations([language])

    def gettext(self, message: str) -> str:
        """One message, translated."""
        return str(_BETTER_SENTENCES.get(message) or self._own.gettext(message))

    def ngettext(self, singular: str, plural: str, number: int) -> str:
        """One message that counts, translated."""
        return str(self._own.ngettext(singular, plural, number))


def _strip(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


def composed(typed: str | None) -> str | None:
    """Korean in whole syllables: some keyboards send their parts, which PGs print as such."""
    return unicodedata.normalize("NFC", typed) if typed else typed


_sentences = lru_cache(_Sentences)


def attributes(**given: Any) -> Markup:
    """The attributes of an element, as `wtforms.widgets.html_params` writes them, a fifth of the time."""
    parts: list[str] = []
    for name, value in sorted(given.items()):
        if value is True:
            parts.append(escape(clean_key(name)))
        elif value is not False:
            quoted = str(escape(value)).replace('"', "&quot;")
            parts.append(f'{escape(clean_key(name))}="{quoted}"')
    return Markup(" ".join(parts))  # noqa: S704 - all parts are escaped


#: WTForms formats each attribute as a template of its own, which took a tenth of the time of a list's page.
wtforms.widgets.html_params = wtforms.widgets.core.html_params = attributes
wtforms.widgets.Input.html_params = staticmethod(attributes)


class _Meta(DefaultMeta):
    """How fields are bound and translated: texts are stripped, WTForms' own messages follow the language."""

    def get_translations(self, _form: wtforms.Form) -> Any:
        return _sentences(str(get_locale() or "en"))

    def bind_field(self, form: wtforms.Form, unbound_field: UnboundField, options: dict[str, Any]) -> Any:
        kind = unbound_field.field_class
        if issubclass(kind, wtforms.StringField) and not issubclass(kind, wtforms.PasswordField):
            options = {"filters": [_strip, *unbound_field.kwargs.get("filters", ())], **options}
        return unbound_field.bind(form=form, **options)


class Form(wtforms.Form):
    """A form read from `request.args` or `request.form`; CSRF is checked for every POST before any form is.

    `currency` is what its amounts are typed in.
    """

    Meta = _Meta

    def __init__(
        self,
        formdata: Any = None,
        *,
        currency: str = "KRW",
        obj: object = None,
        data: Mapping[str, Any] | None = None,
        prefix: str = "",
        **defaults: Any,
    ) -> None:
        self.currency = currency
        super().__init__(formdata, obj=obj, prefix=prefix, data=data, **defaults)

    def validate(self, extra_validators: Mapping[str, Sequence[Any]] | None = None) -> bool:
        """Whether everything typed can be used; what cannot has its sentence in `field.errors`."""
        validators = {name: [refuse_control_characters] for name in self._fields}
        for name, more in (extra_validators or {}).items():
            validators[name] = [*validators.get(name, ()), *more]
        return bool(super().validate(validators))

    @property
    def first_error(self) -> str | None:
        """The first sentence about what is wrong, in the order of the fields."""
        return next((str(error) for field in self for error in field.errors), None)


class Required:
    """Something has to be typed or chosen; a field that could not be read keeps its own sentence."""

    field_flags: ClassVar[dict[str, bool]] = {"required": True}

    def __init__(self, message: Any = None) -> None:
        self.message = message or lazy_gettext("Please fill this in.")

    def __call__(self, _form: wtforms.Form, field: wtforms.Field) -> None:
        if field.process_errors:
            raise StopValidation
        if field.data is None or field.data in ("", []):
            raise StopValidation(str(self.message))


def refuse_control_characters(_form: wtforms.Form, field: wtforms.Field) -> None:
    """Refuse what no keyboard types and PostgreSQL cannot store: NUL and its like."""
    for typed in field.raw_data or ():
        if isinstance(typed, str) and any(_is_control(character) for character in typed):
            raise ValidationError(_("This holds an invisible control character. Please type it again."))


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in {"Cc", "Cs"} and character not in _WHITESPACE_TYPED


class _TypedField(wtforms.StringField):
    """A text box whose value is read into something else; what was typed stays in the box."""

    def _value(self) -> str:
        return str(self.raw_data[0]) if self.raw_data else self.show(self.data)

    def process_formdata(self, valuelist: Sequence[str]) -> None:
        typed = valuelist[0].strip() if valuelist else ""
        self.data = self.read(typed) if typed else None

    def read(self, typed: str) -> Any:
        """What was typed, read; raises ValueError with a sentence."""
        raise NotImplementedError

    def show(self, value: Any) -> str:
        """A value as it would be typed."""
        return "" if value is None else str(value)


class AmountField(_TypedField):
    """An amount typed in major units (`12,000원`, `29.99`); `.data` is in the currency's smallest unit."""

    def __init__(self, *args: Any, currency: str | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.currency = currency or kwargs["_form"].currency

    def read(self, typed: str) -> int:
        """The amount in minor units."""
        try:
            return parse_amount(typed, self.currency)
        except InvalidAmount as problem:
            raise ValueError(sentence_about(problem, self.currency)) from problem

    def show(self, value: int | None) -> str:
        """The amount in major units, without commas."""
        return "" if value is None else Money(value, self.currency).plain()


def sentence_about(problem: InvalidAmount, currency: str) -> str:
    """What is wrong with an amount typed in a currency, in words."""
    places = decimals(currency)
    reason = "no_decimals" if problem.reason == "too_many_decimals" and places == 0 else problem.reason
    example = f"29.{'90'.ljust(places, '0')}" if places else "12,000"
    sentence = _AMOUNT_SENTENCES.get(reason, _NOT_AN_AMOUNT)
    return str(sentence) % {"currency": currency, "places": places, "example": example}


class DayField(_TypedField):
    """A day in Asia/Seoul, written `2026-03-29`."""

    _calendar, _text = wtforms.widgets.DateInput(), wtforms.widgets.TextInput()

    def widget(self, field: wtforms.Field, **attributes: Any) -> Any:
        """A date box; a text box for what is no date, because a date box would show nothing of it."""
        shape = self._text if field.process_errors else self._calendar
        return shape(field, **attributes)

    def read(self, typed: str) -> date:
        """The day."""
        match = re.fullmatch(r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})", typed)
        if match is None:
            raise ValueError(_("Write the date as year-month-day, such as 2026-03-29."))
        try:
            day = date(*map(int, match.groups()))
        except ValueError:
            raise ValueError(_("There is no such day in the calendar.")) from None
        if not EARLIEST <= day <= LATEST:
            raise ValueError(_("Choose a day between 1990 and 2199."))
        return day


class TimeOfDayField(_TypedField):
    """A time of day in Asia/Seoul, written `09:30`; `.data` is in minutes from midnight."""

    _clock, _text = wtforms.widgets.TimeInput(), wtforms.widgets.TextInput()

    def widget(self, field: wtforms.Field, **attributes: Any) -> Any:
        """A time box; a text box for what is no time, because a time box would show nothing of it."""
        shape = self._text if field.process_errors else self._clock
        return shape(field, **attributes)

    def read(self, typed: str) -> int:
        """The minutes."""
        match = re.fullmatch(r"([0-9]{1,2}):([0-9]{2})(?::[0-9]{2})?", typed)
        if match is None or int(match[1]) > 23 or int(match[2]) > 59:
            raise ValueError(_("Write the time as hours and minutes, such as 09:30."))
        return int(match[1]) * 60 + int(match[2])

    def show(self, value: int | None) -> str:
        """The time as it would be typed."""
        return "" if value is None else f"{value // 60:02}:{value % 60:02}"


class PeriodForm(Form):
    """A form with a first and a last day (Asia/Seoul), both included; either may be left open."""

    from_ = DayField(lazy_gettext("From"), name="from")
    to = DayField(lazy_gettext("To"))

    def validate_to(self, field: wtforms.Field) -> None:
        """The period has its first day first."""
        if field.data and self.from_.data and field.data < self.from_.data:
            raise ValidationError(_("The last day is before the first."))

    @property
    def since(self) -> datetime | None:
        """The moment the period begins."""
        return start_of_day(self.from_.data) if self.from_.data else None

    @property
    def until(self) -> datetime | None:
        """The moment the period is over: the first of the day after the last."""
        return start_of_day(self.to.data + timedelta(days=1)) if self.to.data else None


class NumberField(_TypedField):
    """A whole number between two bounds, both included; commas at thousands are fine."""

    def __init__(self, *args: Any, least: int = 0, most: int = 1_000_000, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.least, self.most = least, most

    def read(self, typed: str) -> int:
        """The number."""
        digits = typed.replace(",", "")
        if not re.fullmatch(r"[0-9]{1,18}", digits) or not self.least <= int(digits) <= self.most:
            sentence = _("Type a whole number between %(least)s and %(most)s.")
            raise ValueError(sentence % {"least": f"{self.least:,}", "most": f"{self.most:,}"})
        return int(digits)


class DigitsField(_TypedField):
    """A number that is no quantity (an account, a phone): digits, with spaces or hyphens as one likes."""

    def __init__(self, *args: Any, min_digits: int = 1, max_digits: int = 30, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.min_digits, self.max_digits = min_digits, max_digits

    def read(self, typed: str) -> str:
        """The digits alone."""
        digits = re.sub(r"[\s-]", "", typed)
        if not re.fullmatch(r"[0-9]+", digits):
            raise ValueError(_("Type digits only; spaces and hyphens are fine."))
        if not self.min_digits <= len(digits) <= self.max_digits:
            sentence = _("This number has between %(least)s and %(most)s digits.")
            raise ValueError(sentence % {"least": self.min_digits, "most": self.max_digits})
        return digits
