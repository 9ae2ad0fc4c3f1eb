"""A key is deleted once, whatever goes wrong; the schedules it would have charged stop first, all or none."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from app import clock
from app.accounts.models import User
from app.audit.models import AuditEntry
from app.billing_keys import deleting, service, settling
from app.billing_keys.deleting import AlreadyDeleted, DeletionRefused, SchedulesMoved, Wish
from app.billing_keys.models import BillingKey, BillingKeyDeletion
from app.columns import new_id
from app.errors import DomainError
from app.extensions import db
from app.portone.errors import PortOneRefused, PortOneUncertain
from app.simulator.problems import KNOWN_PROBLEMS
from app.worker import Worker

Act = Callable[..., Any]


@pytest.fixture
def key(simulator: Any) -> str:
    """A billing key at PortOne's double, mirrored."""
    billing_key = str(simulator.make_billing_key(customer_id="customer-7")["billingKey"])
    service.sync_billing_keys()
    return billing_key


@pytest.fixture
def answering(app: Flask, simulator: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Act], None]:
    """Have PortOne answer a call as `act(ask, *args)` does, where `ask` really asks; None asks again."""
    client = app.extensions["portone"]

    def answer(name: str, act: Act) -> None:
        ask = getattr(type(client), name).__get__(client)
        monkeypatch.setattr(client, name, lambda *args, **kwargs: act(ask, *args, **kwargs))

    return answer


def refusing(error_type: str, **said: Any) -> Act:
    def refuse(_ask: Act, *_args: Any, **_kwargs: Any) -> Any:
        raise PortOneRefused(error_type, status=KNOWN_PROBLEMS.get(error_type, (404, ""))[0], **said)

    return refuse


def silent(_ask: Act, *_args: Any, **_kwargs: Any) -> Any:
    raise PortOneUncertain("timeout")


def done_but_unheard(ask: Act, *args: Any, **kwargs: Any) -> Any:
    ask(*args, **kwargs)
    raise PortOneUncertain("timeout")


def plainly(ask: Act, *args: Any, **kwargs: Any) -> Any:
    return ask(*args, **kwargs)


def only_row() -> BillingKey:
    db.session.rollback()
    return db.session.scalars(select(BillingKey)).one()


def only_deletion() -> BillingKeyDeletion:
    db.session.rollback()
    return db.session.scalars(select(BillingKeyDeletion)).one()


def delete(by: User, *schedule_ids: str, **changes: Any) -> BillingKeyDeletion:
    values: dict[str, Any] = {"intent": new_id(), "reason": "고객 요청", "requester": "ADMIN"}
    wish = Wish(**(values | {"schedule_ids": frozenset(schedule_ids)} | changes))
    return deleting.delete_billing_key(only_row().id, wish, by=by)


def later(app: Flask, wait: timedelta = timedelta(seconds=30)) -> None:
    """Let a worker look when so much time has passed."""
    db.session.rollback()
    with clock.fixed_at(clock.now() + wait):
        Worker(app).run_once()


def actions() -> list[str]:
    db.session.rollback()
    return list(
        db.session.scalars(
            select(AuditEntry.action)
            .where(AuditEntry.subject_type == "billing_key")
            .order_by(AuditEntry.sequence)
        )
    )


def test_a_key_is_deleted_and_stays_as_history(simulator: Any, key: str, super_admin: User) -> None:
    deletion = delete(super_admin, requester="CUSTOMER")
    assert (deletion.status, deletion.problem, deletion.requester) == ("succeeded", None, "CUSTOMER")
    row = only_row()
    assert (row.status, row.is_active, row.deleting_since, row.is_chargeable) == (
        "DELETED",
        False,
        None,
        False,
    )
    assert row.deleted_at is not None
    assert simulator.billing_key(key)["status"] == "DELETED"
    assert actions() == ["billing_key.deletion_requested", "billing_key.deleted"]


def test_the_schedules_that_were_seen_are_revoked_first(simulator: Any, key: str, super_admin: User) -> None:
    in_years = clock.now() + timedelta(days=900)
    ids = [simulator.make_schedule(key)["id"], simulator.make_schedule(key, time_to_pay=in_years)["id"]]
    simulator.make_schedule(key, status="SUCCEEDED")
    assert sorted(it.schedule_id for it in deleting.look_before(only_row())) == sorted(ids)
    deletion = delete(super_admin, *ids)
    assert (deletion.status, len(deletion.revoked_schedules)) == ("succeeded", 2)
    assert {simulator.find_schedule(each)["status"] for each in ids} == {"REVOKED"}


