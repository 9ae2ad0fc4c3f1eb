# ruff: noqa: E501, PLR0917
"""Fill a database with a million payments that look like a Korean store's, the same ones each time.

    python -m tests.bench.million sqlite:////tmp/million.sqlite3 [--payments 1000000]

The database is migrated first and must be empty. Rows are written past the services, with their search
tokens, and indexes are built at the end: about two minutes for SQLite and four for PostgreSQL.
"""

import argparse
import json
import random
import sqlite3
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import flask_migrate
from sqlalchemy import text

from app import create_app
from app.accounts.models import User
from app.accounts.passwords import hash_password
from app.columns import UtcDateTime
from app.config import Settings
from app.extensions import db
from app.payments.search import as_lines, time_tokens, tokens_of
from tests.conftest import ENVIRONMENT
from tests.factories import PASSWORD

SINCE = datetime(2023, 11, 1, tzinfo=UTC)
DAYS = 1_100
EMAIL = "bench@example.com"

SURNAMES = "김이박최정강조윤장임한오서신권황안송류홍"
FIRST = "민서지도하예준시유주은현수영재진태승성경길"
SECOND = "준서우윤호빈아연은진원민현영훈희경수석동혁람솔담"
PRODUCTS = (
    ("속눈썹 펌", 50), ("속눈썹 연장", 4), ("왁싱 이용권", 60), ("네일 케어", 80), ("두피 관리 10회", 70),
    ("필라테스 3개월", 90), ("헤어 컷", 160), ("염색", 120), ("고구마 말랭이 1kg", 60), ("한라봉 5kg", 60),
    ("캠핑 의자", 50), ("무선 이어폰", 80), ("텀블러 500ml", 90), ("Gift Card 50", 25), ("정기구독 1개월", 101),
)  # fmt: skip
RARE, OLD_ONLY = "자개 보석함", "한정판 굿즈"
DOMAINS = ("naver.com", "gmail.com", "daum.net", "kakao.com", "example.co.kr")
METHODS = (("CARD", 60), ("EASY_PAY", 22), ("VIRTUAL_ACCOUNT", 9), ("TRANSFER", 5), ("MOBILE", 4))
PGS = (("TOSSPAYMENTS", 45), ("KCP_V2", 25), ("INICIS_V2", 15), ("NICE_V2", 10), ("KAKAOPAY", 5))
STATUSES = (
    ("PAID", 860), ("CANCELLED", 50), ("PARTIAL_CANCELLED", 15), ("FAILED", 50), ("READY", 10),
    ("VIRTUAL_ACCOUNT_ISSUED", 15),
)  # fmt: skip
COLUMNS = (
    "id", "payment_id", "transaction_id", "pg_tx_id", "store_id", "status", "order_name", "currency", "amount",
    "cancelled_amount", "cancellable_amount", "method", "pg_provider", "channel_type", "customer_name",
    "customer_email", "customer_phone", "requested_at", "paid_at", "status_changed_at", "reported_at",
    "synced_at", "created_at", "snapshot",
)  # fmt: skip
MOMENTS = frozenset(name for name in COLUMNS if name.endswith("_at"))


class Chooser:
    """Choices by weight, many at a time: `random.choices` one by one would take most of the run."""

    def __init__(self, chance: random.Random, options: Sequence[tuple[Any, int]]) -> None:
        self._chance = chance
        self._values = [value for value, _ in options]
        self._weights = [weight for _, weight in options]
        self._drawn: list[Any] = []

    def draw(self) -> Any:
        if not self._drawn:
            self._drawn = self._chance.choices(self._values, self._weights, k=10_000)
        return self._drawn.pop()


def payments(count: int) -> Iterator[dict[str, Any]]:
    """Payments as rows, oldest first, each with the lines it is found by."""
    chance = random.Random(2026)
    product, method, pg, status = (Chooser(chance, each) for each in (PRODUCTS, METHODS, PGS, STATUSES))
    step = timedelta(days=DAYS) / count
    for number in range(count):
        at = SINCE + step * number + timedelta(microseconds=chance.randrange(1_000_000))
        yield _payment(chance, number, at, count, product.draw(), method.draw(), pg.draw(), status.draw())


