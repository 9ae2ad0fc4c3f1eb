"""What PortOne and the plans say, in both languages."""

import pytest
from flask_babel import force_locale

from app.extensions import db
from app.portone.errors import PortOneRefused
from app.portone.meanings import UNKNOWN_MEANING
from app.schedules.models import PaymentSchedule
from app.schedules.words import OUR_PROBLEMS, rhythm_of, words_about
from tests.conftest import pages_on_one_database
from tests.schedules.conftest import make_plan, make_schedule

pytestmark = pages_on_one_database

#: Every 4xx of the operations in use, by the fact sheet.
CREATE = {
    "INVALID_REQUEST": 400,
    "FORBIDDEN": 403,
    "BILLING_KEY_NOT_FOUND": 404,
    "ALREADY_PAID_OR_WAITING": 409,
    "SUM_OF_PARTS_EXCEEDS_TOTAL_AMOUNT": 409,
    "BILLING_KEY_ALREADY_DELETED": 409,
    "PAYMENT_SCHEDULE_ALREADY_EXISTS": 409,
}
REVOKE = {
    "PAYMENT_SCHEDULE_NOT_FOUND": 404,
    "BILLING_KEY_NOT_FOUND": 404,
    "PAYMENT_SCHEDULE_ALREADY_PROCESSED": 409,
    "BILLING_KEY_ALREADY_DELETED": 409,
}


@pytest.mark.parametrize("problem", [*CREATE, *REVOKE, "UNAUTHORIZED", *OUR_PROBLEMS])
def test_every_problem_has_words_in_both_languages(app, problem):
    with app.test_request_context(), force_locale("ko"):
        korean = words_about(problem)
    with app.test_request_context(), force_locale("en"):
        english = words_about(problem)
    assert korean
    assert english
    assert korean != english
    assert UNKNOWN_MEANING[:20] not in english


@pytest.fixture
def refuse(app, double, monkeypatch):
    """Have PortOne say no to an operation."""

    def arrange(operation, problem, status):
        def say_no(*_args, **_named):
            raise PortOneRefused(problem, status=status, message="포트원의 말")

        monkeypatch.setattr(app.extensions["portone"], operation, say_no)

    return arrange


@pytest.mark.parametrize("problem", CREATE)
def test_portones_no_to_a_schedule_is_shown_and_nothing_is_open(key, client, admin, refuse, problem):
    refuse("schedule_payment", problem, CREATE[problem])
    row = make_schedule(key, admin)
    assert (row.status, row.problem) == ("refused", problem)
    page = client.sign_in(admin).get(f"/schedules/{row.id}").text
    assert words_about(problem)[:12] in page
    assert "포트원의 말" in page


@pytest.mark.parametrize("problem", REVOKE)
def test_portones_no_to_a_revocation_is_shown_and_the_charge_stays(key, client, admin, refuse, problem):
    row = make_schedule(key, admin)
    refuse("revoke_schedules", problem, REVOKE[problem])
    browser = client.sign_in(admin)
    assert browser.submit(f"/schedules/{row.id}/revoke", {"reason": "해지"}).status_code == 303
    row = db.session.get_one(PaymentSchedule, row.id)
    assert (row.status, row.is_being_revoked, row.revoke_problem) == ("scheduled", False, problem)
    assert words_about(problem)[:12] in browser.get(f"/schedules/{row.id}").text


def test_a_rhythm_is_said_as_people_say_it(app, key, admin):
    plan = make_plan(key, admin)
    with app.test_request_context(), force_locale("ko"):
        assert rhythm_of(plan) == "매월 31일(없는 달은 말일) 10:00"
        plan.cadence, plan.day = "weekly", 0
        assert rhythm_of(plan) == "매주 일요일 10:00"
    db.session.rollback()
