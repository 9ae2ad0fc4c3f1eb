"""The commands of `flask` on a configured app: the worker, copying from PortOne, and upkeep.

`flask demo` and `flask simulator` bring settings of their own and stand in `app.demo`.
"""

import shutil
import sys
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn, TextIO

import click
from flask import Flask, current_app
from flask.cli import AppGroup, with_appcontext
from sqlalchemy.exc import DBAPIError

from app import clock
from app.access.permissions import Role
from app.accounts import people
from app.accounts import service as accounts
from app.accounts.queries import find_user_by_email
from app.audit import service as audit_service
from app.backups import service as backups
from app.backups.problems import BackupProblem
from app.billing_keys.service import sync_billing_keys
from app.config import InvalidSettings
from app.database import words_of_trouble
from app.diagnosis import Finding, Verdict, examine, examine_contents
from app.errors import DomainError
from app.payments import search
from app.payments.service import sync_range
from app.portone.errors import PortOneError, PortOneRefused
from app.portone.meanings import meaning_of
from app.rotation import rotate_keys
from app.schedules.mirror import sync_schedules
from app.web.catalogues import translate
from app.web.forms import EARLIEST, LATEST
from app.worker import Worker

#: Examples for whoever runs the server.
DEPLOYMENT = Path(__file__).with_name("deployment")

DAY = click.DateTime(formats=["%Y-%m-%d"])


class Unconfigured(Flask):
    """Stands in for an app that lacks a setting: it names its commands for `flask --help`, and does none."""

    def __init__(self, problem: InvalidSettings) -> None:
        super().__init__("app")
        self._problem = str(problem)
        init_app(self)
        takes_all = {"allow_extra_args": True, "ignore_unknown_options": True}
        migrations = click.Command("db", takes_all, self.refuse, help="Perform database migrations.")
        self.cli.add_command(migrations)  # Flask-Migrate's own needs an app that has a database

    def app_context(self) -> Any:
        """What `flask` itself asks for to look a command up; a command of a library that asks is refused."""
        context = click.get_current_context(silent=True)
        if context is None or context.parent is not None:
            self.refuse()
        return super().app_context()

    def refuse(self) -> NoReturn:
        """End the process with the line that names the setting."""
        click.echo(f"Portico: {self._problem}", err=True)
        sys.exit(3)


class Command(click.Command):
    """A command that says in a sentence what it lacks: a setting, or a database that can be used."""

    def invoke(self, ctx: click.Context) -> Any:
        """Do it; a database that is away, or not migrated, ends it with exit code 1 and what to mend."""
        if current_app and isinstance(current_app._get_current_object(), Unconfigured):  # type: ignore[attr-defined]
            current_app.refuse()  # type: ignore[attr-defined]
        try:
            return super().invoke(ctx)
        except DBAPIError as problem:
            raise click.ClickException(words_of_trouble(problem)) from problem


@click.command(cls=Command)
@click.option("--threads", default=32, show_default=True, type=click.IntRange(1, 64))
@with_appcontext
def worker(threads: int) -> None:
    """Process webhooks, settle refunds, look after what is under way. Run as many as you need."""
    # The thread that writes holds locks of the database: it must not wait long for Python's own.
    sys.setswitchinterval(0.0005)
    Worker(current_app._get_current_object(), threads=threads).run()  # type: ignore[attr-defined]


@click.command(cls=Command)
@click.option("--from", "first", type=DAY, help="First day (Asia/Seoul) of the payments to copy.")
@click.option("--until", "last", type=DAY, help="Last day (Asia/Seoul), included; today by default.")
@with_appcontext
def sync(first: datetime | None, last: datetime | None) -> None:
    """Copy payments, billing keys and schedules; an interrupted run is taken up where it stood."""
    for day in filter(None, (first, last)):
        if not EARLIEST <= day.date() <= LATEST:
            raise click.BadParameter("Choose days between 1990 and 2199.")
    since = clock.start_of_day(first.date()) if first else None
    until = _end_of_day(last.date()) if last else clock.now()
    if since and since >= until:
        raise click.BadParameter("--from must not be after --until.")
    try:
        run = sync_range(since, until, on_progress=_say_progress)
        keys, _ = sync_billing_keys()
        schedules = sync_schedules()
    except PortOneError as problem:
        raise click.ClickException(_in_words(problem)) from problem
    click.echo(
        f"\nDone: {run.payments_read} payments read, {run.payments_changed} changed; {keys} billing keys;"
        f" {schedules.read} schedules."
    )
    if run.payments_left_out:
        click.echo(f"{run.payments_left_out} payments could not be read and were left out; the log says why.")


def _end_of_day(day: date) -> datetime:
    return clock.start_of_day(day + timedelta(days=1))


def _say_progress(progress: Any) -> None:
    click.echo(f"\r{progress.payments_read} payments read, {progress.payments_changed} changed", nl=False)


def _in_words(problem: PortOneError) -> str:
    return (
        meaning_of(problem.type)
        if isinstance(problem, PortOneRefused)
        else f"PortOne gave no answer: {problem}"
    )


@click.command("rebuild-search", cls=Command)
@with_appcontext
def rebuild_search() -> None:
    """Build the search index anew from the stored payments."""
    total = search.rebuild_search(on_progress=lambda done: click.echo(f"\r{done} payments", nl=False))
    click.echo(f"\nDone: {total} payments can be searched.")