def test_a_schedule_nobody_has_seen_stops_the_deletion_and_nothing_is_kept(
    simulator: Any, key: str, super_admin: User
) -> None:
    seen, unseen = (simulator.make_schedule(key)["id"] for _ in range(2))
    with pytest.raises(SchedulesMoved) as refusal:
        delete(super_admin, seen)
    assert {it.schedule_id for it in refusal.value.schedules} == {seen, unseen}
    assert simulator.find_schedule(seen)["status"] == "SCHEDULED"
    assert (only_row().is_chargeable, db.session.scalars(select(BillingKeyDeletion)).all()) == (True, [])


@pytest.mark.parametrize("status", ["STARTED", "PENDING"])
def test_a_charge_under_way_has_to_end_first(
    simulator: Any, key: str, super_admin: User, status: str
) -> None:
    ids = [simulator.make_schedule(key, status=each)["id"] for each in ("SCHEDULED", status)]
    with pytest.raises(SchedulesMoved, match=r"charged|결제"):
        delete(super_admin, *ids)
    assert simulator.find_schedule(ids[0])["status"] == "SCHEDULED"


def test_a_schedule_that_comes_between_is_told_and_the_key_lives_on(
    simulator: Any, key: str, super_admin: User, answering: Any
) -> None:
    old = simulator.make_schedule(key)["id"]

    def somebody_schedules(ask: Act, *args: Any, **kwargs: Any) -> Any:
        simulator.make_schedule(key)
        return ask(*args, **kwargs)

    answering("delete_billing_key", somebody_schedules)
    deletion = delete(super_admin, old)
    assert (deletion.status, deletion.problem) == ("failed", "PAYMENT_SCHEDULE_ALREADY_EXISTS")
    assert [raw["scheduleId"] for raw in deletion.revoked_schedules] == [old]  # and that is said
    assert only_row().is_chargeable


def test_a_schedule_revoked_by_somebody_else_meanwhile_is_no_obstacle(
    simulator: Any, key: str, super_admin: User, answering: Any
) -> None:
    ids = [simulator.make_schedule(key)["id"] for _ in range(2)]

    def somebody_revokes(ask: Act, *args: Any, **kwargs: Any) -> Any:
        answering("revoke_schedules", plainly)
        simulator.revoke_schedules([ids[0]])
        return ask(*args, **kwargs)

    answering("revoke_schedules", somebody_revokes)
    assert delete(super_admin, *ids).status == "succeeded"


def test_while_a_key_is_being_deleted_nothing_can_be_charged_with_it(
    simulator: Any, key: str, super_admin: User, answering: Any
) -> None:
    def look(ask: Act, *args: Any, **kwargs: Any) -> Any:
        row = only_row()
        is_found = db.session.scalar(select(BillingKey.id).where(BillingKey.is_chargeable))
        told.append((row.is_chargeable, is_found, row.status))
        db.session.rollback()
        return ask(*args, **kwargs)

    told: list[Any] = []
    answering("delete_billing_key", look)
    delete(super_admin)
    assert told == [(False, None, "ISSUED")]


@pytest.mark.parametrize("act", [silent, done_but_unheard], ids=["never arrived", "done but unheard"])
def test_silence_is_settled_by_a_worker_that_reads_the_key(
    app: Flask, simulator: Any, key: str, super_admin: User, answering: Any, *, act: Act
) -> None:
    answering("delete_billing_key", act)
    deletion = delete(super_admin)
    assert (deletion.status, deletion.problem) == ("uncertain", "timeout")
    assert only_row().is_chargeable is False
    answering("delete_billing_key", plainly)
    later(app)
    assert (only_deletion().status, only_row().status) == ("succeeded", "DELETED")
    assert actions()[-2:] == ["billing_key.deletion_uncertain", "billing_key.deleted"]


