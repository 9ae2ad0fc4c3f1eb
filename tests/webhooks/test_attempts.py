"""The history of a message: each attempt once, outages folded, and never without its outcome."""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from app import clock
from app.extensions import db
from app.payments.models import Payment
from app.portone.errors import PortOneRefused, PortOneUncertain
from app.portone.meanings import meaning_of
from app.webhooks import attempts, claiming, handlers, service, settling
from app.webhooks.attempts import attempts_of
from app.webhooks.models import WebhookAttempt, WebhookLog
from tests.webhooks.messages import NOON, FakePortOne, about_payment, payment_document

Receive = Callable[..., WebhookLog]
Work = Callable[..., int]

pytestmark = pytest.mark.usefixtures("noon")


def work_until_settled(log: WebhookLog, work: Work, *, rounds: int) -> None:
    """Let a worker come by each time the message is due."""
    moment = NOON
    for _ in range(rounds):
        with clock.fixed_at(moment):
            work()
        moment = log.next_attempt_at


def history(log: WebhookLog) -> list[tuple[int, str, int]]:
    return [(attempt.number, attempt.outcome, attempt.times) for attempt in attempts_of(log)]


def test_an_attempt_tells_when_it_began_and_ended(
    portone: FakePortOne, receive: Receive, monkeypatch: pytest.MonkeyPatch
) -> None:
    portone.knows(payment_document())
    log = receive(about_payment())
    processor = service.Processor("worker-a")
    (batch,) = claiming.claim_batches("worker-a")
    reading = service._read(batch, "worker-a")
    assert reading
    with clock.fixed_at(NOON + timedelta(seconds=3)):
        service._write([(batch, reading)], processor.holder)
    (attempt,) = attempts_of(log)
    assert (attempt.outcome, attempt.problem, attempt.is_replay) == ("processed", None, False)
    assert (attempt.started_at, attempt.finished_at) == (NOON, NOON + timedelta(seconds=3))


def test_messages_of_one_reading_have_an_attempt_each(
    portone: FakePortOne, receive: Receive, work: Work
) -> None:
    portone.knows(payment_document())
    logs = [receive(about_payment(), f"webhook-{number}") for number in range(3)]
    work()
    assert [history(log) for log in logs] == [[(1, "processed", 1)]] * 3


def test_what_is_skipped_says_why(portone: FakePortOne, receive: Receive, work: Work) -> None:
    log = receive({"type": "TaxInvoice.Issued", "data": {}})
    work()
    (attempt,) = attempts_of(log)
    assert (attempt.outcome, attempt.problem) == ("skipped", handlers.TAX_INVOICE)


def test_an_outage_of_hours_is_one_line(portone: FakePortOne, receive: Receive, work: Work) -> None:
    portone.problem = PortOneUncertain("unreachable")
    log = receive(about_payment())
    work_until_settled(log, work, rounds=30)
    portone.problem = PortOneUncertain("throttled")
    with clock.fixed_at(log.next_attempt_at):
        work()
    (attempt,) = attempts_of(log)
    assert (attempt.number, attempt.times, attempt.problem) == (1, 31, service.THROTTLED)
    assert attempt.started_at == NOON < NOON + timedelta(minutes=1) < attempt.finished_at
    portone.problem = None
    portone.knows(payment_document())
    with clock.fixed_at(log.next_attempt_at):
        work()
    assert history(log) == [(1, "postponed", 31), (2, "processed", 1)]


def test_refusals_and_errors_of_our_own_are_told_apart(
    portone: FakePortOne, receive: Receive, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    portone.problem = PortOneRefused("INVALID_REQUEST", status=400)
    log = receive(about_payment())
    work()
    portone.problem = None
    portone.knows(payment_document())
    monkeypatch.setattr(handlers.payments, "store_snapshots", lambda *_, **__: 1 / 0)
    with clock.fixed_at(log.next_attempt_at):
        work()
    assert [(attempt.outcome, attempt.problem) for attempt in attempts_of(log)] == [
        ("refused", meaning_of("INVALID_REQUEST")),
        ("broken", service.UNPROCESSABLE),
    ]


def test_a_replay_is_told_apart_until_it_is_over(portone: FakePortOne, receive: Receive, work: Work) -> None:
    portone.knows(payment_document())
    log = receive(about_payment())
    work()
    for _ in range(2):
        db.session.execute(update(WebhookLog).values(status="received", is_replay=True))
        work()
    assert [attempt.is_replay for attempt in attempts_of(log)] == [False, True, True]
    db.session.refresh(log)
    assert not log.is_replay


def test_the_middle_of_a_very_long_history_is_forgotten(
    portone: FakePortOne, receive: Receive, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "FIRST_KEPT", 2)
    monkeypatch.setattr(attempts, "LAST_KEPT", 3)
    portone.knows(payment_document())
    log = receive(about_payment())
    for _ in range(8):
        db.session.execute(update(WebhookLog).values(status="received"))
        work()
    assert [attempt.number for attempt in attempts_of(log)] == [1, 2, 6, 7, 8]


def test_no_outcome_is_kept_without_its_attempt(
    portone: FakePortOne, receive: Receive, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_to_keep(ended: Sequence[attempts.Attempt]) -> None:
        if any(attempt.outcome == "processed" for attempt in ended):
            raise RuntimeError("the disk is full")
        record(ended)

    record = attempts.record
    monkeypatch.setattr(attempts, "record", fail_to_keep)
    portone.knows(payment_document())
    log = receive(about_payment())
    work()
    assert (log.status, history(log)) == ("received", [(1, "broken", 1)])
    assert db.session.scalar(select(func.count()).select_from(Payment)) == 0


def test_a_deleted_message_takes_its_history_along(
    portone: FakePortOne, receive: Receive, work: Work
) -> None:
    portone.knows(payment_document())
    log = receive(about_payment())
    work()
    db.session.delete(log)
    db.session.commit()
    assert db.session.scalar(select(func.count()).select_from(WebhookAttempt)) == 0


@pytest.fixture
def told() -> Iterator[list[str | None]]:
    """The ids of messages a listener was told of, while they failed."""
    heard: list[str | None] = []

    def listen(logs: Sequence[WebhookLog]) -> None:
        heard.extend(log.webhook_id for log in logs)
        raise RuntimeError("no alert can be written")

    settling.when_failed(listen)
    yield heard
    settling._failure_listeners.remove(listen)


def test_who_wants_to_know_is_told_of_a_failure_once_and_cannot_prevent_it(
    portone: FakePortOne, receive: Receive, work: Work, told: list[Any]
) -> None:
    portone.problem = PortOneRefused("INVALID_REQUEST", status=400)
    log = receive(about_payment())
    work_until_settled(log, work, rounds=7)
    assert (log.status, told) == ("received", [])
    with clock.fixed_at(log.next_attempt_at):
        work()
    assert (log.status, told) == ("failed", ["webhook-1"])
    assert history(log)[-1] == (8, "refused", 1)
