"""`require()` for views, `can()` for templates."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Flask, abort, request
from flask_login import current_user

from app.access.permissions import Permission, holds
from app.access.words import permission_in_words
from app.extensions import login_manager
from app.web.lists import Listing, get_listing

_log = logging.getLogger(__name__)

View = Callable[..., Any]


def can(permission: Permission | str) -> bool:
    """Whether the person signed in holds a permission."""
    return bool(current_user.is_authenticated) and holds(current_user, Permission(permission))


def require(permission: Permission) -> Callable[[View], View]:
    """Let a view be reached only by who holds `permission`: others sign in first, or get a 403."""

    def guard(view: View) -> View:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            if not current_user.is_authenticated:
                return login_manager.unauthorized()
            if not can(permission):
                _log.warning("User %s lacks %s", current_user.id, permission)
                abort(403)
            return view(*args, **kwargs)

        guarded.permission = permission  # type: ignore[attr-defined]  # read by the test that walks all routes
        return guarded

    return guard


def wanted_listing() -> Listing:
    """The list that the address names as `list`: a 404 if there is none, a 403 for who may not see it."""
    listing = get_listing(request.args.get("list", ""))
    if not can(listing.permission):
        abort(403)
    return listing


def public(view: View) -> View:
    """Mark a view as reachable without a sign-in, on purpose."""
    view.is_public = True  # type: ignore[attr-defined]
    return view


def init_app(app: Flask) -> None:
    """Let templates ask `can(Permission.…)`, and name a permission."""
    app.jinja_env.filters["permission_in_words"] = permission_in_words
    app.jinja_env.globals.update(can=can, Permission=Permission)
