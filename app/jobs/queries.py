"""Jobs to show: those a person may watch, newest first, and the last one about something."""

from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import joinedload

from app.accounts.models import User
from app.extensions import db
from app.jobs.kinds import managed_by
from app.jobs.models import Job
from app.web.pagination import Page, list_page


def list_jobs(user: User, *, after: str | None) -> Page[Job]:
    """A page of the jobs that this person may watch, newest first."""
    watched, hidden = managed_by(user)
    is_theirs = Job.requested_by == user.id, Job.kind.not_in(hidden)
    statement = select(Job).where(or_(Job.kind.in_(watched), db.and_(*is_theirs)))
    return list_page(
        statement.options(joinedload(Job.requester)), clock=Job.created_at, key=Job.id, after=after
    )


def find_last_job_of(subject_id: UUID, kind: str) -> Job | None:
    """The newest job of a kind that works on this row; None before the first."""
    return db.session.scalar(
        select(Job)
        .where(Job.subject_id == subject_id, Job.kind == kind)
        .options(joinedload(Job.requester))
        .order_by(Job.created_at.desc(), Job.id.desc())
        .limit(1)
    )
