"""Schedules that others made: mirrored once, read on, and missed when they stop."""

from datetime import timedelta

from sqlalchemy import select

from app import clock
from app.extensions import db
from app.portone.payloads import ScheduleInfo
from app.schedules import mirror
from app.schedules.missing import list_missing
from app.schedules.models import PaymentSchedule
from tests.schedules.conftest import make_plan, make_schedule


def plain(double) -> str:
    return double.state.billing_keys()[0]["billingKey"]


def mirrored() -> list[tuple[str, str]]:
    rows = db.session.scalars(select(PaymentSchedule).order_by(PaymentSchedule.time_to_pay))
    return [(row.schedule_id, row.status) for row in rows]


def test_all_there_is_is_read_the_far_future_too(double, key):
    now = clock.now()
    dates = [now - timedelta(days=900), now + timedelta(days=3), now + timedelta(days=3_000)]
    ids = [double.make_schedule(plain(double), time_to_pay=at)["id"] for at in dates]
    assert mirror.sync_schedules() == mirror.Mirrored(3, 3)
    assert mirrored() == [(each, "scheduled") for each in ids]
    assert mirror.sync_schedules() == mirror.Mirrored(3, 0)


def test_a_key_nobody_knew_is_read_with_its_schedule(double, key):
    other = double.make_billing_key(customer_name="남궁민")["billingKey"]
    double.make_schedule(other)
    mirror.sync_schedules()
    (row,) = db.session.scalars(select(PaymentSchedule))
    assert (row.billing_key.customer_name, row.is_ours) == ("남궁민", False)
    assert other not in str(row.snapshot)


def test_more_than_a_page_is_read(double, key, monkeypatch):
    monkeypatch.setattr(mirror, "PAGE_SIZE", 2)
    for number in range(5):
        double.make_schedule(plain(double), time_to_pay=clock.now() + timedelta(days=number + 1))
    assert mirror.sync_schedules() == mirror.Mirrored(5, 5)


def test_an_older_reading_never_takes_a_schedule_back(double, key, admin):
    row = make_schedule(key, admin)
    before = ScheduleInfo.from_raw(double.find_schedule(row.schedule_id))
    after = ScheduleInfo.from_raw(dict(before.raw) | {"status": "SUCCEEDED"})
    assert [mirror.store(after), mirror.store(before), mirror.store(after)] == [True, False, False]
    assert db.session.get_one(PaymentSchedule, row.id).status == "succeeded"


def test_a_status_nobody_knows_counts_as_open(double, key, admin):
    row = make_schedule(key, admin)
    raw = dict(double.find_schedule(row.schedule_id)) | {"status": "ON_HOLD"}
    mirror.store(ScheduleInfo.from_raw(raw))
    row = db.session.get_one(PaymentSchedule, row.id)
    assert (row.status, row.is_open) == ("on_hold", True)


def test_a_schedule_of_others_is_followed_to_its_end(double, key, work):
    double.make_schedule(plain(double), time_to_pay=clock.now() + timedelta(hours=1))
    mirror.sync_schedules()
    work(hours=1, minutes=2)
    assert [status for _id, status in mirrored()] == ["succeeded"]


def test_a_reading_that_comes_before_the_answer_finds_our_row(double, key, admin):
    double.faults.next("schedule_payment", "done_then_silent", times=3)
    row = make_schedule(key, admin)
    mirror.sync_schedules()
    row = db.session.get_one(PaymentSchedule, row.id, populate_existing=True)
    assert (row.status, row.is_ours, len(mirrored())) == ("scheduled", True, 1)


def test_a_subscriber_without_a_next_charge_is_missing_until_somebody_plans_one(double, key, admin):
    for days in (65, 35, 5):
        double.make_schedule(
            plain(double), time_to_pay=clock.now() - timedelta(days=days), status="SUCCEEDED"
        )
    mirror.sync_schedules()
    (row,) = list_missing()
    assert (row.key.id, row.charges, row.is_overdue) == (key.id, 3, False)
    assert row.expected_at == row.last.time_to_pay + timedelta(days=30)
    make_plan(key, admin)
    assert list_missing() == []


def test_one_order_a_failed_last_charge_and_a_lost_key_are_not_missing(double, key):
    single = double.make_billing_key()["billingKey"]
    double.make_schedule(single, time_to_pay=clock.now() - timedelta(days=3), status="SUCCEEDED")
    for days, status in ((65, "SUCCEEDED"), (35, "SUCCEEDED"), (5, "FAILED")):
        double.make_schedule(plain(double), time_to_pay=clock.now() - timedelta(days=days), status=status)
    mirror.sync_schedules()
    assert list_missing() == []


def test_the_duty_rests_between_two_looks_and_when_portone_is_away(double, key, time):
    double.make_schedule(plain(double))
    double.faults.next("list_schedules", "proxy_error", times=3)
    assert mirror.watch("worker-1") == 0
    time.pass_by(minutes=11)
    assert (mirror.watch("worker-1"), mirror.watch("worker-2")) == (1, 0)
