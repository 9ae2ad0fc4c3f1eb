"""A batch that runs: each row once, whatever is paused, stopped, killed, refused or silent meanwhile."""

from datetime import timedelta

import pytest

from app import clock, leases
from app.accounts import people
from app.audit.queries import list_entries_of
from app.bulk_refunds import queries, running, service
from app.bulk_refunds.models import BatchStatus, RowStatus
from app.errors import DomainError
from app.extensions import db
from app.jobs import service as jobs
from app.jobs.queries import find_last_job_of
from app.payments.service import sync_payment
from app.refunds.models import RefundStatus
from app.settings import service as settings
from tests.bulk_refunds.conftest import confirm, rows_of, work
from tests.bulk_refunds.files import csv_of
from tests.factories import PASSWORD, make_payment, make_user


@pytest.fixture
def batch_of(upload, admin):
    """Upload and confirm a refund of 1,000 of each payment; answers the batch's id."""

    def make(*payments, amount="1,000", with_warned=False):
        batch_id = upload(csv_of(*[(payment.payment_id, amount, "변심") for payment in payments]))
        confirm(batch_id, admin, with_warned=with_warned)
        return batch_id

    return make


@pytest.fixture
def impatient(app):
    app.extensions["portone"]._transport._timeout = (0.3, 0.3)
    app.extensions["portone"]._transport._sleep = lambda _seconds: None


def payments_of(simulator, count, **wishes):
    return [make_payment(simulator, total=10_000, **wishes) for _ in range(count)]


def job_of(batch_id):
    db.session.expire_all()
    return find_last_job_of(batch_id, running.RUN)


def later(seconds):
    return clock.fixed_at(clock.now() + timedelta(seconds=seconds))


def test_every_row_becomes_a_refund_of_whoever_confirmed(batch_of, simulator, admin):
    batch_id = batch_of(*payments_of(simulator, 3))
    work()
    rows, batch, job = rows_of(batch_id), queries.get_batch(batch_id), job_of(batch_id)
    assert [row.refund.status for row in rows] == [RefundStatus.SUCCEEDED] * 3
    assert {row.refund.requested_by for row in rows} == {admin.id}
    assert (batch.status, job.status, job.done, job.failed) == (BatchStatus.FINISHED, "done", 3, 0)
    assert len(simulator.calls("cancel")) == 3


def test_the_trail_tells_every_step(batch_of, simulator, admin):
    batch_id = batch_of(*payments_of(simulator, 1))
    work()
    actions = [entry.action for entry in list_entries_of("refund_batch", batch_id)]
    assert actions == ["refund_batch.finished", "refund_batch.confirmed", "refund_batch.uploaded"]


def test_a_balance_that_moved_is_not_refunded_and_the_run_goes_on(batch_of, simulator):
    first, second = payments_of(simulator, 2)
    batch_id = batch_of(first, second)
    simulator.console_cancel(first.payment_id, 4_000)
    work()
    refused, refunded = rows_of(batch_id)
    assert (refused.status, "6,000원" in refused.problem) == (RowStatus.REFUSED, True)
    assert refunded.refund.status == RefundStatus.SUCCEEDED
    assert (job_of(batch_id).done, job_of(batch_id).failed) == (2, 1)


def test_the_pgs_no_is_one_rows_affair(batch_of, simulator):
    simulator.faults.next("cancel", "pg_refuses", pg_code="8324", pg_message="잔액 부족")
    batch_id = batch_of(*payments_of(simulator, 2))
    work()
    assert [row.refund.status for row in rows_of(batch_id)] == [RefundStatus.FAILED, RefundStatus.SUCCEEDED]


def test_two_parts_of_one_payment_follow_each_other(batch_of, simulator):
    payment = make_payment(simulator, total=10_000)
    batch_id = batch_of(payment, payment, with_warned=True)
    work()
    assert [row.refund.status for row in rows_of(batch_id)] == [RefundStatus.SUCCEEDED] * 2
    assert simulator.payment(payment.payment_id)["amount"]["cancelled"] == 2_000


def test_the_second_part_goes_on_where_the_first_was_refused(batch_of, simulator):
    payment = make_payment(simulator, total=10_000)
    simulator.faults.next("cancel", "pg_refuses", pg_code="1", pg_message="거절")
    batch_id = batch_of(payment, payment, with_warned=True)
    work()
    assert [row.refund.status for row in rows_of(batch_id)] == [RefundStatus.FAILED, RefundStatus.SUCCEEDED]


