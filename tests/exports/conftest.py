import csv
import io
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert

from app import clock
from app.columns import new_id
from app.exports import queries, service
from app.exports.models import Export, Format
from app.extensions import db
from app.jobs import service as jobs
from app.payments import exporting
from app.payments.models import Payment

NOON = datetime(2026, 3, 29, 3, 0, tzinfo=UTC)
HOLDER = "worker-1"


@pytest.fixture(autouse=True)
def _noon():
    with clock.fixed_at(NOON):
        yield


def add_payments(count: int, **values: object) -> None:
    """So many payments, a second apart, the last of them a second before noon."""
    usual = {
        "status": "PAID",
        "order_name": "원두 1kg",
        "currency": "KRW",
        "amount": 1000,
        "cancellable_amount": 1000,
        "channel_type": "LIVE",
        "customer_name": "홍길동",
        "customer_email": "hong@example.com",
        "customer_phone": "010-1234-5678",
    }
    rows = [
        usual
        | {
            "id": new_id(),
            "payment_id": f"order-{number:05}",
            "requested_at": NOON - timedelta(seconds=number),
        }
        | values
        for number in range(1, count + 1)
    ]
    db.session.execute(insert(Payment), rows)
    db.session.commit()


def ask(by, query: str = "", **wishes: object) -> Export:
    usual = {"format": Format.CSV, "reason": "정산 대사", "is_unmasked": False, "language": "ko"}
    return service.request_export(exporting.PAYMENTS, query, by=by, **(usual | wishes))


def work(holder: str = HOLDER) -> None:
    """What a worker does now."""
    for job_id in jobs.claim_waiting(holder=holder, limit=5):
        jobs.run(job_id, holder)
    db.session.expire_all()


def content_of(export: Export) -> bytes:
    return b"".join(queries.read_file(queries.get_export(export.id, of=None)))


def lines_of(export: Export) -> list[dict[str, str]]:
    """The rows of a CSV by their headings."""
    text = content_of(export).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))
