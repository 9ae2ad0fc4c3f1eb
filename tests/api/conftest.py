"""A store's server, with a token for everything, that speaks JSON to the app."""

from dataclasses import dataclass
from typing import Any

import pytest

from app.accounts.models import User
from app.api import tokens
from app.api.models import Scope
from tests.conftest import Browser


@dataclass
class Shop:
    """Sends requests with a token; `ask` answers the response."""

    client: Browser
    token: str

    def ask(self, operation: str, document: Any = None, **headers: str) -> Any:
        given = {"Authorization": f"Bearer {self.token}"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        return self.client.post(f"/api/portone/{operation}", json=document, headers=given)

    def initialize(self, payment_id: str = "order1", amount: int = 12_000, **values: Any) -> Any:
        wanted = {"paymentId": payment_id, "orderName": "속눈썹 펌", "amount": amount, "currency": "KRW"}
        return self.ask("initialize", wanted | values)


@pytest.fixture
def shop(client: Browser, super_admin: User) -> Shop:
    return Shop(client, tokens.create_token("shop", list(Scope), days=30, by=super_admin))


def problem_of(answer: Any) -> str:
    """The end of a problem's type; what every problem document has is checked on the way."""
    document = answer.get_json()
    assert answer.mimetype == "application/problem+json", answer.text
    assert document["status"] == answer.status_code
    assert document["title"]
    assert document["detail"]
    return str(document["type"].removeprefix("urn:portico:problem:"))
