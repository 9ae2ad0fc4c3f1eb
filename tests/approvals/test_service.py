"""Who may approve, limits by role and currency, and the proof of who one is."""

import threading
from collections.abc import Callable

import pytest
from flask import Flask

from app.access.permissions import Permission, Role, holds
from app.accounts import people
from app.accounts.models import User
from app.accounts.service import SignInRefused, SignInThrottled
from app.approvals import queries
from app.approvals.queries import Kind
from app.approvals.service import (
    AboveLimit,
    Proof,
    ProofMissing,
    choose_approvers,
    confirm_identity,
    refuse_above_limit,
    refuse_unproven,
)
from app.audit.queries import list_entries_of
from app.errors import DomainError
from app.extensions import db
from app.settings import service as settings
from app.settings.service import SettingsMoved, SettingsRefused
from tests.factories import PASSWORD, make_user

THRESHOLD = {"refund_approval_threshold": {"KRW": 100_000}}


@pytest.fixture
def second_owner(super_admin: User) -> User:
    return make_user(role="super_admin", email="second@example.com", name="최민지")


def test_a_fresh_install_asks_nobody(admin: User) -> None:
    refuse_above_limit(admin, 10**12, "KRW")
    refuse_unproven(admin, None, 10**12, "KRW")
    assert not queries.needs_second_person(10**12, "KRW")
    assert not holds(admin, Permission.REFUND_APPROVE)


def test_a_limit_is_of_one_role_and_one_currency(admin: User, super_admin: User) -> None:
    settings.change({"refund_limit_admin": {"KRW": 100_000}}, by=super_admin)
    refuse_above_limit(admin, 100_000, "KRW")
    refuse_above_limit(admin, 200_000, "USD")
    refuse_above_limit(super_admin, 200_000, "KRW")
    with pytest.raises(AboveLimit, match="100,000"):
        refuse_above_limit(admin, 100_001, "KRW")


def test_a_threshold_needs_two_who_may_approve(admin: User, super_admin: User) -> None:
    with pytest.raises(SettingsRefused, match="이준호"):
        settings.change(THRESHOLD, by=super_admin)
    choose_approvers({admin.id}, by=super_admin)
    settings.change(THRESHOLD, by=super_admin)
    assert queries.needs_second_person(100_001, "KRW")
    assert not queries.needs_second_person(100_000, "KRW")
    assert not queries.needs_second_person(100_001, "USD")


def test_a_grant_that_a_threshold_needs_is_not_taken_back(admin: User, super_admin: User) -> None:
    choose_approvers({admin.id}, by=super_admin)
    settings.change(THRESHOLD, by=super_admin)
    with pytest.raises(SettingsRefused):
        choose_approvers(set(), by=super_admin)
    db.session.expire_all()
    assert holds(admin, Permission.REFUND_APPROVE)
    settings.change({"refund_approval_threshold": {}}, by=super_admin)
    assert choose_approvers(set(), by=super_admin)
    assert not holds(admin, Permission.REFUND_APPROVE)


def test_whoever_cannot_sign_in_counts_for_nobody(super_admin: User, second_owner: User) -> None:
    second_owner.is_active = False
    db.session.commit()
    with pytest.raises(SettingsRefused):
        settings.change(THRESHOLD, by=super_admin)


def test_somebody_a_threshold_needs_keeps_their_access(
    admin: User, super_admin: User, second_owner: User
) -> None:
    settings.change(THRESHOLD, by=super_admin)
    second_id, admin_id = second_owner.id, admin.id
    with pytest.raises(DomainError, match="두 명 이상"):
        people.change_role(second_id, Role.ADMIN, by=super_admin)
    with pytest.raises(DomainError, match="두 명 이상"):
        people.deactivate(second_id, by=super_admin)
    choose_approvers({admin_id}, by=super_admin)
    people.deactivate(second_id, by=super_admin)
    with pytest.raises(DomainError, match="두 명 이상"):
        people.deactivate(admin_id, by=super_admin)