def test_the_second_part_waits_until_the_first_is_settled(batch_of, simulator, impatient):
    payment, other = payments_of(simulator, 2)
    simulator.faults.next("cancel", "done_then_silent", seconds=1)
    batch_id = batch_of(payment, payment, other, with_warned=True)
    work()
    first, second, third = rows_of(batch_id)
    assert (first.refund.status, second.status) == (RefundStatus.UNCERTAIN, RowStatus.WAITING)
    assert third.refund.status == RefundStatus.SUCCEEDED
    assert job_of(batch_id).problem == running.SETTLING
    settle(first.intent)
    with later(6):
        work()
    assert rows_of(batch_id)[1].refund.status == RefundStatus.SUCCEEDED


def settle(refund_id):
    from app.refunds import settling

    settling.follow(refund_id)
    db.session.commit()


def test_portone_away_rests_the_run_and_fails_no_row(batch_of, simulator, impatient):
    batch_id = batch_of(*payments_of(simulator, 3))
    simulator.faults.next("get_payment", "proxy_error", times=9)
    work()
    assert {row.status for row in rows_of(batch_id)} == {RowStatus.WAITING}
    assert (job_of(batch_id).status, job_of(batch_id).problem) == ("running", running.AWAY)
    simulator.faults.clear()
    work()
    assert {row.status for row in rows_of(batch_id)} == {RowStatus.WAITING}, "it rests for a while"
    with later(11):
        work()
    assert [row.refund.status for row in rows_of(batch_id)] == [RefundStatus.SUCCEEDED] * 3


def test_silence_after_silence_rests_the_run(batch_of, simulator, impatient):
    batch_id = batch_of(*payments_of(simulator, 5))
    simulator.faults.next("cancel", "silent", seconds=1, times=30)
    work()
    assert [row.status for row in rows_of(batch_id)] == [RowStatus.SENT] * 3 + [RowStatus.WAITING] * 2
    assert job_of(batch_id).problem == running.SILENT


def test_a_row_whose_worker_died_after_asking_is_not_asked_for_again(batch_of, simulator, monkeypatch):
    batch_id = batch_of(*payments_of(simulator, 2))
    with monkeypatch.context() as patched:
        patched.setattr(running, "_note", lambda *_: (_ for _ in ()).throw(SystemExit))
        with pytest.raises(SystemExit):
            work("dies")
    db.session.rollback()
    assert rows_of(batch_id)[0].status == RowStatus.WAITING
    with later(leases.CLAIM_SECONDS + 1):
        work("second")
    assert [row.refund.status for row in rows_of(batch_id)] == [RefundStatus.SUCCEEDED] * 2
    assert len(simulator.calls("cancel")) == 2


def test_a_worker_that_lost_its_claim_stops_after_the_row_it_is_at(batch_of, simulator, monkeypatch):
    batch_id = batch_of(*payments_of(simulator, 3))
    note = running._note

    def lose_the_claim(*arguments):
        job_of(batch_id).claimed_by = "another"
        db.session.commit()
        return note(*arguments)

    monkeypatch.setattr(running, "_note", lose_the_claim)
    work()
    assert [row.status for row in rows_of(batch_id)] == [RowStatus.SENT, RowStatus.WAITING, RowStatus.WAITING]
    assert job_of(batch_id).done == 0


def test_paused_and_resumed_it_does_each_row_once(batch_of, simulator, admin, monkeypatch):
    batch_id = batch_of(*payments_of(simulator, 4))
    with monkeypatch.context() as patched:
        patched.setattr(leases, "is_ending", lambda _holder: _pause_after_two(batch_id, admin))
        work()
    assert [row.status for row in rows_of(batch_id)].count(RowStatus.SENT) == 2
    jobs.resume(job_of(batch_id).id, by=admin)
    work()
    assert len(simulator.calls("cancel")) == 4
    assert queries.get_batch(batch_id).status == BatchStatus.FINISHED


