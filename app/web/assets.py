"""Style sheets and scripts: htmx from its package, our own small files as one of each, cached for good."""

import hashlib
import importlib.util
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

from flask import Blueprint, Flask, Response, current_app, request, send_file
from werkzeug.wrappers import Response as BaseResponse

#: The version that `django-js-lib-htmx` carries; a test holds the two together.
HTMX_VERSION = "2.0.3"

_YEAR = 365 * 24 * 60 * 60

assets = Blueprint("assets", __name__, url_prefix="/assets")


@assets.get("/htmx.min.js")
def htmx() -> Response:
    """The htmx library, from the installed package."""
    return send_file(_htmx_path(), mimetype="text/javascript", conditional=True)


@assets.get("/portico.<any(css, js):kind>")
def bundle(kind: str) -> BaseResponse:
    """All our style sheets, or all our scripts, one after the other: each small file stands for itself."""
    text, fingerprint = _bundle(_static_folder(current_app), kind)
    response = Response(text, mimetype="text/css" if kind == "css" else "text/javascript")
    response.set_etag(fingerprint)
    return response.make_conditional(request.environ)


#: Read by the test that walks all routes; `access.guards` stands above this package.
for _view in (htmx, bundle):
    setattr(_view, "is_public", True)  # noqa: B010


def asset_url(name: str) -> str:
    """The address of `htmx`, `bootstrap`, `icons`, `css`, `js` or a file of `static/`.

    It changes when the content does, so that browsers may keep what they have.
    """
    if current_app.debug:
        _bundle.cache_clear()
        _address.cache_clear()
    return request.script_root + _address(current_app._get_current_object(), name)  # type: ignore[attr-defined]


@lru_cache(maxsize=64)
def _address(app: Flask, name: str) -> str:
    match name:
        case "htmx":
            endpoint, values = "assets.htmx", {"v": HTMX_VERSION}
        case "bootstrap" | "icons":
            filename = "css/bootstrap.min.css" if name == "bootstrap" else "css/font/bootstrap-icons.min.css"
            endpoint, values = "bootstrap.static", {"filename": filename, "v": version("bootstrap-flask")}
        case "css" | "js":
            endpoint, values = "assets.bundle", {"kind": name, "v": _bundle(_static_folder(app), name)[1]}
        case _:
            content = (_static_folder(app) / name).read_bytes()
            endpoint, values = "static", {"filename": name, "v": _fingerprint(content)}
    return app.url_map.bind("").build(endpoint, values)


@lru_cache(maxsize=8)
def _bundle(static_folder: Path, kind: str) -> tuple[str, str]:
    """The text of all style sheets or all scripts, and its fingerprint; the tokens come first."""
    found = (static_folder / kind).glob(f"*.{kind}")
    files = sorted(found, key=lambda path: (path.name != "tokens.css", path.name))
    text = "\n".join(path.read_text("utf-8") for path in files)
    return text, _fingerprint(text.encode())


def _fingerprint(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


def _static_folder(app: Flask) -> Path:
    return Path(str(app.static_folder))


@lru_cache(maxsize=1)
def _htmx_path() -> Path:
    package = importlib.util.find_spec("js_lib_htmx")
    if package is None or package.origin is None:
        raise RuntimeError("django-js-lib-htmx is not installed")
    return Path(package.origin).parent / "static" / "htmx" / "htmx.min.js"


def _cache_for_good(response: Response) -> Response:
    """An address that names its version can be kept; others are asked about again."""
    is_asset = request.endpoint in ("static", "bootstrap.static", "assets.htmx", "assets.bundle")
    if is_asset and response.status_code in (200, 304) and "v" in request.args:
        response.cache_control.clear()
        response.cache_control.public = True
        response.cache_control.immutable = True
        response.cache_control.max_age = _YEAR
    return response


def init_app(app: Flask) -> None:
    """Serve the assets."""
    app.register_blueprint(assets)
    app.after_request(_cache_for_good)