@click.command("create-admin", cls=Command)
@click.argument("email")
@click.option(
    "--role", type=click.Choice([Role.SUPER_ADMIN.value, Role.ADMIN.value]), default=Role.ADMIN.value
)
@click.option("--name", default="", help="Shown beside what this person does.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@with_appcontext
def create_admin(email: str, role: str, name: str, password_stdin: bool) -> None:
    """Let a person sign in."""
    password = (
        sys.stdin.readline().rstrip("\r\n")
        if password_stdin
        else click.prompt("Password", hide_input=True, confirmation_prompt=True)
    )
    try:
        accounts.create_admin(email, role=role, password=password, name=name)
    except DomainError as refusal:
        raise click.ClickException(refusal.message) from refusal
    click.echo(f"{email} can sign in as {role}.")


@click.command("reset-password", cls=Command)
@click.argument("email")
@with_appcontext
def reset_password(email: str) -> None:
    """Print a link by which an admin chooses a new password: for when no super admin can make one."""
    user = find_user_by_email(accounts.normal_email(email))
    if user is None:
        raise click.ClickException("Nobody signs in with this e-mail address.")
    try:
        token = people.make_reset_link(user.id)
    except DomainError as refusal:
        raise click.ClickException(refusal.message) from refusal
    click.echo(f"{current_app.config['SETTINGS'].public_url}/invitations/{token}")
    click.echo("It works once, and ends after a day. Until then the old password holds.")


@click.command("rotate-keys", cls=Command)
@with_appcontext
def rotate_keys_command() -> None:
    """Seal everything with the newest of DATA_ENCRYPTION_KEYS; exit 1 if some of it opens with none."""
    rotation = rotate_keys(on_progress=lambda column, rows: click.echo(f"{column}: {rows} rows"))
    sealed, hashed = sum(rotation.resealed.values()), sum(rotation.rehashed.values())
    click.echo(f"Done: {sealed} sealed anew, {hashed} payments found by a new hash.")
    if rotation.unreadable:
        told = ", ".join(f"{column}: {rows}" for column, rows in rotation.unreadable.items())
        raise click.ClickException(f"No key opens these, so keep every old key there is ({told}).")


@click.command(cls=Command)
@click.argument("place", type=click.Path(path_type=Path))
@with_appcontext
def backup(place: Path) -> None:
    """Write the whole database to a new file PLACE, or into a folder; the server may run meanwhile."""
    try:
        file, rows = backups.back_up(place)
    except BackupProblem as problem:
        raise click.ClickException(str(problem)) from problem
    click.echo(f"{file}: {sum(rows.values()):,} rows of {len(rows)} tables, read back and counted.")
    click.echo("DATA_ENCRYPTION_KEYS are not in it: keep them elsewhere; without them parts stay shut.")


@click.command(cls=Command)
@click.argument("file", type=click.Path(path_type=Path))
@with_appcontext
def restore(file: Path) -> None:
    """Make an empty database what a backup FILE holds, and check it; exit 1 if something in it is ill."""
    try:
        rows = backups.restore(file)
    except BackupProblem as problem:
        raise click.ClickException(str(problem)) from problem
    for name, count in rows.items():
        click.echo(f"{count:>12,} {name}")
    schema, *others = examine_contents()
    if schema.verdict == Verdict.WELL:  # an older trail may lack a column that entries of today have
        backups.note_restored(file, rows)
    _tell([schema, *others])


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
def deployment(folder: Path) -> None:
    """Write examples into a new FOLDER: units of systemd, nginx, gunicorn, settings, hashed constraints."""
    if folder.exists():
        raise click.ClickException(f"{folder} exists already; nothing in it was changed.")
    shutil.copytree(DEPLOYMENT, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in sorted(folder.iterdir()):
        click.echo(file)
    click.echo('What goes where, and in which order, stands in the README under "Run it in production".')


@click.command(cls=Command)
@with_appcontext
def doctor() -> None:
    """Check settings, database, queue, clock, PortOne and webhooks, and say what to mend; exit 1 if ill."""
    _tell(examine())


def _tell(findings: list[Finding]) -> None:
    for finding in findings:
        click.echo(f"{finding.verdict:<8} {finding.about:<16} {finding.seen}")
        if finding.remedy:
            click.echo(f"{'':<25} → {finding.remedy}")
    if any(finding.verdict == Verdict.ILL for finding in findings):
        sys.exit(1)


audit = AppGroup("audit", help="The audit trail.")


@audit.command(cls=Command)
@click.option("--expect", multiple=True, metavar="NUMBER:HASH", help="An anchor noted down earlier.")
@click.option(
    "--anchors", type=click.File("r"), help="A file that holds anchors, such as a worker's log; - reads one."
)
def verify(expect: tuple[str, ...], anchors: TextIO | None) -> None:
    """Check every entry of the audit trail against its hash and the one before; exit 1 when it is broken.

    Where it stands is told at the end, and by the workers in their log. Given back later by --expect or
    --anchors, that shows too whether the newest entries were cut off, or the trail was written anew.
    """
    known = [anchor for text in expect for anchor in _read_anchor(text)]
    known += [anchor for line in anchors or () for anchor in audit_service.Anchor.read_all(line)]
    newest = audit_service.newest_anchor()
    broken = audit_service.verify_chain(known)
    if broken:
        raise click.ClickException(f"The chain is broken at entry {broken.sequence}: {broken.fault}.")
    click.echo("The chain holds.")
    click.echo(f"It stands at {newest}; {len(known)} anchors were compared.")


def _read_anchor(text: str) -> list[audit_service.Anchor]:
    found = audit_service.Anchor.read_all(text)
    if not found:
        raise click.BadParameter("An anchor is an entry's number, a colon, and its hash of 64 characters.")
    return found


def init_app(app: Flask) -> None:
    """Add the commands that work on a configured app."""
    for command in (
        worker,
        sync,
        rebuild_search,
        create_admin,
        reset_password,
        audit,
        translate,
        rotate_keys_command,
        backup,
        restore,
        deployment,
        doctor,
    ):
        app.cli.add_command(command)
