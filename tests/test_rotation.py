"""`flask rotate-keys`: after it the old key is not needed any more, and everything is still found."""

from typing import Any

import pytest
from cryptography.fernet import Fernet
from flask import Flask
from sqlalchemy import Text, select

from app.billing_keys.models import BillingKey
from app.billing_keys.service import sync_billing_keys
from app.columns import sealed_columns
from app.encryption import InvalidToken, Vault, vault
from app.extensions import db
from app.payments.models import Payment
from app.payments.service import sync_payment
from app.refunds.models import Refund
from app.refunds.service import request_refund
from app.rotation import rotate_keys
from app.settings import service as settings
from app.settings.catalogue import CATALOGUE, Kind, Setting
from tests.conftest import ENVIRONMENT
from tests.factories import make_payment, make_wish

OLD, NEW = ENVIRONMENT["DATA_ENCRYPTION_KEYS"], Fernet.generate_key().decode()


@pytest.fixture
def use(app: Flask):
    """Run the app with other keys from here on."""
    before = app.extensions["vault"]

    def use_keys(*keys: str) -> None:
        app.extensions["vault"] = Vault(keys)

    yield use_keys
    app.extensions["vault"] = before


@pytest.fixture
def sealed_rows(simulator: Any, admin: Any, super_admin: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """A refund to an account, a billing key with a payment, a secret setting; answers the billing key."""
    monkeypatch.setitem(CATALOGUE, "hook", Setting("hook", "refunds", Kind.SECRET, "Hook", "", ""))
    settings.change({"hook": "https://hooks.example.com/x"}, by=super_admin)
    payment = make_payment(simulator, method="VIRTUAL_ACCOUNT")
    request_refund(payment.payment_id, make_wish(payment), by=admin)
    key: str = simulator.make_billing_key()["billingKey"]
    sync_payment(simulator.make_payment(extra={"billingKey": key})["id"])
    sync_billing_keys()
    db.session.commit()
    return key


def rotate() -> Any:
    return rotate_keys(on_progress=lambda _column, _rows: None)


def test_the_old_key_is_not_needed_any_more(use, sealed_rows):
    use(NEW, OLD)
    assert rotate().unreadable == {}
    use(NEW)
    db.session.expire_all()
    assert "refundAccount" in vault().open(db.session.scalars(select(Refund.request_sealed)).one())
    assert vault().open(db.session.scalars(select(BillingKey.billing_key_encrypted)).one()) == sealed_rows
    assert settings.value_of("hook") == "https://hooks.example.com/x"


def test_billing_keys_and_their_payments_are_found_by_the_new_hash(use, sealed_rows):
    use(NEW, OLD)
    rotation = rotate()
    use(NEW)
    new_hash = vault().fingerprint(sealed_rows)
    assert db.session.scalars(select(BillingKey.billing_key)).one() == new_hash
    assert db.session.scalars(select(Payment).where(Payment.billing_key_hash == new_hash)).one()
    assert rotation.rehashed["payments.billing_key_hash"] == 1


def test_it_may_be_repeated(use, sealed_rows):
    use(NEW, OLD)
    rotate()
    assert rotate().rehashed.total() == 0
    use(NEW)
    assert rotate().unreadable == {}


def test_what_no_key_opens_is_counted_and_left_alone(use, sealed_rows):
    before = db.session.scalars(select(Refund.request_sealed)).one()
    use(NEW)
    rotation = rotate()
    assert rotation.unreadable["refunds.request_sealed"] == 1
    assert rotation.unreadable["settings.document"] == 1
    assert db.session.scalars(select(Refund.request_sealed)).one() == before
    with pytest.raises(InvalidToken):
        vault().open(before)


def test_no_sealed_column_is_forgotten():
    named = {
        (table.name, column.name)
        for table in db.metadata.sorted_tables
        for column in table.columns
        if column.name.endswith(("_sealed", "_encrypted")) and isinstance(column.type, Text)
    }
    assert named == {(table.name, column) for table, column in sealed_columns()}