@pytest.mark.parametrize("call", ["list_schedules", "revoke_schedules", "delete_billing_key"])
def test_a_crash_at_any_step_is_taken_up_where_it_stood(
    app: Flask, simulator: Any, key: str, super_admin: User, answering: Any, *, call: str
) -> None:
    ids = [simulator.make_schedule(key)["id"] for _ in range(2)]
    calls: list[str] = []

    def die(ask: Act, *args: Any, **kwargs: Any) -> Any:
        calls.append(call)
        if call == "list_schedules" and len(calls) == 1:  # the first look is before anything is kept
            return ask(*args, **kwargs)
        ask(*args, **kwargs)
        raise SystemExit

    answering(call, die)
    with pytest.raises(SystemExit):
        delete(super_admin, *ids)
    assert only_deletion().status == "sending"
    answering(call, plainly)
    later(app)
    assert (only_deletion().status, len(only_deletion().revoked_schedules)) == ("succeeded", 2)
    assert simulator.billing_key(key)["status"] == "DELETED"


def test_a_schedule_charged_before_it_could_be_revoked_is_not_told_as_revoked(
    app: Flask, simulator: Any, key: str, super_admin: User, answering: Any
) -> None:
    schedule = simulator.make_schedule(key)
    answering("revoke_schedules", silent)
    assert delete(super_admin, schedule["id"]).status == "uncertain"
    simulator.state.save_schedule(simulator.find_schedule(schedule["id"]) | {"status": "SUCCEEDED"})
    answering("revoke_schedules", plainly)
    later(app)
    deletion = only_deletion()
    assert (deletion.status, deletion.revoked_schedules, deletion.schedules_revoked_at) == (
        "succeeded",
        [],
        None,
    )


@pytest.mark.parametrize(
    "error_type",
    [
        "INVALID_REQUEST",
        "UNAUTHORIZED",
        "FORBIDDEN",
        "BILLING_KEY_NOT_FOUND",
        "BILLING_KEY_NOT_ISSUED",
        "PAYMENT_SCHEDULE_ALREADY_EXISTS",
        "PG_PROVIDER",
        "MOONBEAM_REFUSED",
    ],
)
@pytest.mark.parametrize("call", ["delete_billing_key", "revoke_schedules"])
def test_every_no_leaves_the_key_as_it_was(
    simulator: Any, key: str, super_admin: User, answering: Any, *, call: str, error_type: str
) -> None:
    schedule_id = simulator.make_schedule(key)["id"]
    answering(call, refusing(error_type, pg_code="X1", pg_message="거절"))
    deletion = delete(super_admin, schedule_id)
    assert (deletion.status, deletion.problem, deletion.pg_code) == ("failed", error_type, "X1")
    assert (only_row().is_chargeable, only_row().deleting_since) == (True, None)
    revoked = "REVOKED" if call == "delete_billing_key" else "SCHEDULED"
    assert simulator.find_schedule(schedule_id)["status"] == revoked


def test_a_key_that_others_have_deleted_meanwhile_is_settled_and_that_is_said(
    simulator: Any, key: str, super_admin: User, answering: Any
) -> None:
    def somebody_deletes(ask: Act, *args: Any, **kwargs: Any) -> Any:
        simulator.delete_billing_key(key)
        return ask(*args, **kwargs)

    answering("delete_billing_key", somebody_deletes)
    deletion = delete(super_admin)
    assert (deletion.status, deletion.problem) == ("succeeded", "BILLING_KEY_ALREADY_DELETED")
    assert only_row().status == "DELETED"
    with pytest.raises(AlreadyDeleted):
        delete(super_admin)


def test_partial_failure_is_kept_per_channel(simulator: Any, key: str, super_admin: User) -> None:
    simulator.faults.next("delete_billing_key", "channels_refuse", pg_code="8112", pg_message="유효기간 오류")
    deletion = delete(super_admin)
    told = [(each["pgProvider"], each["isDeleted"], each.get("pgCode")) for each in deletion.channels or ()]
    assert told == [("KCP_V2", False, "8112"), ("NICE_V2", False, None), ("TOSSPAYMENTS", True, None)]
    assert (deletion.status, only_row().is_chargeable) == ("failed", True)
    assert delete(super_admin).status == "succeeded"


