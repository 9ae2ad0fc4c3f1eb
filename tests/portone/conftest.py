"""PortOne's answers as documents, and a client that never waits."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import responses

from app.portone.client import PortOneClient

PAYLOADS = Path(__file__).parent / "payloads"
SHARED_DATA = Path(__file__).parents[3] / "shared" / "data"
BASE = "https://portone.test"
SECRET = "the-api-secret"


@pytest.fixture
def payload() -> Callable[[str], dict[str, Any]]:
    """Read one of our own documents by name."""
    return lambda name: json.loads((PAYLOADS / f"{name}.json").read_text())


@pytest.fixture
def shared_data() -> Path:
    """The folder of facts beside the checkout, where there is one."""
    if not SHARED_DATA.is_dir():
        pytest.skip("no ../shared/data beside this checkout")
    return SHARED_DATA


@pytest.fixture
def portone_http() -> Iterator[responses.RequestsMock]:
    """Answers registered here are all that the client can reach."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as http:
        yield http


@pytest.fixture
def waits() -> list[float]:
    """The seconds the client would have slept."""
    return []


@pytest.fixture
def portone(waits: list[float]) -> PortOneClient:
    return PortOneClient(api_secret=SECRET, store_id="store-dawn", base=BASE, sleep=waits.append)
