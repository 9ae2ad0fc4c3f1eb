"""GET /metrics for Prometheus: read from the database when it is scraped, so every process tells the same.

Nothing here walks a large table: what is rare is counted through its index, what is many is estimated.
"""

import hmac
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from ipaddress import ip_address
from typing import Any

from flask import Blueprint, Response, current_app, jsonify, request
from flask.typing import ResponseReturnValue
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import func, select, text

from app import clock
from app.access.guards import public
from app.alerts.queries import lasting_alerts
from app.charges.models import IN_FLIGHT, IS_IN_FLIGHT, Charge
from app.config import LOOPBACK, Settings
from app.connections import SYSTEM, act_as
from app.extensions import db
from app.jobs.models import Job
from app.leases import Lease
from app.payments.models import Payment
from app.refunds.models import Refund, RefundStatus
from app.web.pagination import capped_count
from app.webhooks import gaps, health
from app.webhooks.models import WebhookLog, WebhookStatus
from app.worker.loop import ALIVE_SECONDS, SIGN_OF_LIFE

#: Exact up to here; what is above is as alarming whatever its number.
CAP = 100_000

_RARE_WEBHOOKS = (WebhookStatus.RECEIVED, WebhookStatus.FAILED, WebhookStatus.REJECTED)
_OPEN_REFUNDS = (
    RefundStatus.AWAITING_APPROVAL,
    RefundStatus.SENDING,
    RefundStatus.UNCERTAIN,
    RefundStatus.REQUESTED,
)
#: Headers of proxies: a request that carries one did not come from this machine, whoever connected.
_FORWARDED = ("Forwarded", "X-Forwarded-", "X-Real-Ip", "Via")

metrics = Blueprint("metrics", __name__)


@metrics.get("/metrics")
@public
def show() -> ResponseReturnValue:
    """The figures in Prometheus' text format; 401 for who is neither on this machine nor has the token."""
    settings: Settings = current_app.config["SETTINGS"]
    if not (_is_local() or _has_token(settings.metrics_token)):
        return jsonify({"error": "unauthorized"}), 401, {"WWW-Authenticate": "Bearer"}
    act_as(SYSTEM)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Figures())
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


class _Figures(Collector):
    """Reads everything from the database in one go."""

    def collect(self) -> Iterator[Metric]:
        """The figures of this moment."""
        yield _gauge("build_info", "The running version.", {(version("portico"),): 1}, "version")
        yield from _webhook_figures()
        yield _gauge(
            "worker_heartbeat_age_seconds", "Since each worker's sign of life.", _heartbeats(), "worker"
        )
        yield _gauge("refunds_open", "Refunds whose outcome is still to come.", _open_refunds(), "status")
        yield _gauge("charges_open", "Charges whose outcome is still to come.", _open_charges(), "status")
        yield _gauge("jobs", "Jobs that have not ended well.", _jobs(), "status")
        yield _gauge("payments_approx", "Payments known here, estimated.", {(): approximate_count(Payment)})
        yield _gauge("alerts", "Alerts that last.", {(name,): 1 for name in lasting_alerts()}, "name")


def _webhook_figures() -> Iterator[Metric]:
    moment = clock.now()
    counts: dict[tuple[str, ...], float] = {
        (status.value,): capped_count(_with_status(status), CAP) for status in _RARE_WEBHOOKS
    }
    oldest, last = health.find_oldest_waiting(), health.find_last_received()
    waited = (moment - oldest).total_seconds() if oldest else 0.0
    yield _gauge("webhooks", "Webhooks that wait, failed or were rejected.", counts, "status")
    yield _gauge("webhooks_approx", "Webhooks in the log, estimated.", {(): approximate_count(WebhookLog)})
    yield _gauge("webhook_backlog", "Webhooks that wait.", {(): counts[(WebhookStatus.RECEIVED.value,)]})
    yield _gauge("webhook_oldest_waiting_seconds", "How long the oldest has waited.", {(): waited})
    yield _gauge("webhooks_missing", "Sent by PortOne, not held here.", {(): gaps.count_gaps("")})
    if last:
        yield _gauge("webhook_last_received_timestamp_seconds", "When one came last.", {(): last.timestamp()})


def approximate_count(model: Any) -> int:
    """About how many rows a table has, without walking through it."""
    name = model.__tablename__
    if db.engine.dialect.name == "postgresql":
        estimate = text("SELECT reltuples::bigint FROM pg_class WHERE oid = CAST(:name AS regclass)")
        counted = db.session.scalar(estimate, {"name": name})
        return capped_count(select(model.id)) if counted is None or counted < CAP else int(counted)
    return db.session.scalar(select(func.max(text("rowid"))).select_from(model)) or 0


def _with_status(status: WebhookStatus) -> Any:
    return select(WebhookLog.id).where(WebhookLog.status == status)


def _heartbeats() -> Mapping[tuple[str, ...], float]:
    moment = clock.now()
    rows = db.session.scalars(select(Lease).where(Lease.name.startswith(SIGN_OF_LIFE, autoescape=True)))
    return {
        (row.name.removeprefix(SIGN_OF_LIFE),): (moment - row.expires_at).total_seconds() + ALIVE_SECONDS
        for row in rows
    }


def _open_refunds() -> Mapping[tuple[str, ...], float]:
    counted = select(Refund.status, func.count().label("total")).where(Refund.status.in_(_OPEN_REFUNDS))
    found = {row.status: row.total for row in db.session.execute(counted.group_by(Refund.status))}
    return {(status.value,): found.get(status, 0) for status in _OPEN_REFUNDS}


def _open_charges() -> Mapping[tuple[str, ...], float]:
    counted = select(Charge.status, func.count().label("total")).where(IS_IN_FLIGHT)
    found = {row.status: row.total for row in db.session.execute(counted.group_by(Charge.status))}
    return {(status.value,): found.get(status, 0) for status in IN_FLIGHT}


def _jobs() -> Mapping[tuple[str, ...], float]:
    counted = select(Job.status, func.count()).where(Job.status.not_in(["done", "stopped"]))
    return {(status,): count for status, count in db.session.execute(counted.group_by(Job.status))}


def _gauge(name: str, about: str, values: Mapping[tuple[str, ...], float], *labels: str) -> Metric:
    family = GaugeMetricFamily(f"portico_{name}", about, labels=labels)
    for names, value in values.items():
        family.add_metric(names, value)
    return family


def _is_local() -> bool:
    """Whether whoever asks sits on this machine: connected over loopback, named it, and came by no proxy.

    A proxy on this machine connects over loopback too, for anybody; what it adds or forwards gives it away.
    """
    peer = (request.environ.get("werkzeug.proxy_fix.orig") or {}).get("REMOTE_ADDR") or request.remote_addr
    try:
        is_loopback = ip_address(peer or "").is_loopback
    except ValueError:
        return False
    host = request.environ.get("HTTP_HOST", "").rpartition(":")[0] or request.environ.get("HTTP_HOST", "")
    is_named_so = host.strip("[]") in LOOPBACK
    is_forwarded = any(name.startswith(_FORWARDED) for name, _value in request.headers)
    return is_loopback and is_named_so and not is_forwarded


def _has_token(token: str | None) -> bool:
    scheme, _space, given = request.headers.get("Authorization", "").partition(" ")
    if not token or scheme.lower() != "bearer":
        return False
    return hmac.compare_digest(given.strip().encode(), token.encode())
