"""GET /health: whether this instance can serve, for load balancers and people on call."""

from importlib.metadata import version
from typing import Any

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import SQLAlchemyError

from app import clock
from app.access.guards import public
from app.connections import SYSTEM, act_as
from app.extensions import db
from app.overview import queries
from app.webhooks.health import count_backlog

health = Blueprint("health", __name__)


@health.get("/health")
@public
def show() -> ResponseReturnValue:
    """200 while pages can be served; 503 names what is away. What else is amiss stands in `parts`."""
    try:
        act_as(SYSTEM)
        figures = _figures()
        parts = {"database": "ok", "worker": _worker(figures), "webhooks": _webhooks(figures)}
    except SQLAlchemyError:
        db.session.rollback()
        return jsonify(_report("unavailable", "The database does not answer.", {"database": "away"})), 503
    amiss = [f"{part}: {state}" for part, state in parts.items() if state != "ok"]
    return jsonify(_report("ok", "; ".join(amiss) or "All parts work.", parts) | figures), 200


def _figures() -> dict[str, Any]:
    """The heartbeat of the worker that gave one last, and what waits; the backlog is exact up to 10,000."""
    seen_at, oldest = queries.last_sign_of_life(), queries.find_oldest_waiting_webhook()
    return {
        "worker_seen_at": seen_at.isoformat() if seen_at else None,
        "webhook_backlog": count_backlog(),
        "webhook_oldest_seconds": int((clock.now() - oldest).total_seconds()) if oldest else 0,
    }


def _worker(figures: dict[str, Any]) -> str:
    if queries.has_live_worker():
        return "ok"
    seen_at = figures["worker_seen_at"]
    return f"none is running; the last was seen at {seen_at}" if seen_at else "none is running"


def _webhooks(figures: dict[str, Any]) -> str:
    seconds = figures["webhook_oldest_seconds"]
    if seconds <= queries.OVERDUE.total_seconds():
        return "ok"
    return f"the oldest has waited for {seconds} s, {figures['webhook_backlog']} wait"


def _report(status: str, message: str, parts: dict[str, str]) -> dict[str, Any]:
    return {
        "status": status,
        "message": message,
        "timestamp": clock.now().isoformat(),
        "version": version("portico"),
        "parts": parts,
    }
