"""The OpenAPI 3.1 document, made from the models that validate and the table of operations."""

from functools import lru_cache
from http import HTTPStatus
from importlib.metadata import version
from itertools import groupby
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from app.api.messages import ProblemDocument
from app.api.operations import COMMON_PROBLEMS, OPERATIONS, Operation
from app.api.problems import Kind

_REF = "#/components/schemas/{model}"
_TOKEN = "bearerToken"  # noqa: S105 - the name of a security scheme


@lru_cache(maxsize=1)
def openapi_document() -> dict[str, Any]:
    """The whole document; it is in English, as code is."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Portico API for the store's own servers",
            "version": version("portico"),
            "description": (
                "Amounts are whole numbers in the minor unit of their currency. "
                "Problems are RFC 9457 documents: branch on `type`, which never changes."
            ),
        },
        "security": [{_TOKEN: []}],
        "paths": {described.path: {"post": _post(described)} for described in OPERATIONS},
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {_TOKEN: {"type": "http", "scheme": "bearer"}},
        },
    }


def _post(described: Operation) -> dict[str, Any]:
    answer = {"description": "Done.", "content": _json(described.answers)}
    return {
        "operationId": described.name,
        "tags": ["payments"],
        "summary": described.summary,
        "description": f"{described.takes.__doc__}\n\nNeeds the scope `{described.scope}`.",
        **({"parameters": [_IDEMPOTENCY_KEY]} if described.is_keyed else {}),
        "requestBody": {"required": True, "content": _json(described.takes)},
        "responses": {str(status): answer for status in described.statuses} | _problems_of(described),
    }


_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "With or without quotes. The same key answers the first outcome.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 256, "pattern": "^[!-~]+$"},
}


def _problems_of(described: Operation) -> dict[str, Any]:
    kinds = sorted({*COMMON_PROBLEMS, *described.problems}, key=lambda kind: (kind.status, kind.name))
    return {
        str(status): _problem(status, list(same)) for status, same in groupby(kinds, lambda kind: kind.status)
    }


def _problem(status: int, kinds: list[Kind]) -> dict[str, Any]:
    types = ", ".join(f"`{kind.type}`" for kind in kinds)
    content = {"application/problem+json": {"schema": {"$ref": _REF.format(model="ProblemDocument")}}}
    return {"description": f"{HTTPStatus(status).phrase}: {types}", "content": content}


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
