"""The document against the running app: whoever asks whatever, no answer is one that it does not tell of.

`API_EXAMPLES=500 pytest -n0 -s tests/api/test_schemathesis.py` goes deeper, by another seed each time, and
against gunicorn and a worker; it prints how many requests were sent and how they were answered.
"""

import os
from collections import Counter, deque
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import schemathesis
from flask import Flask
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema

from app import clock
from app.api import tokens
from app.api.models import Scope
from app.extensions import db
from app.settings import service as settings
from tests.api.conftest import Shop
from tests.bench.servers import Servers, free_port
from tests.workers import served

DEEP = int(os.environ.get("API_EXAMPLES", "0"))
#: Payments in every state, so that requests of random content reach them.
STATES: list[dict[str, Any]] = [
    {"total": 2**40},
    {"total": 2**40, "method": "VIRTUAL_ACCOUNT"},
    {"status": "VIRTUAL_ACCOUNT_ISSUED", "method": "VIRTUAL_ACCOUNT"},
    {"status": "READY", "payment_token": "token-1"},
    {"status": "FAILED"},
    {"status": "CANCELLED"},
    {"status": "PARTIAL_CANCELLED"},
    {"channel_type": "TEST"},
]
#: The payments that requests are turned to, in turn; where None stands, a request stays as it was made.
REACHED: deque[str | None] = deque([None])
STRANGERS = ["nobody", "a guess", "one who was revoked", "one who is over"]


@pytest.fixture
def address(app: Flask, simulator: Any, super_admin: Any) -> Iterator[str]:
    """Where the app listens: in this process, or as in production when it goes deep."""
    settings.change({"api_requests_per_minute": 100_000}, by=super_admin)
    if DEEP:
        portone_port = app.extensions["portone"]._transport._base.rpartition(":")[2]
        servers = Servers(app.config["SQLALCHEMY_DATABASE_URI"], int(portone_port))
        port = free_port()
        servers.start_web("wsgi:app", port)
        servers.start("flask", "worker")
        yield f"http://127.0.0.1:{port}"
        servers.end()
        return
    with served(app) as address:
        yield address


def make_payments(shop: Shop, simulator: Any) -> list[str]:
    ids = [f"order{number}" for number in range(len(STATES))]
    for payment_id, state in zip(ids, STATES, strict=True):
        shop.initialize(payment_id, amount=state.get("total", 12_000))
        simulator.make_payment(**{"payment_id": payment_id, "total": 12_000} | state)
    return ids


def is_beyond_schemas(case: Any, response: Any) -> bool:
    """What the document says in words, since no schema can: the tax-free part is part of the amount."""
    body = case.body
    return (
        response.status_code == 422
        and isinstance(body, dict)
        and (body.get("taxFreeAmount") or 0) > (body.get("amount") or 0)
        and [error["field"] for error in response.json()["errors"]] == ["taxFreeAmount"]
    )


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    REACHED.rotate()
    if REACHED[0] and case.operation.path != "/api/portone/initialize" and names_a_payment(case.body):
        case.body = case.body | {"paymentId": REACHED[0]}


@schemathesis.hook
def filter_failure(context: Any, failure: Any, case: Any, response: Any) -> bool:
    return not is_beyond_schemas(case, response)


def names_a_payment(body: Any) -> bool:
    named = body.get("paymentId") if isinstance(body, dict) else None
    return isinstance(named, str) and 0 < len(named) <= 200 and named.isprintable()


def ask_everything(
    address: str, token: str | None, payment_ids: list[str], *, examples: int, is_thorough: bool
) -> Counter[tuple[str, int]]:
    """Send what schemathesis thinks of; answers how often an operation answered with which status."""
    db.session.commit()  # SQLite has one writer at a time
    schema = schemathesis.openapi.from_url(
        f"{address}/api/openapi.json", config=SchemathesisConfig(seed=None if DEEP else 1), timeout=60
    )
    schema.config.request_timeout = 60
    schema.config.headers = {"Authorization": f"Bearer {token}"} if token else {}
    schema.config.continue_on_failure = True
    schema.config.generation.database = "none"
    schema.config.generation.max_examples = examples
    schema.config.phases.coverage.enabled = is_thorough
    REACHED.clear()
    REACHED.extend([None, *payment_ids])
    answers: Counter[tuple[str, int]] = Counter()
    failures = []
    for event in from_schema(schema).execute():
        if isinstance(event, events.NonFatalError | events.FatalError):
            failures.append(str(event))
        elif isinstance(event, events.ScenarioFinished):
            told = [each for each in event.recorder.interactions.values() if each.response]
            answers.update(
                (event.label, each.response.status_code) for each in told if each.request.method == "POST"
            )
            checks = [check for each in event.recorder.checks.values() for check in each]
            failures += [
                f"{check.name}: {check.failure_info.failure}\n{check.failure_info.code_sample}"
                for check in checks
                if check.failure_info
            ]
    assert not failures, "\n\n".join(failures[:5])
    return answers


def statuses_of(answers: Counter[tuple[str, int]]) -> set[int]:
    return {status for _operation, status in answers}


def tell(answers: Counter[tuple[str, int]]) -> None:
    if DEEP:
        print(f"\n{answers.total()} requests")
        for (operation, status), count in sorted(answers.items()):
            print(f"  {operation:30} {status} {count:6}")


def test_no_answer_is_undocumented(shop: Shop, simulator: Any, address: str) -> None:
    payment_ids = make_payments(shop, simulator)
    is_thorough = bool(DEEP) or db.engine.dialect.name == "postgresql"  # the stricter of the two
    answers = ask_everything(address, shop.token, payment_ids, examples=DEEP or 15, is_thorough=is_thorough)
    tell(answers)
    assert {200, 404, 409, 422} <= statuses_of(answers)
    assert max(statuses_of(answers)) < 500


@pytest.mark.parametrize("scope", list(Scope) if DEEP else [Scope.VERIFY])
def test_a_token_of_one_scope_is_told_so_everywhere_else(
    super_admin: Any, shop: Shop, simulator: Any, address: str, scope: Scope
) -> None:
    token = tokens.create_token("one", [scope], days=1, by=super_admin)
    answers = ask_everything(address, token, [], examples=DEEP or 3, is_thorough=bool(DEEP))
    tell(answers)
    elsewhere = Counter({key: count for key, count in answers.items() if not key[0].endswith(scope)})
    assert statuses_of(elsewhere) <= {401, 403}
    assert 403 in statuses_of(elsewhere)


@pytest.mark.parametrize("who", STRANGERS if DEEP else STRANGERS[-1:])
def test_whoever_has_no_valid_token_is_told_so(
    super_admin: Any, shop: Shop, simulator: Any, address: str, who: str
) -> None:
    token = {"nobody": None, "a guess": f"{tokens.PREFIX}guess"}.get(who)
    if who == "one who is over":
        with clock.fixed_at(clock.now() - timedelta(days=2)):
            token = tokens.create_token("over", list(Scope), days=1, by=super_admin)
    elif who == "one who was revoked":
        token = shop.token
        tokens.revoke_token(tokens.list_tokens()[0].id, by=super_admin)
    answers = ask_everything(address, token, [], examples=DEEP or 3, is_thorough=bool(DEEP))
    tell(answers)
    assert statuses_of(answers) == {401}
