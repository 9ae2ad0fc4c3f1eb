"""Thousands of random queries, each compared with a look at every payment in Python.

    python -m tests.bench.random_queries sqlite:////tmp/random.sqlite3 [--queries 2000] [--seed 1]

The database is migrated first and must be empty. Exits with 1, and says the query, where they differ.
"""

import argparse
import random

import flask_migrate

from app import create_app
from app.config import Settings
from app.connections import act_as
from app.payments import listing
from app.payments.words import LANGUAGE, settle
from tests.conftest import ENVIRONMENT
from tests.payments import oracle


def found(filters: object) -> list[str]:
    """The paymentIds of all pages of a list."""
    ids: list[str] = []
    after = None
    while True:
        page = listing.list_payments(filters, after=after).page  # type: ignore[arg-type]
        ids += [payment.payment_id for payment in page.rows]
        after = page.next_cursor
        if after is None:
            return ids


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("database")
    parser.add_argument("--queries", type=int, default=2_000)
    parser.add_argument("--payments", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    app = create_app(Settings.from_environment(ENVIRONMENT | {"DATABASE_URL": wanted.database}))
    with app.app_context():
        flask_migrate.upgrade()
    chance = random.Random(wanted.seed)
    with app.test_request_context():
        act_as("system")
        oracle.store_world(chance, wanted.payments)
        everything = oracle.every_payment()
        hits = 0
        for typed in oracle.queries(chance, wanted.queries):
            filters = settle(LANGUAGE.read(typed)).filters
            looked = oracle.found_by_looking(filters, everything)
            if found(filters) != looked:
                raise SystemExit(f"not the same: {typed}")
            hits += bool(looked)
    print(f"{wanted.queries} queries over {wanted.payments} payments, {hits} with hits: all the same")


if __name__ == "__main__":
    main()
