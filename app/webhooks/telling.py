"""What a replay or a resend came to, in a sentence."""

from flask_babel import gettext as _

from app.payments.changes import words_of_changes
from app.web.filters import translated
from app.webhooks.models import AttemptOutcome, WebhookLog
from app.webhooks.replaying import UNANSWERED, Replay
from app.webhooks.resending import Resend

#: Changes told in the sentence; the page shows them all.
_TOLD_CHANGES = 3


def words_of_replay(result: Replay, log: WebhookLog) -> str:
    """What processing a message again came to."""
    if not result.is_over:
        return translated(result.told or UNANSWERED)
    if result.outcome == AttemptOutcome.SKIPPED or result.told:
        return f"{_('Processed again.')} {translated(result.told)}".strip()
    if not result.changes:
        return str(_("Processed again: PortOne was read once more, and nothing had changed."))
    changes = words_of_changes(result.changes, log.payment.currency) if log.payment else []
    told = ", ".join(f"{each.name} {each.before} → {each.after}" for each in changes[:_TOLD_CHANGES])
    return str(_("Processed again, and something had changed.")) + (f" {told}" if told else "")


def words_of_resend(result: Resend) -> str:
    """What PortOne said when it was asked to send a message again."""
    delivery = result.delivery
    answer = f" (HTTP {delivery.response_code})" if delivery and delivery.response_code else ""
    return translated(result.told) + answer