def _payment(
    chance: random.Random, number: int, at: datetime, count: int,
    product: str, method: str, pg: str, status: str,
) -> dict[str, Any]:  # fmt: skip
    if number % 9_973 == 0:
        product = RARE
    elif number < count // 3 and number % 7 == 0:
        product = OLD_ONLY
    is_foreign = number % 50 == 0
    amount = chance.randrange(9, 3_000) * 100
    gone = {"CANCELLED": amount, "PARTIAL_CANCELLED": amount // 400 * 100}.get(status, 0)
    bits = chance.getrandbits(122)
    milliseconds = int(at.timestamp() * 1000)
    handle = "".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=7)) + str(number % 100)
    changed = at + timedelta(seconds=40 if not gone else chance.randrange(60, 20 * 86_400))
    row = {
        "id": UUID(int=(milliseconds << 80) | (7 << 76) | (bits & 0x0FFF_FFFF_FFFF_FFFF_FFFF) & ~(3 << 62) | (2 << 62)),
        "payment_id": f"order-{at:%Y%m%d}-{number:07}",
        "transaction_id": str(UUID(int=(milliseconds << 80) | (bits >> 42))),
        "pg_tx_id": f"{pg[:4].lower()}{bits % 10**14:014}",
        "store_id": ENVIRONMENT["PORTONE_STORE_ID"],
        "status": status,
        "order_name": product,
        "currency": "USD" if is_foreign else "KRW",
        "amount": amount,
        "cancelled_amount": gone,
        "cancellable_amount": amount - gone,
        "method": method,
        "pg_provider": pg,
        "channel_type": "TEST" if number % 200 == 7 else "LIVE",
        "customer_name": chance.choice(SURNAMES) + chance.choice(FIRST) + chance.choice(SECOND),
        "customer_email": f"{handle}@{DOMAINS[number % 5]}",
        "customer_phone": f"010-{bits % 9000 + 1000}-{bits // 9000 % 10_000:04}",
        "requested_at": at,
        "paid_at": at + timedelta(seconds=40) if status in {"PAID", "CANCELLED", "PARTIAL_CANCELLED"} else None,
        "status_changed_at": changed,
        "reported_at": changed,
        "synced_at": changed,
        "created_at": at,
    }  # fmt: skip
    row["lines"] = as_lines(
        row
        | {
            "approval_number": f"{bits % 90_000_000 + 10_000_000}" if method == "CARD" else None,
            "account_number": f"{bits % 10**12:012}" if method == "VIRTUAL_ACCOUNT" else None,
            "card_number": f"{5000 + number % 900}****{bits % 10_000:04}" if method == "CARD" else None,
            "reasons": "고객 변심" if gone else None,
        }
    )
    row["snapshot"] = _snapshot(row)
    return row


def _snapshot(row: dict[str, Any]) -> dict[str, Any]:
    """A document of the size PortOne's have."""
    return {
        "id": row["payment_id"], "transactionId": row["transaction_id"], "merchantId": "merchant-1",
        "storeId": row["store_id"], "version": "V2", "status": row["status"], "orderName": row["order_name"],
        "currency": row["currency"], "pgTxId": row["pg_tx_id"],
        "amount": {
            "total": row["amount"], "taxFree": 0, "vat": row["amount"] // 11, "supply": row["amount"] * 10 // 11,
            "discount": 0, "paid": row["amount"], "cancelled": row["cancelled_amount"], "cancelledTaxFree": 0,
        },
        "channel": {"type": row["channel_type"], "id": "channel-1", "key": "channel-key-1",
                    "name": "기본 채널", "pgProvider": row["pg_provider"], "pgMerchantId": "m-1"},
        "customer": {"id": "c", "name": row["customer_name"], "email": row["customer_email"],
                     "phoneNumber": row["customer_phone"]},
        "requestedAt": row["requested_at"].isoformat(), "updatedAt": row["reported_at"].isoformat(),
        "statusChangedAt": row["status_changed_at"].isoformat(),
        "webhooks": [{"id": "w", "status": "SUCCEEDED", "url": "https://example.com/webhooks/portone"}],
    }  # fmt: skip