def test_of_a_threshold_and_a_grant_taken_back_at_once_one_is_refused(
    app: Flask, admin: User, super_admin: User
) -> None:
    choose_approvers({admin.id}, by=super_admin)
    start, raised, owner_id = threading.Barrier(2), [], super_admin.id
    db.session.commit()

    def run(act: Callable[[User], object]) -> None:
        with app.app_context():
            start.wait()
            try:
                act(db.session.get_one(User, owner_id))
            except SettingsRefused as refusal:
                raised.append(refusal)
                db.session.rollback()

    acts = (
        lambda owner: settings.change(THRESHOLD, by=owner),
        lambda owner: choose_approvers(set(), by=owner),
    )
    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(raised) == 1
    has_threshold = bool(settings.value_of("refund_approval_threshold"))
    assert len(queries.list_approvers()) == (2 if has_threshold else 1)


def test_grants_are_in_the_audit_trail(admin: User, super_admin: User) -> None:
    assert choose_approvers({admin.id}, by=super_admin)
    assert not choose_approvers({admin.id}, by=super_admin)
    choose_approvers(set(), by=super_admin)
    taken, given = list_entries_of("user", admin.id)
    assert (given.action, taken.action) == ("account.granted", "account.grant_taken")
    assert (given.facts or {})["permission"] == "refund:approve"


def test_a_choice_somebody_overtook_is_refused(admin: User, super_admin: User) -> None:
    seen = queries.mark_of_approvers()
    choose_approvers({admin.id}, by=super_admin)
    with pytest.raises(SettingsMoved):
        choose_approvers(set(), by=super_admin, seen=seen)


@pytest.mark.parametrize("grants", [["payment:read"], ["settings:manage"], ["nonsense"], []])
def test_only_what_can_be_given_counts(admin: User, customer: User, grants: list[str]) -> None:
    admin.grants, customer.grants = grants, ["refund:approve"]
    assert not holds(admin, Permission.SETTINGS_MANAGE)
    assert not holds(admin, Permission.REFUND_APPROVE)
    assert not holds(customer, Permission.REFUND_APPROVE)


def test_a_proof_is_of_ones_own_password(admin: User, super_admin: User) -> None:
    settings.change({"refund_step_up_threshold": {"KRW": 50_000}}, by=super_admin)
    with pytest.raises(ProofMissing):
        refuse_unproven(admin, None, 50_001, "KRW")
    with pytest.raises(ProofMissing):
        refuse_unproven(admin, Proof(super_admin.id), 50_001, "KRW")
    with pytest.raises(ProofMissing):
        confirm_identity(admin, "")
    refuse_unproven(admin, confirm_identity(admin, PASSWORD), 50_001, "KRW")


def test_wrong_passwords_are_throttled_and_recorded_without_the_password(admin: User) -> None:
    for _number in range(10):
        with pytest.raises(SignInRefused):
            confirm_identity(admin, "a wrong password")
    with pytest.raises(SignInThrottled):
        confirm_identity(admin, PASSWORD)
    entries = list_entries_of("user", admin.id)
    assert {entry.action for entry in entries} == {"account.password_check_failed"}
    assert "a wrong password" not in str([entry.facts for entry in entries])


def test_charges_have_approvers_and_limits_of_their_own(admin: User, super_admin: User) -> None:
    with pytest.raises(SettingsRefused, match="이준호"):
        settings.change({"charge_approval_threshold": {"KRW": 100_000}}, by=super_admin)
    choose_approvers({admin.id}, by=super_admin, kind=Kind.CHARGE)
    settings.change({"charge_approval_threshold": {"KRW": 100_000}}, by=super_admin)
    assert holds(admin, Permission.CHARGE_APPROVE)
    assert not holds(admin, Permission.REFUND_APPROVE)
    assert queries.needs_second_person(100_001, "KRW", Kind.CHARGE)
    assert not queries.needs_second_person(100_001, "KRW")
    with pytest.raises(SettingsRefused):
        choose_approvers(set(), by=super_admin, kind=Kind.CHARGE)
    with pytest.raises(DomainError, match="두 명 이상"):
        people.deactivate(admin.id, by=super_admin)
