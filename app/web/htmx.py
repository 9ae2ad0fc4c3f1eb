"""One address, two answers: the whole page, or the fragment that htmx asks for."""

from typing import Any

from flask import Response, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as BaseResponse


def is_htmx() -> bool:
    """Whether htmx asks for a fragment: not for a whole page out of its history, nor by a boosted link."""
    wants_page = "HX-History-Restore-Request" in request.headers or "HX-Boosted" in request.headers
    return request.headers.get("HX-Request") == "true" and not wants_page


def render(template: str, *, fragment: str | None = None, status: int = 200, **context: Any) -> Response:
    """Answer `template`, or `fragment` where one is given and htmx asks for it."""
    name = fragment if fragment is not None and is_htmx() else template
    response = make_response(render_template(name, **context), status)
    response.vary.add("HX-Request")
    response.cache_control.no_store = True
    return response


def see_other(url: str) -> BaseResponse:
    """Send the browser on after a change, so that reloading the next page repeats nothing."""
    if is_htmx():
        return Response(status=204, headers={"HX-Redirect": url})
    return redirect(url, 303)
