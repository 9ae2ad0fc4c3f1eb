"""The language of a page, and the catalogues it is translated from."""

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from flask import Flask, has_request_context, request
from flask_babel import get_locale, get_translations
from flask_login import current_user
from sqlalchemy.exc import SQLAlchemyError

#: English needs no catalogue: it is what the code is written in.
LANGUAGES = ("ko", "en")

_CATALOGUES = Path(__file__).parent.parent / "translations"


def choose_language() -> str:
    """The person's own choice, else what the browser asks for, else Korean."""
    if not has_request_context():
        return LANGUAGES[0]
    chosen = _own_choice()
    if chosen in LANGUAGES:
        return chosen
    return request.accept_languages.best_match(LANGUAGES, LANGUAGES[0])


def _own_choice() -> str | None:
    try:
        return getattr(current_user, "language", None)
    except SQLAlchemyError:  # a page that says the database is away must not need it
        return None


def page_language() -> str:
    """The language of the page being made: `ko` or `en`."""
    locale = get_locale()
    return str(locale.language) if locale else LANGUAGES[0]


def speed_up_gettext(app: Flask) -> None:
    """Let templates ask for the catalogue once a language; Flask-Babel looks it up anew for each word."""
    found: dict[str, Any] = {}

    def catalogue() -> Any:
        language = page_language()
        if language not in found:
            found[language] = get_translations()
        return found[language]

    app.jinja_env.install_gettext_callables(  # type: ignore[attr-defined]  # from the extension jinja2.ext.i18n
        gettext=lambda message: catalogue().ugettext(message),
        ngettext=lambda singular, plural, number: catalogue().ungettext(singular, plural, number),
        newstyle=True,
    )


def compile_catalogues(app: Flask) -> None:
    """Compile the committed `.po` files into the instance folder, once for each state they are in.

    The folder is named by their content, and each file arrives by a rename: processes that start at
    once cannot meet half a file, and an upgrade cannot meet an old one.
    """
    sources = sorted(_CATALOGUES.glob("*/LC_MESSAGES/messages.po"))
    state = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:12]
    target = _writable(Path(app.config["BABEL_TRANSLATION_DIRECTORIES"]) / state)
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = str(target)
    for source in sources:
        compiled = target / source.relative_to(_CATALOGUES).with_suffix(".mo")
        if not compiled.exists():
            _compile(source, compiled)


def _writable(folder: Path) -> Path:
    """The folder, or one that lasts as long as this process where the instance folder may not be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return Path(tempfile.mkdtemp(prefix="portico-translations-"))
    return folder


def _compile(source: Path, compiled: Path) -> None:
    compiled.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as text:
        catalogue = read_po(text)
    handle, half = tempfile.mkstemp(dir=compiled.parent)
    with os.fdopen(handle, "wb") as binary:
        write_mo(binary, catalogue)
    Path(half).chmod(0o644)
    Path(half).replace(compiled)
