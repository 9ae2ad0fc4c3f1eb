"""The audit trail: entries in the caller's transaction, and a chain that tells where it was touched."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError

from app import clock
from app.audit import queries, service
from app.audit.models import AuditEntry
from app.audit.service import Anchor, Broken, Fault
from app.columns import new_id
from app.extensions import db

pytestmark = pytest.mark.usefixtures("app")

ENTRIES = AuditEntry.__table__


class Colour(StrEnum):
    RED = "red"


def record_three() -> None:
    for number in (1, 2, 3):
        service.record("refund.requested", "payment", f"order-{number}", after={"amount": number, "ok": True})
    db.session.commit()


def tamper(statement: Any) -> None:
    """What somebody with the database in hand could do: the guards against it are taken away first."""
    if db.engine.dialect.name == "sqlite":
        for change in ("update", "delete"):
            db.session.execute(text(f"DROP TRIGGER IF EXISTS audit_entries_no_{change}"))
        db.session.execute(statement)
    else:
        db.session.execute(text("ALTER TABLE audit_entries DISABLE TRIGGER USER"))
        db.session.execute(statement)
        db.session.execute(text("ALTER TABLE audit_entries ENABLE TRIGGER USER"))
    db.session.commit()


def test_an_entry_says_who_did_what_to_which_thing(admin):
    changed = {"before": {"held": 0}, "after": {"held": 5}}
    entry = service.record("refund.requested", "refund", "r-1", by=admin, **changed)
    db.session.commit()
    assert (entry.actor_id, entry.actor_name) == (admin.id, "김서연")
    assert (entry.before, entry.after, entry.facts) == ({"held": 0}, {"held": 5}, None)
    assert (entry.sequence, entry.previous_hash) == (1, service.GENESIS)


def test_without_a_person_the_system_did_it():
    entry = service.record("refund.settled", "refund", "r-1")
    assert (entry.actor_id, entry.actor_name, entry.address) == (None, service.SYSTEM, None)


def test_an_entry_of_a_rolled_back_transaction_never_was():
    service.record("refund.requested", "refund", "r-1")
    db.session.rollback()
    record_three()
    assert db.session.scalars(select(AuditEntry.sequence)).all() == [1, 2, 3]


def test_every_kind_of_value_keeps_its_seal_in_the_database():
    moment = datetime(2026, 3, 29, 11, 22, 8, 123456, UTC)
    facts = {"z": 1, "a": [None, True, {"ㄱ": "한글 🙂"}], "id": new_id(), "at": moment, "who": Colour.RED}
    facts |= {"rate": 0.1, "large": 2**70, "nul": "a\0b", "half": "\ud800", 5: "five", "pair": (1, {})}
    with clock.fixed_at(moment):
        service.record("export.made", "export", "a\0b", before={}, after={"text": "\\u0000"}, facts=facts)
    db.session.commit()
    assert service.verify_chain() is None


def test_an_untouched_chain_holds():
    assert service.verify_chain() is None
    record_three()
    assert service.verify_chain() is None


CHANGES = {
    "id": new_id(),
    "at": datetime(2026, 1, 1, tzinfo=UTC),
    "action": "refund.succeeded",
    "subject_type": "refund",
    "subject_id": "order-9",
    "actor_id": new_id(),
    "actor_name": "somebody",
    "address": "192.0.2.1",
    "sign_in_id": new_id(),
    "before": {"amount": 2},
    "after": {"amount": 2, "ok": 1},
    "facts": {},
    "previous_hash": "f" * 64,
    "hash": "f" * 64,
}


def test_every_column_has_its_change_below():
    assert set(CHANGES) | {"sequence"} == set(ENTRIES.columns.keys())


@pytest.mark.parametrize("column", CHANGES)
def test_a_change_of_any_column_is_found(column):
    record_three()
    tamper(update(ENTRIES).where(ENTRIES.c.sequence == 2).values({column: CHANGES[column]}))
    assert service.verify_chain() == Broken(2, Fault.CHANGED)


def test_a_moment_moved_by_a_microsecond_is_found():
    record_three()
    at = db.session.scalars(select(AuditEntry.at).where(AuditEntry.sequence == 2)).one()
    tamper(update(ENTRIES).where(ENTRIES.c.sequence == 2).values(at=at + timedelta(microseconds=1)))
    assert service.verify_chain() == Broken(2, Fault.CHANGED)


@pytest.mark.parametrize("missing", [1, 2])
def test_a_missing_entry_is_found(missing):
    record_three()
    tamper(ENTRIES.delete().where(ENTRIES.c.sequence == missing))
    assert service.verify_chain() == Broken(missing, Fault.MISSING)


def test_a_changed_number_leaves_a_gap():
    record_three()
    tamper(update(ENTRIES).where(ENTRIES.c.sequence == 2).values(sequence=9))
    assert service.verify_chain() == Broken(2, Fault.MISSING)


def test_exchanged_entries_are_found():
    record_three()
    for old, new in ((2, 8), (3, 2), (8, 3)):
        tamper(update(ENTRIES).where(ENTRIES.c.sequence == old).values(sequence=new))
    assert service.verify_chain() == Broken(2, Fault.CHANGED)


def test_an_entry_rewritten_with_a_fresh_seal_breaks_the_link_after_it():
    record_three()
    row = dict(db.session.execute(select(ENTRIES).where(ENTRIES.c.sequence == 2)).mappings().one())
    row["actor_name"] = "somebody"
    tamper(update(ENTRIES).where(ENTRIES.c.sequence == 2).values(row | {"hash": service._seal(row)}))
    assert service.verify_chain() == Broken(3, Fault.OUT_OF_ORDER)


def test_entries_cut_off_at_the_end_are_found_by_an_anchor_noted_before():
    record_three()
    anchor = service.newest_anchor()
    assert service.verify_chain([anchor, Anchor(0, service.GENESIS)]) is None
    tamper(ENTRIES.delete().where(ENTRIES.c.sequence == 3))
    assert service.verify_chain() is None
    assert service.verify_chain([anchor]) == Broken(3, Fault.CUT_OFF)


def test_a_trail_written_anew_is_found_by_an_anchor_noted_before():
    record_three()
    anchors = Anchor.read_all(f"12:00 INFO app.worker: The audit trail stands at {service.newest_anchor()}\n")
    tamper(ENTRIES.delete())
    record_three()
    assert service.verify_chain() is None
    assert service.verify_chain(anchors) == Broken(3, Fault.REWRITTEN)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entries SET actor_name = 'somebody'",
        "DELETE FROM audit_entries",
        "INSERT OR REPLACE INTO audit_entries SELECT * FROM audit_entries",
        "TRUNCATE audit_entries",
    ],
)
def test_the_database_itself_refuses_every_change(statement):
    record_three()
    words_of = {"TRUNCATE": "postgresql", "INSERT": "sqlite"}
    if words_of.get(statement.split()[0], db.engine.dialect.name) != db.engine.dialect.name:
        pytest.skip("the other database's words")
    with pytest.raises(DBAPIError, match="append-only"):
        db.session.execute(text(statement))
    db.session.rollback()
    assert db.session.query(AuditEntry).count() == 3
    assert service.verify_chain() is None


def test_a_value_that_does_not_even_read_is_named_too():
    if db.engine.dialect.name == "postgresql":
        pytest.skip("PostgreSQL takes nothing into these columns that does not read")
    record_three()
    tamper(text("UPDATE audit_entries SET facts = '{', id = 'x' WHERE sequence = 2"))
    assert service.verify_chain() == Broken(2, Fault.CHANGED)


def test_the_chain_is_walked_in_pieces(monkeypatch):
    monkeypatch.setattr(service, "_CHUNK", 2)
    record_three()
    assert service.verify_chain() is None
    tamper(update(ENTRIES).where(ENTRIES.c.sequence == 3).values(actor_name="somebody"))
    assert service.verify_chain() == Broken(3, Fault.CHANGED)


def test_many_at_once_keep_one_chain(app: Flask):
    def record_one(number: int) -> None:
        with app.app_context():
            service.record("payment.noted", "payment", f"order-{number}")
            db.session.commit()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(record_one, range(40)))
    assert sorted(db.session.scalars(select(AuditEntry.sequence))) == list(range(1, 41))
    assert service.verify_chain() is None


def test_the_entries_of_a_thing_are_found_newest_first():
    record_three()
    service.record("refund.succeeded", "payment", "order-2")
    db.session.commit()
    entries = queries.list_entries_of("payment", "order-2")
    assert [entry.action for entry in entries] == ["refund.succeeded", "refund.requested"]
