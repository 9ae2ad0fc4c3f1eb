"""What it costs to store a webhook when the log holds a thousand rows, and when it holds a million.

    python -m tests.bench.million_logs [--databases sqlite postgresql] [--rows 1000000]

Both logs are measured in turns, each time by so many messages stored one by one through the intake; of the
rounds the best counts, and the median within it, since a disk that others use stalls now and then. Ids of
webhooks are random, those of payments and transactions grow with time.
"""

import argparse
import sys
import time
import uuid
from datetime import timedelta
from typing import Any

import flask_migrate
from sqlalchemy import insert

from app import clock, create_app
from app.columns import new_id
from app.extensions import db
from app.portone.webhooks import event_from
from app.webhooks import inbox
from app.webhooks.models import WebhookLog
from tests.bench.servers import database
from tests.conftest import make_settings
from tests.webhooks.messages import about_payment, signed

FEW, SAMPLE, ROUNDS = 1_000, 500, 3
#: performance.md: what a million rows may cost beside a thousand.
MOST = 1.7


def fill(rows: int) -> None:
    """Processed messages of the last months, the oldest first, past the intake."""
    message = signed(about_payment())
    start = clock.now() - timedelta(days=300)

    def one(number: int) -> dict[str, Any]:
        moment = start + timedelta(seconds=20 * number)
        row_id = new_id()
        return {
            "id": row_id,
            "webhook_id": str(uuid.uuid4()),
            "webhook_type": "Transaction.Paid",
            "named_payment_id": f"order-{row_id}",
            "provider_transaction_id": str(row_id),
            "request_headers": message["headers"],
            "request_body": about_payment(f"order-{number}"),
            "response_status": 200,
            "response_body": {},
            "status": "processed",
            "created_at": moment,
            "last_delivered_at": moment,
            "processed_at": moment,
            "next_attempt_at": moment,
        }

    for begin in range(0, rows, 10_000):
        with db.engine.begin() as connection:
            batch = [one(number) for number in range(begin, min(begin + 10_000, rows))]
            connection.execute(insert(WebhookLog.__table__), batch)


def cost() -> float:
    """Milliseconds that storing one message takes, the commit included, by the median of a sample."""
    taken = []
    for _ in range(SAMPLE):
        message = signed(
            about_payment(f"order-{new_id()}", transactionId=str(new_id())), webhook_id=str(uuid.uuid4())
        )
        event = event_from(message["headers"]["webhook-id"], message["data"])
        start = time.perf_counter()
        inbox.store(event, message["headers"], answer={})
        taken.append(time.perf_counter() - start)
    return 1000 * sorted(taken)[len(taken) // 2]


def measure(kind: str, rows: int) -> bool:
    """Print both costs and their ratio; whether it is low enough."""
    with database(kind) as few, database(kind) as many:
        addresses = {FEW: few, rows: many}
        apps = {size: create_app(make_settings(DATABASE_URL=url)) for size, url in addresses.items()}
        best: dict[int, float] = {}
        for size, app in apps.items():
            with app.app_context():
                flask_migrate.upgrade()
                fill(size)
                cost()
        for _ in range(ROUNDS):
            for size, app in apps.items():
                with app.app_context():
                    best[size] = min(best.get(size, float("inf")), cost())
        for app in apps.values():
            with app.app_context():
                db.engine.dispose()
    ratio = best[rows] / best[FEW]
    told = ", ".join(f"{size:,} rows {milliseconds:.2f} ms" for size, milliseconds in best.items())
    print(f"{kind}: {told}, ratio {ratio:.2f}: {'reached' if ratio <= MOST else 'NOT REACHED'}", flush=True)
    return ratio <= MOST


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--databases", nargs="+", default=["sqlite", "postgresql"])
    parser.add_argument("--rows", type=int, default=1_000_000)
    wanted = parser.parse_args()
    results = [measure(kind, wanted.rows) for kind in wanted.databases]
    sys.exit(0 if all(results) else 1)
