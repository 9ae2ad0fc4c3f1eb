"""The language of a page, and the catalogues it is translated from."""

import hashlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from flask import Flask, g, has_request_context, request
from flask_babel import Domain, get_locale
from flask_login import current_user
from markupsafe import Markup, escape
from sqlalchemy.exc import SQLAlchemyError

from app.extensions import babel

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
    """The language of the page being made: `ko` or `en`.

    A list asks for it hundreds of times, and `get_locale` looks at the context four times for each.
    """
    try:  # what it has settled on before
        locale = g._get_current_object()._flask_babel.babel_locale
    except (AttributeError, RuntimeError):
        locale = get_locale()
    return str(locale.language) if locale else LANGUAGES[0]


class Catalogues(Domain):
    """The messages of Portico, whose catalogue is looked for once a language and not for each of them."""

    def __init__(self) -> None:
        super().__init__()
        self._found: dict[str, Any] = {}

    def get_translations(self) -> Any:
        """The catalogue of the page's language."""
        language = page_language()
        if language not in self._found:
            self._found[language] = super().get_translations()
        return self._found[language]


class Sentences:
    """The sentences of templates, each found once a language.

    They are markup, and what is put into them is escaped, as Jinja's own gettext does it.
    """

    def __init__(self, catalogues: Catalogues) -> None:
        self._catalogues = catalogues
        self._plain: dict[tuple[str, str], Markup] = {}

    def gettext(self, message: str, **variables: Any) -> Markup:
        """A sentence in the language of the page."""
        if variables:
            return _filled(self._catalogues.get_translations().ugettext(message), variables)
        key = page_language(), message
        if key not in self._plain:
            self._plain[key] = _filled(self._catalogues.get_translations().ugettext(message), {})
        return self._plain[key]

    def ngettext(self, singular: str, plural: str, num: int, **variables: Any) -> Markup:
        """A sentence that counts."""
        found = self._catalogues.get_translations().ungettext(singular, plural, num)
        return _filled(found, {"num": num, **variables})


def _filled(sentence: str, variables: Mapping[str, Any]) -> Markup:
    """A sentence with its variables: numbers stay what they are, `%(count)d` wants them so."""
    numbers = (int, float)
    safe = {name: value if isinstance(value, numbers) else escape(value) for name, value in variables.items()}
    return Markup(sentence % safe)  # noqa: S704 - the sentence is ours, and all else is escaped


def speed_up_gettext(app: Flask) -> None:
    """Have messages and templates translated by what remembers: a list has hundreds of words."""
    babel.domain_instance = catalogues = Catalogues()
    sentences = Sentences(catalogues)
    app.jinja_env.globals.update(_=sentences.gettext, gettext=sentences.gettext, ngettext=sentences.ngettext)


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
