"""One's own account: language, theme, password, signed-in sessions."""

from uuid import UUID

from flask import Blueprint, Response, current_app, flash, request, url_for
from flask_babel import get_locale, refresh
from flask_babel import gettext as _
from flask_login import current_user, login_user
from werkzeug.wrappers import Response as BaseResponse

from app.access.guards import require
from app.access.permissions import Permission
from app.accounts import queries, service
from app.accounts.browsers import browser_of
from app.accounts.forms import LanguageForm, PasswordForm, ThemeForm
from app.accounts.limits import LIMITS, limits_of
from app.errors import DomainError
from app.web.htmx import render, see_other

accounts = Blueprint("accounts", __name__)

_YEAR = 365 * 24 * 60 * 60


@accounts.get("/account")
@require(Permission.ACCOUNT_MANAGE)
def show() -> Response:
    """The account of the person signed in."""
    return _page(PasswordForm())


@accounts.post("/account/language")
@require(Permission.ACCOUNT_MANAGE)
def update_language() -> BaseResponse:
    """Read Portico in another language from here on."""
    form = LanguageForm(request.form)
    if not form.validate():
        raise DomainError(form.first_error or "", status=422)
    service.set_language(form.language.data, by=current_user)
    refresh()
    return see_other(form.next.data or url_for("accounts.show"))


@accounts.post("/account/theme")
@require(Permission.ACCOUNT_MANAGE)
def update_theme() -> BaseResponse:
    """Light, dark, or like the system: this browser's choice, kept in a cookie of its own."""
    form = ThemeForm(request.form)
    if not form.validate():
        raise DomainError(form.first_error or "", status=422)
    response = see_other(form.next.data or url_for("accounts.show"))
    response.set_cookie(
        current_app.config["THEME_COOKIE_NAME"],
        form.theme.data,
        max_age=_YEAR,
        samesite="Lax",
        secure=_is_https(),
    )
    return response


@accounts.post("/account/password")
@require(Permission.ACCOUNT_MANAGE)
def update_password() -> BaseResponse:
    """Change one's password; every other session ends."""
    form = PasswordForm(request.form)
    if not form.validate():
        return _page(form, status=422)
    try:
        user = service.change_password(
            form.current_password.data,
            form.new_password.data,
            by=current_user,
            address=(request.remote_addr or "")[:45],
        )
    except service.SignInThrottled as refusal:
        form.current_password.errors = [refusal.message]
        return _page(form, status=refusal.status)
    except service.SignInRefused as refusal:
        form.current_password.errors = [_("This is not your current password.")]
        return _page(form, status=refusal.status)
    login_user(user)
    flash(_("Your password is changed. Every other session has been signed out."), "success")
    return see_other(url_for("accounts.show"))


@accounts.post("/account/sign-ins/<uuid:sign_in_id>/end")
@require(Permission.ACCOUNT_MANAGE)
def end_sign_in(sign_in_id: UUID) -> BaseResponse:
    """Sign out another browser, or this one."""
    service.end_sign_in(sign_in_id, by=current_user)
    flash(_("The session has been signed out."), "success")
    return see_other(url_for("accounts.show"))


def _page(form: PasswordForm, *, status: int = 200) -> Response:
    return render(
        "accounts/show.html",
        form=form,
        language_form=LanguageForm(data={"language": str(get_locale())}),
        sign_ins=queries.list_live_sign_ins(current_user.id),
        browser_of=browser_of,
        limits={name: limits_of(current_user, name) for name in LIMITS},
        status=status,
    )


def _is_https() -> bool:
    return bool(current_app.config["SETTINGS"].is_https)