def _pause_after_two(batch_id, admin):
    db.session.commit()
    if [row.status for row in rows_of(batch_id)].count(RowStatus.SENT) == 2:
        jobs.pause(job_of(batch_id).id, by=admin)
        return True
    return False


def test_stopped_it_leaves_the_rest_out_for_good(batch_of, simulator, admin):
    batch_id = batch_of(*payments_of(simulator, 2))
    jobs.stop(job_of(batch_id).id, by=admin)
    work()
    assert running.finish_stopped() == 1
    assert {row.status for row in rows_of(batch_id)} == {RowStatus.LEFT_OUT}
    assert (queries.get_batch(batch_id).status, simulator.calls("cancel")) == (BatchStatus.FINISHED, [])


def test_whoever_lost_their_role_refunds_nothing_more(batch_of, simulator, admin):
    batch_id = batch_of(*payments_of(simulator, 2))
    admin.is_active = False
    work()
    assert (job_of(batch_id).status, job_of(batch_id).problem) == ("failed", running.NOT_ALLOWED)
    assert simulator.calls("cancel") == []


def test_a_row_whose_seal_no_key_opens_is_told_and_the_run_goes_on(batch_of, simulator):
    batch_id = batch_of(*payments_of(simulator, 2))
    rows_of(batch_id)[0].wish_sealed = "nonsense"
    work()
    first, second = rows_of(batch_id)
    assert (first.status, "읽을 수 없습니다" in first.problem) == (RowStatus.REFUSED, True)
    assert second.refund.status == RefundStatus.SUCCEEDED


def test_a_virtual_account_row_reaches_its_account_and_forgets_it(upload, simulator, admin):
    payment = make_payment(simulator, method="VIRTUAL_ACCOUNT")
    headings = ("결제 ID", "금액", "사유", "은행", "계좌번호", "예금주")
    cells = (payment.payment_id, "", "변심", "국민은행", "012-345678-901", "홍길동")
    batch_id = upload(csv_of(cells, headings=headings))
    confirm(batch_id, admin)
    work()
    row = rows_of(batch_id)[0]
    assert (row.refund.status, row.refund.account_last_digits) == (RefundStatus.SUCCEEDED, "8901")
    assert (row.wish_sealed, row.account_last_digits) == (None, "8901")


def test_only_rows_without_a_finding_run_unless_the_others_are_wanted(upload, simulator, admin):
    payment = make_payment(simulator, total=10_000)
    batch_id = upload(csv_of(*[(payment.payment_id, "1,000", "변심")] * 2, ("unknown", "1", "변심")))
    confirm(batch_id, admin)
    work()
    assert [row.status for row in rows_of(batch_id)] == [
        RowStatus.SENT,
        RowStatus.LEFT_OUT,
        RowStatus.LEFT_OUT,
    ]


def test_a_sum_that_is_not_what_was_seen_confirms_nothing(upload, simulator, admin):
    batch_id = upload(csv_of((make_payment(simulator).payment_id, "1,000", "변심")))
    for seen in ({}, {"KRW": 999}, {"USD": 1_000}):
        with pytest.raises(DomainError, match="합계"):
            confirm(batch_id, admin, expected=seen)
        db.session.rollback()
    confirm(batch_id, admin)
    with pytest.raises(DomainError, match="상태가 바뀌었습니다"):
        confirm(batch_id, admin)


def test_above_the_threshold_somebody_else_decides(upload, simulator, admin, super_admin, second_owner):
    settings.change({"refund_approval_threshold": {"KRW": 1_500}}, by=super_admin)
    batch_id = upload(csv_of(*[(each.payment_id, "1,000", "변심") for each in payments_of(simulator, 2)]))
    assert confirm(batch_id, admin) == BatchStatus.AWAITING_APPROVAL
    work()
    with pytest.raises(DomainError, match="다른 담당자"):
        service.approve(batch_id, note="", by=admin)
    db.session.rollback()
    assert simulator.calls("cancel") == []
    service.approve(batch_id, note="확인", by=super_admin)
    work()
    assert [row.refund.status for row in rows_of(batch_id)] == [RefundStatus.SUCCEEDED] * 2
    assert queries.get_batch(batch_id).decided_by == super_admin.id


