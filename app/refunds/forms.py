"""The refund form."""

import re
from typing import Any, cast
from uuid import UUID

import wtforms
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms.fields.choices import SelectChoice
from wtforms.validators import Length, Optional, ValidationError

from app.columns import new_id
from app.payments.models import Payment
from app.refunds import balance, queries, rules
from app.refunds.account_form import AccountChoiceForm
from app.refunds.reasons import REASONS, text_for_portone
from app.refunds.service import Wish
from app.web.filters import money
from app.web.forms import AmountField, Form, Required

FULL, PARTIAL = "full", "partial"

#: PortOne names no limit for a reason; PGs cut long ones.
REASON_LENGTH = 200


class RefundForm(AccountChoiceForm):
    """What to give back of one payment. Amounts are typed in major units of its currency."""

    kind = wtforms.RadioField(
        _l("How much"),
        choices=[SelectChoice(FULL, _l("All that is refundable")), SelectChoice(PARTIAL, _l("A part"))],
        default=FULL,
        validators=[Required(_l("Choose all, or a part."))],
    )
    amount = AmountField(_l("Amount"))
    tax_free_amount = AmountField(_l("Tax-free part"))
    vat_amount = AmountField(_l("VAT part"))
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
    retain_option = wtforms.RadioField(
        _l("Discount of the promotion"),
        choices=[
            SelectChoice("RELEASE", _l("Take the discount back (PortOne's usual way)")),
            SelectChoice("RETAIN", _l("Let the customer keep the discount")),
        ],
        default="RELEASE",
        validators=[Optional()],
    )
    refund_email = wtforms.StringField(
        _l("Buyer's e-mail"), validators=[Length(max=320, message=_l("This address is too long."))]
    )
    override_note = wtforms.TextAreaField(
        _l("Why it goes on although a rule stops it"),
        validators=[Length(max=500, message=_l("A note has 500 characters at most."))],
    )
    intent = wtforms.HiddenField()
    expected_refundable = wtforms.HiddenField()
    confirmed = wtforms.HiddenField()

    def __init__(
        self, formdata: Any = None, *, payment: Payment, may_override: bool = False, **values: Any
    ) -> None:
        super().__init__(formdata, payment=payment, **values)
        self.may_override = may_override
        self.has_promotion = rules.has_promotion(payment)
        self.refundable = balance.refundable(payment)
        self.refundable_tax_free = balance.refundable_tax_free(payment)
        self.has_vat = balance.has_vat(payment)
        self.needs_email = rules.needs_email(payment)
        if self.needs_email and not self.refund_email.raw_data:
            self.refund_email.data = payment.customer_email or ""
        self.first_retain_option = queries.find_retain_option(payment)
        if self.first_retain_option:
            self.retain_option.data = self.first_retain_option

    @property
    def carried(self) -> list[str]:
        """The names of the fields that the review page hands on as they were typed."""
        return [field.name for field in self if field.name != "confirmed"]

    @classmethod
    def fresh(cls, payment: Payment, *, may_override: bool = False) -> "RefundForm":
        """An empty form: its intent is the id the refund will have."""
        form = cls(payment=payment, may_override=may_override)
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
        return balance.usual_tax_free(
            self.wished_amount, refundable=self.refundable, tax_free=self.refundable_tax_free
        )

    @property
    def asks_retain_option(self) -> bool:
        """Whether it has to be said what becomes of a promotion's discount."""
        return rules.asks_retain_option(self.payment, self.wished_amount)

    @property
    def wished_vat(self) -> int | None:
        """The VAT part as typed; None leaves it to PortOne."""
        return None if self.kind.data == FULL else cast(int | None, self.vat_amount.data)

    @property
    def usual_vat(self) -> int:
        """What PortOne makes of the VAT by itself, in minor units."""
        return balance.usual_vat(self.wished_amount - self.wished_tax_free)

    def wish(self) -> Wish:
        """The form as values; only after `validate()`."""
        return Wish(
            intent=UUID(self.intent.data),
            amount=self.wished_amount,
            tax_free_amount=self.wished_tax_free,
            expected_refundable=int(self.expected_refundable.data),
            reason=text_for_portone(self.reason_code.data, self.reason.data or ""),
            reason_code=self.reason_code.data or None,
            account=self.account(),
            vat_amount=self.wished_vat,
            retain_option=(self.retain_option.data or "RELEASE") if self.asks_retain_option else None,
            refund_email=self.refund_email.data or None if self.needs_email else None,
            override_note=self.override_note.data or "",
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

    def validate_vat_amount(self, field: wtforms.Field) -> None:
        if self.kind.data == FULL or field.data is None or field.process_errors:
            return
        if self.amount.errors or self.tax_free_amount.errors or self.amount.data is None:
            return
        taxable = self.wished_amount - self.wished_tax_free
        if field.data > taxable:
            raise ValidationError(_("VAT can be %(most)s at most.", most=money(taxable, self.currency)))

    def validate_reason(self, field: wtforms.Field) -> None:
        if not text_for_portone(self.reason_code.data, field.data or ""):
            raise ValidationError(_("Write the reason; PortOne and the PG ask for one."))

    def validate_refund_email(self, field: wtforms.Field) -> None:
        if self.needs_email and not re.fullmatch(r"[^@\s]+@[^@\s]+", field.data or ""):
            raise ValidationError(_("Type the buyer's e-mail address; Triple-A asks them for a wallet."))

    def validate(self, extra_validators: Any = None) -> bool:
        """Whether everything typed can be used, by the rules too; a field nobody asks for is not judged."""
        self._drop_unasked_parts()
        super().validate(extra_validators)
        if not any(field.errors for field in (self.kind, self.amount)):
            self._obey_rules()
        return not any(field.errors for field in self)

    def _drop_unasked_parts(self) -> None:
        unasked = {self.tax_free_amount: not self.payment.tax_free_amount, self.vat_amount: not self.has_vat}
        for field, is_unasked in unasked.items():
            if is_unasked:
                field.data, field.process_errors = None, []

    def _obey_rules(self) -> None:
        """What a rule stops goes on only with a note, and only for who may; the service checks again."""
        stopping = rules.blocks_to_override(self.payment, self.wished_amount)
        if not stopping:
            return
        if not self.may_override:
            self.amount.errors = [str(rule.sentence) for rule in stopping]
        elif not self.override_note.data:
            self.override_note.errors = [_("Write why this refund goes on although a rule stops it.")]


class RevealForm(Form):
    """Why somebody wants to see a whole account number."""

    reason = wtforms.StringField(
        _l("Reason to see it"),
        validators=[
            Required(_l("Write why you need the number; the audit trail keeps it.")),
            Length(max=200, message=_l("A note has 200 characters at most.")),
        ],
    )


class DecisionForm(Form):
    """What a second person says about a refund that waits."""

    note = wtforms.TextAreaField(
        _l("Note"), validators=[Length(max=500, message=_l("A note has 500 characters at most."))]
    )
