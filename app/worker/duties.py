"""What a worker does again and again, whether somebody asked or not."""

import logging
from collections.abc import Callable
from functools import partial

from app import leases
from app.alerts import service as alerts
from app.audit.service import newest_anchor
from app.bulk_refunds.running import finish_stopped
from app.bulk_refunds.service import close_forgotten
from app.charges import approving as charge_approving
from app.charges import settling as charge_settling
from app.database import copy_sqlite_log, reading, renew_outgrown_sqlite_statistics, renew_sqlite_statistics
from app.drift import service as drift
from app.exports import service as exports
from app.extensions import db
from app.refunds import account_keeping, approving
from app.schedules import advancing, mirror
from app.webhooks import claiming, healing, retention
from app.worker.in_motion import sync_payments_in_motion
from app.worker.tasks import Duty

#: How often the log says where the audit trail stands.
ANCHOR_SECONDS = 300.0
#: How often SQLite looks at what its indexes hold, and how often whether a table has outgrown that.
STATISTICS_SECONDS, GROWTH_SECONDS = 6 * 3600.0, 30.0

logger = logging.getLogger(__name__)


def close_bulk_refunds(holder: str) -> int:
    """Close bulk refunds that nobody decided about in time, or that were stopped. One worker at a time."""
    if not leases.hold("bulk refunds", holder=holder, seconds=60):
        return 0
    return close_forgotten() + finish_stopped()


def look_after_sqlite(work: Callable[[], None], _holder: str) -> int:
    """Do what SQLite needs beside the web servers, which then need not do it while PortOne waits.

    Not in a flood of messages: each is answered when it is on the disk, and the disk would be busy.
    """
    if db.engine.dialect.name == "sqlite" and not claiming.is_flooded():
        work()
    return 0


def expire_refunds(_holder: str) -> int:
    """Reject refunds that waited too long for a second person; answers how many."""
    return approving.DESK.expire_waiting()


def expire_charges(_holder: str) -> int:
    """Reject charges that waited too long for a second person; answers how many."""
    return charge_approving.DESK.expire_waiting()


def read_charged_payments(holder: str) -> int:
    """Read payments of charges that are missing here; answers how many. One worker at a time."""
    if not leases.hold("charged payments", holder=holder, seconds=2 * leases.BEAT_SECONDS):
        return 0
    return charge_settling.read_missing_payments()


def stop_plans_of_lost_keys(holder: str) -> int:
    """Stop plans whose key was deleted or switched off; answers how many. One worker at a time."""
    if not leases.hold("plans of lost keys", holder=holder, seconds=2 * leases.BEAT_SECONDS):
        return 0
    return advancing.stop_plans_of_lost_keys()


def tell_where_the_trail_stands(holder: str) -> int:
    """Say it in the log, out of reach of whoever holds the database; it changes nothing. One at a time."""
    if not leases.hold("audit anchor", holder=holder, seconds=ANCHOR_SECONDS):
        return 0
    with reading():
        logger.info("The audit trail stands at %s", newest_anchor())
    return 0


DUTIES = (
    Duty("payments in motion", 5.0, sync_payments_in_motion),
    Duty("refund accounts", 60.0, account_keeping.erase_old_accounts),
    Duty("expired exports", 60.0, exports.erase_expired),
    Duty("bulk refunds", 5.0, close_bulk_refunds),
    Duty("missing webhooks", 30.0, healing.watch),
    Duty("drift", 30.0, drift.watch),
    Duty("alerts", 15.0, alerts.watch),
    Duty("old webhooks", 60.0, retention.forget_old_contents),
    Duty("audit anchor", ANCHOR_SECONDS, tell_where_the_trail_stands),
    Duty("SQLite's log", 1.0, partial(look_after_sqlite, copy_sqlite_log)),
    Duty("SQLite's statistics", STATISTICS_SECONDS, partial(look_after_sqlite, renew_sqlite_statistics)),
    Duty("SQLite's growth", GROWTH_SECONDS, partial(look_after_sqlite, renew_outgrown_sqlite_statistics)),
    Duty("refunds that waited too long", 10.0, expire_refunds),
    Duty("charges that waited too long", 10.0, expire_charges),
    Duty("charged payments", 15.0, read_charged_payments),
    Duty("schedules of others", 60.0, mirror.watch),
    Duty("plans of lost keys", 10.0, stop_plans_of_lost_keys),
)
