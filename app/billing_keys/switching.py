"""What people decide about a key here, and PortOne does not know: in use or not, a customer's default."""

from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import and_, or_, select, update
from sqlalchemy.exc import IntegrityError

from app.accounts.models import User
from app.audit import service as audit
from app.billing_keys.models import DELETED, BillingKey
from app.billing_keys.sealing import open_key
from app.billing_keys.service import mask_key, without_key
from app.database import lock, lock_name
from app.errors import DomainError
from app.extensions import db


class SwitchRefused(DomainError):
    """The key cannot be switched like this."""


def set_active(row_id: UUID, is_active: bool, *, by: User) -> bool:
    """Let a key be charged from here, or no longer. Commits; False when it was so before.

    Who is switched off is nobody's default any more. Schedules that PortOne holds already go on.
    Raises `SwitchRefused` for a deleted key.
    """
    row = lock(BillingKey, row_id)
    _refuse_if_deleted(row)
    if row.is_active == is_active:
        db.session.rollback()
        return False
    before = _state_of(row)
    row.is_active = is_active
    row.is_default = row.is_default and is_active
    action = "billing_key.activated" if is_active else "billing_key.deactivated"
    _record(action, row, before, by)
    return True


def set_default(row_id: UUID, is_default: bool, *, by: User) -> bool:
    """Make a key its customer's default, in place of the one before, or no longer. Commits.

    Answers False when it was so before. Raises `SwitchRefused` for a key of nobody, deleted or switched off.
    """
    owner = db.session.get_one(BillingKey, row_id, populate_existing=True).user_id
    lock_name(f"default billing key of {owner}")
    _lock_in_order(row_id, owner)
    row = lock(BillingKey, row_id)
    if is_default:
        _refuse_if_unfit(row)
    if row.is_default == is_default:
        db.session.rollback()
        return False
    before = _state_of(row)
    if is_default:
        others = update(BillingKey).where(BillingKey.user_id == row.user_id, BillingKey.is_default)
        db.session.execute(others.values(is_default=False))
    row.is_default = is_default
    action = "billing_key.default_set" if is_default else "billing_key.default_removed"
    try:
        _record(action, row, before, by)
    except IntegrityError as clash:  # PortOne gave the key to another customer at this very moment
        db.session.rollback()
        raise SwitchRefused(_("The customer's keys have changed just now. Please try again.")) from clash
    return True


def reveal_billing_key(row_id: UUID, reason: str, *, by: User) -> str:
    """The whole key, for who has a reason; who saw it, and why, is audited. Commits.

    Raises `KeyUnreadable`.
    """
    row = db.session.get_one(BillingKey, row_id)
    billing_key = open_key(row)
    facts = {"reason": without_key(reason, billing_key), "billing_key": mask_key(billing_key)}
    audit.record("billing_key.revealed", "billing_key", row_id, by=by, facts=facts)
    db.session.commit()
    return billing_key


def _lock_in_order(row_id: UUID, owner: UUID | None) -> None:
    """Lock a key and its customer's default in the order in which a sync locks keys."""
    concerned = or_(BillingKey.id == row_id, and_(BillingKey.user_id == owner, BillingKey.is_default))
    in_order = select(BillingKey.id).where(concerned).order_by(BillingKey.billing_key)
    db.session.execute(in_order.with_for_update()).all()


def _refuse_if_deleted(row: BillingKey) -> None:
    if row.status == DELETED:
        raise SwitchRefused(_("This billing key is deleted at PortOne. Nothing can be set on it any more."))


def _refuse_if_unfit(row: BillingKey) -> None:
    _refuse_if_deleted(row)
    if row.user_id is None:
        raise SwitchRefused(_("This billing key belongs to no known customer, so it is nobody's default."))
    if not row.is_active or row.deleting_since is not None:
        raise SwitchRefused(
            _("This billing key is switched off or being deleted. A default has to be chargeable.")
        )


def _state_of(row: BillingKey) -> dict[str, bool]:
    return {"is_active": row.is_active, "is_default": row.is_default}


def _record(action: str, row: BillingKey, before: dict[str, bool], by: User) -> None:
    db.session.flush()
    audit.record(action, "billing_key", row.id, by=by, before=before, after=_state_of(row))
    db.session.commit()
