"""`flask rotate-keys`: seal all with the newest of DATA_ENCRYPTION_KEYS, and find it by the newest hash.

Afterwards older keys can be taken out of the setting. It may be broken off and repeated, and runs beside
everything else: a row that changes meanwhile is left as it is, sealed with the newest key already.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Table, select, update

from app.columns import sealed_columns
from app.database import begin_writing
from app.encryption import InvalidToken, vault
from app.extensions import db
from app.settings.catalogue import CATALOGUE, Kind
from app.settings.models import StoredSetting

#: Rows read and written at once.
BATCH = 500

#: Which sealed column a keyed hash in the same table is made of.
_HASHED = {
    "billing_keys": ("billing_key_encrypted", "billing_key"),
    "webhook_logs": ("billing_key_sealed", "billing_key_hash"),
}

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Rotation:
    """How many texts were sealed anew and how many hashes made anew, and what no key opens, by column."""

    resealed: Counter[str] = field(default_factory=Counter)
    rehashed: Counter[str] = field(default_factory=Counter)
    unreadable: Counter[str] = field(default_factory=Counter)


def rotate_keys(*, on_progress: Callable[[str, int], None]) -> Rotation:
    """Go through every sealed column there is. Commits each batch."""
    rotation = Rotation()
    for table, column in sealed_columns():
        _rotate_column(table, column, rotation, on_progress)
    _rotate_settings(rotation)
    return rotation


def _rotate_column(
    table: Table, column: str, rotation: Rotation, on_progress: Callable[[str, int], None]
) -> None:
    name = f"{table.name}.{column}"
    done = 0
    for rows in _batches(table, column):
        for key, sealed in rows:
            _rotate_row(table, column, key, sealed, rotation)
        db.session.commit()
        done += len(rows)
        on_progress(name, done)


def _batches(table: Table, column: str) -> Iterator[Sequence[Any]]:
    """Rows that hold something sealed, in the order of their ids."""
    last: Any = None
    while True:
        begin_writing()
        statement = select(table.c.id, table.c[column]).where(table.c[column].is_not(None))
        if last is not None:
            statement = statement.where(table.c.id > last)
        rows = db.session.execute(statement.order_by(table.c.id).limit(BATCH)).all()
        if not rows:
            db.session.rollback()
            return
        last = rows[-1].id
        yield rows


def _rotate_row(table: Table, column: str, key: Any, sealed: str, rotation: Rotation) -> None:
    name = f"{table.name}.{column}"
    try:
        values = {column: vault().reseal(sealed)}
    except InvalidToken:
        rotation.unreadable[name] += 1
        log.warning("%s of row %s is sealed with a key that is not in DATA_ENCRYPTION_KEYS", name, key)
        return
    source, hashed = _HASHED.get(table.name, (None, None))
    if source == column and hashed is not None:
        values[hashed] = vault().fingerprint(vault().open(sealed))
    still_so = table.c.id == key, table.c[column] == sealed
    if db.session.execute(update(table).where(*still_so).values(values)).rowcount:  # type: ignore[attr-defined]
        rotation.resealed[name] += 1
        if hashed is not None:
            _rehash_payments(vault().open(sealed), rotation)


def _rehash_payments(billing_key: str, rotation: Rotation) -> None:
    """Payments know a billing key by its hash alone."""
    payments = db.metadata.tables["payments"]
    newest, *older = vault().fingerprints(billing_key)
    if not older:
        return
    renewed = update(payments).where(payments.c.billing_key_hash.in_(older)).values(billing_key_hash=newest)
    rotation.rehashed["payments.billing_key_hash"] += db.session.execute(renewed).rowcount  # type: ignore[attr-defined]


def _rotate_settings(rotation: Rotation) -> None:
    """Secrets among the settings stand inside a document."""
    begin_writing()
    names = [name for name, setting in CATALOGUE.items() if setting.kind == Kind.SECRET]
    for row in db.session.scalars(
        select(StoredSetting).where(StoredSetting.name.in_(names)).with_for_update()
    ):
        if not row.document["value"]:
            continue
        try:
            row.document = {"value": vault().reseal(row.document["value"])}
            rotation.resealed["settings.document"] += 1
        except InvalidToken:
            rotation.unreadable["settings.document"] += 1
            log.warning("the setting %s is sealed with a key that is not in DATA_ENCRYPTION_KEYS", row.name)
    db.session.commit()
