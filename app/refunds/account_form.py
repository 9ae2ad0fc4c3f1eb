"""The fields of a bank account to refund to, as staff or the buyer type them."""

from typing import Any
from uuid import UUID

import wtforms
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms.fields.choices import SelectChoice
from wtforms.validators import Length, Optional, ValidationError

from app.payments.models import Payment
from app.portone.banks import refund_banks
from app.portone.requests import RefundAccount
from app.refunds import rules
from app.refunds.account_links import find_entered_account, find_link_of
from app.refunds.bank_accounts import LONGEST, SHORTEST, masked_name
from app.web.filters import local_time
from app.web.forms import DigitsField, Form
from app.web.labels import label_of
from app.web.language import page_language

#: Instead of the id of the link by which the buyer entered an account.
TYPED = "typed"


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

    def __init__(
        self, formdata: Any = None, *, payment: Payment, is_required: bool = False, **values: Any
    ) -> None:
        super().__init__(formdata, currency=payment.currency, **values)
        self.payment = payment
        self.needs_account = is_required or rules.needs_account(payment)
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


class AccountChoiceForm(AccountForm):
    """An account to type, or the one that the buyer entered by a link."""

    account_source = wtforms.RadioField(_l("Which account"), validate_choice=False, validators=[Optional()])

    def __init__(self, formdata: Any = None, *, payment: Payment, **values: Any) -> None:
        super().__init__(formdata, payment=payment, **values)
        self._offer_entered_account(is_fresh=formdata is None)

    def _offer_entered_account(self, *, is_fresh: bool) -> None:
        """Let the account that the buyer entered be chosen; a fresh form has it chosen already."""
        link = find_link_of(self.payment) if self.needs_account or self.may_name_account else None
        self.link = link
        self.account_source.choices = [SelectChoice(TYPED, _("Type the account here"))]
        if link is not None and link.account_sealed is not None:
            bank = label_of("bank", link.account_bank).text
            told = f"{bank} ****{link.account_last_digits}, {masked_name(link.account_holder)}"
            told = _("%(account)s, entered by the buyer %(at)s", account=told, at=local_time(link.entered_at))
            self.account_source.choices.insert(0, SelectChoice(str(link.id), told))
            if is_fresh:
                self.account_source.data = str(link.id)

    @property
    def is_account_offered(self) -> bool:
        """Whether there is an account to choose that the buyer entered."""
        return len(self.account_source.choices) > 1

    @property
    def is_account_typed(self) -> bool:
        """Whether the account is typed here."""
        return self.account_source.data in {None, "", TYPED}

    @property
    def wants_account(self) -> bool:
        """Whether the fields of the account have to be filled: not where the buyer's own is taken."""
        return self.is_account_typed and super().wants_account

    def account(self) -> RefundAccount | None:
        """The account that the buyer entered, or the one that was typed."""
        return super().account() if self.is_account_typed else self._entered_account()

    def _entered_account(self) -> RefundAccount | None:
        try:
            return find_entered_account(self.payment, UUID(self.account_source.data))
        except ValueError:
            return None

    def validate_account_source(self, _field: wtforms.Field) -> None:
        if not self.is_account_typed and self._entered_account() is None:
            raise ValidationError(_("The account that the buyer entered is no longer there. Choose again."))
