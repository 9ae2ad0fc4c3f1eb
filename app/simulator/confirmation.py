"""What a merchant may check when it approves a payment: each value given must be the payment's own."""

from app.simulator.documents import Document
from app.simulator.reading import Fields


def read_confirmation(fields: Fields) -> Document:
    """What the caller of confirm believes about the payment, as far as given."""
    believed = {
        "txId": fields.text("txId"),
        "currency": fields.text("currency"),
        "totalAmount": fields.integer("totalAmount"),
        "taxFreeAmount": fields.integer("taxFreeAmount"),
        "isTest": fields.flag("isTest"),
    }
    return {name: value for name, value in believed.items() if value is not None}


def is_believed_rightly(payment: Document, believed: Document) -> bool:
    """Whether the payment is what the caller believes it to be."""
    actual = {
        "txId": payment["transactionId"],
        "currency": payment["currency"],
        "totalAmount": payment["amount"]["total"],
        "taxFreeAmount": payment["amount"]["taxFree"],
        "isTest": payment["channel"]["type"] == "TEST",
    }
    return all(actual[name] == value for name, value in believed.items())
