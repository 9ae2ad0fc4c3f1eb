"""The sections of the settings page: those of the catalogue, and those that domains above add."""

from typing import Any, Protocol

from app.audit.service import Actor
from app.settings import service
from app.settings.catalogue import CATALOGUE, SECTIONS
from app.settings.forms import SettingsForm, form_for


class Section(Protocol):
    """A part of the page with one form, which has a hidden `seen`; `template` shows the rest of it."""

    name: str
    template: str

    @property
    def title(self) -> str: ...

    def form(self, formdata: Any = None) -> Any:
        """The form as things are now, with what was typed over it."""

    def save(self, form: Any, *, by: Any) -> bool:
        """Carry out a valid form; whether anything changed. Commits. Raises `DomainError`.

        What a `SettingsRefused` has to say of a field is put beside it by the page.
        """


class CatalogueSection:
    """The settings that the catalogue lists under one section."""

    template = "settings/_settings.html"

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def title(self) -> str:
        """The heading, in the person's language."""
        return str(SECTIONS[self.name])

    def form(self, formdata: Any = None) -> SettingsForm:
        """The settings as they are stored, with what was typed over them."""
        names = [setting.name for setting in CATALOGUE.values() if setting.section == self.name]
        return form_for(self.name, formdata, values=service.values(), seen=service.fingerprint(names))

    def save(self, form: SettingsForm, *, by: Actor) -> bool:
        """Change the settings that differ."""
        return bool(service.change(form.wanted(), by=by, seen=form.seen.data))


#: Sections of other domains, by the section of the catalogue that each stands below.
_added: dict[str, list[Section]] = {}


def add_section(section: Section, *, below: str) -> None:
    """Add a section of another domain below one of the catalogue."""
    known = _added.setdefault(below, [])
    if section.name not in {each.name for each in known}:
        known.append(section)


def list_sections() -> list[Section]:
    """Every section, in the order of the page; one of the catalogue without settings is left out."""
    filled = {setting.section for setting in CATALOGUE.values()}
    return [
        section
        for name in SECTIONS
        for section in (*([CatalogueSection(name)] if name in filled else ()), *_added.get(name, ()))
    ]


def find_section(name: str) -> Section | None:
    """The section with this name."""
    return next((section for section in list_sections() if section.name == name), None)
