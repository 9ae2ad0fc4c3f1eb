"""A person who was erased is nowhere in the database, stays away whatever is synced, and the money stays."""

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import inspect, text

from app import clock
from app.accounts.models import User
from app.audit import service as audit
from app.billing_keys.models import BillingKey
from app.billing_keys.service import sync_billing_keys
from app.charges.models import Charge
from app.columns import new_id
from app.encryption import Vault
from app.erasure import scope, service
from app.erasure.models import Erasure
from app.exports.models import Export
from app.extensions import db
from app.payments import service as payments
from app.payments.filters import PaymentFilters
from app.payments.listing import list_payments
from app.payments.models import Payment
from app.payments.queries import get_payment
from app.payments.text_query import TextQuery
from app.refunds.models import Refund, RefundStatus
from app.refunds.service import request_refund
from app.rotation import rotate_keys
from app.schedules.mirror import sync_schedules
from app.webhooks.models import WebhookLog, WebhookStatus
from tests.conftest import ENVIRONMENT
from tests.factories import ACCOUNT, make_payment, make_wish

#: What tells who it was, as any table might hold it.
PERSON = {
    "customer_name": "남궁민수",
    "customer_email": "minsu.namgung@example.com",
    "customer_phone": "010-7777-1234",
    "customer_id": "minsu@shop.example",
}
TRACES = [*PERSON.values(), "01077771234", "203.0.113.77", "문 앞에 두세요", ACCOUNT.holder_name]


def buy(simulator: Any, **wishes: Any) -> Payment:
    extra = {"customData": "문 앞에 두세요", "origin": {"platformType": "PC", "ipAddress": "203.0.113.77"}}
    return make_payment(simulator, **(PERSON | {"extra": extra} | wishes))


def erase(payment: Payment, by: User, *, with_notes: bool = True) -> Erasure:
    return service.erase(payment.payment_id, "2026-03-03 이메일로 요청", with_notes=with_notes, by=by)


def traces() -> dict[str, list[str]]:
    """The tables that hold a trace of the person, by trace: every column of every row is looked at."""
    found: dict[str, list[str]] = {}
    db.session.commit()
    with db.engine.connect() as connection:
        for table in inspect(db.engine).get_table_names():
            rows = connection.execute(text(f'SELECT * FROM "{table}"')).mappings().all()
            told = json.dumps([_decoded(row) for row in rows], default=str, ensure_ascii=False)
            for trace in filter(told.__contains__, TRACES):
                found.setdefault(trace, []).append(table)
    return found


def _decoded(row: Any) -> dict[str, Any]:
    """SQLite keeps documents as text with escapes."""
    is_document = {
        name: isinstance(value, str) and value.startswith(("{", "[")) for name, value in row.items()
    }
    return {name: json.loads(value) if is_document[name] else value for name, value in row.items()}


@pytest.fixture
def store(simulator: Any, super_admin: User) -> Payment:
    """A person with two payments, a refund to an account, a deleted billing key, a note and a webhook."""
    buy(simulator)
    payment = buy(simulator, method="VIRTUAL_ACCOUNT")
    request_refund(payment.payment_id, make_wish(payment, 1_000), by=super_admin)
    db.session.scalars(db.select(Refund)).one().status = RefundStatus.SUCCEEDED
    simulator.make_billing_key(deleted_at=clock.now(), **PERSON)
    sync_billing_keys()
    payments.add_note(payment.payment_id, "남궁민수 님과 통화", by=super_admin)
    log = WebhookLog(webhook_id="w-1", status=WebhookStatus.PROCESSED, payment_id=payment.id)
    log.request_body = {"name": "남궁민수"}
    log.changes = {"customer_name": [None, "남궁민수"], "status": ["READY", "PAID"]}
    db.session.add(log)
    db.session.commit()
    return payment


def test_no_trace_of_the_person_is_left_and_the_money_is(store, super_admin):
    assert {"users", "payments", "payment_search", "billing_keys", "webhook_logs"} <= set(
        traces()["남궁민수"]
    )
    before = [(row.amount, row.cancelled_amount, row.status, row.paid_at) for row in all_payments()]
    erasure = erase(store, super_admin)
    assert traces() == {}
    assert [(row.amount, row.cancelled_amount, row.status, row.paid_at) for row in all_payments()] == before
    assert erasure.counts["payments"] == 2
    assert (erasure.counts["accounts"], erasure.counts["notes"], erasure.counts["webhooks"]) == (1, 1, 1)
    assert list_payments(PaymentFilters(text=TextQuery.of("민수")), after=None).page.rows == []
    assert audit.verify_chain() is None


