"""`flask backup` and `flask restore`. The keys of DATA_ENCRYPTION_KEYS are never in a backup."""

import os
from contextlib import suppress
from pathlib import Path
from types import ModuleType

from sqlalchemy import inspect

from app import clock
from app.audit import service as audit
from app.backups import postgresql_dump, sqlite_copy
from app.backups.problems import BackupProblem
from app.extensions import db

#: What the audit trail calls a backup that was made.
MADE = "backup.made"

_WAYS: dict[str, ModuleType] = {"sqlite": sqlite_copy, "postgresql": postgresql_dump}


def back_up(place: Path) -> tuple[Path, dict[str, int]]:
    """Write the database to a new file, or into a folder under a name that sorts by time. Commits.

    Answers the file and the rows of each table. The file is its owner's alone; it takes its name when it
    was read back and holds every row there was. Raises `BackupProblem`.
    """
    way = _WAYS[db.engine.dialect.name]
    file = place / f"portico-{clock.now():%Y%m%dT%H%M%SZ}{way.SUFFIX}" if place.is_dir() else place
    unfinished = _begin(file)
    try:
        rows = way.write(db.engine.url, unfinished)
        _compare(rows, way.read_back(unfinished))
        _settle(unfinished, file)
    finally:
        with suppress(FileNotFoundError):
            unfinished.unlink()
    _note(MADE, file, rows)
    return file, rows


def restore(file: Path) -> dict[str, int]:
    """Make the empty database that DATABASE_URL names what a backup holds. Commits.

    Answers the rows of each table. Raises `BackupProblem`, and has then changed nothing.
    """
    way = _WAYS[db.engine.dialect.name]
    _refuse_other_kinds(file, way)
    tables = inspect(db.engine).get_table_names()
    if tables:
        raise BackupProblem(
            f"This database has tables already ({len(tables)}). Let DATABASE_URL name a new, empty one."
        )
    db.session.rollback()
    db.engine.dispose()
    rows: dict[str, int] = way.read_back(file)
    way.restore(file, db.engine.url)
    return rows


def note_restored(file: Path, rows: dict[str, int]) -> None:
    """Record where this database came from: after the trail that came with it was checked. Commits."""
    _note("backup.restored", file, rows)


def _begin(file: Path) -> Path:
    """A private file beside the one that is to be; raises `BackupProblem` where it cannot be."""
    unfinished = file.with_name(f"{file.name}.unfinished")
    if file.exists():
        raise BackupProblem(f"{file} exists already; a backup never takes the place of another.")
    try:
        os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        raise BackupProblem(f"{unfinished} is there: a backup runs, or died; then remove it.") from None
    except OSError as problem:
        raise BackupProblem(f"{file} cannot be written: {problem.strerror}.") from problem
    return unfinished


def _compare(rows: dict[str, int], found: dict[str, int]) -> None:
    short = {name: (found.get(name, 0), count) for name, count in rows.items() if found.get(name, 0) != count}
    if short:
        told = ", ".join(f"{name} has {here} of {count} rows" for name, (here, count) in short.items())
        raise BackupProblem(f"The backup is not whole and was removed: {told}.")


def _settle(unfinished: Path, file: Path) -> None:
    """Give a whole backup its name once the disk has all of it."""
    _flush(unfinished)
    unfinished.rename(file)
    _flush(file.parent)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def _refuse_other_kinds(file: Path, way: ModuleType) -> None:
    try:
        with file.open("rb") as opened:
            beginning = opened.read(16)
    except OSError as problem:
        raise BackupProblem(f"{file} cannot be read: {problem.strerror}.") from problem
    if beginning.startswith(way.BEGINNING):
        return
    other = [name for name, another in _WAYS.items() if beginning.startswith(another.BEGINNING)]
    kind = (
        f"a backup of {other[0]}, and DATABASE_URL names {db.engine.dialect.name}" if other else "no backup"
    )
    raise BackupProblem(f"{file} is {kind}.")


def _note(action: str, file: Path, rows: dict[str, int]) -> None:
    audit.record(action, "backup", file.name, facts={"rows": sum(rows.values()), "tables": len(rows)})
    db.session.commit()
