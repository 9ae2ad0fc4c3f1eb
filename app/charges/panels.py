"""The charges on a billing key's page, and the button that begins one."""

from collections.abc import Iterator

from flask_babel import ngettext

from app.access.guards import can
from app.access.permissions import Permission
from app.billing_keys.models import BillingKey
from app.billing_keys.panels import Panel, contribute_ending, contribute_panel
from app.charges.queries import SHOWN_CHARGES, count_waiting_of, list_charges_of


@contribute_panel
def show_charges(row: BillingKey) -> Panel | None:
    """What was charged here by hand; nothing for who may not see it."""
    if not can(Permission.CHARGE_READ):
        return None
    found = list_charges_of(row)
    shown, has_more = found[:SHOWN_CHARGES], len(found) > SHOWN_CHARGES
    return Panel("charges/_panel.html", {"charges": shown, "has_more": has_more})


@contribute_ending
def tell_waiting(row: BillingKey) -> Iterator[str]:
    """What a deletion leaves without its key."""
    if waiting := count_waiting_of(row):
        yield ngettext(
            "%(num)s charge that waits for approval can no longer be made.",
            "%(num)s charges that wait for approval can no longer be made.",
            waiting,
        )
