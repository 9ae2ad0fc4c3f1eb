"""Work that goes on in the background: the list, one job's progress, and pause, resume, stop."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import Blueprint, abort, request, url_for
from flask_login import current_user

from app.access.guards import require
from app.access.permissions import Permission
from app.jobs import kinds, queries, service
from app.jobs.models import Job
from app.web.htmx import is_htmx, render, see_other

jobs = Blueprint("jobs", __name__)


@jobs.get("/jobs")
@require(Permission.JOB_READ)
def index() -> Any:
    """The jobs of everybody that this person may watch, newest first."""
    page = queries.list_jobs(current_user, after=request.args.get("after"))
    return render("jobs/index.html", fragment="jobs/_rows.html", page=page)


@jobs.get("/jobs/<uuid:job_id>")
@require(Permission.JOB_READ)
def show(job_id: UUID) -> Any:
    """How far a job is; the fragment asks for itself again while the job runs."""
    return render("jobs/show.html", fragment="jobs/_progress.html", job=_watched(job_id))


@jobs.post("/jobs/<uuid:job_id>/pause")
@require(Permission.JOB_READ)
def pause(job_id: UUID) -> Any:
    """Let it rest."""
    return _move(service.pause, job_id)


@jobs.post("/jobs/<uuid:job_id>/resume")
@require(Permission.JOB_READ)
def resume(job_id: UUID) -> Any:
    """Let it go on."""
    return _move(service.resume, job_id)


@jobs.post("/jobs/<uuid:job_id>/stop")
@require(Permission.JOB_READ)
def stop(job_id: UUID) -> Any:
    """End it; what it has done stays done."""
    return _move(service.stop, job_id)


def _move(step: Callable[..., None], job_id: UUID) -> Any:
    job = _watched(job_id)
    url = kinds.kind_of(job).url(job) or url_for("jobs.show", job_id=job_id)
    step(job_id, by=current_user)
    if is_htmx():
        return render("jobs/_progress.html", job=service.get_job(job_id))
    return see_other(url)


def _watched(job_id: UUID) -> Job:
    """The job, if this person may watch it: whoever may watch it may manage it."""
    job = service.get_job(job_id)
    if not kinds.may_manage(current_user, job):
        abort(403)
    return job


@jobs.app_template_global()
def kind_of(job: Job) -> kinds.Kind:
    """What people see of a job."""
    return kinds.kind_of(job)


@jobs.app_template_global()
def may_manage(job: Job) -> bool:
    """Whether the person signed in may pause, resume and stop a job."""
    return kinds.may_manage(current_user, job)
