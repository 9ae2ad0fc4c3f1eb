"""`flask doctor`: is everything in place to take care of real money, and if not, what to mend."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from urllib.parse import urlsplit

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import current_app
from sqlalchemy import ColumnElement, func, select, text
from sqlalchemy.exc import DBAPIError

from app import clock
from app.access.permissions import Role
from app.accounts.models import User
from app.audit.models import AuditEntry
from app.audit.service import verify_chain
from app.backups.service import MADE as BACKUP_MADE
from app.columns import sealed_columns
from app.config import LOOPBACK, Settings
from app.database import words_of_trouble
from app.encryption import InvalidToken, vault
from app.extensions import db, migrate, portone
from app.overview import queries as overview
from app.portone.errors import PortOneRefused, PortOneUncertain
from app.portone.meanings import meaning_of
from app.webhooks.models import WebhookLog, WebhookStatus

#: PortOne refuses signatures older than five minutes, and so do we: half of that is worth a warning.
CLOCK_SKEW = timedelta(seconds=150)
#: A backup every night, and one that failed.
BACKUP_OVERDUE = timedelta(hours=49)
#: Half a minute is bad enough to be looked at.
NOTICEABLE_SKEW = timedelta(seconds=30)


class Verdict(StrEnum):
    """How well something is."""

    WELL = "ok"
    DOUBTFUL = "warning"
    ILL = "FAILED"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: what was seen, and what to do where it is not well."""

    about: str
    verdict: Verdict
    seen: str
    remedy: str = ""


def examine() -> list[Finding]:
    """Look at everything, in the order in which things depend on each other."""
    findings = [_settings()]
    database = _database()
    findings.append(database)
    if database.verdict == Verdict.ILL:
        return [*findings, *_of_portone()]
    looks = (
        _schema,
        _row_security,
        _people,
        _sealed_data,
        _backups,
        _worker,
        _queue,
        _webhook_secrets,
    )
    return [*findings, *map(_carefully, looks), *_of_portone()]


def examine_contents() -> list[Finding]:
    """Look at what the database holds, as after a restore: its shape, the audit trail, and the keys to it."""
    return [_carefully(look) for look in (_schema, _audit_trail, _sealed_data)]


def _carefully(look: Callable[[], Finding]) -> Finding:
    try:
        return look()
    except DBAPIError as problem:
        db.session.rollback()
        about = look.__name__.strip("_").replace("_", " ")
        return Finding(about, Verdict.ILL, type(problem).__name__, words_of_trouble(problem))


def _settings() -> Finding:
    """Malformed settings stop the start, so what is left are those that are unwise."""
    settings: Settings = current_app.config["SETTINGS"]
    if settings.is_https or urlsplit(settings.public_url).hostname in LOOPBACK:
        return Finding("settings", Verdict.WELL, f"PUBLIC_URL={settings.public_url}")
    remedy = "Put an https:// proxy in front and set PUBLIC_URL to its address; cookies are not Secure now."
    return Finding("settings", Verdict.DOUBTFUL, f"PUBLIC_URL={settings.public_url} is not https", remedy)


def _database() -> Finding:
    try:
        version = db.session.scalar(
            text("SELECT sqlite_version()" if _is_sqlite() else "SHOW server_version")
        )
    except DBAPIError as problem:
        db.session.rollback()
        return Finding("database", Verdict.ILL, type(problem).__name__, words_of_trouble(problem))
    return Finding("database", Verdict.WELL, f"{db.engine.dialect.name} {version}")


def _schema() -> Finding:
    scripts = ScriptDirectory(str(migrate.directory))
    newest = scripts.get_current_head()
    found = MigrationContext.configure(db.session.connection()).get_current_revision()
    if found == newest:
        return Finding("schema", Verdict.WELL, f"revision {found}")
    is_older = found is None or found in {script.revision for script in scripts.walk_revisions()}
    remedy = "Run: flask db upgrade" if is_older else "Install the version of Portico that this database had."
    return Finding("schema", Verdict.ILL, f"revision {found}, the code needs {newest}", remedy)


def _row_security() -> Finding:
    """PostgreSQL's superusers see every row, whatever the policies say."""
    if _is_sqlite():
        return Finding("row security", Verdict.WELL, "SQLite has none; the file is for one machine alone")
    passes_by = text("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user")
    if not db.session.scalar(passes_by):
        return Finding("row security", Verdict.WELL, "binds the role that Portico signs in as")
    remedy = "Let DATABASE_URL name a role that is no superuser and has no BYPASSRLS, as the README shows."
    return Finding(
        "row security", Verdict.DOUBTFUL, "does not bind the role that Portico signs in as", remedy
    )


def _backups() -> Finding:
    newest = db.session.scalar(select(func.max(AuditEntry.at)).where(AuditEntry.action == BACKUP_MADE))
    if newest and clock.now() - newest <= BACKUP_OVERDUE:
        return Finding("backup", Verdict.WELL, f"the newest was made at {newest:%Y-%m-%d %H:%M:%S} UTC")
    seen = f"the newest was made at {newest:%Y-%m-%d %H:%M:%S} UTC" if newest else "none was ever made here"
    remedy = "Run: flask backup FOLDER, every night; `flask deployment` has a timer for it."
    return Finding("backup", Verdict.DOUBTFUL, seen, remedy)


