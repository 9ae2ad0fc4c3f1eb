"""Read and change what a super admin decides; every change is in the audit trail."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from app.audit import service as audit
from app.audit.service import Actor
from app.database import lock_name
from app.encryption import vault
from app.extensions import db
from app.settings.catalogue import CATALOGUE, Kind
from app.settings.models import StoredSetting


def value_of(name: str) -> Any:
    """What a setting is now, its default if nobody changed it; a secret is opened. Raises KeyError."""
    setting = CATALOGUE[name]
    row = db.session.get(StoredSetting, name)
    if row is None:
        return setting.default
    value = row.document["value"]
    return vault().open(value) if setting.kind == Kind.SECRET and value else value


def amount_of(name: str, currency: str) -> int | None:
    """The amount (minor units) that a setting names for a currency; None where it names none."""
    amount: int | None = value_of(name).get(currency)
    return amount


def values() -> dict[str, Any]:
    """What every setting is now, but for secrets: those say only whether there is one."""
    stored = {row.name: row.document["value"] for row in db.session.scalars(select(StoredSetting))}
    return {
        name: bool(stored.get(name)) if setting.kind == Kind.SECRET else stored.get(name, setting.default)
        for name, setting in CATALOGUE.items()
    }


def change(wanted: Mapping[str, Any], *, by: Actor) -> list[str]:
    """Set what differs, and answer the names that did. Commits. Raises KeyError for a name that is none."""
    lock_name("settings")
    before = values()
    changed = [name for name, value in wanted.items() if _differs(name, value, before)]
    for name in changed:
        _store(name, wanted[name], by)
    if changed:
        audit.record(
            "settings.changed",
            "settings",
            "settings",
            by=by,
            before={name: _told(name, before[name]) for name in changed},
            after={name: _told(name, wanted[name]) for name in changed},
        )
    db.session.commit()
    return changed


def _differs(name: str, value: Any, before: Mapping[str, Any]) -> bool:
    """A secret that is given always differs: nobody compares what nobody may see."""
    is_secret = CATALOGUE[name].kind == Kind.SECRET
    return (bool(value) or before[name]) if is_secret else value != before[name]


def _store(name: str, value: Any, by: Actor) -> None:
    is_sealed = CATALOGUE[name].kind == Kind.SECRET and value
    document = {"value": vault().seal(value) if is_sealed else value}
    row = db.session.get(StoredSetting, name)
    if row is None:
        db.session.add(StoredSetting(name=name, document=document, changed_by=by.id))
    else:
        row.document, row.changed_by = document, by.id


def _told(name: str, value: Any) -> Any:
    """A value as the trail may keep it for ever."""
    return ("set" if value else "empty") if CATALOGUE[name].kind == Kind.SECRET else value
