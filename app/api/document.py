"""The OpenAPI 3.1 document, made from the models that validate and the table of operations."""

from collections.abc import Iterable
from functools import lru_cache
from http import HTTPStatus
from importlib.metadata import version
from itertools import groupby
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from app.api import problems
from app.api.messages import ProblemDocument
from app.api.operations import COMMON_PROBLEMS, MAX_BODY_BYTES, OPERATIONS, Operation
from app.api.problems import Kind

_REF = "#/components/schemas/{model}"
_TOKEN = "bearerToken"  # noqa: S105 - the name of a security scheme

_INTRODUCTION = """What a store's own servers do around a checkout: announce a payment, let the browser pay it
with PortOne's SDK, compare what came back, and give money back later.

- **Token.** `Authorization: Bearer …`, made on the dashboard under *API tokens*, with the scopes it needs.
  It is for servers: no answer carries a CORS header, so no browser page can use it.
- **Amounts** are whole numbers in the minor unit of their currency: KRW 1 is 1 won, USD 1 is 1 cent.
- **Repeating** a request is safe: `initialize` with the same content answers the same, `verify` only reads,
  `confirm` approves once, and `cancel` with an `Idempotency-Key` is one refund.
- **Webhooks** are PortOne's affair: it sends them to `/webhooks/portone` or `/api/portone/webhook`, signed.
  A payment that is not what was announced is found there too, and staff are told.
- **Problems** are RFC 9457 documents. Branch on `type`, which never changes: it is `urn:portico:problem:` and
"""


@lru_cache(maxsize=1)
def openapi_document() -> dict[str, Any]:
    """The whole document; it is in English, as code is."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Portico API for the store's own servers",
            "version": version("portico"),
            "description": _INTRODUCTION + _list_of_problems(),
        },
        "tags": [{"name": "payments", "description": "In the order of a checkout."}],
        "security": [{_TOKEN: []}],
        "paths": {described.path: {"post": _post(described)} for described in OPERATIONS},
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {_TOKEN: {"type": "http", "scheme": "bearer"}},
        },
    }


def _list_of_problems() -> str:
    """In Markdown, below the last point; a table would be too wide for a phone."""
    kinds = {kind for described in OPERATIONS for kind in _kinds_of(described)}
    return "\n".join(
        f"    - `{kind.name}` ({kind.status}): {kind.title}. {kind.advice}"
        for kind in sorted(kinds, key=_order)
    )


def _post(described: Operation) -> dict[str, Any]:
    answers = {
        str(status): {"description": meaning, "content": _json(described.answers)}
        for status, meaning in described.statuses.items()
    }
    needs = f"Needs the scope `{described.scope}`. {MAX_BODY_BYTES // 1024} KiB at most."
    return {
        "operationId": described.name,
        "tags": ["payments"],
        "summary": described.summary,
        "description": f"{described.takes.__doc__}\n\n{needs}",
        **({"parameters": [_IDEMPOTENCY_KEY]} if described.is_keyed else {}),
        "requestBody": {"required": True, "content": _json(described.takes)},
        "responses": answers | _problems_of(described),
    }


_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "With or without quotes. The same key answers the first outcome.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 256, "pattern": "^[!-~]+$"},
    "example": "refund-of-order-1",
}

#: What comes beside a problem document.
_HEADERS: dict[int, dict[str, Any]] = {
    problems.UNAUTHORIZED.status: {
        "WWW-Authenticate": {"required": True, "schema": {"type": "string", "const": "Bearer"}}
    }
} | {
    kind.status: {
        "Retry-After": {
            "required": True,
            "description": "Seconds to wait.",
            "schema": {"type": "integer", "minimum": 1},
        }
    }
    for kind in (problems.TOO_MANY_REQUESTS, problems.PORTONE_UNAVAILABLE)
}


def _kinds_of(described: Operation) -> Iterable[Kind]:
    return sorted({*COMMON_PROBLEMS, *described.problems}, key=_order)


def _order(kind: Kind) -> tuple[int, str]:
    return kind.status, kind.name


def _problems_of(described: Operation) -> dict[str, Any]:
    by_status = groupby(_kinds_of(described), lambda kind: kind.status)
    return {str(status): _problem(status, list(same)) for status, same in by_status}


def _problem(status: int, kinds: list[Kind]) -> dict[str, Any]:
    """One status of an operation: which problems it tells, each with an example."""
    said = {"type": {"enum": [kind.type for kind in kinds]}, "status": {"const": status}}
    schema = {"allOf": [{"$ref": _REF.format(model="ProblemDocument")}, {"properties": said}]}
    examples = {
        kind.name: {
            "summary": kind.title,
            "value": {"type": kind.type, "title": kind.title, "status": status, "detail": kind.advice},
        }
        for kind in kinds
    }
    return {
        "description": f"{HTTPStatus(status).phrase}: {', '.join(f'`{kind.type}`' for kind in kinds)}",
        "content": {"application/problem+json": {"schema": schema, "examples": examples}},
        **({"headers": _HEADERS[status]} if status in _HEADERS else {}),
    }


def _json(model: type[BaseModel]) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": _REF.format(model=model.__name__)}}}


def _schemas() -> dict[str, Any]:
    requests = [(described.takes, "validation") for described in OPERATIONS]
    answers = [(described.answers, "serialization") for described in OPERATIONS]
    _map, definitions = models_json_schema(
        [*requests, *answers, (ProblemDocument, "serialization")],  # type: ignore[list-item]
        by_alias=True,
        ref_template=_REF,
    )
    schemas: dict[str, Any] = definitions["$defs"]
    return schemas
