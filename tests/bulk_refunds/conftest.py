from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from app.accounts.models import User
from app.bulk_refunds import queries, service, uploading
from app.extensions import db
from app.jobs import service as jobs

Upload = Callable[..., UUID]


@pytest.fixture
def upload(admin: User) -> Upload:
    """Upload a text or bytes, as `admin` where nobody else is named; answers the batch's id."""

    def send(content: str | bytes, *, by: User = admin, reason: str = "") -> UUID:
        data = content if isinstance(content, bytes) else content.encode()
        return uploading.upload(data, file_name="환불.csv", default_reason=reason, by=by)

    return send


def rows_of(batch_id: UUID) -> list[Any]:
    db.session.expire_all()
    return list(queries.iterate_rows(batch_id))


def confirm(batch_id: UUID, by: User, **changes: Any) -> Any:
    with_warned = changes.get("with_warned", False)
    expected = {each.currency: each.amount for each in queries.sums(batch_id, with_warned=with_warned)}
    values = {"with_warned": with_warned, "expected": expected, "password": ""} | changes
    return service.confirm(batch_id, by=by, **values)


def work(holder: str = "worker-1") -> None:
    """Do the jobs that are due."""
    db.session.commit()
    for job_id in jobs.claim_waiting(holder=holder, limit=5):
        jobs.run(job_id, holder)
    db.session.expire_all()