def _people() -> Finding:
    owners = db.session.scalar(select(func.count()).where(User.role == Role.SUPER_ADMIN, User.is_active))
    if owners:
        return Finding("people", Verdict.WELL, f"{owners} super admins")
    remedy = "Run: flask create-admin EMAIL --role super_admin"
    return Finding("people", Verdict.ILL, "there is no active super admin", remedy)


def _audit_trail() -> Finding:
    broken = verify_chain()
    if broken is None:
        return Finding("audit trail", Verdict.WELL, "the chain holds")
    remedy = "Look at that entry, and for who could write to the database past Portico."
    return Finding("audit trail", Verdict.ILL, f"entry {broken.sequence} is {broken.fault}", remedy)


def _sealed_data() -> Finding:
    """The newest of what each sealed column holds opens with the keys there are."""
    locked = []
    for table, column in sealed_columns():
        newest = (
            select(table.c[column]).where(table.c[column].is_not(None)).order_by(table.c.id.desc()).limit(1)
        )
        sealed = db.session.scalar(newest)
        try:
            vault().open(sealed or vault().seal(""))
        except InvalidToken:
            locked.append(f"{table.name}.{column}")
    if not locked:
        return Finding("encryption keys", Verdict.WELL, "what was sealed last opens")
    remedy = "Put the key that was in use before back into DATA_ENCRYPTION_KEYS, behind the newest."
    return Finding("encryption keys", Verdict.ILL, f"no key opens {', '.join(locked)}", remedy)


def _worker() -> Finding:
    if overview.has_live_worker():
        return Finding("worker", Verdict.WELL, "at least one is alive")
    remedy = "Run: flask worker. Webhooks and open refunds wait until then."
    return Finding("worker", Verdict.ILL, "none is alive", remedy)


def _queue() -> Finding:
    oldest = overview.find_oldest_waiting_webhook()
    waited = clock.now() - oldest if oldest else timedelta()
    if waited <= overview.OVERDUE:
        return Finding("queue", Verdict.WELL, "no webhook waits for long")
    remedy = "Look at the worker's log; more workers, or PortOne's return, will shorten it."
    return Finding(
        "queue", Verdict.DOUBTFUL, f"the oldest webhook has waited {int(waited.total_seconds())} s", remedy
    )


def _webhook_secrets() -> Finding:
    """Whether what PortOne sends is signed with a secret that is known here."""
    newest = _newest_message(WebhookLog.status != WebhookStatus.REJECTED)
    refused = _newest_message(
        WebhookLog.status == WebhookStatus.REJECTED, WebhookLog.error_message.contains("secret")
    )
    if newest is None and refused is None:
        remedy = "Enter the webhook address in PortOne's console and press its test button."
        return Finding("webhooks", Verdict.DOUBTFUL, "none has ever arrived", remedy)
    if newest is None or (refused is not None and refused > newest):
        remedy = "Compare PORTONE_WEBHOOK_SECRETS with the secrets in PortOne's console (live and test)."
        return Finding("webhooks", Verdict.DOUBTFUL, "the newest one fits none of the secrets", remedy)
    return Finding(
        "webhooks", Verdict.WELL, f"the newest authentic one came at {newest:%Y-%m-%d %H:%M:%S} UTC"
    )


def _newest_message(*which: ColumnElement[bool]) -> datetime | None:
    newest_first = select(WebhookLog.created_at).where(*which).order_by(WebhookLog.created_at.desc())
    return db.session.scalar(newest_first.limit(1))


def _of_portone() -> list[Finding]:
    db.session.rollback()  # no transaction is open while PortOne is asked
    try:
        count = portone.list_payments(size=1).total
    except PortOneRefused as refusal:
        remedy = "Make a new V2 API secret in PortOne's console; check PORTONE_STORE_ID too."
        return [Finding("PortOne", Verdict.ILL, meaning_of(refusal.type), remedy), _clock_skew()]
    except PortOneUncertain as silence:
        remedy = "Check PORTONE_API_BASE, name resolution and the way out to the internet."
        return [Finding("PortOne", Verdict.ILL, f"no answer ({silence.reason})", remedy)]
    return [Finding("PortOne", Verdict.WELL, f"{count:,} payments of the last 90 days"), _clock_skew()]


def _clock_skew() -> Finding:
    theirs = portone.read_clock()
    if theirs is None:
        return Finding("clock", Verdict.DOUBTFUL, "PortOne did not tell the time")
    skew = abs(clock.now() - theirs)
    seen = f"{int(skew.total_seconds())} s apart from PortOne's"
    if skew <= NOTICEABLE_SKEW:
        return Finding("clock", Verdict.WELL, seen)
    remedy = "Let the machine keep time by NTP: webhooks more than five minutes off are refused."
    return Finding("clock", Verdict.ILL if skew > CLOCK_SKEW else Verdict.DOUBTFUL, seen, remedy)


def _is_sqlite() -> bool:
    return db.engine.dialect.name == "sqlite"
