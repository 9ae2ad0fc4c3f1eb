"""What PGs and PortOne allow, as a table: each rule says when it holds, what to do, and who says so.

`rules` applies it to a payment; the words of the conditions are those of `cases.Case`.

A `BLOCK` is certain and stops the refund, `WARN` is likely or depends on a contract, `NOTE` is good to know.
"Usually" in a source is never more than a warning.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from flask_babel import lazy_gettext as _l

from app.refunds import cases
from app.refunds.cases import REFUNDABLE_STATUSES, Case


class Severity(IntEnum):
    """How much a rule weighs; what stops the refund comes first."""

    BLOCK = 0
    WARN = 1
    NOTE = 2


BLOCK, WARN, NOTE = Severity

_OURS = _l("Portico: refunds noted at the PG")
_API = _l("PortOne API reference: cancelling a payment")
_GUIDE = _l("PortOne guide: cancelling a payment")
_DEADLINES = _l("PortOne help centre: refund deadlines by payment method")
_PARTIAL = _l("PortOne help centre: where partial refunds are not possible")
_DATES = _l("PortOne help centre: when refunds arrive")
_TEST = _l("PortOne help centre: refunds in test mode")
_PROMOTION = _l("PortOne guide: refunds of promotion payments")
_KSNET = _l("PortOne guide: KSNET")
_NICE = _l("PortOne guide: NICE Payments")
_TOSS = _l("PortOne guide: Toss Payments")
_SMARTRO = _l("PortOne guide: Smartro")
_KPN = _l("PortOne guide: KPN")
_PAYPAL = _l("PortOne guide: PayPal")
_KICC = _l("PortOne guide: KICC")
_PAYMENTWALL = _l("PortOne guide: Paymentwall")
_TRIPLE_A = _l("PortOne guide: Triple-A")
_INICIS_JAPAN = _l("PortOne guide: Inicis Japan")


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the table. A rule `only_partial` holds where less than the whole payment goes back.

    `may_override`: whoever holds `refund:override` may go on all the same, with a note. `warning` names the
    danger where it is another than a refusal.
    """

    code: str
    severity: Severity
    when: Callable[[Case], bool]
    sentence: Any
    source: Any
    only_partial: bool = False
    may_override: bool = False
    warning: Any = None

    def holds(self, case: Case) -> bool:
        """Whether the rule speaks about this very refund."""
        return (case.is_partial or not self.only_partial) and self.when(case)