def all_payments() -> list[Payment]:
    return list(db.session.scalars(db.select(Payment).order_by(Payment.id)))


def test_what_can_be_found_by_the_record_of_the_payment_still_can(store, super_admin):
    erase(store, super_admin)
    found = list_payments(PaymentFilters(text=TextQuery.of(store.payment_id)), after=None)
    assert [row.payment_id for row in found.page.rows] == [store.payment_id]
    assert get_payment(store.payment_id).snapshot["amount"]["total"] == store.amount


def test_no_sync_brings_the_person_back(store, simulator, super_admin):
    erase(store, super_admin)
    payments.sync_payment(store.payment_id)
    payments.sync_range(None, clock.now() + timedelta(minutes=1))
    sync_billing_keys()
    assert traces() == {}
    assert {row.user_id for row in all_payments()} == {store.user_id}


def test_an_older_payment_that_is_met_only_later_comes_without_the_person(store, simulator, super_admin):
    older = simulator.make_payment(requested_at=clock.now() - timedelta(days=30), **PERSON)
    erase(store, super_admin)
    payments.sync_payment(older["id"])
    assert traces() == {}
    assert get_payment(older["id"]).user_id == store.user_id


def test_who_comes_back_as_a_customer_is_a_new_one(store, simulator, super_admin):
    erase(store, super_admin)
    with clock.fixed_at(clock.now() + timedelta(days=1)):
        later = buy(simulator)
    assert later.customer_name == "남궁민수"
    assert later.user_id != store.user_id
    assert get_payment(store.payment_id).customer_name is None
    with clock.fixed_at(clock.now() + timedelta(days=2)):
        erase(later, super_admin)
    payments.sync_range(None, clock.now() + timedelta(days=2))
    assert traces() == {}


def test_a_new_key_of_encryption_changes_nothing_about_who_stays_away(app, store, simulator, super_admin):
    erase(store, super_admin)
    older = simulator.make_payment(requested_at=clock.now() - timedelta(days=30), **PERSON)
    before, new = app.extensions["vault"], Fernet.generate_key().decode()
    try:
        app.extensions["vault"] = Vault((new, ENVIRONMENT["DATA_ENCRYPTION_KEYS"]))
        assert rotate_keys(on_progress=lambda _column, _rows: None).unreadable == {}
        app.extensions["vault"] = Vault((new,))
        payments.sync_payment(older["id"])
        assert traces() == {}
    finally:
        app.extensions["vault"] = before


def test_a_guest_is_erased_by_the_one_payment(simulator, super_admin):
    guest = PERSON | {"customer_id": None}
    mine, other = buy(simulator, **guest), buy(simulator, customer_id=None, customer_name="한지민")
    erase(mine, super_admin)
    payments.sync_range(None, clock.now() + timedelta(minutes=1))
    assert get_payment(mine.payment_id).customer_name is None
    assert get_payment(other.payment_id).customer_name == "한지민"


def test_other_customers_stay_as_they_are(store, simulator, super_admin):
    other = make_payment(simulator, customer_id="other", customer_name="한지민")
    erase(store, super_admin)
    assert get_payment(other.payment_id).customer_name == "한지민"
    assert db.session.get_one(User, other.user_id).customer_id == "other"


@pytest.mark.parametrize("status", [RefundStatus.SENDING, RefundStatus.AWAITING_APPROVAL])
def test_money_on_its_way_keeps_the_data_it_needs(store, super_admin, status):
    db.session.scalars(db.select(Refund)).one().status = status
    db.session.commit()
    with pytest.raises(service.ErasureRefused, match="환불이 아직 진행 중"):
        erase(store, super_admin)
    assert get_payment(store.payment_id).customer_name == "남궁민수"
    assert db.session.scalars(db.select(Erasure)).all() == []


def test_a_billing_key_that_can_be_charged_is_deleted_first(store, simulator, super_admin):
    simulator.make_billing_key(**PERSON)
    sync_billing_keys()
    with pytest.raises(service.ErasureRefused, match="결제할 수 있는 빌링키"):
        erase(store, super_admin)


