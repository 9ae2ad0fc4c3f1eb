"""One table of operations: from it come the routes, their checks, and the OpenAPI document."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import wraps
from typing import Any

from flask import Blueprint, Response, jsonify, request
from flask_babel import gettext as _
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import RequestEntityTooLarge

from app.api import problems
from app.api.models import Scope
from app.api.problems import Kind, Problem
from app.api.tokens import Caller, count_request, find_caller
from app.connections import SYSTEM, act_as
from app.extensions import csrf, db

#: More than any amount has; a number like 1e999999 is not written out.
_MOST_DIGITS = 20

#: A request is a few hundred bytes.
MAX_BODY_BYTES = 64 * 1024

#: What any operation may answer.
COMMON_PROBLEMS = (
    problems.MALFORMED,
    problems.UNAUTHORIZED,
    problems.OUT_OF_SCOPE,
    problems.TOO_LARGE,
    problems.UNSUPPORTED_MEDIA_TYPE,
    problems.INVALID,
    problems.TOO_MANY_REQUESTS,
    problems.PORTONE_MISCONFIGURED,
    problems.PORTONE_UNAVAILABLE,
)


@dataclass(frozen=True, slots=True)
class Operation:
    """One address: what it takes and answers, the scope it needs, and the problems it may tell."""

    name: str
    scope: Scope
    takes: type[BaseModel]
    answers: type[BaseModel]
    problems: Sequence[Kind]
    summary: str
    #: Each status of success, and what it means.
    statuses: Mapping[int, str]
    is_keyed: bool = False

    @property
    def path(self) -> str:
        """Its address."""
        return f"/api/portone/{self.name}"


#: Every operation, in the order of the document.
OPERATIONS: list[Operation] = []

Handler = Callable[[Any, Caller], tuple[BaseModel, int]]


def operation(blueprint: Blueprint, described: Operation) -> Callable[[Handler], Handler]:
    """Serve an operation: the handler gets the request as its model, and who sent it."""

    def register(handler: Handler) -> Handler:
        @wraps(handler)
        def serve() -> Response:
            try:
                caller = _authenticate(described.scope)
                answer, status = handler(_read(described.takes), caller)
            except Problem as problem:
                db.session.rollback()
                return problem.to_response()
            response = jsonify(answer.model_dump(mode="json", by_alias=True, exclude_none=True))
            response.status_code = status
            return response

        serve.scope = described.scope  # type: ignore[attr-defined]  # read by the test that walks all routes
        view = csrf.exempt(serve)
        blueprint.add_url_rule(described.path, described.name, view, methods=["POST"])
        OPERATIONS.append(described)
        return handler

    return register


def _authenticate(scope: Scope) -> Caller:
    caller = find_caller(request.headers.get("Authorization"))
    if caller is None:
        sentence = _("Send “Authorization: Bearer …” with a token that is valid now.")
        raise Problem(problems.UNAUTHORIZED, sentence, headers={"WWW-Authenticate": "Bearer"})
    act_as(SYSTEM)
    count_request(caller)
    if scope not in caller.scopes:
        raise Problem(problems.OUT_OF_SCOPE, _("It lacks the scope “%(scope)s”.", scope=scope.value))
    return caller


def _read(model: type[BaseModel]) -> BaseModel:
    """The body as a message; raises `Problem` with every field that cannot be used."""
    if request.mimetype != "application/json":
        raise Problem(problems.UNSUPPORTED_MEDIA_TYPE, _("The body is read as application/json only."))
    body = _read_body()
    try:
        document = json.loads(body.decode(), parse_constant=_refuse_constant, parse_float=_number)
        json.dumps(document, ensure_ascii=False).encode()  # halves of surrogate pairs end here
    except (ValueError, RecursionError):
        raise Problem(problems.MALFORMED, _("The body cannot be read as JSON in UTF-8.")) from None
    try:
        return model.model_validate(document, by_name=False)
    except ValidationError as wrong:
        raise problems.invalid(
            [{"field": _field_of(error["loc"]), "message": error["msg"]} for error in wrong.errors()]
        ) from None


def _read_body() -> bytes:
    """The bytes; of a body that does not say how long it is, one more than allowed is asked for."""
    request.max_content_length = MAX_BODY_BYTES + 1
    try:
        body = request.get_data()
    except RequestEntityTooLarge:
        body = None
    if body is None or len(body) > MAX_BODY_BYTES:
        raise Problem(problems.TOO_LARGE, _("A request has 64 KiB at most."))
    return body


def _number(written: str) -> int | float:
    """JSON has one kind of number: 12000.0 is the integer 12000, to JSON Schema as to JavaScript."""
    number = Decimal(written)
    is_whole = number.adjusted() < _MOST_DIGITS and number == number.to_integral_value()
    return int(number) if is_whole else float(number)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _field_of(location: Sequence[int | str]) -> str:
    return ".".join(str(part) for part in location) or "body"
