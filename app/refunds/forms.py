"""The refund form, and the filters of the refund list."""

from typing import Any, cast
from uuid import UUID

import wtforms
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms.fields.choices import SelectChoice
from wtforms.validators import Length, Optional, ValidationError

from app.database import new_id
from app.payments.models import Payment
from app.portone.banks import refund_banks
from app.portone.requests import RefundAccount
from app.refunds import balance, rules
from app.refunds.models import RefundStatus
from app.refunds.reasons import REASONS, text_for_portone
from app.refunds.service import Wish
from app.web.filters import money
from app.web.forms import AmountField, DigitsField, Form, PeriodForm, Required
from app.web.language import page_language

FULL, PARTIAL = "full", "partial"

#: PortOne names no limit for a reason; PGs cut long ones.
REASON_LENGTH = 200


class RefundForm(Form):
    """What to give back of one payment. Amounts are typed in major units of its currency."""

    kind = wtforms.RadioField(
        _l("How much"),
        choices=[SelectChoice(FULL, _l("All that is refundable")), SelectChoice(PARTIAL, _l("A part"))],
        default=FULL,
        validators=[Required(_l("Choose all, or a part."))],
    )
    amount = AmountField(_l("Amount"))
    tax_free_amount = AmountField(_l("Tax-free part"))
    reason_code = wtforms.SelectField(
        _l("Reason"),
        choices=[SelectChoice(code, reason.label) for code, reason in REASONS.items()],
        validators=[Optional()],
        validate_choice=True,
    )
    reason = wtforms.StringField(
        _l("Note on the reason"),
        validators=[Length(max=REASON_LENGTH, message=_l("A note has 200 characters at most."))],
    )
    bank = wtforms.SelectField(_l("Bank"), validators=[Optional()])
    account_number = DigitsField(_l("Account number"), min_digits=6, max_digits=20)
    account_number_again = DigitsField(_l("Account number, again"), min_digits=6, max_digits=20)
    holder_name = wtforms.StringField(
        _l("Account holder"), validators=[Length(max=50, message=_l("A name has 50 characters at most."))]
    )
    holder_phone = DigitsField(_l("Account holder's phone"), min_digits=8, max_digits=15)
    intent = wtforms.HiddenField()
    expected_refundable = wtforms.HiddenField()
    confirmed = wtforms.HiddenField()

    def __init__(self, formdata: Any = None, *, payment: Payment, **values: Any) -> None:
        super().__init__(formdata, currency=payment.currency, **values)
        self.payment = payment
        self.refundable = balance.refundable(payment)
        self.refundable_tax_free = balance.refundable_tax_free(payment)
        self.needs_account = rules.needs_account(payment)
        self.needs_phone = rules.needs_holder_phone(payment)
        language = page_language()
        self.bank.choices = [
            SelectChoice("", _("Choose a bank")),
            *(SelectChoice(bank.code, bank.name(language)) for bank in refund_banks()),
        ]

    @classmethod
    def fresh(cls, payment: Payment) -> "RefundForm":
        """An empty form: its intent is the id the refund will have."""
        form = cls(payment=payment)
        form.begin_again()
        return form

    def begin_again(self) -> None:
        """Keep what was typed, and ask for it as a new refund against the balance as it is now."""
        self.intent.data = str(new_id())
        self.expected_refundable.data = str(self.refundable)
        self.confirmed.data = ""

    @property
    def wished_amount(self) -> int:
        """What is to be given back, in minor units."""
        return self.refundable if self.kind.data == FULL else cast(int, self.amount.data)

    @property
    def wished_tax_free(self) -> int:
        """The tax-free part of it: as typed, or its share of what is left, within bounds."""
        if self.kind.data != FULL and self.tax_free_amount.data is not None:
            return cast(int, self.tax_free_amount.data)
        if not self.refundable:
            return 0
        share = self.wished_amount * self.refundable_tax_free // self.refundable
        taxable_left = self.refundable - self.refundable_tax_free
        return max(share, self.wished_amount - taxable_left)

    def wish(self) -> Wish:
        """The form as values; only after `validate()`."""
        return Wish(
            intent=UUID(self.intent.data),
            amount=self.wished_amount,
            tax_free_amount=self.wished_tax_free,
            expected_refundable=int(self.expected_refundable.data),
            reason=text_for_portone(self.reason_code.data, self.reason.data or ""),
            reason_code=self.reason_code.data or None,
            account=self._account(),
        )

    def _account(self) -> RefundAccount | None:
        if not self.needs_account:
            return None
        return RefundAccount(
            bank=self.bank.data,
            number=self.account_number.data or "",
            holder_name=self.holder_name.data,
            holder_phone_number=self.holder_phone.data if self.needs_phone else None,
        )

    def validate_intent(self, field: wtforms.Field) -> None:
        try:
            UUID(field.data or "")
        except ValueError:
            raise ValidationError(_("This form is damaged. Open it again.")) from None

    def validate_expected_refundable(self, field: wtforms.Field) -> None:
        if not (field.data or "").isascii() or not (field.data or "").isdigit() or len(field.data) > 19:
            raise ValidationError(_("This form is damaged. Open it again."))

    def validate_amount(self, field: wtforms.Field) -> None:
        if self.kind.data == FULL or field.process_errors:
            return
        if field.data is None:
            raise ValidationError(_("Type the amount to refund."))
        if field.data == 0:
            raise ValidationError(_("The amount must be more than 0."))
        if field.data > self.refundable:
            left = money(self.refundable, self.currency)
            raise ValidationError(_("Only %(left)s is left to refund.", left=left))

    def validate_tax_free_amount(self, field: wtforms.Field) -> None:
        if self.kind.data == FULL or field.data is None or field.process_errors or self.amount.errors:
            return
        if field.data > min(self.refundable_tax_free, self.amount.data or 0):
            most = money(min(self.refundable_tax_free, self.amount.data or 0), self.currency)
            raise ValidationError(_("The tax-free part can be %(most)s at most.", most=most))

    def validate_reason(self, field: wtforms.Field) -> None:
        if not text_for_portone(self.reason_code.data, field.data or ""):
            raise ValidationError(_("Write the reason; PortOne and the PG ask for one."))

    def validate(self, extra_validators: Any = None) -> bool:
        """Whether everything typed can be used; a refund account is asked for only where one is needed."""
        is_valid = super().validate(extra_validators)
        if not self.payment.tax_free_amount:
            self.tax_free_amount.data, self.tax_free_amount.errors = None, []
            is_valid = not any(field.errors for field in self)
        if not self.needs_account:
            for field in (self.bank, self.account_number, self.account_number_again, self.holder_name):
                field.errors = []
            self.holder_phone.errors = []
            return not any(field.errors for field in self)
        return self._has_account() and is_valid

    def _has_account(self) -> bool:
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
        return not any(field.errors for field in asked)


class RefundFilterForm(PeriodForm):
    """The filters of the refund list, as they stand in its address."""

    q = wtforms.StringField(_l("Search"), validators=[Length(max=200)])
    status = wtforms.SelectMultipleField(
        _l("Status"), choices=[SelectChoice(status.value, status.value) for status in RefundStatus]
    )

    def filters(self) -> dict[str, Any]:
        """The filters for `queries.list_refunds`: days in Asia/Seoul become moments."""
        return {
            "text": self.q.data or None,
            "status": self.status.data or [],
            "since": self.since,
            "until": self.until,
        }
