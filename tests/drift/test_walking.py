"""What differs is found by walking, healed where PortOne is right, and kept once. PortOne is not pressed."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text, update

from app import clock
from app.accounts.models import User
from app.drift import service, walking
from app.drift.models import Drift, DriftRun
from app.extensions import db
from app.payments.filters import PaymentFilters
from app.payments.listing import select_matches
from app.payments.models import Payment
from app.payments.service import sync_payment
from app.portone.errors import PortOneRefused, PortOneUncertain
from app.settings import service as settings
from app.webhooks.models import WebhookLog
from tests.drift.conftest import status_of
from tests.factories import make_payment

Drifts = Callable[[], list[tuple[str, str, str]]]


def test_a_status_that_fell_behind_is_healed_and_told(portone: Any, later: Any, drifts: Drifts) -> None:
    payment = make_payment(portone, status="READY")
    portone.pay(payment.payment_id)
    with later(30):
        assert service.watch("worker-a") >= 1
    assert drifts() == [("status_behind", "events", "healed")]
    assert status_of(payment.payment_id) == "PAID"
    kept = db.session.scalars(select(Drift)).one()
    assert kept.fields["status"] == ["READY", "PAID"]


def test_what_may_still_be_on_its_way_is_healed_without_a_word(
    portone: Any, later: Any, drifts: Drifts
) -> None:
    payment = make_payment(portone, status="READY")
    portone.pay(payment.payment_id)
    with later(9):
        walking.compare_again(payment.payment_id, seen_how="open")
    assert (status_of(payment.payment_id), drifts()) == ("PAID", [])


def test_the_grace_is_a_setting(portone: Any, later: Any, drifts: Drifts, super_admin: Any) -> None:
    settings.change({"drift_grace_minutes": 3}, by=super_admin)
    payment = make_payment(portone, status="READY")
    portone.pay(payment.payment_id)
    with later(9):
        walking.compare_again(payment.payment_id, seen_how="open")
    assert drifts() == [("status_behind", "open", "healed")]


def test_what_lies_in_our_inbox_is_only_late(portone: Any, later: Any, drifts: Drifts) -> None:
    payment = make_payment(portone, status="READY")
    portone.pay(payment.payment_id)
    db.session.add(WebhookLog(webhook_id="w-1", named_payment_id=payment.payment_id, status="received"))
    db.session.commit()
    with later(60):
        walking.compare_again(payment.payment_id, seen_how="open")
    assert (status_of(payment.payment_id), drifts()) == ("PAID", [])


def test_a_cancellation_nobody_told_us_of_is_found_however_old_its_payment(
    portone: Any, later: Any, drifts: Drifts
) -> None:
    payment = make_payment(portone, total=10_000, requested_at=clock.now() - timedelta(days=60))
    portone.console_cancel(payment.payment_id, 4_000)
    with later(30):
        service.watch("worker-a")
    assert drifts() == [("cancellation_unknown", "events", "healed")]
    assert db.session.scalars(select(Drift.amount)).one() == 4_000


def test_a_payment_nobody_told_us_of_is_stored_and_told(portone: Any, later: Any, drifts: Drifts) -> None:
    payment_id = portone.make_payment(total=5_000)["id"]
    portone.make_payment(status="READY")
    with later(30):
        service.watch("worker-a")
        assert service.watch("worker-a") == 0
    assert drifts() == [("payment_unknown", "events", "healed")]
    assert status_of(payment_id) == "PAID"


def test_what_was_before_us_is_copied_and_no_difference(portone: Any, later: Any, drifts: Drifts) -> None:
    portone.make_payment(requested_at=clock.now() - timedelta(days=2))
    db.session.execute(update(User).values(created_at=clock.now()))
    db.session.commit()
    with later(30):
        service.watch("worker-a")
    assert drifts() == []
    assert db.session.scalars(select(Payment.status)).all() == ["PAID"]


def test_figures_that_somebody_changed_here_are_healed(portone: Any, later: Any, drifts: Drifts) -> None:
    payment = make_payment(portone, total=10_000)
    db.session.execute(update(Payment).values(status="FAILED", cancellable_amount=1))
    db.session.commit()
    with later(30):
        service.watch("worker-a")
    assert drifts() == [("status_behind", "cursor", "healed")]
    assert (status_of(payment.payment_id), payment.cancellable_amount) == ("PAID", 10_000)


def test_a_payment_portone_no_longer_knows_waits_until_it_is_back(
    portone: Any, later: Any, drifts: Drifts
) -> None:
    payment = make_payment(portone, status="VIRTUAL_ACCOUNT_ISSUED", method="virtual_account")
    document = portone.state.find_payment(payment.payment_id)
    portone.state.execute("DELETE FROM payments WHERE payment_id = ?", payment.payment_id)
    with later(30):
        service.watch("worker-a")
        walking.compare_again(payment.payment_id, seen_how="open")
        assert drifts() == [("payment_gone", "open", "open")]
        assert payment.has_drift
        portone.state.save_payment(document)
        walking.compare_again(payment.payment_id, seen_how="open")
    assert drifts() == [("payment_gone", "open", "healed")]
    assert not payment.has_drift


def test_one_worker_at_a_time_compares(portone: Any, later: Any) -> None:
    make_payment(portone)
    with later(30):
        assert service.watch("worker-a") >= 1
        db.session.execute(update(DriftRun).values(finished_at=None))
        db.session.commit()
        portone.forget_calls()
        assert service.watch("worker-b") == 0
    assert portone.calls() == []


def test_two_that_compare_the_same_keep_one_difference(portone: Any, later: Any, drifts: Drifts) -> None:
    payment = make_payment(portone, total=10_000)
    portone.console_cancel(payment.payment_id, None)
    with later(30):
        for how in ("cursor", "open", "events"):
            walking.compare_again(payment.payment_id, seen_how=how)
    assert drifts() == [("cancellation_unknown", "cursor", "healed")]


@pytest.mark.parametrize("fault", ["throttled", "proxy_error"])
def test_trouble_at_portone_makes_all_walks_rest_and_longer_each_time(
    portone: Any, later: Any, fault: str, monkeypatch: Any
) -> None:
    monkeypatch.setattr("app.portone.transport.ATTEMPTS", 1)
    make_payment(portone)
    portone.faults.next("*", fault, times=2)
    with later(30):
        service.watch("worker-a")
        portone.forget_calls()
        assert service.watch("worker-a") == 0
        assert portone.calls() == []
        run = db.session.scalars(select(DriftRun)).one()
        first = run.next_at - clock.now()
    with later(45):
        service.watch("worker-a")
        db.session.refresh(run)
        assert (run.failures, run.next_at - clock.now() > first) == (2, True)
    with later(90):
        assert service.watch("worker-a") >= 1


def test_a_round_asks_little_and_the_next_goes_on_where_it_stood(
    portone: Any, later: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(walking, "PAGE_SIZE", 2)
    for _ in range(13):
        make_payment(portone)
    with later(30):
        service.watch("worker-a")
        run = db.session.scalars(select(DriftRun).where(DriftRun.walk == "payments")).one()
        assert (run.payments_read, run.finished_at) == (10, None)
        service.watch("worker-b-of-another-machine")
        clock_ahead = clock.now() + timedelta(minutes=6)
        with clock.fixed_at(clock_ahead):
            service.watch("worker-b-of-another-machine")
        db.session.refresh(run)
        assert (run.payments_read, run.finished_at is not None) == (13, True)


def test_a_cursor_that_portone_refuses_begins_again(portone: Any, later: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(walking, "PAGE_SIZE", 2)
    for _ in range(13):
        make_payment(portone)
    with later(30):
        service.watch("worker-a")
        db.session.execute(update(DriftRun).where(DriftRun.walk == "payments").values(cursor="!"))
        db.session.commit()
        service.watch("worker-a")
        run = db.session.scalars(select(DriftRun).where(DriftRun.walk == "payments")).one()
        assert (run.payments_read, run.failures) == (18, 0)


def test_a_secret_that_portone_refuses_is_no_reason_to_ask_on(
    portone: Any, later: Any, monkeypatch: Any
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise PortOneRefused("UNAUTHORIZED", status=401)

    monkeypatch.setattr("app.portone.transport.Transport.send", refuse)
    with later(30):
        assert service.watch("worker-a") == 0
        run = db.session.scalars(select(DriftRun)).one()
    assert (run.failures, run.problem) == (1, "UNAUTHORIZED (401)")


def test_more_open_payments_than_a_step_takes_are_all_read(
    portone: Any, later: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(walking, "OPEN_SIZE", 2)
    names = [make_payment(portone, status=status).payment_id for status in ("READY", "PAY_PENDING") * 3]
    names.append(make_payment(portone, status="VIRTUAL_ACCOUNT_ISSUED", method="virtual_account").payment_id)
    make_payment(portone, status="FAILED")
    portone.forget_calls()
    with later(30):
        service.watch("worker-a")
    assert sorted(call.resource_id for call in portone.calls("get_payment")) == sorted(names)


def test_a_payment_read_while_it_is_compared_is_healed_by_whoever_comes_first(
    portone: Any, later: Any, drifts: Drifts
) -> None:
    payment = make_payment(portone, status="READY")
    portone.pay(payment.payment_id)
    with later(30):
        sync_payment(payment.payment_id)
        service.watch("worker-a")
    assert (status_of(payment.payment_id), drifts()) == ("PAID", [])


def test_an_outage_keeps_what_was_read_before(
    portone: Any, later: Any, monkeypatch: Any, drifts: Drifts
) -> None:
    for _ in range(2):
        portone.pay(make_payment(portone, status="READY").payment_id)
    answers = iter([walking.sync_payment])

    def once(payment_id: str, **values: Any) -> Any:
        for answer in answers:
            return answer(payment_id, **values)
        raise PortOneUncertain("unreachable")

    monkeypatch.setattr(walking, "sync_payment", once)
    with later(30):
        service.watch("worker-a")
    assert drifts() == [("status_behind", "events", "healed")]
    assert sorted(db.session.scalars(select(Payment.status))) == ["PAID", "READY"]


def test_one_payment_that_nobody_can_read_holds_up_no_other(
    portone: Any, later: Any, drifts: Drifts, monkeypatch: Any
) -> None:
    broken, well = (make_payment(portone, status="READY").payment_id for _ in range(2))
    portone.pay(broken)
    portone.pay(well)
    real = walking.sync_payment

    def read(payment_id: str, **values: Any) -> Any:
        if payment_id == broken:
            raise PortOneUncertain("unreadable")
        return real(payment_id, **values)

    monkeypatch.setattr(walking, "sync_payment", read)
    with later(30):
        service.watch("worker-a")
    assert status_of(well) == "PAID"
    run = db.session.scalars(select(DriftRun).where(DriftRun.walk == "events")).one()
    assert (run.left_out, run.finished_at is not None) == (1, True)


def test_moves_of_money_of_a_long_outage_are_all_walked(portone: Any, later: Any, drifts: Drifts) -> None:
    payment = make_payment(portone, total=10_000, requested_at=clock.now() - timedelta(days=20))
    with later(30):
        service.watch("worker-a")
    portone.console_cancel(payment.payment_id, 4_000)
    with later(60 * 24 * 12):
        service.watch("worker-a")
    assert drifts() == [("cancellation_unknown", "events", "healed")]


def test_the_list_of_what_differs_is_found_by_its_index(app: Any) -> None:
    if db.engine.dialect.name != "sqlite":
        pytest.skip("a plan of an empty PostgreSQL table shows nothing")
    with app.test_request_context():
        found = select_matches(PaymentFilters(flag="drift"), Payment.id)
    newest = found.order_by(Payment.changed_clock.desc(), Payment.id.desc()).limit(50)
    statement = newest.compile(db.engine, compile_kwargs={"literal_binds": True})
    plan = db.session.execute(text(f"EXPLAIN QUERY PLAN {statement}")).all()
    assert "ix_payments_drift" in str(plan)