def _batches(count: int, size: int) -> Iterator[list[dict[str, Any]]]:
    rows = payments(count)
    while batch := list(islice(rows, size)):
        yield batch


def fill_sqlite(count: int) -> None:
    """Write the rows with all that slows inserts taken away, and put it back."""
    connection = sqlite3.connect(str(db.engine.url.database), isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA cache_size = -262144")
    taken = connection.execute(
        "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL AND "
        "((type = 'index' AND tbl_name = 'payments') OR (type = 'trigger' AND tbl_name = 'payment_search'))"
    ).fetchall()
    for kind, name, _ in taken:
        connection.execute(f"DROP {kind} {name}")
    store = UtcDateTime().process_bind_param
    into = f"INSERT INTO payments ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"
    for rows in _batches(count, 10_000):
        connection.execute("BEGIN")
        connection.executemany(into, (_sqlite_values(row, store) for row in rows))
        connection.executemany(
            "INSERT INTO payment_search (payment_id, text, tokens) VALUES (?, ?, ?)",
            ((str(row["id"]), row["lines"], " ".join(_tokens(row))) for row in rows),
        )
        connection.execute("COMMIT")
    connection.execute("INSERT INTO payment_search_index(payment_search_index) VALUES ('rebuild')")
    for _, _, statement in taken:
        connection.execute(statement)
    connection.execute("ANALYZE")
    connection.close()


def _tokens(row: dict[str, Any]) -> list[str]:
    clocks = SimpleNamespace(changed_clock=row["status_changed_at"], requested_clock=row["requested_at"])
    return tokens_of(row["lines"]) + time_tokens(clocks)


def _sqlite_values(row: dict[str, Any], store: Any) -> list[Any]:
    dialect = db.engine.dialect
    values = [store(row[name], dialect) if name in MOMENTS else row[name] for name in COLUMNS[:-1]]
    return [str(values[0]), *values[1:], json.dumps(row["snapshot"], ensure_ascii=False)]


def fill_postgresql(count: int) -> None:
    """Write the rows by COPY, without indexes, and build those at the end."""
    connection: Any = db.engine.raw_connection()
    cursor = connection.cursor()
    cursor.execute(
        "SELECT indexname, indexdef FROM pg_indexes WHERE tablename IN ('payments', 'payment_search') "
        "AND indexname NOT LIKE 'pk_%' AND indexname NOT LIKE 'uq_%'"
    )
    taken = cursor.fetchall()
    for name, _ in taken:
        cursor.execute(f'DROP INDEX "{name}"')
    for rows in _batches(count, 20_000):
        with cursor.copy(f"COPY payments ({', '.join(COLUMNS)}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row([*(row[name] for name in COLUMNS[:-1]), json.dumps(row["snapshot"])])
        with cursor.copy("COPY payment_search (payment_id, text, tokens) FROM STDIN") as copy:
            for row in rows:
                copy.write_row([row["id"], row["lines"], _tokens(row)])
    cursor.execute("SET maintenance_work_mem = '1GB'")
    for _, statement in taken:
        cursor.execute(statement)
    connection.commit()
    connection.driver_connection.autocommit = True
    cursor.execute("VACUUM ANALYZE")
    connection.close()


def main() -> None:
    """Migrate, fill, and make the person that the benchmark signs in as."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("database")
    parser.add_argument("--payments", type=int, default=1_000_000)
    wanted = parser.parse_args()
    app = create_app(Settings.from_environment(ENVIRONMENT | {"DATABASE_URL": wanted.database}))
    with app.app_context():
        flask_migrate.upgrade()
        if db.session.scalar(text("SELECT 1 FROM payments LIMIT 1")):
            raise SystemExit("There are payments in this database already.")
        db.session.add(User(role="admin", email=EMAIL, password_hash=hash_password(PASSWORD)))
        db.session.commit()
        started = time.monotonic()
        (fill_sqlite if db.engine.dialect.name == "sqlite" else fill_postgresql)(wanted.payments)
        print(f"{wanted.payments:,} payments in {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
