"""Ask PortOne to send a message again, and tell what it says: whether our own endpoint took it."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from flask import current_app
from flask_babel import gettext as _

from app.audit import service as audit
from app.audit.service import Actor
from app.config import Settings
from app.errors import DomainError
from app.extensions import db, portone
from app.portone.errors import PortOneRefused, PortOneUncertain
from app.portone.meanings import N_, meaning_of
from app.portone.payloads import WebhookDelivery
from app.webhooks.healing import get_gap
from app.webhooks.models import WebhookLog, WebhookStatus
from app.webhooks.queries import get_webhook_log

UNVERIFIED = N_("PortOne knows no such message: nobody can tell who sent it.")
BILLING_KEYS = N_("PortOne can send webhooks of payments again, but not those of billing keys.")
NO_PAYMENT = N_("The message is not about a payment, and PortOne can send only those again.")

TAKEN = N_("PortOne sent it again, and this server took it.")
ELSEWHERE = N_("PortOne sent it again, to the address of another system.")
ANSWERED_BADLY = N_("PortOne sent it again, but this server answered with an error. Its log says why.")
NOT_REACHED = N_("PortOne tried to send it again, but could not reach this server.")
STATUS_UNKNOWN = N_("PortOne was asked to send it again and does not say how that went.")
NO_ANSWER = N_(
    "PortOne gave no answer in time: it may have sent it, or not. Look at the deliveries before asking again."
)
OUT_OF_REACH = N_("PortOne could not be asked. Nothing was sent; try again in a moment.")

_TOLD = {
    "SUCCEEDED": TAKEN,
    "FAILED_NOT_OK_RESPONSE": ANSWERED_BADLY,
    "FAILED_UNEXPECTED_ERROR": NOT_REACHED,
}

#: Without an answer for these reasons PortOne has done nothing, so asking again is no second sending.
_NOTHING_DONE = frozenset({"throttled"})


@dataclass(frozen=True, slots=True)
class Resend:
    """What PortOne said; `told` is a sentence (msgid). `may_repeat`: nothing was sent for certain."""

    told: str
    is_taken: bool = False
    may_repeat: bool = False
    delivery: WebhookDelivery | None = None


def why_not(log: WebhookLog) -> str | None:
    """Why PortOne cannot send a message again (msgid); None if it can."""
    if log.status == WebhookStatus.REJECTED or log.webhook_id is None:
        return UNVERIFIED
    if log.billing_key_hash is not None:
        return BILLING_KEYS
    return None if log.named_payment_id else NO_PAYMENT


def resend(log_id: UUID, *, by: Actor | None, reason: str = "") -> Resend:
    """Have PortOne send a message again. Commits. Raises NotFound, and DomainError where it cannot."""
    log = get_webhook_log(log_id)
    refusal = why_not(log)
    if refusal or log.webhook_id is None or log.named_payment_id is None:
        raise DomainError(_(refusal or NO_PAYMENT))
    payment_id, webhook_id = log.named_payment_id, log.webhook_id
    result = _ask(payment_id, webhook_id)
    facts = {"payment_id": payment_id, **_facts(result, reason)}
    audit.record("webhook.resent", "webhook", log_id, by=by, facts=facts)
    db.session.commit()
    return result


def resend_missing(gap_id: UUID, *, by: Actor, reason: str = "") -> Resend:
    """Have PortOne send again what we do not hold. Commits. Raises NotFound."""
    gap = get_gap(gap_id)
    payment_id, webhook_id = gap.payment.payment_id, gap.webhook_id
    result = _ask(payment_id, webhook_id)
    facts = {"webhook_id": webhook_id, **_facts(result, reason)}
    audit.record("webhook.resent", "payment", payment_id, by=by, facts=facts)
    db.session.commit()
    return result


def _ask(payment_id: str, webhook_id: str) -> Resend:
    db.session.rollback()  # PortOne sends while it is asked: what it sends must find the database free
    try:
        delivery = portone.resend_webhook(payment_id, webhook_id)
    except PortOneRefused as refusal:
        return Resend(meaning_of(refusal.type))
    except PortOneUncertain as uncertain:
        may_repeat = uncertain.reason in _NOTHING_DONE
        return Resend(OUT_OF_REACH if may_repeat else NO_ANSWER, may_repeat=may_repeat)
    settings: Settings = current_app.config["SETTINGS"]
    if delivery.url is not None and not settings.is_webhook_address(delivery.url):
        return Resend(ELSEWHERE, delivery=delivery)
    told = _TOLD.get(delivery.status or "", STATUS_UNKNOWN)
    return Resend(told, is_taken=told == TAKEN, delivery=delivery)


def _facts(result: Resend, reason: str) -> Mapping[str, str]:
    delivery = result.delivery
    facts = {
        "told": result.told,
        "reason": reason,
        "status": delivery.status if delivery else None,
        "answer": delivery.response_code if delivery else None,
    }
    return {name: fact for name, fact in facts.items() if fact}
