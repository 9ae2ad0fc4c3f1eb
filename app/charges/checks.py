"""What can be told of a charge before PortOne is asked: it cannot be, it may be a repeat, it needs two."""

from dataclasses import dataclass
from uuid import UUID

from flask_babel import gettext as _

from app import clock
from app.approvals import queries as approvals
from app.approvals.queries import Kind
from app.billing_keys.models import BillingKey
from app.billing_keys.sealing import KeyUnreadable, open_key
from app.billing_keys.tally import most_beside
from app.charges.models import Charge, ChargeStatus, payment_id_of
from app.charges.queries import find_twin, find_twin_in_flight
from app.errors import DomainError
from app.web.filters import money


class ChargeRefused(DomainError):
    """The charge cannot be made, and PortOne was not asked."""


class MaybeTwice(ChargeRefused):
    """The same amount was charged to this key lately, and nobody has said that this is another one."""

    def __init__(self, message: str, twin_id: UUID) -> None:
        super().__init__(message)
        self.twin_id = twin_id


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person wants charged. Amounts are in minor units of `currency`."""

    intent: UUID
    amount: int
    currency: str
    order_name: str
    tax_free_amount: int = 0
    customer_name: str | None = None
    #: For colleagues; neither PortOne nor the customer sees it.
    reason: str = ""
    #: The last charge of the same amount that the person was told of, and does not mean.
    not_twin: UUID | None = None

    @property
    def payment_id(self) -> str:
        """PortOne's id of the payment to make; it never changes for an intent."""
        return payment_id_of(self.intent)


def refuse_if_impossible(row: BillingKey, wish: Wish) -> None:
    """Raise what PortOne need not be asked to know: `MaybeTwice`, or another `ChargeRefused`."""
    if obstacle := find_obstacle(row):
        raise ChargeRefused(obstacle)
    if find_twin_in_flight(row.id, wish.amount, wish.currency, besides=wish.intent) is not None:
        raise ChargeRefused(
            _("A charge of the same amount to this key has no outcome yet. Wait until it is settled.")
        )
    twin = find_twin(row.id, wish.amount, wish.currency, besides=wish.intent)
    if twin is not None and twin.id != wish.not_twin:
        raise MaybeTwice(tell_twin(twin), twin.id)


def find_obstacle(row: BillingKey) -> str | None:
    """Why a billing key cannot be charged now, in words; None where it can."""
    if row.status != "ISSUED":
        return str(_("This billing key was deleted. The customer has to register a new one."))
    if not row.is_active:
        return str(_("This billing key is switched off here. Switch it on first."))
    if not row.is_chargeable:
        return str(_("Somebody is deleting this billing key."))
    try:
        open_key(row)
    except KeyUnreadable as problem:
        return problem.message
    return None


def tell_twin(twin: Charge) -> str:
    """Words for whoever is about to charge the same amount to the same key again."""
    amount = money(twin.amount, twin.currency)
    if twin.status == ChargeStatus.AWAITING_APPROVAL:
        return str(_("A charge of %(amount)s to this key already waits for approval.", amount=amount))
    minutes = int((clock.now() - twin.created_at).total_seconds() // 60)
    if minutes < 1:
        return str(_("%(amount)s was charged to this key less than a minute ago.", amount=amount))
    if minutes < 120:
        sentence = _("%(amount)s was charged to this key %(minutes)s minutes ago.")
        return str(sentence) % {"amount": amount, "minutes": minutes}
    return str(_("%(amount)s was charged to this key %(hours)s hours ago.")) % {
        "amount": amount,
        "hours": minutes // 60,
    }


def needs_approval(row: BillingKey, wish: Wish) -> bool:
    """Whether a second person has to approve: what the key is charged within a day of now counts as well."""
    in_all = wish.amount + most_beside(row.id, wish.currency, [clock.now()])
    return approvals.needs_second_person(in_all, wish.currency, Kind.CHARGE)
