"""The two kinds of jobs of a batch, and the page they are about."""

from flask import url_for

from app.jobs.models import Job

CHECK, RUN = "refund_batch_check", "refund_batch"


def url_of(job: Job) -> str:
    """The page of the batch."""
    return url_for("bulk_refunds.show", batch_id=job.subject_id)
