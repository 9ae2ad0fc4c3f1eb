"""SQLite's online backup: a copy of one moment, while others write on.

Copying the file with `cp` is not the same: what stands in the write-ahead log beside it would be missing.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import URL

from app.backups.problems import BackupProblem

SUFFIX = ".sqlite3"
BEGINNING = b"SQLite format 3\x00"


def write(url: URL, file: Path) -> dict[str, int]:
    """Copy the database into `file`; answers the rows of each table at the moment of the copy."""
    with closing(_open(Path(str(url.database)))) as source, closing(_open(file)) as copy:
        source.execute("BEGIN")  # count and copy see the same moment
        rows = count_rows(source)
        source.backup(copy)
        source.rollback()
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it
    return rows


def read_back(file: Path) -> dict[str, int]:
    """The rows of each table in a backup; raises `BackupProblem` where its pages are damaged."""
    with closing(_open_to_read(file)) as copy:
        try:
            fault = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
            rows = count_rows(copy)
        except sqlite3.DatabaseError as problem:
            raise BackupProblem(f"{file} is damaged: {problem}.") from problem
    if fault != "ok":
        raise BackupProblem(f"{file} is damaged: {fault}.")
    return rows


def restore(file: Path, url: URL) -> None:
    """Write a backup into an empty database, all of it or nothing."""
    with closing(_open_to_read(file)) as copy, closing(_open(Path(str(url.database)))) as target:
        copy.backup(target)


def count_rows(connection: sqlite3.Connection) -> dict[str, int]:
    """The rows of each table, those of the search index included."""
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
    return {
        name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]  # noqa: S608
        for (name,) in names
    }


def _open(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(file, isolation_level=None, timeout=15)


def _open_to_read(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
