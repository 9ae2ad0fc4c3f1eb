from datetime import date

import pytest
from flask import Flask
from markupsafe import Markup
from werkzeug.datastructures import MultiDict
from wtforms import PasswordField, SelectField, StringField
from wtforms.fields.choices import SelectChoice

from app.web.forms import AmountField, DayField, DigitsField, Form, Required, attributes


class Purchase(Form):
    """A form with one field of each kind."""

    name = StringField("Name", validators=[Required()])
    amount = AmountField("Amount")
    day = DayField("Day")
    account = DigitsField("Account", min_digits=6, max_digits=16)
    method = SelectField("Method", choices=[SelectChoice("CARD", "Card")], default="CARD")
    password = PasswordField("Password")


@pytest.fixture(autouse=True)
def english(plain_app: Flask):
    with plain_app.test_request_context(headers={"Accept-Language": "en"}):
        yield


def filled(currency: str = "KRW", **typed: str) -> Purchase:
    form = Purchase(MultiDict({"name": "a", "method": "CARD"} | typed), currency=currency)
    form.validate()
    return form


@pytest.mark.parametrize(
    ("currency", "typed", "amount"),
    [
        ("KRW", "12,000원", 12_000),
        ("KRW", " ₩12000 ", 12_000),
        ("USD", "29.9", 2_990),
        ("KRW", "0", 0),
        ("KRW", "", None),
    ],
)
def test_an_amount_is_typed_in_major_units_and_read_in_minor_ones(currency, typed, amount):
    form = filled(currency, amount=typed)
    assert (form.amount.data, form.errors) == (amount, {})


@pytest.mark.parametrize(
    ("currency", "typed", "sentence"),
    [
        ("KRW", "-1", "An amount cannot be negative."),
        ("KRW", "1e9", "Type an amount in digits, such as 12,000."),
        ("USD", "free", "Type an amount in digits, such as 29.90."),
        ("KRW", "9223372036854775808", "This amount is larger than any payment can be."),
        ("KRW", "1,2000", "Commas may stand only between thousands, as in 12,000."),
        ("KRW", "100.5", "KRW has no decimals. Type a whole amount."),
        ("USD", "1.999", "USD has 2 decimals at most."),
    ],
)
def test_an_amount_that_cannot_be_read_gets_a_sentence_and_stays_in_its_box(currency, typed, sentence):
    form = filled(currency, amount=typed)
    assert form.first_error == sentence
    assert f'value="{typed}"' in form.amount()


def test_an_amount_out_of_the_database_is_shown_in_major_units():
    assert 'value="29.90"' in Purchase(data={"amount": 2_990}, currency="USD").amount()


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("2026-02-30", "There is no such day in the calendar."),
        ("29/03/2026", "Write the date as year-month-day, such as 2026-03-29."),
        ("0001-01-01", "Choose a day between 1990 and 2199."),
        ("٢٠٢٦-03-29", "Write the date as year-month-day, such as 2026-03-29."),
    ],
)
def test_a_day_that_is_none_gets_a_sentence_in_a_box_that_can_show_it(typed, sentence):
    form = filled(day=typed)
    assert form.first_error == sentence
    assert 'type="text"' in form.day()
    assert typed in form.day()


def test_a_day_is_read():
    assert filled(day="2026-03-29").day.data == date(2026, 3, 29)


def test_digits_may_be_typed_with_spaces_and_hyphens():
    assert filled(account="110-234 567890").account.data == "110234567890"


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("110-abc", "Type digits only; spaces and hyphens are fine."),
        ("１２３４５６７", "Type digits only; spaces and hyphens are fine."),
        ("123", "This number has between 6 and 16 digits."),
    ],
)
def test_what_is_no_number_of_its_kind_gets_a_sentence(typed, sentence):
    assert filled(account=typed).first_error == sentence


def test_texts_are_stripped_and_passwords_are_not():
    form = filled(name="  a  ", password="  a  ")
    assert (form.name.data, form.password.data) == ("a", "  a  ")


@pytest.mark.parametrize("text", ["a\x00b", "\x1b[31m", "\x7f"])
def test_control_characters_are_refused_in_a_sentence(text):
    assert filled(name=text).first_error == "This holds an invisible control character. Please type it again."


def test_blank_is_not_filled_in_and_an_unreadable_field_has_one_sentence_only():
    assert filled(name="   ").first_error == "Please fill this in."
    assert len(filled(amount="1e9").amount.errors) == 1


def test_a_choice_that_is_not_offered_gets_a_better_sentence_than_wtforms_own():
    assert filled(method="GOLD").first_error == "Choose one from the list."


def test_zero_counts_as_filled_in():
    class Refund(Form):
        amount = AmountField("Amount", validators=[Required()])

    assert Refund(MultiDict({"amount": "0"})).validate()
    assert not Refund(MultiDict({"amount": " "})).validate()


def test_attributes_are_written_as_wtforms_writes_them():
    given = {
        "class_": "a b",
        "aria_label": 'say "<hi>"',
        "hx-get": Markup('/?a&amp;"b'),
        "value": "",
        "min": 0,
    }
    assert attributes(required=True, disabled=False, **given) == (
        'aria-label="say &#34;&lt;hi&gt;&#34;" class="a b" hx-get="/?a&amp;&quot;b" min="0" required value=""'
    )
