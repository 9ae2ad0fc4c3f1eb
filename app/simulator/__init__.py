"""A PortOne for development and journey tests: a Flask application of its own, speaking PortOne's V2 API."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from flask import Flask

from app.simulator.api import api
from app.simulator.checkout import checkout
from app.simulator.controls import controls
from app.simulator.faults import Faults
from app.simulator.idempotency import forget_running
from app.simulator.messages import Sender, post
from app.simulator.outbox import Outbox
from app.simulator.server import SimulatorServer
from app.simulator.simulator import Simulator
from app.simulator.state import State
from app.simulator.window import window
from app.simulator.wire import IdConverter, Wire

__all__ = ["Simulator", "SimulatorApp", "SimulatorServer", "create_simulator", "open_simulator"]


class SimulatorApp(Flask):
    """A Flask application with its simulator at hand."""

    simulator: Simulator

    def serve_for(self, simulator: Simulator) -> None:
        """Be the double of this simulator's store from now on."""
        self.simulator = simulator
        self.extensions["simulator"] = simulator


def create_simulator(state_path: str | Path, **settings: Any) -> SimulatorApp:
    """The double of one store as an application; takes what `open_simulator` takes."""
    return _assemble(open_simulator(state_path, **settings))


def open_simulator(
    state_path: str | Path,
    *,
    api_secret: str,
    store_id: str,
    webhook_url: str | None,
    webhook_secret: str,
    webhook_version: str = "2024-04-25",
    retry_minutes: Sequence[float] = (1, 4, 16, 64, 256),
    settle_minutes: float = 5.0,
    time_scale: float = 1.0,
    send: Sender = post,
) -> Simulator:
    """Make the simulator of one store; what it knows is kept in the SQLite file `state_path`.

    Webhooks are sent by `outbox.flush()`, or in the background after `outbox.start()`; without a
    `webhook_url` there are none. `webhook_secret` is a `whsec_…`. `settle_minutes` is how long a pending
    cancellation or a pay-out to an account takes; this and the waits of `retry_minutes` are multiplied by
    `time_scale`. `send` may hand webhooks to a test client instead of HTTP.
    """
    state = State(state_path, store_id=store_id)
    forget_running(state)
    faults = Faults()
    outbox = Outbox(
        state,
        faults,
        url=webhook_url,
        secret=webhook_secret,
        version=webhook_version,
        retry_minutes=retry_minutes,
        time_scale=time_scale,
        send=send,
    )
    return Simulator(
        state,
        outbox,
        faults,
        api_secret=api_secret,
        settles_after=timedelta(minutes=settle_minutes * time_scale),
    )


def _assemble(simulator: Simulator) -> SimulatorApp:
    application = SimulatorApp(
        __name__,
        template_folder=str(_folder("templates")),
        static_folder=str(_folder("static") / "simulator"),
        static_url_path="/_simulator/static",
    )
    application.serve_for(simulator)
    application.url_map.converters["id"] = IdConverter
    application.url_map.merge_slashes = False
    application.register_blueprint(api)
    application.register_blueprint(controls)
    application.register_blueprint(checkout)
    application.register_blueprint(window)
    application.wsgi_app = Wire(application)  # type: ignore[method-assign]
    return application


def _folder(name: str) -> Path:
    """Templates and assets lie beside `app` in a checkout, and within it in a wheel."""
    package = Path(__file__).parents[1]
    return package / name if (package / name).is_dir() else package.parent / name
