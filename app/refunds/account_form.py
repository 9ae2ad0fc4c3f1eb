"""The fields of a bank account to refund to, as staff or the buyer type them."""

from typing import Any

import wtforms
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms.fields.choices import SelectChoice
from wtforms.validators import Length, Optional

from app.payments.models import Payment
from app.portone.banks import refund_banks
from app.portone.requests import RefundAccount
from app.refunds import rules
from app.refunds.bank_accounts import LONGEST, SHORTEST
from app.web.forms import DigitsField, Form
from app.web.language import page_language


class AccountForm(Form):
    """A bank, a number typed twice, its holder, and the holder's phone where the PG asks for one.

    `account_fields` are judged by `validate` only where an account is needed, or where one was begun to be
    typed and helps.
    """

    bank = wtforms.SelectField(_l("Bank"), validators=[Optional()])
    account_number = DigitsField(_l("Account number"), min_digits=SHORTEST, max_digits=LONGEST)
    account_number_again = DigitsField(_l("Account number, again"), min_digits=SHORTEST, max_digits=LONGEST)
    holder_name = wtforms.StringField(
        _l("Account holder"), validators=[Length(max=50, message=_l("A name has 50 characters at most."))]
    )
    holder_phone = DigitsField(_l("Account holder's phone"), min_digits=8, max_digits=15)

    def __init__(self, formdata: Any = None, *, payment: Payment, **values: Any) -> None:
        super().__init__(formdata, currency=payment.currency, **values)
        self.payment = payment
        self.needs_account = rules.needs_account(payment)
        self.may_name_account = rules.may_name_account(payment)
        self.needs_phone = rules.needs_holder_phone(payment)
        language = page_language()
        self.bank.choices = [
            SelectChoice("", _("Choose a bank")),
            *(SelectChoice(bank.code, bank.name(language)) for bank in refund_banks()),
        ]

    @property
    def account_fields(self) -> tuple[wtforms.Field, ...]:
        """The fields that make up the account."""
        return self.bank, self.account_number, self.account_number_again, self.holder_name, self.holder_phone

    @property
    def wants_account(self) -> bool:
        """Whether the account has to be whole: it is needed, or it helps and was begun."""
        is_begun = any(typed for field in self.account_fields for typed in field.raw_data or ())
        return self.needs_account or (self.may_name_account and is_begun)

    def account(self) -> RefundAccount | None:
        """The account that was typed, where one is wanted; only after `validate()`."""
        if not self.wants_account:
            return None
        return RefundAccount(
            bank=self.bank.data,
            number=self.account_number.data or "",
            holder_name=self.holder_name.data,
            holder_phone_number=self.holder_phone.data if self.needs_phone else None,
        )

    def validate(self, extra_validators: Any = None) -> bool:
        """Whether everything typed can be used; an account nobody asked for is not judged."""
        super().validate(extra_validators)
        if self.wants_account:
            self._demand_account()
        else:
            for field in self.account_fields:
                field.errors = []
        return not any(field.errors for field in self)

    def _demand_account(self) -> None:
        """Each part of the account is there, and the number was typed alike twice."""
        asked = {
            self.bank: _("Choose the bank to refund to."),
            self.account_number: _("Type the account number."),
            self.account_number_again: _("Type the account number a second time."),
            self.holder_name: _("Type the account holder's name."),
        }
        if self.needs_phone:
            asked[self.holder_phone] = _("Smartro asks for the account holder's phone number.")
        for field, sentence in asked.items():
            if not field.data and not field.errors:
                field.errors = [sentence]
        again = self.account_number_again
        if not again.errors and not self.account_number.errors and again.data != self.account_number.data:
            again.errors = [_("The two account numbers differ.")]