RULES = (
    Rule(
        "ACCOUNT_NOT_PAID_INTO",
        BLOCK,
        lambda case: case.status == "VIRTUAL_ACCOUNT_ISSUED",
        _l("Nobody has paid into this virtual account yet. Close the account instead, if nobody should."),
        _API,
    ),
    Rule(
        "ALREADY_REFUNDED",
        BLOCK,
        lambda case: case.status == "CANCELLED",
        _l("The whole amount of this payment has already gone back."),
        _API,
    ),
    Rule(
        "AWAITING_AUTHORISATION",
        BLOCK,
        lambda case: case.status == "PAY_PENDING",
        _l("This payment still waits for its approval. It can be refunded once it is paid."),
        _API,
    ),
    Rule(
        "NOT_PAID",
        BLOCK,
        lambda case: (
            case.status not in REFUNDABLE_STATUSES | {"VIRTUAL_ACCOUNT_ISSUED", "CANCELLED", "PAY_PENDING"}
        ),
        _l("Only a paid payment can be refunded, and this one is not paid."),
        _API,
    ),
    Rule(
        "NOTHING_LEFT",
        BLOCK,
        lambda case: case.status in REFUNDABLE_STATUSES and case.payment.cancellable_amount <= 0,
        _l("Nothing of this payment is left to give back."),
        _API,
    ),
    Rule(
        "CANCELLATION_IN_PROGRESS",
        BLOCK,
        lambda case: case.payment.has_pending_cancellation,
        _l("PortOne is still working on a cancellation of this payment. Wait for its outcome."),
        _API,
    ),
    Rule(
        "REFUNDED_AT_PG",
        WARN,
        lambda case: case.payment.refunded_at_pg_amount > 0,
        _l(
            "A colleague noted that money of this payment was refunded at the PG directly, which PortOne "
            "cannot see. Refunding it here as well may give it back twice: look at the PG's own page first."
        ),
        _OURS,
        warning=_l("May be a second refund"),
    ),
    Rule(
        "TEST_VIRTUAL_ACCOUNT",
        BLOCK,
        lambda case: case.is_virtual_account and case.is_test,
        _l("Test channels cannot refund virtual accounts."),
        _TEST,
    ),
    Rule(
        "TOO_MANY_REFUNDS",
        BLOCK,
        lambda case: case.was_told_too_many,
        _l("PortOne has said that this payment cannot be refunded any more times. Pay the rest by transfer."),
        _API,
        may_override=True,
    ),
    Rule(
        "KSNET_SIX_MONTHS",
        BLOCK,
        lambda case: case.is_at(cases.KSNET) and case.is_older_than(months=6),
        _l("KSNET refunds within six months of the payment. Pay the customer by transfer."),
        _KSNET,
        may_override=True,
    ),
    Rule(
        "KSNET_NINE_PARTS",
        BLOCK,
        lambda case: case.is_at(cases.KSNET) and case.parts_refunded >= 9,
        _l("KSNET refunds a payment in nine parts at most, and nine went back. Pay the rest by transfer."),
        _KSNET,
        may_override=True,
    ),
    Rule(
        "KSNET_HOURS",
        BLOCK,
        lambda case: case.is_at(cases.KSNET) and case.is_virtual_account and not 6 <= case.at.hour < 23,
        _l("KSNET refunds virtual accounts between 06:00 and 23:00 only. Come back in the morning."),
        _KSNET,
        may_override=True,
    ),
    Rule(
        "CONVENIENCE_STORE_PAID",
        BLOCK,
        lambda case: case.is_convenience_store and case.status in REFUNDABLE_STATUSES,
        _l("Money paid at a shop in Japan cannot go back this way. Pay the customer by transfer."),
        _INICIS_JAPAN,
        may_override=True,
    ),
    Rule(
        "KSNET_MOBILE_PARTIAL",
        BLOCK,
        lambda case: case.is_at(cases.KSNET) and case.is_mobile,
        _l("KSNET never refunds a part of a mobile payment. Refund all of it."),
        _PARTIAL,
        only_partial=True,
    ),
    Rule(
        "MOBILE_PARTIAL",
        BLOCK,
        lambda case: case.is_mobile and not case.is_at(cases.INICIS | cases.KCP | cases.KSNET),
        _l("A part of a mobile payment cannot be refunded. Refund all of it, and charge the rest anew."),
        _PARTIAL,
        only_partial=True,
        may_override=True,
    ),
    Rule(
        "TOSS_GIFT_CERTIFICATE_PARTIAL",
        BLOCK,
        lambda case: case.is_at(cases.TOSS) and case.is_gift_certificate,
        _l("Toss Payments refunds gift certificates only as a whole. Refund all of it."),
        _TOSS,
        only_partial=True,
        may_override=True,
    ),
    Rule(
        "ESCROW_PARTIAL",
        BLOCK,
        lambda case: case.escrow_status not in {None, "CONFIRMED"},
        _l("An escrow payment goes back only as a whole until the buyer has confirmed the purchase."),
        _PARTIAL,
        only_partial=True,
        may_override=True,
    ),
    Rule(
        "SMARTRO_TEST_DEBIT_PARTIAL",
        BLOCK,
        lambda case: (
            case.is_at(cases.SMARTRO) and case.is_test and case.card is not None and case.card.type == "DEBIT"
        ),
        _l("Smartro's test channel refunds debit cards only as a whole. Refund all of it."),
        _SMARTRO,
        only_partial=True,
        may_override=True,
    ),
    Rule(
        "DISPUTE_OPEN",
        WARN,
        lambda case: case.payment.has_open_dispute,
        _l("The buyer disputes this payment, and the PG may give the money back itself. Settle that first."),
        _GUIDE,
    ),
    Rule(
        "CARD_ONE_YEAR",
        WARN,
        lambda case: case.is_plain_card and case.is_older_than(months=12),
        _l("Card payments can usually be refunded for one year. If the PG refuses, pay by transfer."),
        _DEADLINES,
    ),
    Rule(
        "CARD_THREE_MONTHS",
        WARN,
        lambda case: (
            case.is_plain_card and case.is_older_than(months=3) and not case.is_older_than(months=12)
        ),
        _l("Some card companies refund for three months only. If the PG refuses, pay by transfer."),
        _DEADLINES,
    ),
    Rule(
        "TRANSFER_THREE_MONTHS",
        WARN,
        lambda case: case.is_transfer and case.is_older_than(months=3),
        _l("Bank transfers can be refunded for about three months. If the PG refuses, pay by transfer."),
        _DEADLINES,
    ),
    Rule(
        "MOBILE_EARLIER_MONTH",
        WARN,
        lambda case: case.is_mobile and case.is_of_earlier_month and not case.is_at(cases.INICIS | cases.KCP),
        _l("The phone bill of that month is closed; the money goes to a bank account. Ask the buyer for it."),
        _DEADLINES,
    ),
    Rule(
        "MOBILE_EARLIER_MONTH_CONTRACT",
        WARN,
        lambda case: case.is_mobile and case.is_of_earlier_month and case.is_at(cases.INICIS | cases.KCP),
        _l(
            "The phone bill of that month is closed. This PG needs a contract to refund it to a bank account."
        ),
        _DEADLINES,
    ),
    Rule(
        "MOBILE_PARTIAL_CONTRACT",
        WARN,
        lambda case: case.is_mobile and case.is_at(cases.INICIS | cases.KCP),
        _l(
            "Parts of mobile payments need an extra set-up at KCP; Inicis approves the rest anew. Ask the PG."
        ),
        _PARTIAL,
        only_partial=True,
    ),
    Rule(
        "KAKAOPAY_CARD_ONE_YEAR",
        WARN,
        lambda case: case.wallet == "KAKAOPAY" and case.is_card and case.is_older_than(months=12),
        _l("KakaoPay refunds cards for one year. If it refuses, pay by transfer."),
        _DEADLINES,
    ),
    Rule(
        "KAKAOPAY_FIVE_YEARS",
        WARN,
        lambda case: case.wallet == "KAKAOPAY" and case.is_older_than(months=60),
        _l("KakaoPay refunds its money for five years. If it refuses, pay by transfer."),
        _DEADLINES,
    ),
    Rule(
        "NAVERPAY_1095_DAYS",
        WARN,
        lambda case: case.wallet == "NAVERPAY" and case.is_older_than(days=1095),
        _l("Naver Pay refunds for 1,095 days. If it refuses, pay by transfer."),
        _DEADLINES,
    ),
    Rule(
        "PAYPAL_180_DAYS",
        WARN,
        lambda case: case.wallet == "PAYPAL" and case.is_older_than(days=180),
        _l("PayPal refunds for 180 days. If it refuses, send the money as a new PayPal payment."),
        _DEADLINES,
    ),
    Rule(
        "CARD_KIND_PARTIAL",
        WARN,
        lambda case: (
            case.card is not None and (case.card.type == "GIFT" or case.card.owner_type == "CORPORATE")
        ),
        _l("Prepaid and gift cards, and some corporate cards, refuse to give back a part."),
        _PARTIAL,
        only_partial=True,
    ),
    Rule(
        "FOREIGN_CARD_PARTIAL",
        WARN,
        lambda case: case.is_card and case.is_foreign,
        _l("Some foreign cards refuse to give back a part."),
        _PARTIAL,
        only_partial=True,
    ),
    Rule(
        "POINTS_PARTIAL",
        WARN,
        lambda case: case.used_points,
        _l("Card points paid a part of this, and such payments often go back only as a whole."),
        _PARTIAL,
        only_partial=True,
    ),
    Rule(
        "NICE_PARTIAL_CONTRACT",
        WARN,
        lambda case: case.is_at(cases.NICE),
        _l("NICE refunds parts only with a contract for it; a test channel does not tell."),
        _NICE,
        only_partial=True,
    ),
    Rule(
        "PAYMENTWALL_CURRENCY_PARTIAL",
        WARN,
        lambda case: case.is_at(cases.PAYMENTWALL),
        _l("Paymentwall refunds no part of what it charged in another currency."),
        _PAYMENTWALL,
        only_partial=True,
    ),
    Rule(
        "KPN_ACCOUNT_SERVICE",
        WARN,
        lambda case: case.is_at(cases.KPN) and (case.is_virtual_account or case.is_transfer),
        _l("KPN pays out to bank accounts only where its account-refund service is set up. Ask KPN."),
        _KPN,
    ),
    Rule(
        "KPN_SMALL_DOLLARS",
        WARN,
        lambda case: (
            case.is_at(cases.KPN)
            and case.payment.currency == "USD"
            and (case.payment.cancellable_amount if case.amount is None else case.amount) < 100
        ),
        _l("KPN may refuse to refund less than one US dollar."),
        _KPN,
    ),
    Rule(
        "KSNET_CASH_RECEIPT",
        WARN,
        lambda case: case.is_at(cases.KSNET) and case.is_virtual_account and case.has_cash_receipt,
        _l("At KSNET you cancel the cash receipt by hand, and issue it anew for what is left."),
        _KSNET,
    ),
    Rule(
        "VIRTUAL_ACCOUNT_CLAUSE",
        NOTE,
        lambda case: case.is_virtual_account and not case.is_at(cases.TOSS),
        _l("Needs a refund clause with the PG. It costs about 300 won and arrives within two business days."),
        _DATES,
    ),
    Rule(
        "VIRTUAL_ACCOUNT_FEE",
        NOTE,
        lambda case: case.is_virtual_account and case.is_at(cases.TOSS),
        _l("Costs about 300 won, and arrives within two business days."),
        _DATES,
    ),
    Rule(
        "SMARTRO_PHONE",
        NOTE,
        lambda case: case.is_at(cases.SMARTRO) and case.is_virtual_account,
        _l("Smartro pays out only with the holder's phone number."),
        _SMARTRO,
    ),
    Rule(
        "PROMOTION_PARTIAL",
        NOTE,
        lambda case: case.has_promotion,
        _l("A promotion lowered the price: choose whether the discount stays. Later refunds repeat it."),
        _PROMOTION,
        only_partial=True,
    ),
    Rule(
        "PAYPAL_LATER",
        NOTE,
        lambda case: case.is_at(cases.PAYPAL),
        _l("PayPal may decide later; the refund then stays in progress, and we follow it."),
        _PAYPAL,
    ),
    Rule(
        "PAYPAL_FEE",
        NOTE,
        lambda case: case.is_at(cases.TOSS) and case.wallet == "PAYPAL",
        _l("PayPal through Toss Payments keeps its fee."),
        _TOSS,
    ),
    Rule(
        "WECHAT_LATER",
        NOTE,
        lambda case: case.is_at(cases.KICC) and case.wallet == "WECHAT",
        _l("WeChat decides later; the refund then stays in progress, and we follow it."),
        _KICC,
    ),
    Rule(
        "TRIPLE_A_WALLET",
        NOTE,
        lambda case: case.is_at(cases.TRIPLE_A),
        _l("Triple-A writes to the buyer, who names a wallet first. The amount is fixed at that moment."),
        _TRIPLE_A,
    ),
)
