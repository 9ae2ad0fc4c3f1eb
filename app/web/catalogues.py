"""Keeping the Korean catalogue in step with the code, and finding what still lacks its Korean."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import click
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

#: The names that mark a message: those of gettext, our shorts for them, and `N_`, which only marks.
KEYWORDS = {
    "_": None,
    "_l": None,
    "N_": None,
    "gettext": None,
    "lazy_gettext": None,
    "ngettext": (1, 2),
    "lazy_ngettext": (1, 2),
}

#: Where messages are looked for, below a checkout.
_SOURCES = (("app", "**.py", "python"), ("templates", "**.html", "jinja2"))

#: A date that stands still, so that a catalogue changes only when its messages do.
_DATE = datetime(2026, 11, 1, tzinfo=UTC)

KOREAN = Path("app/translations/ko/LC_MESSAGES/messages.po")

_CHECKOUT = Path(__file__).parents[2]


@click.command()
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
def translate(files: tuple[Path, ...]) -> None:
    """Bring the Korean catalogue in step with the code. FILES hold new Korean as JSON: {message: Korean}."""
    korean: dict[str, str] = {}
    for file in files:
        korean |= json.loads(file.read_text("utf-8"))
    missing = update_catalogue(_CHECKOUT, korean)
    for message in missing:
        click.echo(message)
    click.echo(f"{len(missing)} messages lack their Korean.")


def extract_messages(checkout: Path) -> Catalog:
    """Every message of the code and the templates, with the files it stands in."""
    catalogue = _new_catalogue()
    for folder, pattern, method in _SOURCES:
        found = extract_from_dir(checkout / folder, [(pattern, method)], keywords=KEYWORDS)
        for filename, _line, message, _comments, context in found:
            catalogue.add(message, locations=[(f"{folder}/{filename}", 1)], context=context)
    return catalogue


def read_catalogue(checkout: Path) -> Catalog:
    """The Korean catalogue as it is committed; an empty one where there is none yet."""
    path = checkout / KOREAN
    if not path.exists():
        return _new_catalogue()
    with path.open("rb") as text:
        return read_po(text, locale="ko")


def update_catalogue(checkout: Path, korean: Mapping[str, str]) -> list[str]:
    """Write the Korean catalogue anew and answer the messages that still lack Korean.

    `korean` holds translations by message (by its singular where it counts); a message the code no
    longer has goes, and what the catalogue knows already stays unless `korean` says otherwise.
    """
    known, catalogue = read_catalogue(checkout), extract_messages(checkout)
    for message in catalogue:
        if message.id:
            singular, *_plural = _texts(message.id)
            before = known[message.id].string if message.id in known else ""
            text = korean.get(singular) or _texts(before)[0]
            message.string = (text,) if message.pluralizable else text
    path = checkout / KOREAN
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as binary:
        write_po(binary, catalogue, width=110, sort_output=True, include_lineno=False)
    return missing_korean(catalogue)


def missing_korean(catalogue: Catalog) -> list[str]:
    """The messages of a catalogue that have no translation."""
    return [str(message.id) for message in catalogue if message.id and not all(_texts(message.string))]


def _texts(string: object) -> tuple[str, ...]:
    return tuple(string) if isinstance(string, tuple | list) else (str(string or ""),)


def _new_catalogue() -> Catalog:
    return Catalog(
        locale="ko",
        header_comment="# The Korean of Portico. `flask translate` keeps it in step with the code.",
        project="Portico",
        msgid_bugs_address="the issues of this repository",
        version="1",
        creation_date=_DATE,
        revision_date=_DATE,
        last_translator="Portico",
        language_team="Korean",
        fuzzy=False,
    )
