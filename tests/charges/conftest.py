"""What the tests of charges share: a billing key at PortOne's double, which we know too."""

from typing import Any

import pytest

from app.billing_keys.models import BillingKey
from tests.factories import make_billing_key
from tests.refunds.conftest import impatient  # noqa: F401 - a fixture


@pytest.fixture
def row(simulator: Any) -> BillingKey:
    """A card that can be charged."""
    return make_billing_key(simulator)
