"""Start a job, work on it, and let people pause, resume and stop it.

A handler works in steps that are each safe to repeat. After each step it calls `advance`, which says whether
to go on; a handler that comes back without `finish` is called again when the job is resumed, or when its
worker died. It finds out from its own rows where it stood.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from flask_babel import gettext as _

from app import clock, leases
from app.audit import service as audit
from app.audit.service import Actor
from app.database import lock
from app.errors import DomainError, NotFound
from app.extensions import db
from app.jobs.kinds import Kind, describe
from app.jobs.models import ENDED, IS_OPEN, Job, JobStatus
from app.portone.meanings import N_

#: What does a kind of job; it is given the job's id and the holder of its claim.
Handler = Callable[[UUID, str], None]

#: Waits after an error of our own; then the job has failed.
TRY_WAITS_SECONDS = (5, 30, 120, 300)

BROKEN = N_("Portico could not go on with this. The log of the worker says why.")

_HANDLERS: dict[str, Handler] = {}

log = logging.getLogger(__name__)


def handles(kind: str, words: Kind | None = None) -> Callable[[Handler], Handler]:
    """Have a function of a domain above do one kind of job; `words` are what people see of it."""

    def register(handler: Handler) -> Handler:
        _HANDLERS[kind] = handler
        if words is not None:
            describe(kind, words)
        return handler

    return register


def start(
    kind: str,
    *,
    by: Actor | None,
    subject_id: UUID | None = None,
    params: Mapping[str, Any] | None = None,
    total: int | None = None,
) -> Job:
    """Have a worker do something, from the commit of the caller's transaction on."""
    job = Job(
        kind=kind,
        subject_id=subject_id,
        params=dict(params or {}),
        total=total,
        requested_by=by.id if by else None,
        created_at=clock.now(),
        next_attempt_at=clock.now(),
    )
    db.session.add(job)
    db.session.flush()
    return job


def pause(job_id: UUID, *, by: Actor) -> None:
    """Let a job rest after the step it is at. Commits."""
    _move(job_id, {JobStatus.WAITING, JobStatus.RUNNING}, JobStatus.PAUSED, by)


def resume(job_id: UUID, *, by: Actor) -> None:
    """Have a job that rests, or that failed, go on from where it stood. Commits."""
    _move(job_id, {JobStatus.PAUSED, JobStatus.FAILED}, JobStatus.WAITING, by)


def stop(job_id: UUID, *, by: Actor) -> None:
    """End a job after the step it is at; what it has done stays done. Commits."""
    _move(job_id, {JobStatus.WAITING, JobStatus.RUNNING, JobStatus.PAUSED}, JobStatus.STOPPED, by)


def claim_waiting(*, holder: str, limit: int) -> list[UUID]:
    """Claim jobs that wait, or whose worker died. Commits."""
    return list(leases.claim(Job, IS_OPEN, holder=holder, limit=limit))


def run(job_id: UUID, holder: str) -> None:
    """Do a claimed job until it ends, is paused, or this worker has to stop. Commits."""
    job = lock(Job, job_id)
    if job.claimed_by != holder or job.status not in {JobStatus.WAITING, JobStatus.RUNNING}:
        db.session.rollback()
        return
    kind = job.kind
    job.status, job.started_at = JobStatus.RUNNING, job.started_at or clock.now()
    db.session.commit()
    try:
        _HANDLERS[kind](job_id, holder)
    except Exception:
        db.session.rollback()
        log.exception("job %s (%s) broke", job_id, kind)
        _use_up_a_try(job_id, holder)
    else:
        _release(job_id, holder)


def advance(
    job_id: UUID, holder: str, *, done: int | None = None, failed: int | None = None, total: int | None = None
) -> bool:
    """Record how far a job is, and say whether to go on. Commits.

    The figures are those of the whole job, not of one step, so that telling them twice harms nothing.
    """
    job = lock(Job, job_id)
    if job.claimed_by != holder:
        db.session.rollback()
        return False
    told = {"done": done, "failed": failed, "total": total}
    for name, figure in told.items():
        if figure is not None:
            setattr(job, name, figure)
    job.attempts, job.problem = 0, None
    goes_on = job.status == JobStatus.RUNNING and not leases.is_ending(holder)
    db.session.commit()
    return goes_on


def rest(job_id: UUID, holder: str, *, seconds: float, problem: str) -> None:
    """Let a job wait for something outside, such as PortOne; `problem` (msgid) says for what. Commits.

    The handler comes back after this, and the job is taken up again by itself.
    """
    job = lock(Job, job_id)
    if job.claimed_by == holder:
        job.problem = problem
        job.release(next_attempt_at=clock.now() + timedelta(seconds=seconds))
    db.session.commit()


def finish(job_id: UUID, holder: str, *, result: Mapping[str, Any] | None = None) -> bool:
    """End a job well. Commits; False when it is another worker's by now, or was stopped."""
    return _end(job_id, holder, JobStatus.DONE, result=dict(result or {}))


def fail(job_id: UUID, holder: str, problem: str) -> bool:
    """End a job that cannot be done, for a reason (msgid) that a person reads. Commits."""
    return _end(job_id, holder, JobStatus.FAILED, problem=problem)


def get_job(job_id: UUID) -> Job:
    """The job with this id; raises NotFound."""
    job = db.session.get(Job, job_id)
    if job is None:
        raise NotFound(_("There is no job with this number."))
    return job


def _end(job_id: UUID, holder: str, status: JobStatus, **values: Any) -> bool:
    job = lock(Job, job_id)
    if job.claimed_by != holder or job.status in ENDED:
        db.session.rollback()
        return False
    job.status, job.finished_at, job.problem = status, clock.now(), None
    for name, value in values.items():
        setattr(job, name, value)
    job.release()
    db.session.commit()
    return True


def _move(job_id: UUID, before: set[JobStatus], after: JobStatus, by: Actor) -> None:
    job = lock(Job, job_id)
    if job.status == after:
        db.session.rollback()  # pressed twice
        return
    if job.status not in before:
        raise DomainError(_("This job has moved on meanwhile. Look at where it stands now."))
    audit.record(f"job.{after}", "job", job_id, by=by, before={"status": job.status}, after={"status": after})
    job.status, job.problem, job.attempts = after, None, 0
    job.finished_at = clock.now() if after in ENDED else None
    job.next_attempt_at = clock.now()
    db.session.commit()


def _use_up_a_try(job_id: UUID, holder: str) -> None:
    job = lock(Job, job_id)
    if job.claimed_by != holder:
        db.session.rollback()
        return
    job.attempts += 1
    job.problem = BROKEN
    if job.attempts > len(TRY_WAITS_SECONDS):
        job.status, job.finished_at = JobStatus.FAILED, clock.now()
        job.release()
    else:
        wait = timedelta(seconds=TRY_WAITS_SECONDS[job.attempts - 1])
        job.release(next_attempt_at=clock.now() + wait)
    db.session.commit()


def _release(job_id: UUID, holder: str) -> None:
    """A handler came back: what it left unfinished waits to be taken up again."""
    job = lock(Job, job_id)
    if job.claimed_by == holder:
        job.release()
    db.session.commit()