def test_charges_of_the_key_lose_the_person_once_they_have_ended(simulator, super_admin):
    key = simulator.make_billing_key(deleted_at=clock.now(), **PERSON)["billingKey"]
    sync_billing_keys()
    row = db.session.scalars(db.select(BillingKey)).one()
    charge = Charge(
        id=new_id(),
        billing_key_id=row.id,
        named_payment_id="charge-1",
        status="sending",
        amount=1_000,
        currency="KRW",
        order_name="정기 이용권",
        customer_id=PERSON["customer_id"],
        customer_name=PERSON["customer_name"],
    )
    db.session.add(charge)
    db.session.commit()
    with pytest.raises(service.ErasureRefused, match="청구가 아직"):
        service.erase(row.id, "요청", with_notes=True, by=super_admin)
    charge.status = "succeeded"
    assert service.erase(row.id, "요청", with_notes=True, by=super_admin).counts["charges"] == 1
    assert traces() == {}
    assert key not in str(row.snapshot)


def test_what_was_scheduled_loses_the_person_and_no_sync_brings_it_back(simulator, super_admin):
    key = simulator.make_billing_key(**PERSON)["billingKey"]
    schedule = simulator.make_schedule(key)
    sync_billing_keys()
    sync_schedules()
    row = db.session.scalars(db.select(BillingKey)).one()
    with pytest.raises(service.ErasureRefused, match="예약을 먼저"):
        service.erase(row.id, "요청", with_notes=True, by=super_admin)

    simulator.revoke_schedules([schedule["id"]])
    simulator.delete_billing_key(key)
    sync_billing_keys()
    sync_schedules()
    assert service.erase(row.id, "요청", with_notes=True, by=super_admin).counts["schedules"] == 1
    sync_schedules()
    assert traces() == {}


def test_every_column_that_may_tell_of_a_customer_is_known_to_this_test():
    """A table that is added later has to be thought of here, and in `app.erasure`."""
    telling = re.compile(
        r"customer|_holder|snapshot|phone|email|address|account_(?!bank|last|erased|refund)|cells"
    )
    found = {
        f"{table.name}.{column.name}"
        for table in db.metadata.sorted_tables
        for column in table.columns
        if telling.search(column.name)
    }
    of_customers = {
        *(
            "payments.customer_name",
            "payments.customer_email",
            "payments.customer_phone",
            "payments.snapshot",
        ),
        *("billing_keys.customer_name", "billing_keys.snapshot"),
        *("charges.customer_id", "charges.customer_name"),
        "payment_schedules.customer_id",
        "payment_schedules.customer_name",
        "payment_schedules.snapshot",
        *("refunds.account_holder", "account_links.account_holder", "account_links.account_sealed"),
        *("refund_batch_rows.cells", "refund_batch_rows.cells_sealed", "refund_batch_rows.account_holder"),
        "users.customer_id",
    }
    of_staff = {"users.email", "invitations.email", "sign_ins.address", "sign_in_attempts.email"}
    of_staff |= {"sign_in_attempts.address", "audit_entries.address"}
    assert found - of_customers - of_staff == set()
    assert of_customers <= found


def test_an_id_that_many_share_is_no_person(store, simulator, super_admin, monkeypatch):
    monkeypatch.setattr(scope, "MOST_PAYMENTS", 1)
    with pytest.raises(service.ErasureRefused, match="여러 사람"):
        erase(store, super_admin)
    assert get_payment(store.payment_id).customer_name == "남궁민수"


def test_the_second_of_two_is_told_and_counts_nothing_twice(store, super_admin):
    erase(store, super_admin)
    with pytest.raises(service.ErasureRefused, match="이미 파기"):
        erase(store, super_admin)
    assert len(db.session.scalars(db.select(Erasure)).all()) == 1


def test_notes_stay_where_they_tell_of_a_complaint(store, super_admin):
    assert erase(store, super_admin, with_notes=False).counts["notes"] == 0
    assert traces() == {"남궁민수": ["payment_notes"]}


def test_files_with_names_in_full_expire(store, super_admin):
    days = clock.now() + timedelta(days=7)
    for is_unmasked in (True, False):
        db.session.add(
            Export(
                id=new_id(), list_name="payments", format="csv", reason="정산", columns=[], language="ko",
                is_unmasked=is_unmasked, until=clock.now(), expires_at=days,
            )
        )  # fmt: skip
    db.session.commit()
    assert erase(store, super_admin).counts["exports"] == 1
    assert {row.is_unmasked: row.has_expired for row in db.session.scalars(db.select(Export))} == {
        True: True,
        False: False,
    }


def test_a_key_without_a_customer_id_is_erased_by_itself(simulator, super_admin):
    simulator.make_billing_key(deleted_at=clock.now(), **(PERSON | {"customer_id": None}))
    sync_billing_keys()
    row = db.session.scalars(db.select(BillingKey)).one()
    service.erase(row.id, "요청", with_notes=True, by=super_admin)
    sync_billing_keys()
    assert traces() == {}
