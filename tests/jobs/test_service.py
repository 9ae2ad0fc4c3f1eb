"""Jobs: one worker at a time, taken up where they stood, and a person can make them rest."""

from datetime import timedelta

import pytest

from app import clock, leases
from app.columns import new_id
from app.errors import DomainError, NotFound
from app.extensions import db
from app.jobs import service as jobs
from app.jobs.models import Job, JobStatus

HOLDER = "worker-1"


@pytest.fixture
def counting(app, monkeypatch):
    """A kind of job that counts to ten, one step at a time, and remembers in `seen` what it did."""
    seen = []

    def count(job_id, holder):
        for number in range(len(seen), 10):
            seen.append(number)
            if not jobs.advance(job_id, holder, done=len(seen), total=10):
                return
        jobs.finish(job_id, holder, result={"counted": len(seen)})

    monkeypatch.setitem(jobs._HANDLERS, "count", count)
    return seen


def start(by=None) -> Job:
    job = jobs.start("count", by=by)
    db.session.commit()
    return job


def work(job: Job, holder: str = HOLDER) -> Job:
    for job_id in jobs.claim_waiting(holder=holder, limit=5):
        jobs.run(job_id, holder)
    db.session.refresh(job)
    return job


def test_a_job_is_done_to_its_end(counting, admin):
    job = work(start(admin))
    assert (job.status, job.done, job.percent, job.result) == (JobStatus.DONE, 10, 100, {"counted": 10})
    assert job.finished_at is not None
    assert job.claimed_by is None


def test_a_paused_job_rests_until_it_is_resumed(counting, admin):
    job = start(admin)
    jobs.pause(job.id, by=admin)
    assert work(job).status == JobStatus.PAUSED
    jobs.resume(job.id, by=admin)
    assert work(job).status == JobStatus.DONE


def test_pausing_while_it_runs_ends_it_after_the_step_it_is_at(counting, admin, monkeypatch):
    job = start(admin)
    monkeypatch.setattr(leases, "is_ending", lambda holder: len(counting) == 3 and _pause(job, admin))
    assert (work(job).status, counting) == (JobStatus.PAUSED, [0, 1, 2, 3])
    monkeypatch.undo()


def _pause(job, admin):
    db.session.commit()
    jobs.pause(job.id, by=admin)
    return False


def test_a_worker_that_has_to_end_leaves_the_rest_to_another(counting, monkeypatch):
    job = start()
    monkeypatch.setattr(leases, "_ending", {HOLDER})
    assert (work(job).status, counting) == (JobStatus.RUNNING, [0])
    assert (work(job, "worker-2").status, counting) == (JobStatus.DONE, list(range(10)))


def test_a_job_whose_worker_died_is_taken_up_when_the_claim_runs_out(counting):
    job = start()
    assert jobs.claim_waiting(holder="dead", limit=1) == [job.id]
    assert jobs.claim_waiting(holder=HOLDER, limit=1) == []
    with clock.fixed_at(clock.now() + timedelta(seconds=leases.CLAIM_SECONDS + 1)):
        assert work(job).status == JobStatus.DONE


def test_a_worker_that_lost_its_claim_records_nothing_more(counting):
    job = start()
    jobs.claim_waiting(holder="slow", limit=1)
    assert not jobs.advance(job.id, HOLDER, done=5)
    assert not jobs.finish(job.id, HOLDER)
    db.session.refresh(job)
    assert (job.done, job.status) == (0, JobStatus.WAITING)


def test_an_error_of_ours_is_tried_again_and_fails_in_the_end(admin, monkeypatch):
    monkeypatch.setitem(jobs._HANDLERS, "count", lambda job_id, holder: 1 / 0)
    job, moment = start(), clock.now()
    for wait in (0, *jobs.TRY_WAITS_SECONDS):
        moment += timedelta(seconds=wait + 1)
        with clock.fixed_at(moment):
            work(job)
    assert (job.status, job.problem) == (JobStatus.FAILED, jobs.BROKEN)
    jobs.resume(job.id, by=admin)
    db.session.refresh(job)
    assert (job.status, job.problem, job.attempts) == (JobStatus.WAITING, None, 0)


def test_a_stopped_job_never_goes_on(counting, admin):
    job = start(admin)
    jobs.stop(job.id, by=admin)
    jobs.stop(job.id, by=admin)  # pressed twice
    assert work(job).status == JobStatus.STOPPED
    with pytest.raises(DomainError):
        jobs.resume(job.id, by=admin)


def test_a_job_nobody_knows_is_not_run(app):
    assert jobs.claim_waiting(holder=HOLDER, limit=1) == []
    with pytest.raises(NotFound):
        jobs.get_job(new_id())


def test_a_job_that_rests_is_taken_up_by_itself(counting, monkeypatch):
    job, tries = start(), []

    def wait_once(job_id, holder):
        tries.append(holder)
        if len(tries) == 1:
            return jobs.rest(job_id, holder, seconds=30, problem="PortOne is away")
        return jobs.finish(job_id, holder)

    monkeypatch.setitem(jobs._HANDLERS, "count", wait_once)
    assert (work(job).status, job.problem, work(job).status) == ("running", "PortOne is away", "running")
    with clock.fixed_at(clock.now() + timedelta(seconds=31)):
        assert (work(job).status, job.problem) == ("done", None)
