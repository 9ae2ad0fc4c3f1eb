"""PortOne's billing keys become rows: every kind, masked, and never alive again once deleted."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from app.accounts.models import User
from app.billing_keys import queries, service
from app.billing_keys.models import BillingKey
from app.encryption import vault
from app.extensions import db
from app.portone.errors import PortOneRefused, PortOneUncertain
from app.portone.payloads import BillingKeyInfo
from tests.billing_keys.documents import (
    CARD,
    KAKAOPAY,
    KEY,
    LATER,
    MOBILE,
    PAYPAL,
    TRANSFER,
    billing_key_document,
)
from tests.webhooks.messages import FakePortOne

EXAMPLES = Path(__file__).parents[3] / "shared/data/examples/billing-keys"
NOON = datetime(2026, 3, 29, 3, 0, tzinfo=UTC)


def store(document: dict[str, Any], *, read_at: datetime = NOON) -> service.Change:
    change = service.store_billing_key(BillingKeyInfo.from_raw(document), read_at=read_at)
    db.session.commit()
    return change


def only_row() -> BillingKey:
    return db.session.scalars(select(BillingKey)).one()


def test_the_key_itself_is_nowhere_in_the_row(app: Flask) -> None:
    store(billing_key_document(customData=f"key={KEY}", extra=[{"deep": KEY}]))
    row = only_row()
    columns = {column.key: getattr(row, column.key) for column in BillingKey.__mapper__.column_attrs}
    assert KEY not in json.dumps(columns, default=str)
    assert row.billing_key == vault().fingerprint(KEY)
    assert vault().open(row.billing_key_encrypted or "") == KEY
    assert (row.snapshot or {})["billingKey"] == "billing-key-****9e77"


@pytest.mark.parametrize(
    ("method", "code", "summary"),
    [
        (CARD, "CARD", "51004200****318*"),
        (KAKAOPAY, "EASY_PAY", None),
        (MOBILE, "MOBILE", "0103321****"),
        (TRANSFER, "TRANSFER", "9432****7712"),
        (PAYPAL, "PAYPAL", None),
        (LATER, "BillingKeyPaymentMethodMoonbeam", None),
        (None, None, None),
    ],
    ids=["card", "easy pay", "mobile", "transfer", "paypal", "not known yet", "none"],
)
def test_every_kind_of_method_is_stored(
    app: Flask, method: Any, code: str | None, summary: str | None
) -> None:
    store(billing_key_document(method=method))
    row = only_row()
    assert (row.method, row.method_summary, row.is_active) == (code, summary, True)


def test_card_columns_are_filled_and_expiry_stays_empty(app: Flask) -> None:
    store(billing_key_document())
    row = only_row()
    assert (row.card_type, row.card_company, row.card_name) == ("CREDIT", "SHINHAN_CARD", "신한카드")
    assert (row.expiry_year, row.expiry_month, row.is_default) == (None, None, False)


def test_a_deleted_key_is_not_active(app: Flask) -> None:
    store(billing_key_document())
    change = store(billing_key_document(status="DELETED", deletedAt="2026-03-29T02:00:00Z"))
    row = only_row()
    assert change.fields["status"] == ["ISSUED", "DELETED"]
    assert (row.is_active, row.deleted_at) == (False, datetime(2026, 3, 29, 2, 0, tzinfo=UTC))


def test_a_deleted_key_never_comes_to_life_again(app: Flask) -> None:
    store(billing_key_document(status="DELETED", deletedAt="2026-03-29T02:00:00Z"))
    late = store(billing_key_document(), read_at=NOON + timedelta(hours=1))
    assert (late.is_outdated, only_row().status) == (True, "DELETED")


def test_an_older_reading_does_not_overwrite_a_newer_one(app: Flask) -> None:
    store(billing_key_document(method=TRANSFER), read_at=NOON)
    assert store(billing_key_document(method=CARD), read_at=NOON - timedelta(seconds=1)).is_outdated
    assert only_row().method == "TRANSFER"


def test_a_deletion_counts_however_late_it_is_written(app: Flask) -> None:
    store(billing_key_document(), read_at=NOON)
    store(billing_key_document(status="DELETED"), read_at=NOON - timedelta(seconds=1))
    assert only_row().is_active is False


def test_storing_again_changes_nothing(app: Flask) -> None:
    assert store(billing_key_document()).is_new
    again = store(billing_key_document(), read_at=NOON + timedelta(hours=1))
    assert (again.is_new, again.fields) == (False, {})


def test_customers_are_matched_by_their_id_alone(app: Flask, admin: User) -> None:
    customer = {"id": "customer-7", "name": "김하늘", "email": admin.email}
    store(billing_key_document("billing-key-1-of-the-customer", customer=customer))
    store(billing_key_document("billing-key-2-of-the-customer", customer={"id": "customer-7"}))
    store(billing_key_document("billing-key-of-nobody-at-all", customer={}))
    users = [row.user for row in db.session.scalars(select(BillingKey).order_by(BillingKey.key_ending))]
    assert sum(user is None for user in users) == 1
    assert {(user.customer_id, user.role, user.email) for user in users if user} == {
        ("customer-7", "customer", None)
    }


def test_all_pages_are_read(app: Flask, portone: FakePortOne, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "PAGE_SIZE", 2)
    for number in range(5):
        portone.knows(billing_key_document(f"billing-key-number-{number}"))
    told: list[tuple[int, int]] = []
    assert service.sync_billing_keys(lambda *counts: told.append(counts)) == (5, 5)
    assert told == [(2, 2), (4, 4), (5, 5)]
    assert service.sync_billing_keys() == (5, 0)


def test_what_was_read_before_an_outage_is_kept(
    app: Flask, portone: FakePortOne, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "PAGE_SIZE", 2)
    for number in range(4):
        portone.knows(billing_key_document(f"billing-key-number-{number}"))

    def cut_the_line(_read: int, _changed: int) -> None:
        portone.problem = PortOneUncertain("unreachable")

    with pytest.raises(PortOneUncertain):
        service.sync_billing_keys(cut_the_line)
    assert len(db.session.scalars(select(BillingKey.id)).all()) == 2


def test_one_key_is_read_again(app: Flask, portone: FakePortOne) -> None:
    with pytest.raises(PortOneRefused):
        service.sync_billing_key(KEY)
    portone.knows(billing_key_document())
    assert service.sync_billing_key(KEY).is_new
    assert queries.find_billing_key(KEY) is only_row()


def test_oversized_and_unknown_values_are_taken(app: Flask) -> None:
    card = {
        "type": "BillingKeyPaymentMethodCard",
        "card": {"type": "X" * 500, "number": "9" * 500, "issuer": "Y" * 500},
    }
    store(
        billing_key_document(method=card, status="S" * 100, customer={"id": "c" * 2000, "name": "가" * 500})
    )
    row = only_row()
    assert (row.status, row.user_id) == ("S" * 40, None)


@pytest.mark.parametrize("name", ["short", "billing-key-x", "b" * 15])
def test_a_short_key_gives_nothing_of_itself_away(app: Flask, name: str) -> None:
    assert service.mask_key(name) == "billing-key-****"


def test_every_example_is_stored(app: Flask) -> None:
    if not EXAMPLES.exists():
        pytest.skip("the examples lie beside the repository, in ../shared")
    for path in EXAMPLES.glob("*.json"):
        store(json.loads(path.read_text()))
    rows = db.session.scalars(select(BillingKey)).all()
    assert {row.method for row in rows} == {"CARD", "EASY_PAY", "MOBILE", "TRANSFER", "PAYPAL"}
    assert [row.is_active for row in rows].count(False) == 1
