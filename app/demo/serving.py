"""The demo's parts in one process: the simulator, the dashboard, its worker, and an example shop."""

import logging
import threading
from functools import partial
from types import TracebackType
from typing import Any, Self

import click
from flask import Flask
from waitress import wasyncore
from waitress.server import create_server

from app import ROOT, create_app
from app.demo.shop import create_shop
from app.demo.world import World
from app.simulator import Simulator, SimulatorServer
from app.worker import Worker


class PortTaken(click.ClickException):
    """Another program listens where the dashboard should."""


class _Door:
    """A port that is listened to from the start, and served once its thread runs."""

    def __init__(self, app: Any, name: str, *, port: int, threads: int) -> None:
        self._sockets: dict[int, Any] = {}
        self._server = create_server(app, map=self._sockets, host="127.0.0.1", port=port, threads=threads)
        self.port: int = self._server.effective_port
        self.thread = threading.Thread(target=self._server.run, name=name, daemon=True)

    def shut(self) -> None:
        """Let requests under way end, then close the sockets in the thread that waits for them."""
        self._server.task_dispatcher.shutdown(timeout=2)
        close = partial(wasyncore.close_all, self._sockets)
        if not self.thread.is_alive():
            close()
            return
        self._server.trigger.pull_trigger(close)
        self.thread.join(timeout=5)


class Demo:
    """Simulator, dashboard and worker, running while the context lasts; raises `PortTaken`.

    With `reset` the store of before is forgotten, but only once the port is ours.

    The dashboard's door opens with `open_doors()`, once its store is filled.
    """

    def __init__(self, world: World, *, reset: bool = False) -> None:
        self.world = world
        logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
        self._dashboard = self._bind()
        world.port = self._dashboard.port
        if reset or not world.is_prepared:  # one that was broken off while it was filled is no store
            world.remove()
        double = world.make_simulator()
        self.simulator: Simulator = double.simulator
        self._simulator_server = SimulatorServer(double)
        self.simulator_url = self._simulator_server.url
        self.app = create_app(world.settings(self.simulator_url))
        self._worker = Worker(self.app)
        self._worker_thread = threading.Thread(target=self._worker.run, name="worker", daemon=True)
        self._shop = _Door(self._make_shop(), "shop", port=0, threads=2)
        self.shop_url = f"http://127.0.0.1:{self._shop.port}"

    def _bind(self) -> _Door:
        try:
            return _Door(self._answer, "dashboard", port=self.world.port, threads=8)
        except OSError as problem:
            raise PortTaken(f"Port {self.world.port} is taken; choose another with --port.") from problem

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Any:
        """The dashboard, which is made after the port is bound, because its settings name the port."""
        return self.app(environ, start_response)

    def _make_shop(self) -> Flask:
        return create_shop(
            portico=self.world.public_url,
            token=self.world.shop_token,
            window=f"{self.simulator_url}/window",
            folder=ROOT,
        )

    def open_doors(self) -> None:
        """Serve the dashboard and begin to work."""
        for thread in (self._dashboard.thread, self._worker_thread, self._shop.thread):
            thread.start()

    def wait(self) -> None:
        """Until Ctrl-C."""
        try:
            self._dashboard.thread.join()
        except KeyboardInterrupt:
            return

    def __enter__(self) -> Self:
        self._simulator_server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._worker.stop()
        for door in (self._dashboard, self._shop):
            door.shut()
        self._simulator_server.stop()
        if self._worker_thread.is_alive():
            self._worker_thread.join(timeout=5)
