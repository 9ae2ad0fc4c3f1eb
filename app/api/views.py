"""Pages about the API: tokens, its document, and the addresses of the dashboard."""

import importlib.util
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, abort, current_app, jsonify, request, send_file, url_for
from flask_login import current_user

from app import clock
from app.access.guards import public, require
from app.access.matrix import list_addresses
from app.access.permissions import Permission, Role
from app.api import tokens
from app.api.asvs import CHAPTERS, SECTIONS
from app.api.document import openapi_document
from app.api.forms import SCOPE_NAMES, TokenForm
from app.api.models import Scope
from app.web.htmx import render, see_other

pages = Blueprint("api_pages", __name__)

#: What is served of Swagger UI.
_SWAGGER_FILES = frozenset({"swagger-ui.css", "swagger-ui-bundle.js"})


@pages.get("/api/openapi.json")
@public
def openapi() -> Response:
    """The OpenAPI document."""
    return jsonify(openapi_document())


@pages.get("/api-docs")
@public
def api_docs() -> Response:
    """The document to read and try, without anything from outside."""
    return render("api/docs.html")


@pages.get("/assets/swagger/<name>")
@public
def swagger(name: str) -> Response:
    """A file of Swagger UI, from the installed package."""
    if name not in _SWAGGER_FILES:
        abort(404)
    return send_file(_swagger_folder() / name, conditional=True)


@pages.get("/admin-docs")
@require(Permission.DOCS_READ)
def admin_docs() -> Response:
    """Every address of the dashboard, as the running app has them."""
    return render("api/addresses.html", addresses=list_addresses(), roles=(Role.ADMIN, Role.SUPER_ADMIN))


@pages.get("/admin-docs/security")
@require(Permission.DOCS_READ)
def security() -> Response:
    """How a security standard is met, section by section."""
    return render("api/security.html", chapters=CHAPTERS, sections=SECTIONS)


@pages.get("/api-tokens")
@require(Permission.API_TOKEN_MANAGE)
def index() -> Response:
    """The tokens there are, and the form for a new one."""
    return _page(TokenForm())


@pages.post("/api-tokens")
@require(Permission.API_TOKEN_MANAGE)
def create() -> Response:
    """Make a token; this page is the only one that ever shows it."""
    form = TokenForm(request.form)
    if not form.validate():
        return _page(form, status=422)
    scopes = [Scope(scope) for scope in form.scopes.data]
    token = tokens.create_token(form.name.data, scopes, days=form.days.data or None, by=current_user)
    return _page(TokenForm(), token=token)


@pages.post("/api-tokens/<uuid:token_id>/revoke")
@require(Permission.API_TOKEN_MANAGE)
def revoke(token_id: UUID) -> Any:
    """End a token."""
    tokens.revoke_token(token_id, by=current_user)
    return see_other(url_for("api_pages.index"))


def _page(form: TokenForm, *, status: int = 200, token: str | None = None) -> Response:
    return render(
        "api/tokens.html",
        status=status,
        form=form,
        token=token,
        tokens=tokens.list_tokens(),
        configured=[name for name, _ in current_app.config["SETTINGS"].api_tokens],
        scope_names=SCOPE_NAMES,
        moment_now=clock.now(),
    )


@lru_cache(maxsize=1)
def _swagger_folder() -> Path:
    package = importlib.util.find_spec("flask_swagger_ui")
    if package is None or package.origin is None:
        raise RuntimeError("flask-swagger-ui is not installed")
    return Path(package.origin).parent / "dist"
