"""The rows that wait for a worker: what PortOne was asked, what it sent, and what people want done."""

import threading
from functools import partial
from uuid import UUID

from app.billing_keys import settling as deletions
from app.billing_keys.models import BillingKeyDeletion
from app.charges import service as charges
from app.charges import settling as charge_settling
from app.charges.models import Charge
from app.jobs import service as jobs
from app.jobs.models import Job
from app.refunds import closing, settling
from app.refunds import service as refunds
from app.refunds.models import AccountClosure, Refund
from app.schedules import advancing
from app.schedules import service as schedules
from app.schedules import settling as schedule_settling
from app.schedules.models import ChargePlan, PaymentSchedule
from app.webhooks import claiming
from app.webhooks import service as webhooks
from app.webhooks.models import WebhookLog
from app.worker.tasks import Inbox, Task

#: Jobs that one worker does at a time.
JOBS_AT_ONCE = 2


def refund_inbox(holder: str) -> Inbox:
    """Refunds whose outcome is still to come, and which are due to be asked about."""

    def claim() -> list[Task]:
        claimed = refunds.claim_waiting_refunds(holder=holder, limit=16)
        return [Task(Refund, (refund_id,), partial(settling.follow, refund_id)) for refund_id in claimed]

    return Inbox("refunds", claim)


def charge_inbox(holder: str) -> Inbox:
    """Charges whose outcome is still to come, and which are due to be looked at."""

    def claim() -> list[Task]:
        claimed = charges.claim_waiting_charges(holder=holder, limit=16)
        follow = charge_settling.follow
        return [Task(Charge, (charge_id,), partial(follow, charge_id)) for charge_id in claimed]

    return Inbox("charges", claim)


def closure_inbox(holder: str) -> Inbox:
    """Virtual accounts that are being closed, without an answer so far."""

    def claim() -> list[Task]:
        claimed = closing.claim_waiting_closures(holder=holder, limit=4)
        return [Task(AccountClosure, (row_id,), partial(closing.follow, row_id)) for row_id in claimed]

    return Inbox("closures", claim)


def deletion_inbox(holder: str) -> Inbox:
    """Billing keys that are being deleted, without an answer so far."""

    def claim() -> list[Task]:
        claimed = deletions.claim_waiting_deletions(holder=holder, limit=4)
        return [Task(BillingKeyDeletion, (row_id,), partial(deletions.follow, row_id)) for row_id in claimed]

    return Inbox("deletions", claim)


def schedule_inbox(holder: str) -> Inbox:
    """Charges to come that PortOne has not answered for, that are to be revoked, or whose time has come."""

    def claim() -> list[Task]:
        claimed = schedules.claim_waiting(holder=holder, limit=16)
        follow = schedule_settling.follow
        return [Task(PaymentSchedule, (row_id,), partial(follow, row_id)) for row_id in claimed]

    return Inbox("schedules", claim)


def plan_inbox(holder: str) -> Inbox:
    """Recurring plans whose next charge may have to be planned."""

    def claim() -> list[Task]:
        claimed = advancing.claim_due(holder=holder, limit=8)
        return [Task(ChargePlan, (plan_id,), partial(advancing.advance, plan_id)) for plan_id in claimed]

    return Inbox("plans", claim)


def webhook_inbox(holder: str) -> Inbox:
    """Waiting webhooks, those of one payment together."""
    processor = webhooks.Processor(holder)

    def claim() -> list[Task]:
        batches = claiming.claim_batches(holder)
        return [Task(WebhookLog, batch.log_ids, partial(processor.process, batch)) for batch in batches]

    return Inbox("webhooks", claim)


def job_inbox(holder: str) -> Inbox:
    """Long work that people watch; a few at a time, so that it takes no thread from what is urgent."""
    room = threading.BoundedSemaphore(JOBS_AT_ONCE)

    def run(job_id: UUID) -> None:
        try:
            jobs.run(job_id, holder)
        finally:
            room.release()

    def claim() -> list[Task]:
        if not room.acquire(blocking=False):
            return []
        claimed = jobs.claim_waiting(holder=holder, limit=1)
        if not claimed:
            room.release()
        return [Task(Job, (job_id,), partial(run, job_id)) for job_id in claimed]

    return Inbox("jobs", claim)


#: In the order of urgency.
INBOXES = (
    refund_inbox,
    charge_inbox,
    closure_inbox,
    deletion_inbox,
    webhook_inbox,
    schedule_inbox,
    plan_inbox,
    job_inbox,
)
