"""What the tests of refunds share."""

from typing import Any

import pytest
from flask import Flask

from app.portone.client import PortOneClient


@pytest.fixture
def impatient(app: Flask, simulator: Any) -> None:
    """A client that gives up after half a second, so that silence costs no minute."""
    known = app.extensions["portone"]
    base = known._transport._base
    app.extensions["portone"] = PortOneClient(
        api_secret="api-secret-of-the-tests",
        store_id=known.store_id,
        base=base,
        timeout=(0.5, 0.5),
        sleep=lambda _: None,
    )
