"""GET /health: whether this instance can serve, for load balancers and people on call."""

from importlib.metadata import version
from typing import Any

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import SQLAlchemyError

from app import clock
from app.access.guards import public
from app.database import SYSTEM, act_as
from app.extensions import db
from app.overview import queries

health = Blueprint("health", __name__)


@health.get("/health")
@public
def show() -> ResponseReturnValue:
    """200 while pages can be served; 503 names what is away. What else is amiss stands in `parts`."""
    try:
        act_as(SYSTEM)
        parts = {"database": "ok", "worker": _worker(), "webhooks": _webhooks()}
    except SQLAlchemyError:
        db.session.rollback()
        return jsonify(_report("unavailable", "The database does not answer.", {"database": "away"})), 503
    amiss = [f"{part}: {state}" for part, state in parts.items() if state != "ok"]
    return jsonify(_report("ok", "; ".join(amiss) or "All parts work.", parts)), 200


def _worker() -> str:
    return "ok" if queries.has_live_worker() else "none is running"


def _webhooks() -> str:
    oldest = queries.find_oldest_waiting_webhook()
    seconds = int((clock.now() - oldest).total_seconds()) if oldest else 0
    return "ok" if seconds <= queries.OVERDUE.total_seconds() else f"the oldest has waited for {seconds} s"


def _report(status: str, message: str, parts: dict[str, str]) -> dict[str, Any]:
    return {
        "status": status,
        "message": message,
        "timestamp": clock.now().isoformat(),
        "version": version("portico"),
        "parts": parts,
    }
