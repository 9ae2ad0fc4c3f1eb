"""Payments from other countries: decided later, refunded later, disputed."""

from datetime import timedelta

from app.simulator import lifecycle
from app.simulator.documents import Document
from app.simulator.scene import Scene, Story


def _paypal(scene: Scene) -> Document:
    method = {"type": "PaymentMethodEasyPay", "provider": "PAYPAL"}
    payment = scene.open(method, "PAYPAL_V2", currency="USD")
    payment["country"] = "US"
    return payment


def _paypal_paid(scene: Scene) -> Document:
    return scene.pay(_paypal(scene))


def _paypal_waits(scene: Scene) -> Document:
    payment = _paypal(scene)
    lifecycle.wait_for_approval(payment, scene.soon(), ids=scene.ids)
    scene.tell(payment, "Transaction.PayPending")
    return payment


def _paypal_refund_waits(scene: Scene) -> Document:
    return scene.refund(_paypal_paid(scene), status="REQUESTED", reason="Customer request")


def _paypal_refund_failed(scene: Scene) -> Document:
    return scene.refund(_paypal_paid(scene), status="FAILED", reason="Customer request")


def _paypal_refunded(scene: Scene) -> Document:
    return scene.refund(_paypal_paid(scene), reason="Customer request")


def _by_card_from_abroad(scene: Scene) -> Document:
    currency, country, brand = scene.rng.choice([("USD", "US", "VISA"), ("JPY", "JP", "JCB")])
    card = {"brand": brand, "number": f"35********{scene.ids.digits(4)}"}
    method = {"type": "PaymentMethodCard", "card": card, "approvalNumber": f"A{scene.ids.digits(5)}"}
    payment = scene.open(method, "EXIMBAY_V2", currency=currency)
    payment["country"] = country
    return scene.pay(payment)


def _charged_back(scene: Scene) -> Document:
    return scene.refund(_by_card_from_abroad(scene), trigger="CHARGEBACK", reason="차지백")


def _disputed(scene: Scene) -> Document:
    payment = _paypal_paid(scene)
    at = scene.later(timedelta(days=1), timedelta(days=9))
    lifecycle.open_dispute(payment, at, reason="Item not received", ids=scene.ids)
    scene.tell(payment, "Transaction.DisputeCreated", trigger="DISPUTE_CREATED")
    if scene.rng.random() < 0.4:
        lifecycle.resolve_disputes(payment, scene.later(timedelta(days=1), timedelta(days=9)))
        scene.tell(payment, "Transaction.DisputeResolved", trigger="DISPUTE_RESOLVED")
    return payment


def _convenience_store(scene: Scene) -> Document:
    payment = scene.open("CONVENIENCE_STORE", "INICIS_JP", currency="JPY")
    payment["country"] = "JP"
    lifecycle.wait_for_approval(payment, scene.soon(), ids=scene.ids)
    scene.tell(payment, "Transaction.PayPending")
    return payment


def _convenience_store_paid(scene: Scene) -> Document:
    return scene.pay(_convenience_store(scene), trigger="ASYNC_PAY_APPROVED")


def _convenience_store_cancelled(scene: Scene) -> Document:
    return scene.refund(_convenience_store(scene), reason="Cancelled before payment")


def _crypto(scene: Scene) -> Document:
    return scene.pay(scene.open("CRYPTO", "TRIPLE_A", currency="USD"))


_HOURS_AGO = (0.0, 0.8)

STORIES_ABROAD = [
    Story(_paypal_paid, 5, is_abroad=True),
    Story(_paypal_waits, 2, _HOURS_AGO, is_abroad=True),
    Story(_paypal_refund_waits, 2, (0.5, 4), is_abroad=True),
    Story(_paypal_refund_failed, 1, (3, 30), is_abroad=True),
    Story(_paypal_refunded, 1, (5, 50), is_abroad=True),
    Story(_by_card_from_abroad, 7, is_abroad=True),
    Story(_charged_back, 1, (12, 50), is_abroad=True),
    Story(_disputed, 2, (10, 40), is_abroad=True),
    Story(_convenience_store, 1, _HOURS_AGO, is_abroad=True),
    Story(_convenience_store_paid, 2, (3, 50), is_abroad=True),
    Story(_convenience_store_cancelled, 1, (3, 50), is_abroad=True),
    Story(_crypto, 1, is_abroad=True),
]
