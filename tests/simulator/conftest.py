"""A simulator that hands its webhooks to the test."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from flask import Response
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.simulator import Simulator, SimulatorApp, SimulatorServer, create_simulator
from app.simulator.messages import SignedRequest

API_SECRET = "the simulator's api secret"
STORE_ID = "store-2f6f0f4b-0000-4000-8000-000000000001"
WEBHOOK_SECRET = "whsec_c2ltdWxhdG9yLXRlc3RzLXdlYmhvb2stc2VjcmV0LTE="
AUTHORIZED = {"Authorization": f"PortOne {API_SECRET}"}


class Merchant:
    """The merchant's server: keeps each webhook and answers as it is told to."""

    def __init__(self) -> None:
        self.received: list[SignedRequest] = []
        self.answers: list[int] = []

    def __call__(self, request: SignedRequest) -> TestResponse:
        self.received.append(request)
        status = self.answers.pop(0) if self.answers else 200
        if status == 0:
            raise ConnectionError("nobody listens")
        return TestResponse(*_parts(Response("OK", status)), request=None)

    def waits_for(self, count: int, *, seconds: float = 5) -> bool:
        """Whether that many webhooks arrive in time."""
        deadline = time.monotonic() + seconds
        while len(self.received) < count and time.monotonic() < deadline:
            time.sleep(0.01)
        return len(self.received) >= count

    @property
    def types(self) -> list[str]:
        return [json.loads(request.body)["type"] for request in self.received]


def _parts(response: Response) -> tuple[list[bytes], str, Any]:
    return [response.get_data()], response.status, response.headers


@pytest.fixture
def merchant() -> Merchant:
    return Merchant()


@pytest.fixture
def simulator_app(tmp_path: Path, merchant: Merchant) -> Iterator[SimulatorApp]:
    app = make_app(tmp_path / "simulator.sqlite3", merchant)
    app.testing = True
    yield app
    app.simulator.close()


def make_app(path: Path, merchant: Merchant, **settings: Any) -> SimulatorApp:
    """A simulator over this file; its minutes pass at once."""
    wishes: dict[str, Any] = {"time_scale": 0, **settings}
    return create_simulator(
        path,
        api_secret=API_SECRET,
        store_id=STORE_ID,
        webhook_url="http://merchant.example.com/webhooks",
        webhook_secret=WEBHOOK_SECRET,
        send=merchant,
        **wishes,
    )


@pytest.fixture
def simulator(simulator_app: SimulatorApp) -> Simulator:
    return simulator_app.simulator


class Api:
    """Calls the simulator as a merchant's server does, with the authorization it needs."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client

    def get(self, path: str, wanted: dict[str, Any] | None = None) -> TestResponse:
        query = {"requestBody": json.dumps(wanted)} if wanted is not None else None
        return self.client.get(path, headers=AUTHORIZED, query_string=query)

    def post(self, path: str, body: Any = None, *, key: str | None = None) -> TestResponse:
        headers = {**AUTHORIZED, **({"Idempotency-Key": f'"{key}"'} if key else {})}
        return self.client.post(path, headers=headers, json=body if body is not None else {})

    def cancel(self, payment: dict[str, Any], *, key: str | None = None, **body: Any) -> TestResponse:
        path = f"/payments/{quote(payment['id'], safe='')}/cancel"
        return self.post(path, {"reason": "고객 변심", **body}, key=key)


@pytest.fixture
def api(simulator_app: SimulatorApp) -> Api:
    return Api(simulator_app.test_client())


@pytest.fixture
def server(simulator_app: SimulatorApp) -> Iterator[SimulatorServer]:
    """The simulator on a port, for callers with a real connection."""
    with SimulatorServer(simulator_app, deliver=False) as running:
        yield running