def test_one_large_row_is_enough_to_need_a_second_person(upload, simulator, super_admin, second_owner):
    settings.change({"refund_approval_threshold": {"KRW": 5_000}}, by=super_admin)
    batch_id = upload(csv_of((make_payment(simulator).payment_id, "5,001", "변심")), by=super_admin)
    assert confirm(batch_id, super_admin) == BatchStatus.AWAITING_APPROVAL
    with pytest.raises(DomainError, match="다른 담당자"):
        service.approve(batch_id, note="", by=super_admin)


def test_whoever_uploaded_cannot_approve_what_a_colleague_confirmed(
    upload, simulator, admin, super_admin, second_owner
):
    settings.change({"refund_approval_threshold": {"KRW": 1}}, by=super_admin)
    batch_id = upload(csv_of((make_payment(simulator).payment_id, "", "변심")), by=super_admin)
    confirm(batch_id, admin)
    with pytest.raises(DomainError, match="다른 담당자"):
        service.approve(batch_id, note="", by=super_admin)


def test_a_rejected_batch_never_runs(upload, simulator, admin, super_admin, second_owner):
    settings.change({"refund_approval_threshold": {"KRW": 1}}, by=super_admin)
    batch_id = upload(csv_of((make_payment(simulator).payment_id, "", "변심")))
    confirm(batch_id, admin)
    service.reject(batch_id, note="금액 확인 필요", by=super_admin)
    with pytest.raises(DomainError):
        service.approve(batch_id, note="", by=make_user(role="super_admin", email="third@example.com"))
    work()
    assert (queries.get_batch(batch_id).status, simulator.calls("cancel")) == (BatchStatus.REJECTED, [])


def test_above_the_second_threshold_the_password_is_asked_again(upload, simulator, admin, super_admin):
    settings.change({"refund_step_up_threshold": {"KRW": 1_000}}, by=super_admin)
    batch_id = upload(csv_of((make_payment(simulator).payment_id, "1,001", "변심")))
    for wrong in ("", "not the password"):
        with pytest.raises(service.PasswordWrong):
            confirm(batch_id, admin, password=wrong)
    assert confirm(batch_id, admin, password=PASSWORD) == BatchStatus.RUNNING


def test_a_limit_that_came_after_the_check_still_holds(upload, simulator, admin, super_admin):
    batch_id = upload(csv_of((make_payment(simulator).payment_id, "1,000", "변심")))
    settings.change({"refund_limit_admin": {"KRW": 999}}, by=super_admin)
    with pytest.raises(DomainError, match="999원"):
        confirm(batch_id, admin)


def test_a_file_above_what_is_left_of_ones_day_is_not_confirmed(upload, simulator, admin, super_admin):
    people.change_limits(admin.id, {"refund_daily_limit": {"KRW": 1_500}}, by=super_admin)
    payments = [make_payment(simulator, total=10_000) for _row in range(2)]
    batch_id = upload(csv_of(*((payment.payment_id, "1,000", "변심") for payment in payments)))
    with pytest.raises(DomainError, match="1,500원"):
        confirm(batch_id, admin)


def test_a_file_that_outgrows_64_bits_is_added_up_before_and_after(batch_of, signed_in, simulator):
    most = 2**63 - 1
    batch_id = batch_of(*(make_payment(simulator, total=most) for _row in range(2)), amount=f"{most}")
    (planned,) = queries.totals(batch_id, with_warned=False)
    work()
    (done,) = queries.refunded(batch_id)
    assert (planned.amount, done.amount) == (2 * most, 2 * most)
    assert f"{2 * most:,}" in signed_in.get(f"/refunds/bulk/{batch_id}").text


def test_a_discarded_file_is_over(upload, simulator, admin):
    batch_id = upload(csv_of((make_payment(simulator).payment_id, "1,000", "변심")))
    service.discard(batch_id, by=admin)
    service.discard(batch_id, by=admin)  # pressed twice
    with pytest.raises(DomainError):
        confirm(batch_id, admin)


def test_a_refund_made_by_hand_meanwhile_is_not_made_again(batch_of, simulator):
    payment = make_payment(simulator, total=10_000)
    batch_id = batch_of(payment, amount="")
    simulator.console_cancel(payment.payment_id, 10_000)
    sync_payment(payment.payment_id)
    work()
    assert rows_of(batch_id)[0].status == RowStatus.REFUSED
    assert simulator.calls("cancel") == []
