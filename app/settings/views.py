"""The settings page: a form for each section."""

from typing import Any

from flask import Blueprint, flash, request, url_for
from flask_babel import gettext as _
from flask_login import current_user

from app.access.guards import require
from app.access.permissions import Permission
from app.errors import DomainError, NotFound
from app.settings.sections import Section, find_section, list_sections
from app.settings.service import SettingsMoved, SettingsRefused
from app.web.htmx import render, see_other

settings = Blueprint("settings", __name__)


@settings.get("/settings")
@require(Permission.SETTINGS_MANAGE)
def show() -> Any:
    """Everything a super admin decides for everybody."""
    return _page()


@settings.post("/settings")
@require(Permission.SETTINGS_MANAGE)
def update() -> Any:
    """Save one section; the others stay as they are stored."""
    section = find_section(request.form.get("section", ""))
    if section is None:
        raise NotFound(_("There is no such section of the settings."))
    form = section.form(request.form)
    if not form.validate():
        return _page(section, form, status=422)
    try:
        has_changed = section.save(form, by=current_user)
    except SettingsRefused as refusal:
        form.blame(refusal.problems)
        return _page(section, form, status=refusal.status)
    except SettingsMoved as refusal:
        form.seen.data = section.form().seen.data
        return _page(section, form, status=refusal.status, refusal=refusal)
    flash(_("Saved.") if has_changed else _("Nothing was different."), "success")
    return see_other(url_for("settings.show", _anchor=section.name))


def _page(
    posted: Section | None = None,
    form: Any = None,
    *,
    status: int = 200,
    refusal: DomainError | None = None,
) -> Any:
    """The page, with what was typed into the section that was posted."""
    name = posted.name if posted else None
    parts = [(each, form if each.name == name else each.form()) for each in list_sections()]
    return render("settings/show.html", parts=parts, posted=name, refusal=refusal, status=status)
