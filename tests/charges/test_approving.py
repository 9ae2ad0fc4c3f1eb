"""The second person, limits and proofs: as for refunds, with settings of their own."""

from datetime import timedelta
from typing import Any

import pytest

from app import clock
from app.accounts.models import User
from app.approvals.deciding import AlreadyDecided, NotTheSecond
from app.approvals.queries import Kind
from app.approvals.service import AboveLimit, ApprovalRefused, Proof, ProofMissing, choose_approvers
from app.audit.queries import list_entries_of
from app.billing_keys.models import BillingKey
from app.charges import settling
from app.charges.approving import (
    DESK,
    approve_charge,
    reject_charge,
    withdraw_charge,
)
from app.charges.checks import ChargeRefused
from app.charges.models import Charge, ChargeStatus
from app.charges.queries import count_waiting_for, get_charge
from app.charges.service import request_charge
from app.extensions import db
from app.settings import service as settings
from tests.factories import make_charge_wish


@pytest.fixture
def two_decide(admin: User, super_admin: User) -> None:
    choose_approvers({admin.id}, by=super_admin, kind=Kind.CHARGE)
    settings.change({"charge_approval_threshold": {"KRW": 10_000}}, by=super_admin)


@pytest.fixture
def waiting(row: BillingKey, admin: User, two_decide: None) -> Charge:
    return ask(row, admin, amount=20_000)


def ask(row: BillingKey, by: User, **values: Any) -> Charge:
    wish = make_charge_wish(**values)
    request_charge(row.id, wish, by=by)
    return get_charge(wish.intent)


def test_a_fresh_install_asks_nobody(row, admin):
    assert ask(row, admin, amount=10**9).status == ChargeStatus.SUCCEEDED


def test_a_limit_of_refunds_is_none_of_charges(row, admin, super_admin):
    settings.change({"refund_limit_admin": {"KRW": 1_000}}, by=super_admin)
    assert ask(row, admin, amount=2_000).status == ChargeStatus.SUCCEEDED
    settings.change({"charge_limit_admin": {"KRW": 1_000}}, by=super_admin)
    with pytest.raises(AboveLimit, match="1,000"):
        ask(row, admin, amount=1_001)


def test_a_currency_that_no_limit_names_is_no_way_past_it(row, admin, super_admin):
    settings.change({"charge_limit_admin": {"KRW": 1_000}}, by=super_admin)
    with pytest.raises(AboveLimit, match=r"0\.00"):
        ask(row, admin, amount=1, currency="USD")
    settings.change({"charge_limit_admin": {"KRW": 1_000, "USD": 500}}, by=super_admin)
    assert ask(row, admin, amount=500, currency="USD").status == ChargeStatus.SUCCEEDED


def test_above_the_threshold_portone_is_not_asked_until_a_second_person_says_yes(
    simulator, waiting, super_admin
):
    assert waiting.status == ChargeStatus.AWAITING_APPROVAL
    assert simulator.calls("pay_with_billing_key") == []
    assert count_waiting_for(super_admin.id) == 1
    approve_charge(waiting.id, by=super_admin, note="확인함")
    done = get_charge(waiting.id)
    assert (done.status, done.approved_by) == (ChargeStatus.SUCCEEDED, super_admin.id)
    approved = list_entries_of("charge", done.id)[1]
    assert (approved.action, approved.facts) == ("charge.approved", {"note": "확인함"})


def test_small_parts_of_a_day_count_together(row, admin, two_decide):
    assert ask(row, admin, amount=6_000).status == ChargeStatus.SUCCEEDED
    assert ask(row, admin, amount=5_000).status == ChargeStatus.AWAITING_APPROVAL
    with clock.fixed_at(clock.now() + timedelta(hours=25)):
        assert ask(row, admin, amount=5_001).status == ChargeStatus.SUCCEEDED


def test_nobody_is_their_own_second_person(waiting, admin):
    with pytest.raises(NotTheSecond):
        approve_charge(waiting.id, by=admin)
    with pytest.raises(NotTheSecond):
        reject_charge(waiting.id, by=admin)
    assert list_entries_of("charge", waiting.id)[0].action == "charge.decision_refused"


def test_a_decision_is_made_once(simulator, waiting, admin, super_admin):
    reject_charge(waiting.id, by=super_admin)
    assert get_charge(waiting.id).request_sealed is None
    with pytest.raises(AlreadyDecided, match="이준호"):
        approve_charge(waiting.id, by=super_admin)
    with pytest.raises(AlreadyDecided):
        withdraw_charge(waiting.id, by=admin)
    assert simulator.payments() == []


def test_who_asked_can_take_it_back(waiting, admin, super_admin):
    with pytest.raises(NotTheSecond):
        withdraw_charge(waiting.id, by=super_admin)
    withdraw_charge(waiting.id, by=admin)
    assert (get_charge(waiting.id).status, get_charge(waiting.id).problem) == ("rejected", "WITHDRAWN")


def test_what_nobody_decides_runs_out(simulator, waiting, super_admin):
    assert DESK.expire_waiting() == 0
    with clock.fixed_at(clock.now() + timedelta(hours=73)):
        with pytest.raises(AlreadyDecided):
            approve_charge(waiting.id, by=super_admin)
        assert DESK.expire_waiting() == 0
    assert get_charge(waiting.id).problem == "EXPIRED"
    assert simulator.payments() == []


@pytest.mark.parametrize("gone", [{"status": "DELETED"}, {"is_active": False}])
def test_a_key_that_went_away_meanwhile_is_not_charged(simulator, row, waiting, super_admin, gone):
    for column, value in gone.items():
        setattr(row, column, value)
    db.session.commit()
    with pytest.raises(ChargeRefused):
        approve_charge(waiting.id, by=super_admin)
    assert get_charge(waiting.id).status == ChargeStatus.AWAITING_APPROVAL
    assert simulator.calls("pay_with_billing_key") == []


def test_who_lost_access_has_asked_for_nothing(waiting, admin, super_admin):
    admin.is_active = False
    db.session.commit()
    with pytest.raises(ChargeRefused):
        approve_charge(waiting.id, by=super_admin)


def test_an_admin_without_the_grant_does_not_approve(row, waiting, customer):
    with pytest.raises(ApprovalRefused):
        approve_charge(waiting.id, by=customer)


def test_large_ones_need_the_password_again_from_both(row, admin, super_admin, two_decide):
    settings.change({"charge_step_up_threshold": {"KRW": 10_000}}, by=super_admin)
    wish = make_charge_wish(20_000)
    with pytest.raises(ProofMissing):
        request_charge(row.id, wish, by=admin)
    request_charge(row.id, wish, by=admin, proof=Proof(admin.id))
    with pytest.raises(ProofMissing):
        approve_charge(wish.intent, by=super_admin, proof=Proof(admin.id))
    approve_charge(wish.intent, by=super_admin, proof=Proof(super_admin.id))
    assert get_charge(wish.intent).status == ChargeStatus.SUCCEEDED


def test_an_unreadable_request_is_not_sent(simulator, waiting, super_admin):
    waiting.request_sealed = "sealed with a key that is gone"
    db.session.commit()
    with pytest.raises(ChargeRefused):
        approve_charge(waiting.id, by=super_admin)
    assert settling.get_charge(waiting.id).status == ChargeStatus.AWAITING_APPROVAL