def test_partial_failure_of_a_key_that_is_gone_all_the_same_counts_as_deleted(
    simulator: Any, key: str, super_admin: User, answering: Any
) -> None:
    def gone(_ask: Act, *_args: Any, **_kwargs: Any) -> Any:
        simulator.delete_billing_key(key)
        raise PortOneRefused("CHANNEL_SPECIFIC", status=502, raw={"succeededChannels": ["odd", {}]})

    answering("delete_billing_key", gone)
    deletion = delete(super_admin)
    assert (deletion.status, deletion.problem) == ("succeeded", "CHANNEL_SPECIFIC")


def test_an_expired_secret_decides_nothing_once_the_key_may_be_gone(
    app: Flask, simulator: Any, key: str, super_admin: User, answering: Any
) -> None:
    answering("delete_billing_key", done_but_unheard)
    delete(super_admin)
    answering("get_billing_key", refusing("UNAUTHORIZED"))
    later(app)
    assert (only_deletion().status, only_deletion().problem) == ("uncertain", "UNAUTHORIZED")
    answering("get_billing_key", plainly)
    later(app, timedelta(minutes=2))
    assert only_deletion().status == "succeeded"


def test_after_the_idempotency_key_is_forgotten_the_key_itself_tells(
    app: Flask, simulator: Any, key: str, super_admin: User, answering: Any
) -> None:
    answering("delete_billing_key", silent)
    delete(super_admin)
    later(app, settling.KEY_LIFETIME + timedelta(minutes=1))
    assert (only_deletion().status, only_deletion().problem) == ("failed", "NOT_DELETED_AT_PORTONE")
    assert only_row().is_chargeable


def test_a_webhook_that_comes_first_settles_it_without_another_question(
    app: Flask, simulator: Any, key: str, super_admin: User, answering: Any
) -> None:
    answering("delete_billing_key", done_but_unheard)
    delete(super_admin)
    service.sync_billing_key(key)
    simulator.forget_calls()
    later(app)
    assert (only_deletion().status, simulator.calls("delete_billing_key")) == ("succeeded", [])


def test_the_same_intent_again_deletes_nothing_twice(simulator: Any, key: str, super_admin: User) -> None:
    intent = new_id()
    first = delete(super_admin, intent=intent)
    again = delete(super_admin, intent=intent)
    assert (first.id, again.status, len(simulator.calls("delete_billing_key"))) == (again.id, "succeeded", 1)


def test_a_second_person_waits_while_the_first_deletion_is_under_way(
    simulator: Any, key: str, super_admin: User, answering: Any
) -> None:
    answering("delete_billing_key", silent)
    delete(super_admin)
    with pytest.raises(DeletionRefused):
        delete(super_admin)
    assert only_deletion().status == "uncertain"


def test_two_people_at_once_make_one_deletion(simulator: Any, key: str, person: Any, together: Any) -> None:
    row_id = only_row().id
    wishes = [Wish(new_id(), "해지", "ADMIN"), *[Wish(new_id(), "한 번 더", "CUSTOMER")] * 3]
    outcomes = together([partial(deleting.delete_billing_key, row_id, wish, by=person) for wish in wishes])
    assert all(isinstance(each, BillingKeyDeletion | DeletionRefused) for each in outcomes), outcomes
    assert (only_deletion().status, only_row().status) == ("succeeded", "DELETED")
    assert actions().count("billing_key.deletion_requested") == 1


def test_silence_about_the_schedules_begins_nothing(
    simulator: Any, key: str, super_admin: User, answering: Any
) -> None:
    answering("list_schedules", silent)
    with pytest.raises(PortOneUncertain):
        delete(super_admin)
    assert (only_row().is_chargeable, actions()) == (True, [])


def test_a_key_of_which_only_the_fingerprint_is_kept_cannot_be_deleted(app: Flask, super_admin: User) -> None:
    db.session.add(BillingKey(billing_key="a" * 64))
    db.session.commit()
    with pytest.raises(DomainError):
        delete(super_admin)


def test_a_key_typed_into_the_reason_is_masked(simulator: Any, key: str, super_admin: User) -> None:
    delete(super_admin, reason=f"{key} 해지")
    told = [only_deletion().reason, *(str(facts) for facts in db.session.scalars(select(AuditEntry.facts)))]
    assert key not in " ".join(told)
    assert "billing-key-****" in only_deletion().reason
