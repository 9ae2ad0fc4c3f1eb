"""Rows for tests, with sensible values for all that a test does not care about."""

from typing import Any

from app.accounts.models import User
from app.accounts.passwords import hash_password
from app.billing_keys.models import BillingKey
from app.billing_keys.queries import get_billing_key
from app.billing_keys.service import sync_billing_key
from app.charges.checks import Wish as ChargeWish
from app.columns import new_id
from app.extensions import db
from app.payments.models import Payment
from app.payments.queries import get_payment
from app.payments.service import sync_payment
from app.portone.requests import RefundAccount
from app.refunds import balance, rules
from app.refunds.service import Wish

PASSWORD = "correct horse battery staple"
ACCOUNT = RefundAccount("KOOKMIN", "123456789012", "홍길동", "01012345678")


def make_user(*, role: str = "admin", **values: Any) -> User:
    """A stored user; whoever may sign in does so with PASSWORD."""
    user = User(role=role, **values)
    if role != "customer":
        user.password_hash = hash_password(PASSWORD)
    db.session.add(user)
    db.session.commit()
    return user


def make_payment(simulator: Any, **wishes: Any) -> Payment:
    """A payment at PortOne's double, and our copy of it; the wishes are those of `Simulator.make_payment`."""
    document = simulator.make_payment(**wishes)
    sync_payment(document["id"])
    return get_payment(document["id"])


def make_wish(payment: Payment, amount: int | None = None, **values: Any) -> Wish:
    """The wish to give back `amount`, or all that is left; a virtual account's goes to an account."""
    left = balance.refundable(payment)
    defaults: dict[str, Any] = {
        "intent": new_id(),
        "amount": left if amount is None else amount,
        "tax_free_amount": 0,
        "expected_refundable": left,
        "reason": "고객 변심",
        "account": ACCOUNT if rules.needs_account(payment) else None,
    }
    return Wish(**(defaults | values))


def make_billing_key(simulator: Any, **wishes: Any) -> BillingKey:
    """A billing key at PortOne's double, and our copy of it; the wishes are those of `open_billing_key`."""
    document = simulator.make_billing_key(**wishes)
    return get_billing_key(sync_billing_key(document["billingKey"]).row_id)


def make_charge_wish(amount: int = 19_900, **values: Any) -> ChargeWish:
    """The wish to charge `amount` won."""
    defaults: dict[str, Any] = {"intent": new_id(), "currency": "KRW", "order_name": "정기구독 7월분"}
    return ChargeWish(amount=amount, **(defaults | values))
