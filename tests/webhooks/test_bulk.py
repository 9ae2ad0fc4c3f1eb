"""Many messages at once: what would happen is told first, then each is dealt with exactly once."""

import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from app.columns import new_id
from app.errors import DomainError
from app.extensions import db
from app.jobs import service as jobs
from app.jobs.models import Job
from app.portone.errors import PortOneUncertain
from app.webhooks import bulk, replaying, resending
from app.webhooks.attempts import attempts_of
from app.webhooks.bulk import Action
from app.webhooks.models import BulkItemStatus, WebhookBulkItem, WebhookLog
from app.webhooks.resending import Resend
from tests.webhooks.messages import FakePortOne, about_billing_key, about_payment, payment_document

Receive = Callable[..., WebhookLog]

KEY = "billing-key-0193c6f0-2a9e-7c52-b0a4-6b1f0b0d9e77"


@pytest.fixture(autouse=True)
def hurry(monkeypatch: Any) -> None:
    monkeypatch.setattr(bulk, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(bulk, "OUTAGE_SECONDS", 0)


@pytest.fixture
def three(portone: FakePortOne, receive: Receive) -> list[WebhookLog]:
    for number in range(3):
        portone.knows(payment_document(f"order-{number}"))
    return [receive(about_payment(f"order-{number}"), f"webhook-{number}") for number in range(3)]


def work(holder: str = "worker-a") -> None:
    for job_id in jobs.claim_waiting(holder=holder, limit=5):
        jobs.run(job_id, holder)


def statuses() -> list[str]:
    db.session.expire_all()
    return sorted(db.session.scalars(select(WebhookBulkItem.status)))


def test_a_plan_counts_what_would_be_done_and_tells_what_would_not(
    three: Any, receive: Receive, client: Any
) -> None:
    receive(about_billing_key(KEY), "webhook-of-key")
    receive({"type": "TaxInvoice.Issued", "data": {}}, "webhook-of-none")
    client.post("/webhooks/portone", data="{}")
    replay, resend = bulk.plan(Action.REPLAY, {}), bulk.plan(Action.RESEND, {})
    assert (replay.count, replay.left_out) == (5, [(replaying.UNVERIFIED, 1)])
    assert (resend.count, dict(resend.left_out)) == (
        3,
        {resending.UNVERIFIED: 1, resending.BILLING_KEYS: 1, resending.NO_PAYMENT: 1},
    )


def test_every_message_is_replayed_exactly_once(three: list[WebhookLog], admin: Any) -> None:
    job = bulk.start(new_id(), Action.REPLAY, {}, by=admin)
    work()
    work()
    assert (db.session.get(Job, job.id).status, job.done, job.failed) == ("done", 3, 0)
    assert statuses() == ["done"] * 3
    assert [len(attempts_of(log)) for log in three] == [1, 1, 1]


def test_pressing_twice_begins_one_bulk(three: Any, admin: Any) -> None:
    bulk_id = new_id()
    first = bulk.start(bulk_id, Action.REPLAY, {}, by=admin)
    assert bulk.start(bulk_id, Action.REPLAY, {}, by=admin).id == first.id
    assert len(statuses()) == 3


def test_a_bulk_that_was_broken_off_goes_on_where_it_stood(
    three: list[WebhookLog], admin: Any, monkeypatch: Any
) -> None:
    job = bulk.start(new_id(), Action.REPLAY, {}, by=admin)
    original, seen = bulk._replay, []

    def break_off(work: Any, log_id: UUID) -> Any:
        if len(seen) == 1:
            raise RuntimeError("killed")
        seen.append(log_id)
        return original(work, log_id)

    monkeypatch.setattr(bulk, "_replay", break_off)
    work()
    assert statuses() == ["done", "waiting", "waiting"]
    monkeypatch.setattr(bulk, "_replay", original)
    db.session.execute(update(Job).values(next_attempt_at=job.created_at))
    db.session.commit()
    work("worker-b")
    assert [len(attempts_of(log)) for log in three] == [1, 1, 1]


def test_a_bulk_can_be_paused_and_goes_on(three: Any, admin: Any) -> None:
    job = bulk.start(new_id(), Action.REPLAY, {}, by=admin)
    jobs.pause(job.id, by=admin)
    work()
    assert statuses() == ["waiting"] * 3
    jobs.resume(job.id, by=admin)
    work()
    assert statuses() == ["done"] * 3


def test_a_row_that_somebody_else_ended_is_not_replayed_again(
    three: Any, admin: Any, monkeypatch: Any
) -> None:
    bulk_id = new_id()
    bulk.start(bulk_id, Action.REPLAY, {}, by=admin)
    original = replaying._claim

    def overtaken(run: Any) -> Any:
        bulk._move(bulk_id, run.log_id, BulkItemStatus.DONE)
        return original(run)

    monkeypatch.setattr(replaying, "_claim", overtaken)
    work()
    assert statuses() == ["done"] * 3
    assert [attempts_of(log) for log in three] == [[], [], []]


def test_while_portone_is_away_rows_wait_and_at_last_the_job_says_so(
    three: Any, portone: FakePortOne, admin: Any
) -> None:
    job = bulk.start(new_id(), Action.REPLAY, {}, by=admin)
    portone.problem = PortOneUncertain("timeout")
    work()
    assert (statuses(), job.status, job.problem) == (["waiting"] * 3, "failed", bulk.STILL_AWAY)
    portone.problem = None
    jobs.resume(job.id, by=admin)
    work()
    assert (statuses(), job.status) == (["done"] * 3, "done")


def test_a_resend_whose_answer_was_lost_is_told_and_not_asked_again(
    three: list[WebhookLog], admin: Any, monkeypatch: Any
) -> None:
    asked: list[UUID] = []

    def resend(log_id: UUID, **_about: Any) -> Resend:
        asked.append(log_id)
        return Resend(resending.TAKEN, is_taken=True)

    monkeypatch.setattr(resending, "resend", resend)
    bulk_id = new_id()
    bulk.start(bulk_id, Action.RESEND, {}, by=admin)
    bulk._move(bulk_id, three[0].id, BulkItemStatus.ASKED)  # and then the worker was killed
    db.session.commit()
    work()
    assert statuses() == ["done", "done", "failed"]
    assert three[0].id not in asked


def test_a_throttled_resend_is_asked_again(three: Any, admin: Any, monkeypatch: Any) -> None:
    said = iter(
        [Resend(resending.OUT_OF_REACH, may_repeat=True)] + [Resend(resending.TAKEN, is_taken=True)] * 3
    )
    monkeypatch.setattr(resending, "resend", lambda log_id, **_about: next(said))
    bulk.start(new_id(), Action.RESEND, {}, by=admin)
    work()
    assert statuses() == ["done"] * 3


def test_nothing_and_too_much_are_refused(three: Any, admin: Any, monkeypatch: Any) -> None:
    with pytest.raises(DomainError):
        bulk.start(new_id(), Action.REPLAY, {"text": "nothing"}, by=admin)
    monkeypatch.setattr(bulk, "MOST", 2)
    with pytest.raises(DomainError):
        bulk.start(new_id(), Action.REPLAY, {}, by=admin)


def intent_of(page: str) -> str:
    found = re.search(r'name="intent"[^>]*value="([^"]+)"', page)
    assert found
    return found[1]


def test_from_the_dry_run_to_the_end_in_a_browser(three: Any, receive: Receive, signed_in: Any) -> None:
    dry_run = signed_in.get("/webhooks/bulk/replay?q=order-1&type=Transaction.Paid").text
    assert dry_run.count("data-webhook-id") == 1
    address = re.search(r'class="webhook-actions"[^>]*action="([^"]+)"', dry_run)[1].replace("&amp;", "&")
    receive(about_payment("order-1"), "webhook-after-the-dry-run")
    started = signed_in.submit(address, {"intent": intent_of(dry_run), "reason": "장애 복구"})
    assert started.status_code == 303
    assert "장애 복구" in signed_in.get(started.location).text
    work()
    page = signed_in.get(started.location, headers={"HX-Request": "true"}).text
    assert 'data-status="done"' in page
    assert "hx-trigger" not in page
    assert statuses() == ["done"]


@pytest.mark.parametrize(
    ("query", "fields", "status"),
    [
        ("", {"intent": "no-uuid"}, 422),
        ("", {"intent": ""}, 422),
        ("?before=yesterday", {}, 400),
        ("?before=2026-03-29T12:00:00", {}, 400),
    ],
)
def test_a_page_that_was_tampered_with_is_refused(
    three: Any, signed_in: Any, query: str, fields: dict[str, str], status: int
) -> None:
    usual = {"intent": str(new_id())}
    assert signed_in.submit(f"/webhooks/bulk/replay{query}", usual | fields).status_code == status
    assert statuses() == []


def test_filters_that_make_no_sense_lead_back(signed_in: Any) -> None:
    answer = signed_in.get(f"/webhooks/bulk/resend?q={KEY}")
    assert (answer.status_code, KEY in answer.location) == (303, False)
    assert signed_in.get("/webhooks/bulk/replay?status=odd").status_code == 303


def test_a_job_of_another_kind_has_no_page_here(signed_in: Any, admin: Any) -> None:
    job = jobs.start("something_else", by=admin)
    db.session.commit()
    assert signed_in.get(f"/webhooks/bulk/{job.id}").status_code == 404
