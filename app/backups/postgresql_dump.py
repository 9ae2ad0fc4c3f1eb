"""PostgreSQL's own tools, with what this schema needs: a dump that sees every row in spite of row security.

Row-level security binds the tables' owner too. pg_dump alone refuses such a table, and with
`--enable-row-security` alone it leaves out every row of it without a word; so every connection says that
the system asks, and what was written is counted against what is there.
"""

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from sqlalchemy import URL, text

from app.backups.problems import BackupProblem
from app.connections import SYSTEM
from app.extensions import db

SUFFIX = ".dump"
BEGINNING = b"PGDMP"


def write(url: URL, file: Path) -> dict[str, int]:
    """Dump the database into `file`; answers the rows of each table at the moment of the dump."""
    with db.engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        moment = connection.scalar(text("SELECT pg_export_snapshot()"))
        tables = connection.scalars(
            text("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename")
        )
        rows = {
            name: connection.scalar(text(f'SELECT count(*) FROM "{name}"'))  # noqa: S608
            for name in tables.all()
        }
        options = ("--format=custom", "--enable-row-security", f"--snapshot={moment}")
        _run("pg_dump", *options, f"--file={file}", url=url)
    return rows


def read_back(file: Path) -> dict[str, int]:
    """The rows of each table in a dump; raises `BackupProblem` where it cannot be read to its end."""
    command = [_found("pg_restore"), "--data-only", "--file=-", str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as reader:  # noqa: S603
        rows = _count_copied(reader.stdout or ())
        told = reader.stderr.read().decode(errors="replace") if reader.stderr else ""
    if reader.returncode:
        raise BackupProblem(f"{file} is damaged: {_last_line(told)}")
    return rows


def restore(file: Path, url: URL) -> None:
    """Write a dump into an empty database, all of it or nothing; whoever restores owns the tables."""
    options = ("--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error")
    _run("pg_restore", *options, str(file), url=url)


def _count_copied(lines: Iterable[bytes]) -> dict[str, int]:
    """Rows by table in the text of a dump, where a table's rows stand between COPY and a dot, one a line."""
    rows: dict[str, int] = {}
    table: str | None = None
    for line in lines:
        if table is None:
            if line.startswith(b"COPY "):
                table = line.split()[1].decode().rpartition(".")[2].strip('"')
                rows[table] = 0
        elif line == b"\\.\n":
            table = None
        else:
            rows[table] += 1
    return rows


def _run(tool: str, *options: str, url: URL) -> None:
    """Run one of PostgreSQL's tools; no list of processes shows the password, which its environment has."""
    environment = dict(os.environ)
    environment["PGOPTIONS"] = f"{environment.get('PGOPTIONS', '')} -c app.role={SYSTEM}".strip()
    if url.password:
        environment["PGPASSWORD"] = str(url.password)
    address = url.set(drivername="postgresql", password=None).render_as_string()
    command = [_found(tool), "--no-password", *options, f"--dbname={address}"]
    ended = subprocess.run(  # noqa: S603 - no shell, and a tool found by its name
        command, env=environment, capture_output=True, text=True, errors="replace", check=False
    )
    if ended.returncode:
        raise BackupProblem(f"{tool} failed: {_last_line(ended.stderr)}")


def _found(tool: str) -> str:
    path = shutil.which(tool)
    if path is None:
        raise BackupProblem(
            f"{tool} is not installed. Install PostgreSQL's client tools of the server's version "
            "(Debian: postgresql-client), and run this again."
        )
    return path


def _last_line(told: str) -> str:
    lines = [line for line in told.strip().splitlines() if line]
    errors = [line for line in lines if "error" in line.lower()]
    return (errors or lines or ["it did not say why"])[0]
