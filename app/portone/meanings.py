"""What PortOne's refusals mean to a support person: what happened, and what to do next.

The sentences are gettext msgids; the web layer translates them.
"""


def N_(sentence: str) -> str:  # noqa: N802 - the name gettext tools look for
    """Mark a sentence for translation without translating it here."""
    return sentence


#: For a type PortOne has added since; filled in with the raw type after translation.
UNKNOWN_MEANING = N_(
    "PortOne refused the request with “%(type)s”, a reason Portico does not know. Nothing was changed; "
    "ask PortOne what it means."
)

#: For an answer that was not PortOne's JSON.
UNREADABLE_MEANING = N_(
    "Something between Portico and PortOne refused the request (%(type)s). Check PORTONE_API_BASE and the "
    "network, then try again."
)

#: A sentence for every error type of API 1.16, and for the one of repeated requests.
MEANINGS: dict[str, str] = {
    "ALREADY_PAID": N_(
        "This payment is already complete. Nothing was changed; look at the payment before trying again."
    ),
    "ALREADY_PAID_OR_WAITING": N_(
        "This payment is already complete or waiting for its deposit. Look at the payment; a new charge "
        "needs a new payment id."
    ),
    "BILLING_KEY_ALREADY_DELETED": N_(
        "This billing key was already deleted. Refresh the page; there is nothing left to do."
    ),
    "BILLING_KEY_ALREADY_ISSUED": N_("This billing key was already issued. Use the existing one."),
    "BILLING_KEY_NOT_FOUND": N_(
        "PortOne knows no such billing key. Check that it belongs to this store; the customer may have to "
        "register again."
    ),
    "BILLING_KEY_NOT_ISSUED": N_(
        "This billing key was never issued, so it can be neither charged nor deleted. Ask the customer to "
        "register again."
    ),
    "CANCELLABLE_AMOUNT_CONSISTENCY_BROKEN": N_(
        "The balance left to refund has changed since this page was opened, so nothing was refunded. "
        "Check the payment with PortOne again and start a new refund."
    ),
    "CANCEL_AMOUNT_EXCEEDS_CANCELLABLE_AMOUNT": N_(
        "The amount is more than what is left to refund. Enter an amount within the balance."
    ),
    "CANCEL_TAX_AMOUNT_EXCEEDS_CANCELLABLE_TAX_AMOUNT": N_(
        "The taxable part of the refund is more than the taxable balance left. Enter how much of the "
        "refund is tax-free."
    ),
    "CANCEL_TAX_FREE_AMOUNT_EXCEEDS_CANCELLABLE_TAX_FREE_AMOUNT": N_(
        "The tax-free part of the refund is more than the tax-free balance left. Enter a smaller tax-free "
        "amount."
    ),
    "CASH_RECEIPT_ALREADY_ISSUED": N_(
        "A cash receipt was already issued for this payment. Cancel it before issuing another."
    ),
    "CASH_RECEIPT_NOT_FOUND": N_("There is no cash receipt for this payment."),
    "CASH_RECEIPT_NOT_ISSUED": N_("No cash receipt was issued for this payment, so there is none to cancel."),
    "CHANNEL_NOT_FOUND": N_("PortOne knows no such channel. Check the channel in the PortOne console."),
    "CHANNEL_SPECIFIC": N_(
        "One or more payment gateways refused the request. See what each of them answered before trying "
        "again."
    ),
    "DISCOUNT_AMOUNT_EXCEEDS_TOTAL_AMOUNT": N_(
        "The promotion discount is as large as the payment or larger. Check the promotion in the PortOne "
        "console."
    ),
    "FORBIDDEN": N_(
        "The API secret is not allowed to do this. Check that the payment belongs to this store, and the "
        "rights of the API secret."
    ),
    "IDEMPOTENCY_OUTSTANDING_REQUEST": N_(
        "PortOne is still working on this same request. Nothing happens twice; wait a moment and check again."
    ),
    "IDENTITY_VERIFICATION_ALREADY_SENT": N_(
        "This identity verification was already sent to the customer. Resend it instead."
    ),
    "IDENTITY_VERIFICATION_ALREADY_VERIFIED": N_("This identity verification is already complete."),
    "IDENTITY_VERIFICATION_NOT_FOUND": N_("PortOne knows no such identity verification. Check the id."),
    "IDENTITY_VERIFICATION_NOT_SENT": N_("This identity verification has not been sent to the customer yet."),
    "INFORMATION_MISMATCH": N_(
        "What was sent differs from what PortOne has on record, so nothing was done. Compare amount and "
        "currency with the order."
    ),
    "INVALID_PAYMENT_TOKEN": N_(
        "The payment token is not valid, or its time has run out. Ask the customer to pay again."
    ),
    "INVALID_REQUEST": N_("PortOne could not accept what was entered. Check the values and try again."),
    "MAX_CANCEL_COUNT_REACHED": N_(
        "This payment cannot be refunded any more times. Refund the rest by another way, such as a bank "
        "transfer, or ask PortOne."
    ),
    "MAX_TRANSACTION_COUNT_REACHED": N_(
        "Too many attempts were made with this id. Start again with a new one."
    ),
    "MAX_WEBHOOK_RETRY_COUNT_REACHED": N_(
        "PortOne will not send this webhook again: its limit is reached. Check the payment with PortOne "
        "instead."
    ),
    "NEGATIVE_PROMOTION_ADJUSTED_CANCEL_AMOUNT": N_(
        "After taking back the promotion discount nothing would be left of this refund. Refund a larger "
        "amount, or keep the discount."
    ),
    "PAYMENT_ALREADY_CANCELLED": N_("This payment is already refunded in full. Refresh the page to see it."),
    "PAYMENT_CANCELLATION_NOT_FOUND": N_(
        "PortOne knows no such cancellation of this payment. Check the payment with PortOne again."
    ),
    "PAYMENT_CANCELLATION_NOT_PENDING": N_(
        "This cancellation is no longer waiting, so it cannot be withdrawn. Check the payment with "
        "PortOne again."
    ),
    "PAYMENT_NOT_FOUND": N_(
        "PortOne knows no such payment. Check the payment id, and that it belongs to this store."
    ),
    "PAYMENT_NOT_PAID": N_(
        "This payment is not paid, so there is nothing to refund. For a virtual account waiting for its "
        "deposit, close the account instead."
    ),
    "PAYMENT_NOT_WAITING_FOR_DEPOSIT": N_(
        "This virtual account is not waiting for a deposit any more. If the money has come in, refund the "
        "payment instead."
    ),
    "PAYMENT_SCHEDULE_ALREADY_EXISTS": N_(
        "There is already a scheduled payment for this. Revoke the schedule first."
    ),
    "PAYMENT_SCHEDULE_ALREADY_PROCESSED": N_(
        "This scheduled payment was already carried out. Look at the payment itself."
    ),
    "PAYMENT_SCHEDULE_ALREADY_REVOKED": N_(
        "This scheduled payment was already revoked. There is nothing left to do."
    ),
    "PAYMENT_SCHEDULE_NOT_FOUND": N_("PortOne knows no such scheduled payment."),
    "PG_PROVIDER": N_(
        "The payment gateway refused the request. Its own message says why; if it does not help, ask the "
        "gateway."
    ),
    "PROMOTION_DISCOUNT_RETAIN_OPTION_SHOULD_NOT_BE_CHANGED": N_(
        "An earlier partial refund of this payment decided whether the promotion discount is kept. Choose "
        "the same again."
    ),
    "PROMOTION_PAY_METHOD_DOES_NOT_MATCH": N_(
        "The promotion does not apply to this way of paying. Check the promotion in the PortOne console."
    ),
    "SUM_OF_PARTS_EXCEEDS_CANCEL_AMOUNT": N_(
        "Tax-free amount and VAT together are more than the refund. Enter a smaller tax-free amount."
    ),
    "SUM_OF_PARTS_EXCEEDS_TOTAL_AMOUNT": N_(
        "Tax-free amount and VAT together are more than the payment. Check the amounts."
    ),
    "UNAUTHORIZED": N_(
        "PortOne does not accept the API secret: it is wrong or has expired. Ask whoever runs Portico to "
        "set a valid one."
    ),
    "WEBHOOK_NOT_FOUND": N_("PortOne has no such webhook for this payment, so there is none to send again."),
}


def msgid_of(error_type: str) -> str:
    """The sentence to translate for an error type; it may hold `%(type)s` to fill in afterwards."""
    general = UNREADABLE_MEANING if error_type.startswith("HTTP_") else UNKNOWN_MEANING
    return MEANINGS.get(error_type, general)


def meaning_of(error_type: str) -> str:
    """What an error type means, in English; an unknown type is named as it is."""
    return msgid_of(error_type) % {"type": error_type}
