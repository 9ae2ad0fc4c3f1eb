"""PostgreSQL shows each only their rows, the tables' owner included; without a word nobody sees anything."""

from typing import Any

import psycopg
import pytest
from flask import Flask
from sqlalchemy import make_url

from app.accounts.models import User
from app.billing_keys.models import BillingKey
from app.charges.models import Charge
from app.connections import act_as
from app.extensions import db
from app.payments.models import Payment
from app.refunds.service import request_refund
from app.webhooks.models import WebhookLog
from tests.factories import make_payment, make_wish

GUARDED = ("payments", "refunds", "webhook_logs", "charges", "billing_keys")


@pytest.fixture
def store(app: Flask, simulator: Any, admin: User, customer: User) -> None:
    """A row in each guarded table; of the two billing keys one is the customer's."""
    if db.engine.dialect.name != "postgresql":
        pytest.skip("SQLite has no row-level security")
    payment = make_payment(simulator)
    request_refund(payment.payment_id, make_wish(payment), by=admin)
    db.session.add(WebhookLog(webhook_id="w-1"))
    keys = [BillingKey(billing_key="a" * 64, user_id=customer.id), BillingKey(billing_key="b" * 64)]
    db.session.add_all(keys)
    db.session.flush()
    wanted = {"amount": 1, "currency": "KRW", "order_name": "구독", "named_payment_id": "charge1"}
    db.session.add(Charge(billing_key_id=keys[0].id, status="failed", **wanted))
    db.session.commit()


def connect(app: Flask) -> Any:
    """Another program, signed in as the tables' owner."""
    url = make_url(app.config["SQLALCHEMY_DATABASE_URI"])
    return psycopg.connect(url.render_as_string(hide_password=False))


def seen_by(app: Flask, role: str | None, user_id: Any = "") -> list[int]:
    """How many rows of each guarded table are seen by a role; None says nothing at all."""
    with connect(app) as connection:
        if role is not None:
            connection.execute("SELECT set_config('app.role', %s, true)", [role])
            connection.execute("SELECT set_config('app.user_id', %s, true)", [str(user_id)])
        return [connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in GUARDED]


@pytest.mark.parametrize("role", ["admin", "super_admin", "system"])
def test_staff_and_the_system_see_everything(app, store, role):
    assert seen_by(app, role) == [1, 1, 1, 1, 2]


@pytest.mark.parametrize("role", [None, "", "postgres", "ADMIN", "customer"])
def test_anybody_else_sees_nothing(app, store, role):
    assert seen_by(app, role) == [0, 0, 0, 0, 0]


def test_a_customer_sees_their_own_billing_keys_alone(app, store, customer, admin):
    assert seen_by(app, "customer", customer.id) == [0, 0, 0, 0, 1]
    assert seen_by(app, "customer", admin.id) == [0, 0, 0, 0, 0]


def test_nobody_adds_a_row_they_could_not_see(app, store):
    with connect(app) as connection:
        connection.execute("SELECT set_config('app.role', 'customer', true)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
            connection.execute(
                "INSERT INTO payments (id, payment_id, status) VALUES (gen_random_uuid(), 'x', 'PAID')"
            )


def test_a_view_whose_guard_was_forgotten_shows_nothing(app, store):
    db.session.commit()
    with app.test_request_context("/forgotten"):
        assert db.session.scalars(db.select(Payment)).all() == []
        act_as("admin")
        assert len(db.session.scalars(db.select(Payment)).all()) == 1
        db.session.rollback()
        assert len(db.session.scalars(db.select(Payment)).all()) == 1
