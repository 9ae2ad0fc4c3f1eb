"""Portico: find a payment, give money back once, see what PortOne said."""

from pathlib import Path
from typing import Any

from flask import Flask
from flask_bootstrap import Bootstrap5
from werkzeug.middleware.proxy_fix import ProxyFix

from app.config import Settings
from app.encryption import init_vault
from app.extensions import babel, csrf, db, login_manager, migrate
from app.logs import init_logs
from app.portone.client import PortOneClient

_PACKAGE = Path(__file__).parent

#: Where templates, static files and migrations lie: beside the package in a checkout, inside it in a wheel.
ROOT = _PACKAGE if (_PACKAGE / "templates").is_dir() else _PACKAGE.parent


def instance_folder() -> Path:
    """Where what is made at run time lies: `instance` in a checkout, below the environment for a wheel."""
    return Path(Flask("app").instance_path)


def create_app(settings: Settings | None = None) -> Flask:
    """Build the dashboard.

    Raises `app.config.InvalidSettings` when the environment (or `settings`) cannot be used.
    """
    settings = settings or Settings.from_environment()
    app = Flask("app", template_folder=str(ROOT / "templates"), static_folder=str(ROOT / "static"))
    _configure(app, settings)
    _add_extensions(app, settings)
    _add_web(app)
    _add_blueprints(app)
    _teach_search()
    _add_commands(app)
    return app


def _configure(app: Flask, settings: Settings) -> None:
    instance = Path(app.instance_path)
    prefix = "__Host-" if settings.is_https else ""
    app.config.update(
        SETTINGS=settings,
        SECRET_KEY=settings.secret_key,
        SQLALCHEMY_DATABASE_URI=settings.database_url or f"sqlite:///{instance / 'portico.sqlite3'}",
        SQLALCHEMY_ENGINE_OPTIONS=_engine_options(settings),
        SESSION_COOKIE_NAME=f"{prefix}portico",
        THEME_COOKIE_NAME=f"{prefix}theme",
        DEVICE_COOKIE_NAME=f"{prefix}device",
        SESSION_COOKIE_SECURE=settings.is_https,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        MAX_CONTENT_LENGTH=1024 * 1024,
        MAX_FORM_MEMORY_SIZE=512 * 1024,
        WTF_CSRF_TIME_LIMIT=None,
        BOOTSTRAP_SERVE_LOCAL=True,
        BABEL_DEFAULT_LOCALE="ko",
        BABEL_DEFAULT_TIMEZONE="Asia/Seoul",
        BABEL_TRANSLATION_DIRECTORIES=str(instance / "translations"),
    )
    if settings.database_url is None:
        instance.mkdir(parents=True, exist_ok=True)
    if hops := settings.trusted_proxies:  # so many hops of their headers are believed, and no more
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops)  # type: ignore[method-assign]
    init_logs(app, settings)


def _engine_options(settings: Settings) -> dict[str, Any]:
    if (settings.database_url or "").startswith("postgresql"):
        return {"connect_args": {"connect_timeout": 5}}  # seconds; a dead host must not hang /health
    return {}


def _add_extensions(app: Flask, settings: Settings) -> None:
    from app.accounts.service import load_user
    from app.web.language import choose_language, compile_catalogues

    init_vault(app, settings.data_encryption_keys)
    app.extensions["portone"] = PortOneClient(
        api_secret=settings.portone_api_secret,
        store_id=settings.portone_store_id,
        base=settings.portone_api_base,
    )
    db.init_app(app)
    migrate.init_app(app, db, directory=str(ROOT / "migrations"), render_as_batch=True)
    login_manager.init_app(app)
    login_manager.user_loader(load_user)
    csrf.init_app(app)
    Bootstrap5(app)
    compile_catalogues(app)
    babel.init_app(app, locale_selector=choose_language)


def _add_web(app: Flask) -> None:
    from app.access import guards
    from app.approvals import sections as approvals
    from app.web import assets, error_pages, filters, lists, requests

    assets.init_app(app)
    filters.init_app(app)
    lists.init_app(app)
    guards.init_app(app)
    requests.init_app(app)
    error_pages.init_app(app)
    approvals.init_app()


def _add_blueprints(app: Flask) -> None:
    from app import health, metrics
    from app.accounts import admins, second_factor_pages, sign_in
    from app.accounts import views as accounts
    from app.alerts import views as alerts
    from app.api import endpoint as api
    from app.api import views as api_pages
    from app.audit import views as audit
    from app.billing_keys import views as billing_keys
    from app.bulk_refunds import views as bulk_refunds
    from app.charges import views as charges
    from app.checks import views as checks
    from app.drift import views as drift
    from app.erasure import views as erasure
    from app.exports import views as exports
    from app.jobs import views as jobs
    from app.overview import views as overview
    from app.payments import views as payments
    from app.refunds import account_entry
    from app.refunds import views as refunds
    from app.saved_views import views as saved_views
    from app.schedules import plan_pages
    from app.schedules import views as schedules
    from app.settings import views as settings
    from app.webhooks import bulk_pages, endpoint, missing, views  # noqa: F401 - they fill the blueprint
    from app.webhooks.blueprint import webhooks

    for blueprint in (
        health.health,
        metrics.metrics,
        sign_in.sign_in,
        accounts.accounts,
        admins.admins,
        second_factor_pages.second_factor,
        audit.audit,
        overview.overview,
        payments.payments,
        refunds.refunds,
        account_entry.account_entry,
        bulk_refunds.bulk_refunds,
        endpoint.endpoint,
        webhooks,
        billing_keys.billing_keys,
        charges.charges,
        schedules.schedules,
        plan_pages.plans,
        api.endpoint,
        api_pages.pages,
        erasure.erasure,
        exports.exports,
        saved_views.saved_views,
        alerts.alerts,
        checks.checks,
        drift.drift,
        jobs.jobs,
        settings.settings,
    ):
        app.register_blueprint(blueprint)
    saved_views.init_app(app)


def _teach_search() -> None:
    """Let search boxes and timelines know what stands above them: refunds, webhooks, keys, schedules."""
    import app.billing_keys.finding
    import app.billing_keys.history
    import app.charges.finding
    import app.refunds.finding
    import app.schedules.finding
    import app.schedules.panels
    import app.webhooks.finding  # noqa: F401


def _add_commands(app: Flask) -> None:
    from app import commands

    commands.init_app(app)
