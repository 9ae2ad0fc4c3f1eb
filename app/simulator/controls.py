"""Faults and the call log over HTTP, for tests and people in another process."""

from dataclasses import asdict
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, jsonify, request

from app.simulator.gate import current_simulator
from app.simulator.problems import Problem
from app.simulator.reading import Fields, parse_object

controls = Blueprint("controls", __name__, url_prefix="/_simulator")


def refuse_other_sites() -> None:
    """A page of another site must not move money here, be it only play money."""
    origin = request.headers.get("Origin")
    if request.method != "GET" and origin and urlsplit(origin).netloc != request.host:
        raise Problem("FORBIDDEN")


controls.before_request(refuse_other_sites)


@controls.errorhandler(Problem)
def show_problem(problem: Problem) -> tuple[Response, int]:
    """What was wrong with the order."""
    return jsonify(problem.body()), problem.status


@controls.get("/faults")
def list_faults() -> dict[str, Any]:
    """What will go wrong."""
    return {"items": current_simulator().faults.waiting()}


@controls.post("/faults")
def order_fault() -> dict[str, Any]:
    """Let the next `times` calls of an `endpoint` meet a `fault`, with `seconds`, `pgCode`, `pgMessage`."""
    body = Fields(parse_object(request.get_data()))
    said = {"pg_code": body.text("pgCode"), "pg_message": body.text("pgMessage")}
    try:
        fault = current_simulator().faults.next(
            body.required_text("endpoint"),
            body.required_text("fault"),
            times=body.integer("times", minimum=1) or 1,
            seconds=body.number("seconds") or 0.0,
            **{name: text for name, text in said.items() if text},
        )
    except ValueError as refusal:
        raise Problem("INVALID_REQUEST", str(refusal)) from None
    return asdict(fault)


@controls.delete("/faults")
def clear_faults() -> tuple[str, int]:
    """Nothing goes wrong any more."""
    current_simulator().faults.clear()
    return "", 204


@controls.get("/calls")
def list_calls() -> dict[str, Any]:
    """The calls that came in, oldest first; `?endpoint=cancel` for those of one endpoint."""
    calls = current_simulator().calls(request.args.get("endpoint"))
    return {"items": [asdict(call) for call in calls]}
