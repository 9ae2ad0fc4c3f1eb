"""The pages of schedules and plans: who may, what is typed wrong, and what a person sees."""

import re
import unicodedata
from datetime import timedelta

import pytest

from app import clock
from app.columns import new_id
from app.encryption import vault
from app.extensions import db
from app.schedules.models import ChargePlan, PaymentSchedule
from app.schedules.service import payment_id_of
from app.settings import service as settings
from tests.conftest import on_both_databases, pages_on_one_database
from tests.factories import PASSWORD, make_user
from tests.schedules.conftest import make_plan, make_schedule, rows_of

pytestmark = pages_on_one_database


def fields(**changes):
    day = (clock.today() + timedelta(days=3)).isoformat()
    usual = {
        "intent": str(new_id()),
        "amount": "19,900원",
        "currency": "KRW",
        "order_name": "월간 멤버십",
        "day": day,
        "time": "10:00",
    }
    return usual | changes


def plan_fields(**changes):
    usual = fields(cadence="monthly", month_day="31", weekday="0", starts_on="2026-12-20")
    return {name: value for name, value in (usual | changes).items() if name != "day"}


@on_both_databases
def test_a_charge_is_scheduled_in_two_steps(key, signed_in, double):
    address, typed = f"/billing-keys/{key.id}/schedules/new", fields()
    assert signed_in.get(address).status_code == 200
    review = signed_in.submit(address, typed)
    assert review.status_code == 200
    assert "19,900" in review.text
    assert double.state.schedules() == []
    done = signed_in.submit(address, typed | {"confirmed": "1"})
    assert (done.status_code, done.location) == (303, f"/schedules/{typed['intent']}")
    again = signed_in.submit(address, typed | {"confirmed": "1"})
    assert (again.status_code, len(double.state.schedules())) == (303, 1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("amount", "0"),
        ("amount", "-5"),
        ("amount", "12.5"),
        ("amount", ""),
        ("amount", "9" * 30),
        ("currency", "XXX"),
        ("order_name", " "),
        ("order_name", "x" * 201),
        ("order_name", "멤버십\x00"),
        ("day", "2026-12-10"),
        ("day", "2026-02-30"),
        ("day", "어제"),
        ("time", "25:00"),
        ("time", ""),
        ("tax_free_amount", "20000"),
        ("intent", "nonsense"),
    ],
)
def test_bad_input_is_told_beside_its_field_and_nothing_typed_is_lost(key, signed_in, double, name, value):
    answer = signed_in.submit(
        f"/billing-keys/{key.id}/schedules/new", fields(**{name: value, "confirmed": "1"})
    )
    assert answer.status_code == 422
    assert "field-error" in answer.text or name == "intent"
    assert name == "order_name" or "월간 멤버십" in answer.text
    assert double.state.schedules() == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cadence", "daily"),
        ("month_day", "32"),
        ("month_day", "0"),
        ("month_day", ""),
        ("time", "9"),
        ("starts_on", ""),
        ("ends_on", "2026-12-01"),
        ("most_charges", "0"),
        ("amount", "만원"),
    ],
)
def test_a_plan_typed_wrong_is_told_beside_its_field(key, signed_in, double, name, value):
    answer = signed_in.submit(
        f"/billing-keys/{key.id}/plans/new", plan_fields(**{name: value, "confirmed": "1"})
    )
    assert (answer.status_code, "field-error" in answer.text) == (422, True)
    assert double.state.schedules() == []


def test_a_plan_is_begun_in_two_steps_and_the_review_names_its_dates(key, signed_in, double):
    address, typed = f"/billing-keys/{key.id}/plans/new", plan_fields()
    assert signed_in.get(address).status_code == 200
    review = signed_in.submit(address, typed)
    assert [day for day in ("2026-12-31 10:00", "2027-01-31", "2027-02-28") if day not in review.text] == []
    assert db.session.query(ChargePlan).count() == 0
    done = signed_in.submit(address, typed | {"confirmed": "1"})
    assert done.location == f"/plans/{typed['intent']}"
    assert "2026-12-31 10:00" in signed_in.get(done.location).text


@pytest.mark.parametrize("kind", ["schedules", "plans"])
def test_korean_typed_in_parts_reaches_the_statement_in_syllables(key, signed_in, double, kind):
    typed = (fields() if kind == "schedules" else plan_fields()) | {"confirmed": "1"}
    typed["order_name"] = unicodedata.normalize("NFD", "월간 멤버십")
    signed_in.submit(f"/billing-keys/{key.id}/{kind}/new", typed)
    assert [each["orderName"] for each in double.state.schedules()] == ["월간 멤버십"]


@pytest.mark.parametrize("kind", ["schedules", "plans"])
def test_the_limits_of_charges_hold_for_charges_to_come(key, signed_in, super_admin, double, kind):
    typed = (fields() if kind == "schedules" else plan_fields()) | {"confirmed": "1"}
    address = f"/billing-keys/{key.id}/{kind}/new"
    for name, status in (("charge_limit_admin", 422), ("charge_step_up_threshold", 422)):
        settings.change({name: {"KRW": 19_899}}, by=super_admin)
        assert signed_in.submit(address, typed).status_code == status, name
        assert double.state.schedules() == []
        settings.change({name: {"KRW": 19_900}}, by=super_admin)
    settings.change({"charge_step_up_threshold": {"KRW": 1}}, by=super_admin)
    assert signed_in.submit(address, typed | {"password": "wrong"}).status_code != 303
    assert signed_in.submit(address, typed | {"password": PASSWORD}).status_code == 303
    assert len(double.state.schedules()) == 1


