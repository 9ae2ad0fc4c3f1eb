"""What every call passes on its way in and out: authorization, idempotency, faults, the log of calls."""

import hmac
from collections.abc import Iterator
from typing import cast

from flask import Response, current_app, g, request

from app import clock
from app.simulator import idempotency
from app.simulator.faults import Call
from app.simulator.idempotency import KeptAnswer
from app.simulator.problems import Problem, channels_refusal, pg_refusal
from app.simulator.simulator import Simulator
from app.simulator.wire import SILENCE

#: Calls that need no authorization.
_OPEN = frozenset({"list_banks"})

_PAGE = "<html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>"
#: Faults that answer with a page of something in between, and its title.
_PAGES = {"proxy_error": "502 Bad Gateway", "proxy_refuses": "403 Forbidden", "portal": "200 Please sign in"}


def current_simulator() -> Simulator:
    """The simulator that this application is."""
    return cast(Simulator, current_app.extensions["simulator"])


def admit() -> Response | None:
    """Log the call, let faults happen that come before the work, and answer repetitions from memory."""
    endpoint = str(request.endpoint).rpartition(".")[2]
    g.idempotency_key = None
    g.call = Call(
        endpoint=endpoint,
        method=request.method,
        path=request.path,
        idempotency_key=request.headers.get("Idempotency-Key"),
        body=request.get_data(as_text=True),
        at=clock.now(),
        resource_id=next(iter((request.view_args or {}).values()), None),
    )
    current_simulator().remember_call(g.call)
    if endpoint not in _OPEN:
        _authorize()
    g.fault = current_simulator().faults.take(endpoint)
    g.call.fault = g.fault.fault if g.fault else None
    return _fault_before_work() or _replay() or _fault_within_work()


def dispatch(response: Response) -> Response:
    """Keep the answer for repetitions, then let faults happen that befall an answer on its way."""
    simulator = current_simulator()
    g.call.status = response.status_code
    if g.idempotency_key is not None and response.status_code != 500:
        kept = KeptAnswer(response.status_code, response.get_data(as_text=True))
        idempotency.finish(simulator.state, g.idempotency_key, kept)
    fault = g.get("fault")
    if fault and fault.fault in {"silent", "done_then_silent"}:
        request.environ[SILENCE] = fault.seconds
    if fault and fault.fault == "broken_json":
        body = response.get_data()
        response.set_data(body[: max(1, len(body) // 2)])
    if fault and fault.fault == "trickles":
        response.response = _trickle(response.get_data(), fault.seconds)
    return response


def _trickle(body: bytes, seconds: float) -> Iterator[bytes]:
    """The body byte by byte."""
    faults = current_simulator().faults

    def drops() -> Iterator[bytes]:
        for byte in body:
            faults.hold(seconds / len(body))
            yield bytes([byte])

    return drops()


def free_key(_error: BaseException | None) -> None:
    """A call that broke down must not keep its key."""
    if g.get("idempotency_key") is not None:
        idempotency.forget_unfinished(current_simulator().state, g.idempotency_key)


def _authorize() -> None:
    simulator = current_simulator()
    given = request.headers.get("Authorization", "")
    if not hmac.compare_digest(given.encode(), f"PortOne {simulator.api_secret}".encode()):
        raise Problem("UNAUTHORIZED")


def _fault_before_work() -> Response | None:
    fault = g.fault.fault if g.fault else None
    if fault == "throttled":
        wait = {"Retry-After": str(max(1, round(g.fault.seconds)))}
        return Response("", 429, headers=wait, content_type="text/plain")
    if fault in _PAGES:
        title = _PAGES[fault]
        status = int(title[:3])
        return Response(_PAGE.format(title), status, content_type="text/html")
    if fault == "redirect":
        return Response("", 307, headers={"Location": "https://elsewhere.example/"})
    if fault == "silent":
        return Response("", 504)
    return None


def _replay() -> Response | None:
    """Claim the idempotency key of a call that may change something, or answer what is kept for it."""
    header = request.headers.get("Idempotency-Key")
    if request.method == "GET" or header is None:
        return None
    key = idempotency.read_key(header)
    what = f"{request.method} {request.full_path}\n".encode() + request.get_data()
    kept = idempotency.begin(current_simulator().state, key, what, clock.now())
    if kept is None:
        g.idempotency_key = key
        return None
    g.call.is_replayed = True
    return Response(kept.body, kept.status, content_type="application/json")


def _fault_within_work() -> Response | None:
    """The call was received and is being worked on."""
    fault = g.fault.fault if g.fault else None
    if fault == "slow":
        current_simulator().faults.hold(g.fault.seconds)
    if fault == "pg_refuses":
        raise pg_refusal(g.fault.pg_code, g.fault.pg_message)
    if fault == "channels_refuse":
        raise channels_refusal(g.fault.pg_code, g.fault.pg_message)
    return None
