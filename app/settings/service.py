"""Read and change what a super admin decides; every change is in the audit trail."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import ScalarSelect, select

from app.audit import service as audit
from app.audit.service import Actor
from app.database import lock_name
from app.encryption import vault
from app.errors import DomainError
from app.extensions import db
from app.settings.catalogue import CATALOGUE, Kind
from app.settings.models import StoredSetting
from app.settings.rules import find_problems

#: Whoever decides by several settings, or by one of them and something beside, holds this name meanwhile.
LOCK = "settings"


class SettingsRefused(DomainError):
    """Settings that may not become what was wished: `problems` has a sentence for each name."""

    status = 422

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__(" ".join(problems.values()))
        self.problems = dict(problems)


class SettingsMoved(DomainError):
    """Somebody else changed these settings while the form was open."""


def value_of(name: str) -> Any:
    """What a setting is now, its default if nobody changed it; a secret is opened. Raises KeyError."""
    row = db.session.get(StoredSetting, name)
    return read_value(name, row.document if row else None)


def read_value(name: str, document: Mapping[str, Any] | None) -> Any:
    """What a stored document says a setting is; None stands for one that nobody changed."""
    setting = CATALOGUE[name]
    if document is None:
        return setting.default
    value = document["value"]
    return vault().open(value) if setting.kind == Kind.SECRET and value else value


def stored_value(name: str) -> ScalarSelect[Any]:
    """The document of a setting as a part of another query; `read_value` makes of it what it says."""
    return select(StoredSetting.document).where(StoredSetting.name == name).scalar_subquery()


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


def fingerprint(names: Iterable[str]) -> str:
    """A short mark of what these settings are now; it changes when one of them does."""
    now = values()
    text = json.dumps({name: now[name] for name in sorted(names)}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def change(wanted: Mapping[str, Any], *, by: Actor, seen: str | None = None) -> list[str]:
    """Set what differs, and answer the names that did; a secret that is None stays. Commits.

    `seen` is the fingerprint of these settings when the person saw them. Raises `SettingsMoved` where it is
    no longer true, `SettingsRefused` where a rule says no, and KeyError for a name that is none.
    """
    lock_name(LOCK)
    before = values()
    if seen is not None and seen != fingerprint(wanted):
        raise SettingsMoved(_("Somebody else has changed these settings meanwhile. Compare, and save again."))
    changed = {name: value for name, value in wanted.items() if _differs(name, value, before)}
    if problems := find_problems(changed, {**before, **changed}):
        raise SettingsRefused(problems)
    for name, value in changed.items():
        _store(name, value, by)
    if changed:
        audit.record(
            "settings.changed",
            "settings",
            "settings",
            by=by,
            before={name: _told(name, before[name]) for name in changed},
            after={name: _told(name, value) for name, value in changed.items()},
        )
    db.session.commit()
    return list(changed)


def _differs(name: str, value: Any, before: Mapping[str, Any]) -> bool:
    """A secret that is given always differs: nobody compares what nobody may see. None leaves it as it is."""
    if CATALOGUE[name].kind != Kind.SECRET:
        return bool(value != before[name])
    return value is not None and (bool(value) or before[name])


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