def test_what_takes_a_second_person_is_not_planned_in_parts_either(key, signed_in, super_admin, double):
    make_user(role="super_admin", email="second@example.com")
    settings.change({"charge_approval_threshold": {"KRW": 30_000}}, by=super_admin)
    address = f"/billing-keys/{key.id}/schedules/new"
    assert signed_in.submit(address, fields(confirmed="1", time="09:00")).status_code == 303
    assert signed_in.submit(address, fields(confirmed="1", time="11:00")).status_code == 422
    assert len(double.state.schedules()) == 1


def test_a_revocation_needs_a_reason(key, signed_in, admin):
    row = make_schedule(key, admin)
    address = f"/schedules/{row.id}/revoke"
    assert signed_in.submit(address, {"reason": " "}).status_code == 422
    assert signed_in.submit(address, {"reason": "고객 요청"}).status_code == 303
    assert db.session.get_one(PaymentSchedule, row.id).status == "revoked"
    assert signed_in.submit(address, {"reason": "또"}).status_code == 409


def test_a_plan_is_paused_resumed_changed_and_ended_on_its_page(key, signed_in, admin):
    plan = make_plan(key, admin)
    page = f"/plans/{plan.id}"
    assert signed_in.submit(f"{page}/pause", {"reason": ""}).status_code == 422
    assert signed_in.submit(f"{page}/pause", {"reason": "휴면"}).status_code == 303
    assert signed_in.submit(f"{page}/pause", {"reason": "휴면"}).status_code == 409
    assert signed_in.submit(f"{page}/resume", {"reason": "복귀"}).status_code == 303
    terms = {"amount": "12,000", "order_name": "연간", "month_day": "15", "time": "09:30", "reason": "인상"}
    assert signed_in.submit(f"{page}/edit", terms | {"amount": "x"}).status_code == 422
    assert signed_in.submit(f"{page}/edit", terms).status_code == 303
    assert signed_in.submit(f"{page}/end", {"reason": "해지"}).status_code == 303
    assert "연간" in signed_in.get(page).text
    assert [row.status for row in rows_of(plan)] == ["revoked", "revoked"]


@on_both_databases
def test_the_list_is_narrowed_and_a_hostile_filter_is_answered(key, signed_in, admin):
    row = make_schedule(key, admin)
    assert f'data-schedule-id="{row.id}"' in signed_in.get("/schedules?status=scheduled&q=멤버").text
    assert f'data-schedule-id="{row.id}"' in signed_in.get(f"/schedules?key={key.id}&origin=ours").text
    assert "data-schedule-id" not in signed_in.get("/schedules?status=failed").text
    for query in ("status=x", "from=9", "origin=x", "key=1", "plan='", "q=" + "x" * 201):
        assert signed_in.get(f"/schedules?{query}").status_code == 422, query
    assert signed_in.get("/schedules?after=zzz").status_code == 400
    assert signed_in.get("/plans?status=x&stop=y").status_code == 200


@on_both_databases
def test_the_calendar_counts_by_day_and_currency(key, signed_in, admin):
    row = make_schedule(key, admin)
    make_schedule(key, admin, currency="USD", amount=2_999)
    page = signed_in.get("/schedules/calendar?month=2026-12").text
    day = (row.time_to_pay + timedelta(hours=9)).date().isoformat()
    assert f'data-day="{day}"' in page
    assert "19,900" in page
    assert "29.99" in page
    assert re.search(r"<th scope=\"col\">(Sun|일)</th>", page)
    assert signed_in.get("/schedules/calendar").status_code == 200


@on_both_databases
def test_the_calendar_adds_up_what_no_integer_of_the_database_holds(key, signed_in, admin):
    for _ in range(2):
        make_schedule(key, admin, amount=2**63 - 1)
    assert f"{2 * (2**63 - 1):,}" in signed_in.get("/schedules/calendar?month=2026-12").text


@pytest.mark.parametrize("month", ["2026-13", "2026", "x", "0001-01", "9999-12", "2026-11-01", "-"])
def test_a_month_that_is_none_is_told(signed_in, month):
    assert signed_in.get(f"/schedules/calendar?month={month}").status_code == 422


def test_the_pages_of_key_and_payment_lead_to_the_schedule(key, client, admin, work):
    signed_in = client.sign_in(admin)
    plan = make_plan(key, admin)
    assert f"/plans/{plan.id}" in signed_in.get(f"/billing-keys/{key.id}").text
    work(days=21, minutes=5)
    signed_in.sign_in(admin)
    row = rows_of(plan)[0]
    assert f"/schedules/{row.id}" in signed_in.get(f"/payments/{row.payment_id}").text
    assert signed_in.get(f"/payments?q={row.schedule_id}").location == f"/schedules/{row.id}"


@on_both_databases
def test_the_billing_key_stands_on_no_page_and_in_no_row(key, signed_in, admin, work, caplog):
    row, plan = make_schedule(key, admin), make_plan(key, admin)
    work(days=4)
    plain = vault().open(key.billing_key_encrypted)
    addresses = (
        "/schedules",
        f"/schedules/{row.id}",
        f"/plans/{plan.id}",
        f"/billing-keys/{key.id}",
        "/plans",
    )
    assert not any(plain in signed_in.get(address).text for address in addresses)
    for table in ("payment_schedules", "charge_plans", "audit_entries"):
        assert plain not in str(db.session.execute(db.text(f"SELECT * FROM {table}")).all())
    assert plain not in caplog.text
    assert row.payment_id == payment_id_of(row.id)
