"""The sign-in page, and signing out."""

from uuid import UUID

from flask import Blueprint, Response, redirect, request, session, url_for
from flask_login import current_user, login_user, logout_user
from werkzeug.wrappers import Response as BaseResponse

from app.access.guards import public, require
from app.access.permissions import Permission
from app.accounts import service
from app.accounts.forms import SignInForm, local_path
from app.web.htmx import render, see_other

sign_in = Blueprint("sign_in", __name__)


@sign_in.get("/login")
@public
def new() -> BaseResponse:
    """The form; whoever is signed in already goes on."""
    onward = local_path(request.args.get("next"))
    if current_user.is_authenticated:
        return redirect(onward or url_for("overview.index"))
    return render("sign_in/new.html", form=SignInForm(data={"next": onward}))


@sign_in.post("/login")
@public
def create() -> BaseResponse:
    """Sign in, into a session that nobody knew before."""
    form = SignInForm(request.form)
    if not form.validate():
        return render("sign_in/new.html", form=form, status=422)
    try:
        user = service.sign_in(
            form.email.data,
            form.password.data,
            address=(request.remote_addr or "")[:45],
            user_agent=request.user_agent.string,
            replacing=_sign_in_id(),
        )
    except service.SignInRefused as refusal:
        return _refused(form, refusal)
    session.clear()
    login_user(user)
    return see_other(form.next.data or url_for("overview.index"))


@sign_in.post("/logout")
@require(Permission.ACCOUNT_MANAGE)
def delete() -> BaseResponse:
    """Sign out; a copy of the cookie is worth nothing afterwards."""
    service.sign_out(by=current_user)
    logout_user()
    session.clear()
    return see_other(url_for("sign_in.new"))


def _sign_in_id() -> UUID | None:
    sign_in_id: UUID | None = current_user.sign_in.id if current_user.is_authenticated else None
    return sign_in_id


def _refused(form: SignInForm, refusal: service.SignInRefused) -> Response:
    response = render("sign_in/new.html", form=form, problem=refusal.message, status=refusal.status)
    if isinstance(refusal, service.SignInThrottled):
        response.headers["Retry-After"] = str(refusal.retry_after)
    return response
