"""One's own second factor: set it, see how many recovery codes are left, take it away."""

import segno
from flask import Blueprint, Response, flash, redirect, request, url_for
from flask_babel import gettext as _
from flask_login import current_user
from werkzeug.wrappers import Response as BaseResponse

from app.access.guards import require
from app.access.permissions import Permission
from app.accounts import second_factor as factor
from app.accounts import service
from app.accounts.forms import ConfirmationForm, SetUpForm
from app.settings import service as settings
from app.web.htmx import render, see_other

second_factor = Blueprint("second_factor", __name__)

#: What can be reached by somebody who still has to set one.
_OPEN = frozenset({"second_factor", "sign_in", "assets", "static", "bootstrap", "health", "endpoint", "api"})


@second_factor.before_app_request
def lead_to_the_set_up() -> BaseResponse | None:
    """Whose role needs a second factor sets one before they see anything else."""
    if request.blueprint in _OPEN or request.endpoint in _OPEN or not current_user.is_authenticated:
        return None
    if current_user.has_second_factor or not settings.value_of(f"second_factor_{current_user.role}"):
        return None
    return redirect(url_for("second_factor.show"))


@second_factor.get("/account/second-factor")
@require(Permission.ACCOUNT_MANAGE)
def show() -> Response:
    """The QR code to set one, or what there is."""
    return _page(SetUpForm())


@second_factor.post("/account/second-factor")
@require(Permission.ACCOUNT_MANAGE)
def create() -> Response:
    """Set it, once a code shows that the app has the secret; the recovery codes are shown this once."""
    form = SetUpForm(request.form)
    if not form.validate():
        return _page(form, status=422)
    try:
        service.confirm_password(form.password.data, by=current_user, address=_address())
        codes = factor.confirm_setup(form.code.data, by=current_user)
    except service.SignInRefused as refusal:
        form.password.errors = [refusal.message]
        return _page(form, status=refusal.status)
    except factor.CodeRefused as refusal:
        form.code.errors = [refusal.message]
        return _page(form, status=refusal.status)
    return render("second_factor/codes.html", codes=codes)


@second_factor.post("/account/second-factor/delete")
@require(Permission.ACCOUNT_MANAGE)
def delete() -> BaseResponse:
    """Take it away, for whoever knows the password."""
    form = ConfirmationForm(request.form)
    try:
        if not form.validate():
            return _page(SetUpForm(), confirmation=form, status=422)
        service.confirm_password(
            form.password.data, by=current_user, address=(request.remote_addr or "")[:45]
        )
    except service.SignInRefused as refusal:
        form.password.errors = [refusal.message]
        return _page(SetUpForm(), confirmation=form, status=refusal.status)
    factor.take_away(current_user.id, by=current_user)
    flash(_("The second factor is taken away."), "success")
    return see_other(url_for("accounts.show"))


def _page(form: SetUpForm, *, confirmation: ConfirmationForm | None = None, status: int = 200) -> Response:
    if current_user.has_second_factor:
        return render(
            "second_factor/show.html",
            status=status,
            form=confirmation or ConfirmationForm(),
            codes_left=factor.count_recovery_codes(current_user.id),
        )
    secret = factor.begin_setup(by=current_user)
    uri = factor.provisioning_uri(secret, email=current_user.email)
    picture = segno.make(uri, error="m").svg_data_uri(scale=5, border=2, light="#fff")
    return render("second_factor/new.html", status=status, form=form, secret=secret, picture=picture)


def _address() -> str:
    return (request.remote_addr or "")[:45]
