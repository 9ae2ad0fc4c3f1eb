"""People alone switch a key on and off, one is a customer's default, and who sees it whole is known."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app.accounts.models import User
from app.audit.models import AuditEntry
from app.billing_keys import service, switching
from app.billing_keys.models import BillingKey
from app.billing_keys.switching import SwitchRefused
from app.extensions import db
from app.portone.payloads import BillingKeyInfo
from tests.billing_keys.documents import KEY, billing_key_document
from tests.conftest import Browser

NOON = datetime(2026, 3, 29, 3, 0, tzinfo=UTC)
OTHER = "billing-key-of-the-same-customer-2222"


def store(billing_key: str = KEY, *, read_at: datetime = NOON, **changes: Any) -> BillingKey:
    document = billing_key_document(billing_key, **changes)
    change = service.store_billing_key(BillingKeyInfo.from_raw(document), read_at=read_at)
    db.session.commit()
    return db.session.get_one(BillingKey, change.row_id)


def defaults() -> list[str | None]:
    db.session.rollback()
    return list(db.session.scalars(select(BillingKey.key_ending).where(BillingKey.is_default)))


def audited() -> list[tuple[str, str]]:
    db.session.rollback()
    about_keys = select(AuditEntry).where(AuditEntry.subject_type == "billing_key")
    found = db.session.scalars(about_keys.order_by(AuditEntry.sequence))
    return [(entry.action, entry.actor_name) for entry in found]


def test_one_key_of_a_customer_is_the_default(app: Flask, admin: User) -> None:
    first, second = store(), store(OTHER)
    for row in (first, second, second):
        switching.set_default(row.id, True, by=admin)
    assert defaults() == ["2222"]
    assert switching.set_default(second.id, False, by=admin)
    assert defaults() == []
    assert [action for action, _ in audited()] == [
        *["billing_key.default_set"] * 2,
        "billing_key.default_removed",
    ]


def test_two_people_at_once_make_one_default(app: Flask, person: Any, together: Any) -> None:
    ids = [store(f"billing-key-of-one-customer-{n}").id for n in range(4)]
    outcomes = together([partial(switching.set_default, row_id, True, by=person) for row_id in ids])
    assert (outcomes, len(defaults())) == ([True] * 4, 1)


def test_the_database_itself_lets_a_customer_have_one_default(app: Flask) -> None:
    first, second = store(), store(OTHER)
    first.is_default = second.is_default = True
    with pytest.raises(IntegrityError):
        db.session.commit()


@pytest.mark.parametrize(
    "changes",
    [{"status": "DELETED"}, {"customer": {}}, {"is_active": False}, {"deleting_since": NOON}],
    ids=["deleted", "of nobody", "switched off", "being deleted"],
)
def test_what_cannot_be_charged_is_nobodys_default(app: Flask, admin: User, changes: dict[str, Any]) -> None:
    ours = {name: value for name, value in changes.items() if hasattr(BillingKey, name) and name != "status"}
    row = store(**{name: value for name, value in changes.items() if name not in ours})
    for name, value in ours.items():
        setattr(row, name, value)
    db.session.commit()
    with pytest.raises(SwitchRefused):
        switching.set_default(row.id, True, by=admin)


def test_a_key_that_is_switched_off_is_no_default_and_no_sync_turns_it_on(app: Flask, admin: User) -> None:
    row = store()
    switching.set_default(row.id, True, by=admin)
    assert switching.set_active(row.id, False, by=admin)
    assert not switching.set_active(row.id, False, by=admin)
    store(read_at=NOON + timedelta(hours=1), issueName="바뀐 이름")
    row = db.session.get_one(BillingKey, row.id, populate_existing=True)
    assert (row.is_active, row.is_default, row.is_chargeable) == (False, False, False)
    assert switching.set_active(row.id, True, by=admin)
    assert db.session.get_one(BillingKey, row.id, populate_existing=True).is_chargeable


def test_a_deleted_key_stays_off_and_is_no_default_any_more(app: Flask, admin: User) -> None:
    row = store()
    switching.set_default(row.id, True, by=admin)
    store(read_at=NOON + timedelta(hours=1), status="DELETED")
    row = db.session.get_one(BillingKey, row.id, populate_existing=True)
    assert (row.is_active, row.is_default, row.deleted_at is not None) == (False, False, True)
    with pytest.raises(SwitchRefused):
        switching.set_active(row.id, True, by=admin)


def test_a_default_that_portone_gives_to_another_customer_does_not_stop_the_sync(
    app: Flask, admin: User
) -> None:
    moving, theirs = store(), store(OTHER, customer={"id": "customer-9", "name": "이수민"})
    for row in (moving, theirs):
        switching.set_default(row.id, True, by=admin)
    store(read_at=NOON + timedelta(hours=1), customer={"id": "customer-9", "name": "이수민"})
    assert defaults() == ["2222"]


def test_buttons_switch_and_say_who_did_it(signed_in: Browser) -> None:
    row_id = store().id
    address = f"/billing-keys/{row_id}"
    for switch, on in (("default", "1"), ("active", "0"), ("active", "0")):
        assert signed_in.submit(f"{address}/{switch}", {"on": on}).headers["Location"] == address
    assert audited() == [("billing_key.default_set", "김서연"), ("billing_key.deactivated", "김서연")]
    assert signed_in.submit(f"{address}/default", {"on": "1"}).status_code == 409
    assert signed_in.submit(f"{address}/active", {"on": "maybe"}).status_code == 422
    assert signed_in.get(address).text.count("김서연") >= 2


def test_a_key_is_read_again_on_demand(signed_in: Browser, simulator: Any) -> None:
    billing_key = simulator.make_billing_key()["billingKey"]
    row_id = service.sync_billing_key(billing_key).row_id
    db.session.rollback()
    simulator.delete_billing_key(billing_key)
    page = signed_in.submit(f"/billing-keys/{row_id}/refresh", follow_redirects=True)
    assert (page.status_code, "data-status" in page.text or "→" in page.text) == (200, True)
    assert db.session.get_one(BillingKey, row_id, populate_existing=True).status == "DELETED"
    assert signed_in.submit(f"/billing-keys/{row_id}/refresh").status_code == 303


def test_the_whole_key_is_shown_once_to_who_has_a_reason(client: Browser, super_admin: User) -> None:
    address = f"/billing-keys/{store().id}"
    owner = client.sign_in(super_admin)
    assert owner.submit(f"{address}/reveal", {"reason": " "}).status_code == 422
    answer = owner.submit(f"{address}/reveal", {"reason": f"PG 문의 {KEY}"})
    assert (answer.status_code, KEY in answer.text) == (200, True)
    assert "no-store" in answer.headers["Cache-Control"]
    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "billing_key.revealed")).one()
    assert entry.facts == {"reason": "PG 문의 billing-key-****9e77", "billing_key": "billing-key-****9e77"}
    assert owner.get(f"{address}/reveal").status_code == 405
    assert KEY not in owner.get(address).text


def test_an_admin_sees_no_whole_key(signed_in: Browser) -> None:
    address = f"/billing-keys/{store().id}"
    assert signed_in.submit(f"{address}/reveal", {"reason": "문의"}).status_code == 403
    assert f"{address}/reveal" not in signed_in.get(address).text


def test_a_key_sealed_with_a_lost_key_gets_a_sentence(client: Browser, super_admin: User) -> None:
    row = store()
    row.billing_key_encrypted = "gAAAAAB" + "x" * 80
    db.session.commit()
    owner = client.sign_in(super_admin)
    for action, fields in (("reveal", {"reason": "문의"}), ("refresh", {})):
        assert owner.submit(f"/billing-keys/{row.id}/{action}", fields).status_code == 409
    assert owner.get(f"/billing-keys/{row.id}/delete").status_code == 409
